"""The archive against a plain list, under paging, replay, truncation and concurrent readers."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster.archive import NO_ACCOUNT, Archive, ArchiveMismatch, Cursor, Event, Outcome


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = Archive(tmp_path)
    yield opened
    opened.close()


def block_events(height: int, count: int = 6) -> list[tuple[int, int, int, int, bytes]]:
    accounts = [NO_ACCOUNT, 1, 2]
    return [(i, i % 2, (height + i) % 4, accounts[(height * i) % 3], f"{height}/{i}".encode()) for i in range(count)]


def fill(archive: Archive, heights: range) -> list[Event]:
    expected = []
    for height in heights:
        rows = block_events(height)
        key = f"key{height}".encode()
        assert archive.append_block(height, height * 10, b"header%d" % height, rows, [(key, b"body", b"done")])
        expected += [Event(height, *row) for row in rows]
    return expected


def test_every_question_equals_the_plain_list(archive: Archive) -> None:
    everything = fill(archive, range(1, 31))
    assert archive.tip() == 30
    assert list(archive.iter_events()) == everything
    assert list(archive.iter_events(5, 9)) == [event for event in everything if 5 <= event.height <= 9]
    assert archive.events(7) == [event for event in everything if event.height == 7]
    assert archive.event(7, 3) == next(event for event in everything if event[:2] == (7, 3))
    assert archive.event(7, 99) is None
    assert [header.height for header in archive.headers(28, 99)] == [28, 29, 30]
    assert archive.outcome(b"key9") == Outcome(b"key9", 9, b"body", b"done")
    assert archive.outcome(b"unheard of") is None


@pytest.mark.parametrize("limit", [1, 4, 1000])
def test_cursors_walk_through_everything_once(archive: Archive, limit: int) -> None:
    everything = fill(archive, range(1, 31))

    def walk(kinds: list[int]) -> list[Event]:
        seen: list[Event] = []
        while page := archive.events_by_kind(kinds, 4, limit, Cursor(*seen[-1][:2]) if seen else None):
            assert len(page) <= limit
            seen += page
        return seen

    assert walk([3, 1, 1]) == [event for event in everything if event.kind in {1, 3} and event.height >= 4]
    mine = archive.events_by_account(2, 1, 6, limit)
    expected = [event for event in everything if event.account == 2 and event.venue == 1 and event.height >= 6]
    assert mine == expected[:limit]
    assert mine
    assert archive.events_by_account(NO_ACCOUNT, 1, 0, limit) == []


def test_a_replayed_block_is_recognised_and_a_different_one_refused(archive: Archive) -> None:
    everything = fill(archive, range(1, 4))
    assert not archive.append_block(2, 20, b"header2", block_events(2), [])
    assert list(archive.iter_events()) == everything
    with pytest.raises(ArchiveMismatch, match="another header"):
        archive.append_block(2, 20, b"forged", [], [])
    with pytest.raises(ArchiveMismatch, match="does not follow"):
        archive.append_block(5, 50, b"header5", [], [])


def test_a_failed_block_leaves_nothing_behind(archive: Archive) -> None:
    fill(archive, range(1, 2))
    twice = block_events(2) + block_events(2)
    with pytest.raises(sqlite3.IntegrityError):
        archive.append_block(2, 20, b"header2", twice, [])
    assert archive.tip() == 1
    assert archive.events(2) == []


def test_the_first_outcome_of_a_request_key_stays(archive: Archive) -> None:
    archive.append_block(1, 10, b"a", [], [(b"key", b"body", b"first")])
    archive.append_block(2, 20, b"b", [], [(b"key", b"body", b"second")])
    found = archive.outcome(b"key")
    assert found is not None
    assert (found.height, found.outcome) == (1, b"first")


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
    second = Archive(tmp_path)
    assert list(second.iter_events()) == everything
    second.close()


def test_readers_in_other_threads_see_whole_blocks_only(archive: Archive) -> None:
    done = threading.Event()

    def read() -> int:
        looks = 0
        while not done.is_set() or looks == 0:
            tip = archive.tip()
            if tip is not None:
                assert len(archive.events(tip)) == 6
                looks += 1
        return looks

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        fill(archive, range(1, 101))
        done.set()
        assert all(reader.result(timeout=30) > 0 for reader in readers)
