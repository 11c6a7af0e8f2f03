"""A node copied while it serves or rests, checked, restored, and started on the copy."""

import json
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from breakwater.v1 import admin_pb2
from cluster.audit import audit
from cluster.backup import MANIFEST, BackupError, Fill, back_up, fill_stream, restore, verify_backup
from cluster.journal import Frame, FramesPruned, ReadableJournal, SqliteJournal, Tip, open_read_only, open_reader
from cluster.snapshots import SnapshotStore
from cluster.validation import load_or_make_key
from node.client import Client
from node.guards.key_file import KEYS_NAME
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, ClientOf, config_of
from tests.api.refusing import refusal_of
from tests.cli.running import breakwater, only_object
from tests.postgresql_server import server

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a node that served while it was taken; the rest of its story is in the tests below."""
    folder = tmp_path_factory.mktemp("kept")
    node = NodeServer(config_of(folder / "data", snapshot_every=20))
    node.start()
    try:
        with Client(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
            account = client.open_account()
            for _ in range(100):
                client.deposit(account, 1)
            copy(client, folder / "backup")
            client.deposit(account, 1_000)
    finally:
        node.stop()
    return folder / "backup"


def copy(client: Client, directory: Path) -> admin_pb2.BackupResponse:
    """A backup over the API."""
    answer: admin_pb2.BackupResponse = client.admin.Backup(
        admin_pb2.BackupRequest(directory=str(directory)), timeout=PATIENCE_S
    )
    return answer


def started(data_dir: Path) -> NodeServer:
    """A node on a restored directory."""
    node = NodeServer(config_of(data_dir))
    node.start()
    return node


def test_a_backup_has_everything_a_node_is_made_of(kept: Path) -> None:
    backup = verify_backup(kept)
    assert backup.height > backup.snapshot_height >= 20
    assert backup.snapshot_height <= backup.archive_height <= backup.height
    names = {path.name for path in kept.iterdir()}
    assert {
        "journal.sqlite",
        "archive.sqlite",
        "archive",
        "snapshots",
        "validator.key",
        "keys.json",
        "dev_keys.json",
    } <= names
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    for name in ("validator.key", "keys.json", "dev_keys.json"):
        assert stat.S_IMODE((kept / name).stat().st_mode) == 0o600
    assert not [path for path in kept.parent.iterdir() if path.name.startswith(".")]


def test_a_restored_node_goes_on_with_a_higher_epoch(kept: Path, tmp_path: Path) -> None:
    data = tmp_path / "again"
    backup = restore(kept, data)
    with closing(open_read_only(kept)) as journal:
        epoch = journal.tip().epoch
    node = started(data)
    try:
        with Client(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
            assert client.account(1).free_atoms == 100
            assert client.status().epoch > epoch
            assert client.deposit(1, 2).height > backup.height
            assert client.validator_key() == load_or_make_key(kept).public_key
    finally:
        node.stop()
    report = audit(data)
    assert report.ok and report.heights > backup.height


def test_blocks_go_on_while_a_backup_is_taken(node: NodeServer, dev: Client, tmp_path: Path) -> None:
    account = dev.open_account()
    with ThreadPoolExecutor(1) as threads:
        begun = dev.status().height
        copying = threads.submit(copy, dev, tmp_path / "copy")
        dev.deposit(account, 1)
        while not copying.done():
            dev.deposit(account, 1)
        taken = copying.result(PATIENCE_S)
    assert taken.height <= dev.status().height
    assert dev.status().height > begun
    assert verify_backup(tmp_path / "copy").height == taken.height
    assert audit(tmp_path / "copy").ok


def test_what_was_opened_after_the_keys_were_copied_has_its_owner(tmp_path: Path) -> None:
    node = NodeServer(config_of(tmp_path / "data"))
    node.start()
    try:
        trader = node.dev_keys["trader"]
        with Client(node.address, trader, TIMEOUT_S) as client:
            before = (tmp_path / "data" / KEYS_NAME).read_bytes()
            account = client.open_account()
        with Client(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
            copy(client, tmp_path / "backup")
    finally:
        node.stop()
    restore(tmp_path / "backup", tmp_path / "again")
    (tmp_path / "again" / KEYS_NAME).write_bytes(before)
    node = started(tmp_path / "again")
    try:
        with Client(node.address, trader, TIMEOUT_S) as client:
            assert client.account(account).exists
    finally:
        node.stop()


def test_only_an_admin_may_take_one(client_of: ClientOf, tmp_path: Path) -> None:
    assert refusal_of(lambda: copy(client_of("market_operator"), tmp_path / "copy")).name == "NOT_ALLOWED"


def test_a_place_that_is_taken_is_refused(dev: Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(grpc.RpcError, match="exists and is not an empty directory") as caught:
            copy(dev, place)
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal_of(lambda: copy(dev, Path("somewhere"))).name == "MALFORMED"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("journal.sqlite", "journal.sqlite is not the file that was written"),
        ("keys.json", "keys.json is not the file that was written"),
        (MANIFEST, "cannot be read"),
    ],
)
def test_a_flipped_bit_is_found(kept: Path, tmp_path: Path, file: str, complaint: str) -> None:
    damaged = restored_as_backup(kept, tmp_path)
    content = bytearray((damaged / file).read_bytes())
    content[len(content) // 2 if file != MANIFEST else 0] ^= 0x10
    (damaged / file).write_bytes(content)
    with pytest.raises(BackupError, match=complaint):
        verify_backup(damaged)
    with pytest.raises(BackupError):
        restore(damaged, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def restored_as_backup(kept: Path, tmp_path: Path) -> Path:
    """A copy of a backup to be damaged."""
    return Path(shutil.copytree(kept, tmp_path / "damaged"))


def test_a_missing_file_is_found(kept: Path, tmp_path: Path) -> None:
    damaged = restored_as_backup(kept, tmp_path)
    (damaged / "validator.key").unlink()
    with pytest.raises(BackupError, match=r"validator\.key of the backup is missing"):
        verify_backup(damaged)
    with pytest.raises(BackupError, match="is no backup"):
        verify_backup(tmp_path)


def test_a_manifest_cannot_point_elsewhere(kept: Path, tmp_path: Path) -> None:
    damaged = restored_as_backup(kept, tmp_path)
    content = json.loads((damaged / MANIFEST).read_text())
    (tmp_path / "outside").write_text("x")
    content["blake3"]["../outside"] = content["blake3"]["keys.json"]
    (damaged / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(BackupError, match=r"\.\./outside of the backup is missing"):
        verify_backup(damaged)


def test_the_command_line_copies_restores_and_checks(node: NodeServer, tmp_path: Path) -> None:
    data, api_key = node.config.data_dir, node.dev_keys["dev"]
    live = only_object(breakwater("backup", "--to", tmp_path / "live", "--data", data, "--api-key", api_key, "--json"))
    assert live["height"] >= 1 and live["directory"] == str(tmp_path / "live")
    offline = breakwater("backup", "--offline", "--to", tmp_path / "off", "--data", data)
    assert offline.exit_code == 1 and "is in use by" in offline.stderr
    restored = only_object(breakwater("restore", tmp_path / "live", "--data", tmp_path / "again", "--json"))
    assert restored["height"] == live["height"]
    again = only_object(
        breakwater("backup", "--offline", "--to", tmp_path / "second", "--data", tmp_path / "again", "--json")
    )
    assert {name: again[name] for name in ("height", "snapshot_height")} == {
        name: live[name] for name in ("height", "snapshot_height")
    }
    checked = breakwater("verify-backup", tmp_path / "second")
    assert checked.exit_code == 0 and "The backup is whole" in checked.stdout
    nobody = breakwater("backup", "--to", tmp_path / "third", "--data", tmp_path / "again")
    assert nobody.exit_code == 2 and "--offline" in nobody.stderr


def test_what_was_pruned_needs_its_snapshot(kept: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    backup = restore(kept, data)
    with closing(SqliteJournal.open(data, holder="a test")) as journal:
        journal.take_lease()
        journal.cut_before(backup.snapshot_height + 1)
    command = ("backup", "--offline", "--data", data, "--json", "--to")
    pruned = only_object(breakwater(*command, tmp_path / "pruned"))
    assert verify_backup(tmp_path / "pruned").start_height == backup.snapshot_height == pruned["snapshot_height"]
    node = started(restored_data(tmp_path))
    try:
        with Client(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
            assert client.account(1).free_atoms == 100
    finally:
        node.stop()
    shutil.rmtree(data / "snapshots")
    refused = breakwater(*command, tmp_path / "nothing")
    assert refused.exit_code == 1 and "take a snapshot first" in refused.stderr


class PrunedMeanwhile:
    """A journal that is pruned while it is read for the first time."""

    def __init__(self, reader: ReadableJournal) -> None:
        self._reader = reader
        self.read = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)

    def frames(self) -> Iterator[Frame]:
        """Ends in the middle of the first reading."""
        self.read += 1
        for frame in self._reader.frames():
            if self.read == 1 and frame.height == 5:
                raise FramesPruned(5, 10)
            yield frame


def test_a_journal_that_is_pruned_meanwhile_is_copied_again(kept: Path, tmp_path: Path) -> None:
    with closing(open_read_only(kept)) as reader:
        journal = PrunedMeanwhile(reader)
        made = back_up(journal, SnapshotStore(kept / "snapshots"), kept, tmp_path / "copy", ())
    assert (journal.read, made.height) == (2, verify_backup(kept).height)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def restored_data(tmp_path: Path) -> Path:
    """The pruned backup, restored."""
    restore(tmp_path / "pruned", tmp_path / "from-pruned")
    return tmp_path / "from-pruned"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A database of its own on a private server."""
    with server() as running:
        yield running.new_database()


