"""`prune`, `export`: the beginning of a journal cut off behind a snapshot; what happened, as Parquet for anybody."""

import os
import socket
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from node.cli.backing_up import JournalOption, SnapshotsOption
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_aside, put_facts, put_json

StoppedArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Data directory of a node that is not running.")]


def prune(
    directory: StoppedArgument,
    keep_blocks: Annotated[int, typer.Option(min=1, help="Blocks that stay in any case.")] = 1_000,
    archive: Annotated[
        Path | None, typer.Option(help="Directory for Parquet files of what is removed; without it, it is gone.")
    ] = None,
    journal: JournalOption = None,
    snapshots: SnapshotsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the frames below the oldest whole snapshot from a journal. Nothing goes while no snapshot verifies."""
    require_directory(directory)
    from cluster.journal import GENESIS_TIP, open_reader
    from cluster.pruning import prune as run
    from cluster.stores import DirectoryStores

    open_reader(journal, directory).close()  # there has to be one: opening to write would make it
    holder = f"prune, pid {os.getpid()} on {socket.gethostname()}"
    stores = DirectoryStores(directory, holder, put_aside, journal_url=journal, snapshots_url=snapshots)
    newest = stores.snapshots.latest()
    with closing(stores.open_journal(newest.place if newest else GENESIS_TIP)) as opened:
        opened.take_lease()
        done = run(opened, stores.snapshots, keep_blocks, archive)
    facts = {
        "frames": done.frames,
        "begins_at": done.start_height + 1,
        "snapshot_height": done.snapshot_height,
        "files": [str(path) for path in done.files],
        "kept_because": done.kept_because,
    }
    if as_json:
        put_json(facts)
        return
    rows = [
        ("removed", f"{done.frames:,} frames"),
        ("begins at", f"height {done.start_height + 1:,}"),
        ("snapshot", f"of height {done.snapshot_height:,}, read and whole" if done.snapshot_height else "none"),
        *(("archived", str(path)) for path in done.files),
        *([("kept", done.kept_because)] if done.kept_because else []),
    ]
    put_facts(f"Pruned the journal of {directory}", rows)


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Data directory of a node, running or not.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to make, for Parquet files and a list of them.")],
    blocks_per_file: Annotated[int, typer.Option(min=1, help="Heights a file.")] = 10_000,
    as_json: JsonOption = False,
) -> None:
    """Write headers, events and outcomes as Parquet, in ranges of heights; prints counts and hashes."""
    require_directory(directory)
    from cluster.archive import ARCHIVE_NAME, Archive
    from cluster.archive_export import export as run

    if not (directory / ARCHIVE_NAME).exists():
        raise Refusal(f"{directory}: there is no archive in it", EXIT_USAGE)
    with closing(Archive(directory, is_owner=False)) as archive:
        made = run(archive, out, blocks_per_file)
    facts = {
        "out": str(out),
        "first_height": made.first_height,
        "last_height": made.last_height,
        "last_header_hash": made.last_header_hash,
        "headers": made.headers,
        "events": made.events,
        "outcomes": made.outcomes,
        "files": {file.path: {"rows": file.rows, "blake3": file.blake3} for file in made.files},
    }
    if as_json:
        put_json(facts)
        return
    rows = [
        ("heights", f"{made.first_height:,} to {made.last_height:,}"),
        ("rows", f"{made.headers:,} headers, {made.events:,} events, {made.outcomes:,} outcomes"),
        ("last header", made.last_header_hash),
        *((file.path, f"{file.rows:,} rows, blake3 {file.blake3}") for file in made.files),
    ]
    put_facts(f"Exported {directory} into {out}", rows)


def require_directory(directory: Path) -> None:
    """Ends the command where there is no such directory."""
    if not directory.is_dir():
        raise Refusal(f"{directory}: no such directory", EXIT_USAGE)
