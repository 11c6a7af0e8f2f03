"""The archive against a plain list, under paging, replay, truncation, loss of power and concurrent readers."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from actors.chain.numbered_events import NumberedEvents
from breakwater.v1 import events_pb2
from cluster import archive as archive_module
from cluster.archive import ARCHIVE_NAME, FOLDER_NAME, NO_ACCOUNT, Archive, ArchiveMismatch, Cursor, Event, Outcome
from cluster.archiving import account_index, account_runs, flusher, repair, segments
from cluster.archiving.account_runs import Run, merge, sort_events, write_run

KINDS = ("deposited", "order_placed", "order_filled", "order_done")
NUMBERS = [events_pb2.Event.DESCRIPTOR.fields_by_name[kind].number for kind in KINDS]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = Archive(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that happens at a size happens after a few blocks."""
    monkeypatch.setattr(account_index, "RUN_EVENTS", 10)
    monkeypatch.setattr(account_index, "RUN_BLOCKS", 3)
    monkeypatch.setattr(account_index, "FANOUT", 3)
    monkeypatch.setattr(account_runs, "_STEP_KEYS", 2)
    monkeypatch.setattr(account_runs, "STEP_ENTRIES", 9)
    monkeypatch.setattr(flusher, "FLUSH_BYTES", 400)
    for module in (segments, repair):
        monkeypatch.setattr(module, "SEGMENT_BYTES", 2_000)


def an_event(height: int, index: int, venue: int, kind: str, account: int) -> bytes:
    event = events_pb2.Event(height=height, index=index, block_time_ms=height * 10, venue=venue, account=account)
    getattr(event, kind).SetInParent()
    return event.SerializeToString(deterministic=True)


def block_events(height: int, count: int = 6) -> list[Event]:
    accounts, found = [0, 1, 2], []
    for index in range(count if height % 5 else 0):
        venue, kind, account = index % 2, (height + index) % 4, accounts[(height * index) % 3]
        content = an_event(height, index, venue, KINDS[kind], account)
        found.append(Event(height, index, venue, NUMBERS[kind], account or NO_ACCOUNT, content))
    return found


def add(archive: Archive, height: int, outcomes: list[tuple[bytes, bytes, bytes]]) -> list[Event]:
    events = block_events(height)
    numbered = NumberedEvents.of(event.bytes for event in events)
    assert archive.append_block(height, height * 10, b"header%d" % height, numbered, outcomes)
    archive.tend(len(events))
    return events


def fill(archive: Archive, heights: range) -> list[Event]:
    keys = {height: f"key{height}".encode() for height in heights}
    return [
        event for height in heights for event in add(archive, height, [(keys[height], b"body", b"done%d" % height)])
    ]


def check_everything(archive: Archive, everything: list[Event], tip: int) -> None:
    """Every question against the plain list."""
    assert archive.tip() == tip
    assert list(archive.iter_events()) == everything
    assert list(archive.iter_events(5, 9)) == [event for event in everything if 5 <= event.height <= 9]
    for height in (1, 5, 7, tip):
        assert archive.events(height) == [event for event in everything if event.height == height]
        assert archive.block_events(height) == [event.bytes for event in everything if event.height == height]
    for account, venue in ((1, 0), (1, 1), (2, 0), (2, 1), (3, 1)):
        for first in (0, 4, tip - 3, tip + 1):
            mine = [one for one in everything if (one.account, one.venue) == (account, venue) and one.height >= first]
            assert archive.events_by_account(account, venue, first, 10_000) == mine
    some = NUMBERS[1:3]
    assert archive.events_by_kind(some, 3, 10_000) == [one for one in everything if one.kind in some and one.height > 2]
    for height in range(1, tip + 1):
        assert archive.outcome(b"key%d" % height) == Outcome(b"key%d" % height, height, b"body", b"done%d" % height)
    assert [one.height for one in archive.iter_outcomes(2, tip - 1)] == list(range(2, tip))