def test_a_backup_is_restored_into_postgresql(kept: Path, tmp_path: Path, database: str) -> None:
    url = f"{database}&stream=restored" if "?" in database else f"{database}?stream=restored"
    with pytest.raises(RuntimeError, match="the machine went away"):
        restore(kept, tmp_path / "data", _broken_off(url))
    assert not (tmp_path / "data").exists()
    backup = restore(kept, tmp_path / "data", fill_stream(url), SnapshotStore(tmp_path / "elsewhere"))
    assert not (tmp_path / "data" / "journal.sqlite").exists()
    with closing(open_reader(url, tmp_path / "data")) as journal:
        assert journal.verify().hash.hex() == backup.hash
    config = config_of(tmp_path / "data", journal=url, snapshots=str(tmp_path / "elsewhere"))
    node = NodeServer(config)
    node.start()
    try:
        with Client(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
            assert client.account(1).free_atoms == 100
            assert (client.status().journal, client.status().snapshot_height) == ("postgresql", backup.snapshot_height)
    finally:
        node.stop()
    with pytest.raises(BackupError, match="holds another journal"):
        restore(_another(tmp_path), tmp_path / "other", fill_stream(url))


def _broken_off(url: str) -> Fill:
    """A restore that dies after some frames."""

    def fill(frames: Iterator[Frame], start: Tip) -> Tip:
        def some() -> Iterator[Frame]:
            for count, frame in enumerate(frames):
                if count == 70:
                    raise RuntimeError("the machine went away")
                yield frame

        return fill_stream(url)(some(), start)

    return fill


def _another(tmp_path: Path) -> Path:
    """A backup of another node."""
    node = NodeServer(config_of(tmp_path / "elsewhere"))
    node.start()
    try:
        with Client(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
            client.open_account()
            copy(client, tmp_path / "another")
    finally:
        node.stop()
    return tmp_path / "another"
