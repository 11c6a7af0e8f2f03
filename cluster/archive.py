"""The archive: headers, events and outcomes laid out for questions. Derived data, rebuilt from the journal when lost.

One thread writes; any thread reads. A block's bytes go into a file as they are, then the catalogue names them: a block
is there whole or not at all. What was written since the last flush is looked at when the archive is opened again, and
left to the replay where the power was lost over it (docs/stores.md, The archive's files).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from actors.chain.numbered_events import NumberedEvents
from cluster.archiving.account_index import AccountIndex
from cluster.archiving.catalogue import ARCHIVE_NAME, FOLDER_NAME, BlockPlace, Catalogue, OldLayout, set_aside
from cluster.archiving.flusher import Flusher, Reached
from cluster.archiving.repair import repair
from cluster.archiving.segments import Segments

__all__ = ["ARCHIVE_NAME", "FOLDER_NAME", "Archive", "ArchiveMismatch", "Cursor", "Event", "Header", "Outcome"]

NO_ACCOUNT: Final = -1  # the account of an event that belongs to none

_PAGE_ROWS: Final = 1000
_PAGE_BLOCKS: Final = 64
_FEW: Final = 32
_MOST: Final = (1 << 63) - 1
_HEADER: Final = "SELECT height, block_time_ms, header, signature FROM blocks"
_OUTCOME: Final = (
    "SELECT request_key, o.height, body_hash, segment, o.place, o.bytes "
    "FROM outcomes o JOIN blocks b ON b.height = o.height"
)


class Header(NamedTuple):
    """A block's header as bytes; `signature` is None until the validator has signed it."""

    height: int
    block_time_ms: int
    header: bytes
    signature: bytes | None


class Event(NamedTuple):
    """One output fact as bytes, numbered (height, idx)."""

    height: int
    idx: int
    venue: int
    kind: int
    account: int
    bytes: bytes


class Outcome(NamedTuple):
    """What a client's batch came to: the encoded answer for all its rows, under its request key."""

    request_key: bytes
    height: int
    body_hash: bytes
    outcome: bytes


class Cursor(NamedTuple):
    """The last event a reader has seen."""

    height: int
    idx: int


class ArchiveMismatch(Exception):
    """A block that does not follow the tip, or differs from the one archived at its height: rebuild the archive."""