def test_every_question_equals_the_plain_list(archive: Archive) -> None:
    everything = fill(archive, range(1, 31))
    check_everything(archive, everything, 30)
    assert archive.event(7, 3) == next(event for event in everything if event[:2] == (7, 3))
    assert archive.event(7, 99) is None
    assert archive.event(5, 0) is None
    assert [header.height for header in archive.headers(28, 99)] == [28, 29, 30]
    assert archive.outcome(b"unheard of") is None


@pytest.mark.usefixtures("small")
def test_runs_of_accounts_are_merged_and_answer_alike(tmp_path: Path) -> None:
    with closing(Archive(tmp_path)) as archive:
        everything: list[Event] = []
        for height in range(1, 121):
            everything += fill(archive, range(height, height + 1))
            if height % 7 == 0:
                archive.sync()
                check_everything(archive, everything, height)
        (levels,) = archive._catalogue.rows("SELECT MAX(level) FROM runs")
        assert levels[0] >= 2
        files = sorted(path.name for path in (tmp_path / FOLDER_NAME).glob("accounts-*") if not path.suffix)
        assert files == [path.name for path in archive._index.files()]
        assert len(list((tmp_path / FOLDER_NAME).glob("bytes-*"))) > 3
    with closing(Archive(tmp_path)) as archive:
        check_everything(archive, everything, 120)
        everything += fill(archive, range(121, 140))
        check_everything(archive, everything, 139)


@pytest.mark.parametrize("limit", [1, 4, 1000])
@pytest.mark.usefixtures("small")
def test_cursors_walk_through_everything_once(tmp_path: Path, limit: int) -> None:
    archive = Archive(tmp_path)
    everything = fill(archive, range(1, 31))

    def walk(kinds: list[int]) -> list[Event]:
        seen: list[Event] = []
        while page := archive.events_by_kind(kinds, 4, limit, Cursor(*seen[-1][:2]) if seen else None):
            assert len(page) <= limit
            seen += page
        return seen

    wanted = [NUMBERS[3], NUMBERS[1]]
    assert walk([*wanted, wanted[1]]) == [one for one in everything if one.kind in wanted and one.height >= 4]
    mine: list[Event] = []
    while page := archive.events_by_account(2, 1, 6, limit, Cursor(*mine[-1][:2]) if mine else None):
        assert len(page) <= limit
        mine += page
    assert mine == [event for event in everything if event.account == 2 and event.venue == 1 and event.height >= 6]
    assert mine
    assert archive.events_by_account(NO_ACCOUNT, 1, 0, limit) == []
    assert archive.events_by_account(0, 1, 0, limit) == []
    archive.close()


