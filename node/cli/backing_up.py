"""`backup`, `restore`, `verify-backup`: a node copied, while it serves or rests, and started again elsewhere."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.connection import DEFAULT_DATA, AddressOption, ApiKeyOption, DataOption, connected
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json

if TYPE_CHECKING:
    from cluster.backup import Backup

NODE_FILE = "node.json"
# A large archive takes its time to copy, and more to be read again.
_PATIENCE_S = 24 * 3600.0

JournalOption = Annotated[
    str | None, typer.Option("--journal", envvar="BREAKWATER_JOURNAL", help="postgresql://... where it is not a file.")
]
SnapshotsOption = Annotated[
    str | None,
    typer.Option("--snapshots", envvar="BREAKWATER_SNAPSHOTS", help="URL of the snapshots, if not in the directory."),
]


def backup(
    to: Annotated[Path, typer.Option("--to", help="Directory to make, on the machine of the node.")],
    offline: Annotated[bool, typer.Option("--offline", help="No node runs: copy its data directory.")] = False,
    journal: JournalOption = None,
    snapshots: SnapshotsOption = None,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Copy journal, snapshot, archive and keys of a node, running or not, and check the copy."""
    target = to.absolute()
    if address is None and not offline and not (data / NODE_FILE).exists():
        raise Refusal(
            f"no node says that it runs on {data}: give --address, or --offline to copy its files", EXIT_USAGE
        )
    if offline:
        made = asdict(_copy(data, journal, snapshots, target))
        facts = {name: made[name] for name in ("height", "snapshot_height", "bytes")}
    else:
        from breakwater.v1 import admin_pb2

        with connected(address, api_key, data) as client:
            answer = client.admin.Backup(admin_pb2.BackupRequest(directory=str(target)), timeout=_PATIENCE_S)
        facts = {"height": answer.height, "snapshot_height": answer.snapshot_height, "bytes": answer.bytes}
    _say("Backup", {"directory": str(target), **facts}, as_json)


def restore(
    directory: Annotated[Path, typer.Argument(metavar="BACKUP", help="A directory that `backup` made.")],
    data: DataOption = DEFAULT_DATA,
    journal: JournalOption = None,
    snapshots: SnapshotsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a data directory from a backup; with --journal the frames go into that stream. Start a node on it then."""
    from cluster.backup import fill_stream
    from cluster.backup import restore as run
    from cluster.snapshots import SnapshotStore

    fill = fill_stream(journal) if journal is not None else None
    made = run(directory, data, fill, SnapshotStore(snapshots) if snapshots is not None else None)
    _say("Restored", {"data_dir": str(data), **_shown(made)}, as_json)


def verify_backup(
    directory: Annotated[Path, typer.Argument(metavar="BACKUP", help="A directory that `backup` made.")],
    as_json: JsonOption = False,
) -> None:
    """Read every byte of a backup: its files' hashes, the chain of its journal, its snapshot."""
    from cluster.backup import verify_backup as run

    _say("The backup is whole", {"directory": str(directory), **_shown(run(directory))}, as_json)


def _copy(data: Path, journal: str | None, snapshots: str | None, target: Path) -> "Backup":
    from contextlib import closing

    from cluster.backup import back_up
    from cluster.journal import open_reader
    from cluster.snapshots import SnapshotStore
    from cluster.stores import SNAPSHOTS
    from node.guards.dev_keys import PRIVATE_FILES

    with closing(open_reader(journal, data)) as reader:
        return back_up(reader, SnapshotStore(snapshots or data / SNAPSHOTS), data, target, PRIVATE_FILES)


def _shown(made: "Backup") -> dict[str, Any]:
    facts = asdict(made)
    facts.pop("hash")
    return facts


def _say(title: str, facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        put_json(facts)
    else:
        put_facts(title, [(name.replace("_", " "), str(value)) for name, value in facts.items()])
