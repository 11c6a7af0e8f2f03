"""The journal: what was acknowledged is there or the node does not start; a former writer can never append."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cluster.journal import (
    GENESIS_HASH,
    GENESIS_TIP,
    Fenced,
    Frame,
    HeightOutOfOrder,
    JournalCorrupted,
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
from tests.cluster.journal_cases import ROOT, alter, crash, extend, fill, opened, opened_and_read


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


def test_what_was_appended_is_read_back_after_reopening(tmp_path: Path) -> None:
    assert not list(opened_and_read(tmp_path))
    frames = fill(tmp_path, 40)
    assert opened_and_read(tmp_path) == frames
    with closing(opened(tmp_path)) as made:
        assert made.tip() == Tip(40, frames[-1].hash, 1)
        assert list(made.frames(17)) == frames[16:]
        assert made.verify() == made.tip()


def test_only_the_successor_of_the_tip_is_taken(journal: SqliteJournal) -> None:
    frames = extend(journal, 2)
    wrong = [
        frames[-1],
        Frame.seal(4, 1, frames[-1].hash, b""),
        Frame.seal(3, 1, frames[0].hash, b""),
        Frame(3, 1, frames[-1].hash, bytes(32), b"hash of something else"),
    ]
    for frame in wrong:
        with pytest.raises(HeightOutOfOrder):
            journal.append(frame)
    assert list(journal.frames()) == frames


def test_reading_past_the_end_names_where_the_journal_ends(journal: SqliteJournal) -> None:
    extend(journal, 2)
    assert list(journal.frames(3)) == []
    with pytest.raises(JournalCorrupted, match="ends at 2"):
        list(journal.frames(9))


# Fencing


def test_nothing_is_appended_without_the_lease(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as made:
        with pytest.raises(Fenced):
            made.append(GENESIS_TIP.next_frame(1, b""))
        assert made.tip() == GENESIS_TIP


def test_an_old_epoch_cannot_append_after_a_takeover(journal: SqliteJournal) -> None:
    stale = journal.tip().next_frame(journal.epoch, b"from the paused writer")
    assert journal.take_lease() == 2
    with pytest.raises(Fenced):
        journal.append(stale)
    frames = extend(journal, 1)
    with pytest.raises(Fenced):
        journal.append(journal.tip().next_frame(1, b"still the paused writer"))
    assert list(journal.frames()) == frames


def test_a_successor_in_the_store_shuts_the_writer_out(tmp_path: Path) -> None:
    """The writer does not know, the statement does."""
    with closing(opened(tmp_path, connect=shared)) as made:
        made.take_lease()
        frames = extend(made, 3)
        alter(tmp_path, "UPDATE lease SET epoch = epoch + 1, holder = 'successor'")
        with pytest.raises(Fenced) as refusal:
            made.append(made.tip().next_frame(made.epoch, b"too late"))
        assert refusal.value.epoch == 1
        with pytest.raises(Fenced):
            made.checkpoint()
        assert list(made.frames()) == frames


def test_epochs_rise_even_when_the_lease_row_forgot(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        with closing(opened(tmp_path)) as made:
            assert made.take_lease() == expected
            extend(made, 1)
    alter(tmp_path, "UPDATE lease SET epoch = 0")
    with closing(opened(tmp_path)) as made:
        assert made.take_lease() == 4


def test_a_second_process_is_refused_at_once_and_told_by_whom(journal: SqliteJournal, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from cluster.journal import LeaseHeld, SqliteJournal, open_read_only\n"
        "for attempt in (lambda d: SqliteJournal.open(d, holder='second'), open_read_only):\n"
        "    try: attempt(Path(sys.argv[1]))\n"
        "    except LeaseHeld as error: print(error)\n"
    )
    frames = extend(journal, 2)
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT, timeout=30
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


class FlakyConnection(sqlite3.Connection):
    """Fails the append of a frame once, before or after it took effect."""

    fault: str | None = None

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        fault = FlakyConnection.fault if sql.lstrip().startswith("INSERT INTO journal (") else None
        if fault is None:
            return super().execute(sql, *parameters)  # type: ignore[arg-type]
        FlakyConnection.fault = None
        if fault == "after":
            super().execute(sql, *parameters)  # type: ignore[arg-type]
        raise sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], SqliteJournal]]:
    real = sqlite3.connect
    monkeypatch.setattr(FlakyConnection, "fault", None)
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **{**k, "factory": FlakyConnection}))
    made = opened(tmp_path)
    made.take_lease()

    def arm(fault: str) -> SqliteJournal:
        FlakyConnection.fault = fault
        return made

    yield arm
    made.close()


def appended_in_doubt(journal: SqliteJournal) -> tuple[Frame, Tip]:
    """A frame whose append failed half-way, and where the journal ends when that was looked into."""
    frame = journal.tip().next_frame(journal.epoch, b"lost or not")
    with pytest.raises(OutcomeUnknown) as failure:
        journal.append(frame)
    assert failure.value.height == frame.height
    with pytest.raises(OutcomeUnknown, match="resume comes first"):
        journal.append(frame.tip.next_frame(1, b"must wait"))
    return frame, journal.resume()


def test_a_commit_that_took_effect_after_all_shows_in_the_tip(flaky: Callable[[str], SqliteJournal]) -> None:
    journal = flaky("after")
    frame, tip = appended_in_doubt(journal)
    assert tip == frame.tip == journal.tip()
    assert journal.epoch == 2
    frames = [frame, *extend(journal, 1)]
    assert [one.epoch for one in frames] == [1, 2]
    assert list(journal.frames()) == frames


def test_a_commit_that_did_not_take_effect_shows_in_the_tip(flaky: Callable[[str], SqliteJournal]) -> None:
    journal = flaky("before")
    _, tip = appended_in_doubt(journal)
    assert tip == GENESIS_TIP
    assert [frame.epoch for frame in extend(journal, 2)] == [2, 2]


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


def shared(path: Path) -> sqlite3.Connection:
    """As in a store several hosts can reach."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def test_resuming_after_a_takeover_is_fenced(tmp_path: Path) -> None:
    with closing(opened(tmp_path, connect=shared)) as made:
        made.take_lease()
        frames = extend(made, 1)
        alter(tmp_path, "UPDATE lease SET epoch = epoch + 1, holder = 'successor'")
        for _ in range(2):
            with pytest.raises(Fenced):
                made.resume()
        with pytest.raises(Fenced):
            made.append(frames[0].tip.next_frame(1, b"too late"))
        with pytest.raises(Fenced):
            made.renew()
        assert made.holder().name == "successor"


# The writer thread


def test_the_writer_acknowledges_in_order_and_keeps_the_log_short(journal: SqliteJournal) -> None:
    writer = JournalWriter(journal, checkpoint_bytes=1 << 20)
    tip, futures = journal.tip(), []
    for _ in range(120):
        frame = tip.next_frame(journal.epoch, bytes(64 << 10))
        tip = Tip(frame.height, frame.hash, frame.epoch)
        futures.append(writer.submit(frame))
    for future in futures:
        assert future.result(timeout=30) is None
    writer.close()
    assert writer.failure is None
    assert journal.verify() == tip
    assert journal.wal_bytes() < 4 << 20


def test_after_a_failure_the_writer_appends_nothing_more(journal: SqliteJournal) -> None:
    writer = JournalWriter(journal)
    first = journal.tip().next_frame(1, b"first")
    writer.submit(first).result(timeout=30)
    gap = writer.submit(Frame.seal(3, 1, first.hash, b"gap"))
    good = writer.submit(Frame.seal(2, 1, first.hash, b"good, but behind a failure"))
    for future in (gap, good):
        with pytest.raises(HeightOutOfOrder):
            future.result(timeout=30)
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
        victim.join(timeout=30)
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