@pytest.mark.parametrize("step", [60, 2_000, 1 << 18])
def test_runs_equal_sorted_rows_whatever_the_numbers_are(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few accounts with many events or many with few; a step may hold many keys, or not all of a single one."""
    monkeypatch.setattr(account_runs, "STEP_ENTRIES", step)
    random = np.random.default_rng(7)
    for case, most in enumerate((3, 5_000, 1 << 60)):
        venue, account = random.integers(0, 4, 20_000), random.integers(0, most, 20_000)
        files = []
        for number, first in enumerate(range(0, 20_000, 4_000)):
            part = sort_events(venue[first : first + 4_000], account[first : first + 4_000])
            files.append(tmp_path / f"{case}-{number}")
            moved = part._replace(entries=part.entries + first)
            assert list(write_run(files[-1], first, iter([moved]), len(part.entries))) == [len(part.entries)]
        whole = tmp_path / f"{case}-whole"
        runs = [Run(path) for path in files]
        list(write_run(whole, 0, merge(runs), sum(len(run.entries) for run in runs)))
        merged = Run(whole)
        for key in {*zip(venue[:300].tolist(), account[:300].tolist(), strict=True), (9, 9), (0, 1)}:
            mine = np.flatnonzero((venue == key[0]) & (account == key[1]) & (account != 0))
            assert merged.numbers(*key).tolist() == mine.tolist()


def test_a_run_of_events_of_nobody_is_empty(tmp_path: Path) -> None:
    none = np.zeros(5, dtype=np.int64)
    part = sort_events(none, none)
    assert list(write_run(tmp_path / "run", 9, iter([part]), 0)) == [0]
    run = Run(tmp_path / "run")
    assert run.numbers(0, 0).tolist() == run.numbers(1, 1).tolist() == []
    list(write_run(tmp_path / "merged", 9, merge([run, run]), 0))
    assert Run(tmp_path / "merged").numbers(1, 1).tolist() == []


def test_a_replayed_block_is_recognised_and_a_different_one_refused(archive: Archive) -> None:
    everything = fill(archive, range(1, 4))
    none = NumberedEvents.of(())
    assert not archive.append_block(2, 20, b"header2", none, [])
    assert list(archive.iter_events()) == everything
    with pytest.raises(ArchiveMismatch, match="another header"):
        archive.append_block(2, 20, b"forged", none, [])
    with pytest.raises(ArchiveMismatch, match="does not follow"):
        archive.append_block(5, 50, b"header5", none, [])


def test_a_failed_block_leaves_nothing_behind(archive: Archive) -> None:
    everything = fill(archive, range(1, 2))
    events = NumberedEvents.of(event.bytes for event in block_events(2))
    with pytest.raises(sqlite3.IntegrityError):
        archive.append_block(2, 20, b"header2", events, [(b"key", None, b"done")])  # type: ignore[list-item]
    assert archive.tip() == 1
    assert archive.events(2) == []
    assert archive.outcome(b"key") is None
    everything += fill(archive, range(2, 4))
    check_everything(archive, everything, 3)


def test_the_first_outcome_of_a_request_key_stays(archive: Archive) -> None:
    none = NumberedEvents.of(())
    archive.append_block(1, 10, b"a", none, [(b"key", b"body", b"first")])
    archive.append_block(2, 20, b"b", none, [(b"key", b"body", b"second"), (b"other", b"body", b"third")])
    found, other = archive.outcome(b"key"), archive.outcome(b"other")
    assert found is not None
    assert (found.height, found.outcome) == (1, b"first")
    assert other == Outcome(b"other", 2, b"body", b"third")


def test_signatures_come_later_and_only_for_archived_heights(archive: Archive) -> None:
    fill(archive, range(1, 3))
    header = archive.header(2)
    assert header is not None
    assert header.signature is None
    archive.sign(2, b"signature")
    header = archive.header(2)
    assert header is not None
    assert header.signature == b"signature"
    with pytest.raises(KeyError):
        archive.sign(3, b"signature")


def test_what_was_archived_is_there_after_reopening(tmp_path: Path) -> None:
    first = Archive(tmp_path)
    everything = fill(first, range(1, 4))
    first.close()
    with pytest.raises(sqlite3.ProgrammingError):
        first.tip()
    with closing(Archive(tmp_path)) as second:
        assert list(second.iter_events()) == everything


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kept", [0, 0.3, 0.9])
def test_blocks_whose_bytes_the_power_took_are_cut_and_come_again(
    tmp_path: Path, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue reached the disk, the end of the last file did not: a tail of blocks is missing, no more."""
    monkeypatch.setattr(flusher, "FLUSH_BYTES", 1 << 40)
    with closing(Archive(tmp_path)) as archive:
        everything = fill(archive, range(1, 31))
        archive.sync()
        everything += fill(archive, range(31, 41))
        (last,) = archive._catalogue.blocks("WHERE height = 30")
    path = tmp_path / FOLDER_NAME / f"bytes-{last.segment:010d}"
    flushed = last.place + last.size
    lost = bytearray(path.read_bytes())
    left = flushed + int(kept * (len(lost) - flushed))
    path.write_bytes(bytes(lost[:left]) + bytes(len(lost) - left))
    with closing(Archive(tmp_path)) as archive:
        tip = archive.tip()
        assert tip is not None
        assert 30 <= tip <= 40
        left_over = [event for event in everything if event.height <= tip]
        check_everything(archive, left_over, tip)
        check_everything(archive, left_over + fill(archive, range(tip + 1, 45)), 44)


@pytest.mark.usefixtures("small")
def test_an_archive_that_lost_a_file_of_its_past_begins_anew(tmp_path: Path) -> None:
    with closing(Archive(tmp_path)) as archive:
        fill(archive, range(1, 31))
        archive.sync()
    (tmp_path / FOLDER_NAME / "bytes-0000000001").unlink()
    with closing(Archive(tmp_path)) as archive:
        assert archive.tip() is None
        check_everything(archive, fill(archive, range(1, 21)), 20)
    shutil.rmtree(tmp_path / FOLDER_NAME)
    with closing(Archive(tmp_path)) as archive:
        assert archive.tip() is None


@pytest.mark.parametrize("few", [0, 2, 100])
def test_events_of_a_block_are_the_same_read_one_by_one_or_whole(
    archive: Archive, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "_FEW", few)
    check_everything(archive, fill(archive, range(1, 20)), 19)


@pytest.mark.usefixtures("small")
def test_runs_that_were_lost_are_made_again(tmp_path: Path) -> None:
    with closing(Archive(tmp_path)) as archive:
        everything = fill(archive, range(1, 31))
        archive.sync()
        gone = archive._index.files()[1]
    gone.unlink()
    with closing(Archive(tmp_path)) as archive:
        check_everything(archive, everything, 30)
        everything += fill(archive, range(31, 33))
        check_everything(archive, everything, 32)


def test_an_archive_of_an_earlier_version_is_set_aside_by_its_owner_only(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / ARCHIVE_NAME)) as old:
        old.execute("CREATE TABLE headers (height INTEGER PRIMARY KEY)")
        old.commit()
    with pytest.raises(ArchiveMismatch, match="earlier version"):
        Archive(tmp_path, is_owner=False)
    with closing(Archive(tmp_path)) as archive:
        assert archive.tip() is None
        check_everything(archive, fill(archive, range(1, 12)), 11)
    with closing(sqlite3.connect(tmp_path / f"{ARCHIVE_NAME}.old")) as old:
        assert old.execute("SELECT COUNT(*) FROM headers").fetchone() == (0,)


