"""One frame of 64 KB, durable: each store of the journal against the bare store, taking turns in the same run.

The bare peers are one table and one insert of the same bytes through the same driver with the same settings: no chain,
no fence, no lease. A frame is sealed before it is timed: the block that runs beside the append needs its hash, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Final

from cluster.journal import Journal, SqliteJournal
from cluster.journal.sqlite import connect_writer
from node.bench.table import Row
from node.bench.timing import percentile, times_ms

FRAME_BYTES: Final = 64 << 10
REACH: Final = 1.3  # times the bare store
_TURN: Final = 25
_WARM: Final = 2
_PERCENTS: Final = (50, 99)

Append = Callable[[], object]


def rows(directory: Path, quick: bool) -> Iterator[Row]:
    """p50 and p99 of an append; of PostgreSQL where the programs of a server are installed."""
    repeats = 100 if quick else 1_000
    yield from _sqlite_rows(directory, repeats)
    yield from _postgresql_rows(repeats)


def _sqlite_rows(directory: Path, repeats: int) -> Iterator[Row]:
    journal = SqliteJournal.open(directory / "journal-bench", holder="bench")
    bare = connect_writer(directory / "bare.sqlite")
    descriptor = os.open(directory / "plain-file", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    payload, heights = os.urandom(FRAME_BYTES), count(1)

    def insert() -> None:
        bare.execute("INSERT INTO bare VALUES (?, ?)", (next(heights), payload))

    def write() -> None:
        os.write(descriptor, payload)
        os.fdatasync(descriptor)

    def tidy() -> None:
        journal.checkpoint()
        bare.execute("PRAGMA wal_checkpoint(PASSIVE)")

    try:
        bare.execute("CREATE TABLE bare (height INTEGER PRIMARY KEY, payload BLOB NOT NULL)")
        ours, peer, file = _in_turns(repeats, [_appends(journal, payload, repeats), insert, write], tidy)
    finally:
        journal.close()
        bare.close()
        os.close(descriptor)
    yield from _rows("journal append on SQLite, 64 KB, durable", ours, "bare SQLite, one insert", peer, REACH)
    yield from _rows("journal append, 64 KB, durable", ours, "plain file, write + fdatasync", file, None)


def _postgresql_rows(repeats: int) -> Iterator[Row]:
    try:
        import psycopg

        from cluster.journal.postgres import PostgresJournal
        from node.bench.journal_server import NoPostgresql, PrivateServer

        server = PrivateServer()
    except NoPostgresql:
        return
    payload, heights = os.urandom(FRAME_BYTES), count(1)
    with closing(server):
        url = server.new_database()
        with (
            closing(PostgresJournal.open(url, holder="bench")) as journal,
            psycopg.connect(url, autocommit=True) as bare,
        ):
            bare.execute("CREATE TABLE bare (height BIGINT PRIMARY KEY, payload BYTEA NOT NULL)")
            bare.execute("ALTER TABLE bare ALTER COLUMN payload SET STORAGE EXTERNAL")

            def insert() -> None:
                bare.execute("INSERT INTO bare VALUES (%s, %s)", (next(heights), payload), prepare=True, binary=True)

            ours, peer = _in_turns(repeats, [_appends(journal, payload, repeats), insert], lambda: None)
    yield from _rows("journal append on PostgreSQL, 64 KB, durable", ours, "bare PostgreSQL, one insert", peer, REACH)


def _appends(journal: Journal, payload: bytes, repeats: int) -> Append:
    """Appends of as many frames as will be asked for, each sealed before."""
    tip, frames = journal.tip(), []
    epoch = journal.take_lease()
    for _ in range(repeats + _WARM * (repeats // _TURN + 1)):
        frames.append(tip.next_frame(epoch, payload))
        tip = frames[-1].tip
    following = iter(frames)
    return lambda: journal.append(next(following))


def _in_turns(repeats: int, contestants: list[Append], tidy: Append) -> list[list[float]]:
    """Milliseconds of every append of each; housekeeping comes between two turns, as behind acknowledgements."""
    taken: list[list[float]] = [[] for _ in contestants]
    for begun in range(0, repeats, _TURN):
        for append, so_far in zip(contestants, taken, strict=True):
            so_far.extend(times_ms(append, min(_TURN, repeats - begun), _WARM))
        tidy()
    return taken


def _rows(name: str, ours: list[float], reference: str, peer: list[float], reach: float | None) -> Iterator[Row]:
    for percent in _PERCENTS:
        bare = percentile(peer, percent)
        bound = None if reach is None else bare * reach
        yield Row(f"{name}, p{percent}", percentile(ours, percent), "ms", bound, f"{reference}, p{percent}", bare)
