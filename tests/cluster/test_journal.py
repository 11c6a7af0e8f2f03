"""The journal: what was acknowledged is there or the node does not start; a former writer can never append."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cluster.journal import (
    GENESIS_HASH,
    GENESIS_TIP,
    Frame,
    FrameNotAppended,
    HeightOutOfOrder,
    JournalWriter,
    LeaseHeld,
    OutcomeUnknown,
    SqliteJournal,
    StoreFailed,
    Tip,
    frame_hash,
    open_read_only,
)
from cluster.journal.sqlite import connect_writer
from tests.cluster.journal_cases import ROOT, crash, extend, fill, opened, opened_and_read


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    made = opened(tmp_path)
    made.take_lease()
    yield made
    made.close()


# Frames and the chain


def test_a_frame_hash_covers_every_field() -> None:
    base = (3, 2, GENESIS_HASH, b"payload")
    hashes = {frame_hash(*base)}
    hashes |= {frame_hash(4, 2, GENESIS_HASH, b"payload"), frame_hash(3, 1, GENESIS_HASH, b"payload")}
    hashes |= {frame_hash(3, 2, bytes(32), b"payload"), frame_hash(3, 2, GENESIS_HASH, b"payloae")}
    assert len(hashes) == 5
    for wrong in [(0, 2, GENESIS_HASH, b""), (1 << 63, 2, GENESIS_HASH, b""), (1, -1, GENESIS_HASH, b"")]:
        with pytest.raises(ValueError, match="out of range"):
            frame_hash(*wrong)
    with pytest.raises(ValueError, match="31 bytes"):
        frame_hash(1, 1, GENESIS_HASH[:-1], b"")


# Fencing


def test_a_second_process_is_refused_at_once_and_told_by_whom(journal: SqliteJournal, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from cluster.journal import LeaseHeld, SqliteJournal, open_read_only\n"
        "for attempt in (lambda d: SqliteJournal.open(d, holder='second'), open_read_only):\n"
        "    try: attempt(Path(sys.argv[1]))\n"
        "    except LeaseHeld as error: print(error)\n"
    )
    frames = extend(journal, 2)
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    expected = f"data directory {tmp_path} is in use by test (process {os.getpid()})"
    assert run.stdout.splitlines() == [expected, expected]
    extend(journal, 1)
    assert list(journal.frames())[:2] == frames


def test_the_store_itself_refuses_a_second_writer(journal: SqliteJournal, tmp_path: Path) -> None:
    extend(journal, 1)
    (tmp_path / "journal.lock").unlink()
    with pytest.raises(LeaseHeld):
        opened(tmp_path)
    extend(journal, 1)


def test_an_audit_reads_beside_an_audit_but_not_beside_a_node(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no journal"):
        open_read_only(tmp_path)
    frames = crash(tmp_path, 3)
    with closing(open_read_only(tmp_path)) as first, closing(open_read_only(tmp_path)) as second:
        assert list(first.frames()) == list(second.frames()) == frames
        assert first.verify().height == 3
        with pytest.raises(LeaseHeld, match="a reader"):
            opened(tmp_path)
    assert opened_and_read(tmp_path) == frames


# Commits of unknown outcome


def test_an_unreachable_store_leaves_the_outcome_open_until_it_answers(tmp_path: Path) -> None:
    calls = 0

    def all_but_the_second(path: Path) -> sqlite3.Connection:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise sqlite3.OperationalError("unable to open database file")
        return connect_writer(path)

    made = opened(tmp_path, connect=all_but_the_second)
    made.take_lease()
    frames = extend(made, 1)
    made._connection.close()
    with pytest.raises(OutcomeUnknown):
        made.append(frames[0].tip.next_frame(1, b"lost or not"))
    with pytest.raises(StoreFailed, match="unable to open"):
        made.resume()
    for use in (made.renew, made.checkpoint, lambda: made.cut_before(2)):
        with pytest.raises(OutcomeUnknown):
            use()
    assert made.resume() == frames[0].tip
    frames += extend(made, 1)
    made.close()
    assert opened_and_read(tmp_path) == frames


class HalfWritten:
    """A connection whose appends fail while they are written, and then `failures` times more whatever is asked."""

    def __init__(self, inner: sqlite3.Connection, code: int, failures: int) -> None:
        self._inner = inner
        self._failures = failures
        self._armed = True
        self._error = sqlite3.OperationalError("disk I/O error")
        self._error.sqlite_errorcode = code

    def execute(self, sql: str, values: dict[str, object]) -> sqlite3.Cursor:
        if self._armed and "INSERT INTO journal (" in sql:
            self._armed = False
            raise self._error
        if not self._armed and self._failures:
            self._failures -= 1
            raise self._error
        return self._inner.execute(sql, values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    ("code", "failures", "outcome"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, 0, FrameNotAppended),  # the place in the log was written over: gone for certain
        (sqlite3.SQLITE_IOERR_WRITE, 1, OutcomeUnknown),
        (sqlite3.SQLITE_IOERR_FSYNC, 0, OutcomeUnknown),
        (sqlite3.SQLITE_FULL, 0, FrameNotAppended),
    ],
)
def test_what_an_error_of_the_disk_says_of_the_frame(
    journal: SqliteJournal, code: int, failures: int, outcome: type[Exception]
) -> None:
    frames = extend(journal, 1)
    journal._connection = HalfWritten(journal._connection, code, failures)  # type: ignore[assignment]
    with pytest.raises(outcome, match="disk I/O error"):
        journal.append(journal.tip().next_frame(1, b"half written"))
    if outcome is OutcomeUnknown:
        assert journal.resume() == frames[0].tip
    frames += extend(journal, 1)
    assert list(journal.frames()) == frames


def test_a_file_of_before_leases_were_seen_and_journals_cut_is_taken_as_it_is(tmp_path: Path) -> None:
    frames = fill(tmp_path, 4)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        connection.executescript("DROP TABLE journal_start; ALTER TABLE lease DROP COLUMN seen_ms")
    with closing(open_read_only(tmp_path)) as reader:
        assert reader.start() == GENESIS_TIP
        assert list(reader.frames()) == frames
        assert reader.verify() == frames[-1].tip
    with closing(opened(tmp_path)) as made:
        assert made.take_lease() == 2
        made.renew()
        assert made.cut_before(3) == 2


# The writer thread


def test_the_writer_acknowledges_in_order_and_keeps_the_log_short(journal: SqliteJournal) -> None:
    writer = JournalWriter(journal, checkpoint_bytes=1 << 20)
    tip, futures = journal.tip(), []
    for _ in range(120):
        frame = tip.next_frame(journal.epoch, bytes(64 << 10))
        tip = Tip(frame.height, frame.hash, frame.epoch)
        futures.append(writer.submit(frame))
    for future in futures:
        assert future.result(timeout=60) is None
    writer.close()
    assert writer.failure is None
    assert journal.verify() == tip
    assert journal.wal_bytes() < 4 << 20


def test_small_frames_are_checkpointed_for_what_they_cost(journal: SqliteJournal) -> None:
    writer, tip = JournalWriter(journal, checkpoint_bytes=1 << 20), journal.tip()
    for _ in range(200):
        frame = tip.next_frame(journal.epoch, b"a quiet block")
        writer.submit(frame).result(timeout=60)
        tip = frame.tip
    writer.close()
    assert journal.wal_bytes() < 2 << 20


def test_a_checkpoint_that_finds_no_room_is_tried_again(journal: SqliteJournal) -> None:
    writer = JournalWriter(journal, checkpoint_bytes=1)
    inner = journal._connection
    frames = []
    for refuses in (False, True, False):
        journal._connection = NoRoomToMove(inner) if refuses else inner  # type: ignore[assignment]
        frame = journal.tip().next_frame(1, bytes(1 << 16))
        writer.submit(frame).result(timeout=60)
        frames.append(frame)
        writer._lane.flush()
        assert writer.failure is None
        assert (journal.anchor().height == frame.height) is not refuses
    writer.close()
    assert list(journal.frames()) == frames


class NoRoomToMove:
    """A connection that finds the disk full whenever the lease row is changed."""

    def __init__(self, inner: sqlite3.Connection) -> None:
        self._inner = inner

    def execute(self, sql: str, values: dict[str, object]) -> sqlite3.Cursor:
        if sql.startswith("UPDATE lease"):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._inner.execute(sql, values)


def test_after_a_failure_the_writer_appends_nothing_more(journal: SqliteJournal) -> None:
    writer = JournalWriter(journal)
    first = journal.tip().next_frame(1, b"first")
    writer.submit(first).result(timeout=60)
    gap = writer.submit(Frame.seal(3, 1, first.hash, b"gap"))
    good = writer.submit(Frame.seal(2, 1, first.hash, b"good, but behind a failure"))
    for future in (gap, good):
        with pytest.raises(HeightOutOfOrder):
            future.result(timeout=60)
    writer.close()
    assert isinstance(writer.failure, HeightOutOfOrder)
    assert list(journal.frames()) == [first]


# kill -9


def write_until_killed(directory: str, acknowledged: "multiprocessing.connection.Connection") -> None:
    journal = SqliteJournal.open(Path(directory), holder="victim")
    journal.take_lease()
    writer, tip = JournalWriter(journal, checkpoint_bytes=2 << 20), journal.tip()
    while True:
        frame = tip.next_frame(journal.epoch, os.urandom(32 << 10))
        writer.submit(frame).result()
        acknowledged.send((frame.height, frame.hash))
        tip = Tip(frame.height, frame.hash, frame.epoch)


def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    known: dict[int, bytes] = {}
    for wanted in (90, 137):
        ours, theirs = spawn.Pipe(duplex=False)
        victim = spawn.Process(target=write_until_killed, args=(str(tmp_path), theirs))
        victim.start()
        theirs.close()
        for _ in range(wanted):
            known.update([ours.recv()])
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join(timeout=60)
        while ours.poll():
            try:
                known.update([ours.recv()])
            except EOFError:
                break
        stored = {frame.height: frame.hash for frame in opened_and_read(tmp_path)}
        assert known.items() <= stored.items()
        assert len(stored) - len(known) <= 1
        known = stored
    assert len(known) >= 227
