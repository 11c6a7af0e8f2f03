"""Damage to a journal: every flipped bit is found and the height named, a torn tail is cut and reported, never more."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cluster.journal import GENESIS_HASH, Frame, JournalCorrupted, Tip, open_read_only
from tests.cluster.journal_cases import alter, crash, extend, fill, flip_column, opened, opened_and_read

# Damage


def test_flipped_bits_anywhere_in_the_file_are_never_silently_wrong(tmp_path: Path) -> None:
    frames = fill(tmp_path, 12)
    path = tmp_path / "journal.sqlite"
    whole = path.read_bytes()
    detected = 0
    for offset in range(0, len(whole), len(whole) // 150):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        try:
            with closing(opened(tmp_path)) as made:
                made.verify()
                assert list(made.frames()) == frames
        except JournalCorrupted as refusal:
            assert 1 <= refusal.height <= 13
            detected += 1
        for leftover in ("journal.sqlite-wal", "journal.sqlite-shm"):
            (tmp_path / leftover).unlink(missing_ok=True)
    assert detected > 50


def test_missing_last_frames_are_corruption_once_they_were_durable(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    alter(tmp_path, "DELETE FROM journal WHERE height = 5")
    with pytest.raises(JournalCorrupted, match="up to 5 were durable"):
        opened(tmp_path)


def unanchored(directory: Path, count: int) -> list[Frame]:
    """Frames in the file itself that no checkpoint vouched for."""
    frames = fill(directory, count)
    alter(directory, "UPDATE lease SET anchor_height = 0, anchor_hash = ?", GENESIS_HASH)
    return frames


def test_a_torn_tail_is_cut_reported_and_kept_aside(tmp_path: Path) -> None:
    notices: list[str] = []
    frames = unanchored(tmp_path, 6)
    flip_column(tmp_path, 5, "payload")
    flip_column(tmp_path, 6, "hash")
    with closing(opened(tmp_path, notice=notices.append)) as made:
        assert made.tip() == Tip(4, frames[3].hash, 1)
        made.take_lease()
        extend(made, 1)
        assert made.verify().height == 5
    assert len(notices) == 1
    assert "height 5" in notices[0]
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        assert connection.execute("SELECT height FROM journal_cut").fetchall() == [(5,), (6,)]


def test_an_invalid_frame_before_a_valid_one_is_never_cut(tmp_path: Path) -> None:
    unanchored(tmp_path, 6)
    flip_column(tmp_path, 5, "payload")
    with pytest.raises(JournalCorrupted, match="valid frames follow") as refusal:
        opened(tmp_path)
    assert refusal.value.height == 5


# The write-ahead log after a crash


def test_a_crashed_log_is_read_whole(tmp_path: Path) -> None:
    notices: list[str] = []
    frames = crash(tmp_path, 8)
    assert (tmp_path / "journal.sqlite-wal").stat().st_size > 100_000
    with closing(opened(tmp_path, notice=notices.append)) as made:
        assert list(made.frames()) == frames
    assert notices == []


def test_a_damaged_log_followed_by_whole_transactions_stops_the_start(tmp_path: Path) -> None:
    crash(tmp_path, 8)
    log = tmp_path / "journal.sqlite-wal"
    whole = log.read_bytes()
    named = set()
    for offset in [3, 13, 20, 28, *range(100, len(whole) // 2, len(whole) // 40)]:
        damaged = bytearray(whole)
        damaged[offset] ^= 0x08 if offset > 3 else 0x01  # at 3 it turns the byte order of the checksums
        log.write_bytes(damaged)
        for attempt in (opened, open_read_only):
            with pytest.raises(JournalCorrupted) as refusal:
                attempt(tmp_path)
            named.add(refusal.value.height)
        assert log.read_bytes() == damaged, "the evidence is left as it was"
    assert min(named) == 1
    assert max(named) >= 3
    log.write_bytes(whole)
    assert len(opened_and_read(tmp_path)) == 8


def test_a_log_torn_in_its_last_transaction_loses_only_that_and_says_so(tmp_path: Path) -> None:
    frames = crash(tmp_path, 8)
    log = tmp_path / "journal.sqlite-wal"
    os.truncate(log, log.stat().st_size - 16384 - 24)
    notices: list[str] = []
    with closing(opened(tmp_path, notice=notices.append)) as made:
        assert list(made.frames()) == frames[:7]
    assert len(notices) == 1
    assert "after height 7" in notices[0]