@pytest.mark.usefixtures("small")
def test_readers_of_another_process_read_beside_the_owner(tmp_path: Path) -> None:
    with closing(Archive(tmp_path)) as archive, closing(Archive(tmp_path, is_owner=False)) as reader:
        everything = fill(archive, range(1, 31))
        check_everything(reader, everything, 30)
        archive.sync()
        everything += fill(archive, range(31, 61))
        check_everything(reader, everything, 60)


@pytest.mark.usefixtures("small")
def test_readers_in_other_threads_see_whole_blocks_only(tmp_path: Path) -> None:
    done = threading.Event()
    archive = Archive(tmp_path)

    def read() -> int:
        looks = 0
        while not done.is_set() or looks == 0:
            tip = archive.tip()
            if tip is not None:
                assert archive.events(tip) == block_events(tip)
                mine = archive.events_by_account(2, 1, 0, 10_000)
                expected = [event for height in range(1, tip + 1) for event in block_events(height)]
                expected = [event for event in expected if (event.account, event.venue) == (2, 1)]
                assert mine[: len(expected)] == expected
                looks += 1
        return looks

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for height in range(1, 101):
            fill(archive, range(height, height + 1))
            if height % 10 == 0:
                archive.sync()
        done.set()
        assert all(reader.result(timeout=60) > 0 for reader in readers)
    archive.close()