class Archive:
    """The archive of one data directory."""

    def __init__(self, directory: Path, is_owner: bool = True) -> None:
        """Open or create it. Its owner, who alone writes, repairs it first; one of an earlier version is set aside.

        Raises ArchiveMismatch where it is of an earlier version and somebody else's.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._catalogue = _opened(directory, is_owner)
        self._segments = Segments(directory / FOLDER_NAME)
        self._index = AccountIndex(directory / FOLDER_NAME, self._catalogue, self._segments)
        if is_owner:
            flushed = repair(self._catalogue, self._segments, self._index)
            self._flusher = Flusher(directory / FOLDER_NAME, self._segments, flushed)
            last = self._last()
            self._segments.go_on_at(last.segment if last else 1, last.place + last.size if last else 0)
            self._next_event = last.end_event if last else 0

    def append_block(
        self,
        height: int,
        block_time_ms: int,
        header: bytes,
        events: NumberedEvents,
        outcomes: Sequence[tuple[bytes, bytes, bytes]],
    ) -> bool:
        """Add one block whole. Outcomes are (request key, body hash, bytes).

        Returns False when the very same header is archived at this height already, as a replay finds it.
        The first outcome of a request key stays. Raises ArchiveMismatch, OSError, sqlite3.Error.
        """
        tip = self.tip()
        if tip is not None and height <= tip:
            self._require_same(height, header)
            return False
        if tip is not None and height != tip + 1:
            raise ArchiveMismatch(f"block {height} does not follow block {tip}")
        facts = events.facts()
        written = self._segments.append(events, facts, [outcome for _, _, outcome in outcomes])
        block = (height, block_time_ms, header, None, *written[:4], self._next_event, len(events), written.event_bytes)
        kinds = [(number, height) for number in np.flatnonzero(np.bincount(facts.kind)).tolist()]
        answers = [
            (key, height, body_hash, place, len(outcome))
            for (key, body_hash, outcome), place in zip(outcomes, written.outcomes, strict=True)
        ]
        writer = self._catalogue.writer
        with writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", block)
            writer.executemany("INSERT INTO kinds VALUES (?, ?)", kinds)
            writer.executemany("INSERT INTO outcomes VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", answers)
        self._next_event += len(events)
        if self._flusher.wrote(written.size):
            self._flusher.begin(Reached(height, self._next_event, written.segment), self._index.take_unsynced())
        return True

    def tend(self, events: int) -> None:
        """What there is to do behind a block of so many events: sorts and merges, for as long as the block is large.

        Raises OSError, sqlite3.Error.
        """
        self._note_flushed(wait=False)
        self._index.tend(events, self._flusher.reached.end_event)

    def sync(self) -> None:
        """Make what was added so far survive a loss of power; a block by itself may be lost with its last ones.

        Raises OSError, sqlite3.Error.
        """
        self._note_flushed(wait=True)
        last = self._last()
        if last is not None and last.height > self._flusher.reached.height:
            self._flusher.begin(Reached(last.height, last.end_event, last.segment), self._index.take_unsynced())
            self._note_flushed(wait=True)
        self._catalogue.writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def sign(self, height: int, signature: bytes) -> None:
        """Put the validator's signature beside a header; raises KeyError when the height is not archived."""
        changed = self._catalogue.writer.execute(
            "UPDATE blocks SET signature = ? WHERE height = ?", (signature, height)
        ).rowcount
        if changed != 1:
            raise KeyError(height)

    def tip(self) -> int | None:
        """Return the last archived height, None when empty."""
        height: int | None = self._catalogue.value("SELECT MAX(height) FROM blocks")
        return height

    def first_height(self) -> int | None:
        """Return the first archived height, None when empty. Above 1 where an archive was begun anew."""
        height: int | None = self._catalogue.value("SELECT MIN(height) FROM blocks")
        return height

    def header(self, height: int) -> Header | None:
        """Return one header, None when the height is not archived."""
        return next(iter(self.headers(height, height)), None)

    def headers(self, from_height: int, to_height: int) -> list[Header]:
        """Return the headers of both heights and all between, ascending."""
        rows = self._catalogue.rows(f"{_HEADER} WHERE height BETWEEN ? AND ? ORDER BY height", from_height, to_height)
        return [Header(*row) for row in rows]

    def block_events(self, height: int) -> NumberedEvents:
        """Return all events of a block in their order: the leaves of its events root. None where it is not archived."""
        blocks = self._catalogue.blocks("WHERE height = ?", height)
        return self._segments.events(blocks[0]) if blocks else NumberedEvents.of(())

    def events(self, height: int) -> list[Event]:
        """Return all events of a block in their order, each with what it is asked for by."""
        return [event for block in self._catalogue.blocks("WHERE height = ?", height) for event in self._all(block)]

    def event(self, height: int, idx: int) -> Event | None:
        """Return one event, None when there is no such one."""
        blocks = self._catalogue.blocks("WHERE height = ?", height)
        return self._some(blocks[0], [idx])[0] if blocks and 0 <= idx < blocks[0].events else None

    def events_by_kind(
        self, kinds: Sequence[int], from_height: int, limit: int, after: Cursor | None = None
    ) -> list[Event]:
        """Return up to `limit` events of the kinds in order of (height, idx), from a height on and past a cursor."""
        wanted, start = sorted(set(kinds)), _start(from_height, after)
        sql = "SELECT height FROM kinds WHERE kind = ? AND height >= ? ORDER BY height"
        heights = (self._catalogue.stream(sql, kind, start.height) for kind in wanted)
        found: list[Event] = []
        last = -1
        for (height,) in merge(*heights):
            if height == last:
                continue
            if len(found) == limit:
                break
            last = height
            (block,) = self._catalogue.blocks("WHERE height = ?", height)
            places = np.flatnonzero(np.isin(self._segments.facts(block)["kind"], wanted))
            if height == start.height:
                places = places[places > start.idx]
            found += self._some(block, places[: limit - len(found)].tolist())
        return found

    def events_by_account(
        self, account: int, venue: int, from_height: int, limit: int, after: Cursor | None = None
    ) -> list[Event]:
        """Return up to `limit` events of one account in one venue, in order of (height, idx), past a cursor."""
        start = _start(from_height, after)
        first = self._catalogue.blocks("WHERE height >= ? ORDER BY height LIMIT 1", start.height)
        if account <= 0 or not first:
            return []
        from_event = first[0].first_event + (start.idx + 1 if first[0].height == start.height else 0)
        found: list[int] = []
        for numbers in self._index.numbers(venue, account, from_event):
            found += numbers[: limit - len(found)].tolist()
            if len(found) == limit:
                break
        return self._numbered(found)

    def iter_events(self, from_height: int = 0, to_height: int = _MOST) -> Iterator[Event]:
        """Yield every event of the heights in order, block by block: a long read holds no transaction open."""
        height = from_height
        page = "WHERE height BETWEEN ? AND ? ORDER BY height LIMIT ?"
        while blocks := self._catalogue.blocks(page, height, to_height, _PAGE_BLOCKS):
            for block in blocks:
                yield from self._all(block)
            height = blocks[-1].height + 1

    def iter_outcomes(self, from_height: int, to_height: int) -> Iterator[Outcome]:
        """Yield the outcomes of both heights and all between, by height and request key, page by page."""
        where = "WHERE (o.height, request_key) > (?, ?) AND o.height <= ? ORDER BY o.height, request_key LIMIT ?"
        height, key = from_height, b""
        while page := self._outcomes(where, height, key, to_height, _PAGE_ROWS):
            yield from page
            height, key = page[-1].height, page[-1].request_key

    def request_keys(self) -> Iterator[bytes]:
        """Every request key that has an outcome."""
        for (key,) in self._catalogue.stream("SELECT request_key FROM outcomes"):
            yield key

    def outcome(self, request_key: bytes) -> Outcome | None:
        """Return what a request key came to, None when it was never executed."""
        return next(iter(self._outcomes("WHERE request_key = ?", request_key)), None)

    def close(self) -> None:
        """Close every file and connection; reads after it raise sqlite3.ProgrammingError."""
        if hasattr(self, "_flusher"):
            self._flusher.close()
        self._catalogue.close()
        self._segments.close()

    def _note_flushed(self, wait: bool) -> None:
        if self._flusher.end(wait):
            self._catalogue.writer.execute("UPDATE synced SET height = ?", (self._flusher.reached.height,))

    def _last(self) -> BlockPlace | None:
        return next(iter(self._catalogue.blocks("ORDER BY height DESC LIMIT 1")), None)

    def _require_same(self, height: int, header: bytes) -> None:
        found = self.header(height)
        if found is not None and found.header != header:
            raise ArchiveMismatch(f"block {height} is archived with another header")

    def _outcomes(self, where: str, *values: object) -> list[Outcome]:
        return [
            Outcome(key, height, body_hash, self._segments.read(segment, place, size))
            for key, height, body_hash, segment, place, size in self._catalogue.rows(f"{_OUTCOME} {where}", *values)
        ]

    def _all(self, block: BlockPlace) -> Iterator[Event]:
        facts, events = self._segments.facts(block).tolist(), self._segments.events(block)
        for idx, ((_, venue, account, kind), content) in enumerate(zip(facts, events, strict=True)):
            yield Event(block.height, idx, venue, kind, account or NO_ACCOUNT, content)

    def _some(self, block: BlockPlace, places: Sequence[int]) -> list[Event]:
        """Events of a block by their places in it; of many the block is read whole."""
        if len(places) > _FEW:
            facts, events = self._segments.facts(block), self._segments.events(block)
            told = ((*facts[idx].item()[1:], events[idx]) for idx in places)
        else:
            told = (self._segments.event(block, idx) for idx in places)
        return [
            Event(block.height, idx, venue, kind, account or NO_ACCOUNT, content)
            for idx, (venue, account, kind, content) in zip(places, told, strict=True)
        ]

    def _numbered(self, numbers: Sequence[int]) -> list[Event]:
        """Events by their numbers in the archive, ascending."""
        found: list[Event] = []
        rest = iter(numbers)
        waiting = next(rest, None)
        while waiting is not None:
            where = "WHERE first_event <= ? ORDER BY first_event DESC, height DESC LIMIT 1"
            (block,) = self._catalogue.blocks(where, waiting)
            places = []
            while waiting is not None and waiting < block.end_event:
                places.append(waiting - block.first_event)
                waiting = next(rest, None)
            found += self._some(block, places)
        return found


def _opened(directory: Path, is_owner: bool) -> Catalogue:
    try:
        return Catalogue(directory, is_owner)
    except OldLayout:
        if not is_owner:
            raise ArchiveMismatch(
                f"{directory / ARCHIVE_NAME} was written by an earlier version; the next start of the node makes it "
                "again from the journal"
            ) from None
    set_aside(directory)
    return Catalogue(directory, is_owner)


def _start(from_height: int, after: Cursor | None) -> Cursor:
    """The cursor just before the first event wanted."""
    first = Cursor(from_height, -1)
    return first if after is None else max(first, after)
