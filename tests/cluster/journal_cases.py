"""Journals to test with: filled ones, crashed ones, and ways to damage them."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from cluster.journal import GENESIS_TIP, Frame, Journal, SqliteJournal, Tip

ROOT = Path(__file__).resolve().parents[2]


def opened(directory: Path, **options: object) -> SqliteJournal:
    return SqliteJournal.open(directory, holder="test", **options)  # type: ignore[arg-type]


def payload(height: int) -> bytes:
    return f"block {height} ".encode() * (20 + height * 400)


def extend(journal: Journal, count: int) -> list[Frame]:
    frames = []
    for _ in range(count):
        tip = journal.tip()
        frames.append(tip.next_frame(journal.epoch, payload(tip.height + 1)))
        journal.append(frames[-1])
    return frames


def fill(directory: Path, count: int) -> list[Frame]:
    with closing(opened(directory)) as made:
        made.take_lease()
        return extend(made, count)


def crash(directory: Path, count: int) -> list[Frame]:
    """Append in another process that dies at once, so that the frames are in the write-ahead log."""
    script = (
        "import os,sys; from pathlib import Path; from cluster.journal import SqliteJournal\n"
        "j = SqliteJournal.open(Path(sys.argv[1]), holder='crasher'); j.take_lease()\n"
        "for i in range(int(sys.argv[2])):\n"
        "    t = j.tip(); j.append(t.next_frame(j.epoch, b'block %d ' % (t.height + 1) * 3000))\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(directory), str(count)], check=True, cwd=ROOT)
    before, frames = GENESIS_TIP, []
    for height in range(1, count + 1):
        frames.append(before.next_frame(1, b"block %d " % height * 3000))
        before = Tip(height, frames[-1].hash, 1)
    return frames


def alter(directory: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(directory / "journal.sqlite")) as connection, connection:
        assert connection.execute(sql, values).rowcount == 1


def flip_column(directory: Path, height: int, column: str) -> None:
    with closing(sqlite3.connect(directory / "journal.sqlite")) as connection:
        value = connection.execute(f"SELECT {column} FROM journal WHERE height = ?", (height,)).fetchone()[0]
    if isinstance(value, bytes):
        changed = bytearray(value)
        changed[len(changed) // 2] ^= 0x04
        value = bytes(changed)
    else:
        value ^= 1 << 20
    alter(directory, f"UPDATE journal SET {column} = ? WHERE height = ?", value, height)


def opened_and_read(directory: Path) -> list[Frame]:
    with closing(opened(directory)) as made:
        return list(made.frames())
