"""An archive in memory, with the face of `cluster.archive.Archive` that a node and its recovery use.

It is derived data: the blocks that were not synced yet are lost with the power, all of it may be lost with the file.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from actors.chain.numbered_events import NumberedEvents
from cluster.archive import NO_ACCOUNT, ArchiveMismatch, Event, Header, Outcome
from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.process import Process


class _Block(NamedTuple):
    header: Header
    events: NumberedEvents
    outcomes: Sequence[tuple[bytes, bytes, bytes]]


class ArchiveFile:
    """What is there when a node opens its archive."""

    def __init__(self, chaos: Chaos) -> None:
        self.blocks: list[_Block] = []
        self.synced_height = 0
        self._chaos = chaos

    @property
    def tip(self) -> int:
        """The last height, 0 where there is none."""
        return self.blocks[-1].header.height if self.blocks else 0

    def lose(self) -> None:
        """The file is gone."""
        self.blocks.clear()
        self.synced_height = 0

    def lose_power(self) -> None:
        """The last blocks may be gone: the archive is synced behind the journal. Or the whole file is."""
        if self._chaos.strikes(Fault.ARCHIVE_LOST):
            self.lose()
        elif self._chaos.strikes(Fault.ARCHIVE_LAGS, "its last blocks are lost with the power"):
            lost = self._chaos.between(Fault.ARCHIVE_LAGS, 1, 6)
            while self.blocks and lost and self.tip > self.synced_height:
                self.blocks.pop()
                lost -= 1


class SimArchive:
    """One node's opening of the file. The process may end in the middle of a write."""

    def __init__(self, file: ArchiveFile, process: Process) -> None:
        self._file = file
        self._blocks = file.blocks
        self._process = process
        self._outcomes: dict[bytes, Outcome] = {}
        for block in self._blocks:
            self._index(block)

    def append_block(
        self,
        height: int,
        block_time_ms: int,
        header: bytes,
        events: NumberedEvents,
        outcomes: Sequence[tuple[bytes, bytes, bytes]],
    ) -> bool:
        """See `Archive`."""
        tip = self.tip()
        if tip is not None and height <= tip:
            found = self.header(height)
            if found is not None and found.header != header:
                raise ArchiveMismatch(f"block {height} is archived with another header")
            return False
        if tip is not None and height != tip + 1:
            raise ArchiveMismatch(f"block {height} does not follow block {tip}")
        self._process.crash_point(Fault.CRASH_IN_ARCHIVE)
        block = _Block(Header(height, block_time_ms, header, None), events, list(outcomes))
        self._blocks.append(block)
        self._index(block)
        return True

    def _index(self, block: _Block) -> None:
        for key, body_hash, outcome in block.outcomes:
            self._outcomes.setdefault(key, Outcome(key, block.header.height, body_hash, outcome))

    def tend(self, events: int) -> None:
        """See `Archive`."""

    def sync(self) -> None:
        """See `Archive`."""
        self._file.synced_height = self._file.tip

    def sign(self, height: int, signature: bytes) -> None:
        """See `Archive`."""
        place = height - self._first()
        if not 0 <= place < len(self._blocks):
            raise KeyError(height)
        block = self._blocks[place]
        self._blocks[place] = block._replace(header=block.header._replace(signature=signature))

    def tip(self) -> int | None:
        """See `Archive`."""
        return self._blocks[-1].header.height if self._blocks else None

    def header(self, height: int) -> Header | None:
        """See `Archive`."""
        return next(iter(self.headers(height, height)), None)

    def headers(self, from_height: int, to_height: int) -> list[Header]:
        """See `Archive`."""
        return [block.header for block in self._blocks if from_height <= block.header.height <= to_height]

    def events(self, height: int) -> list[Event]:
        """See `Archive`."""
        found = (block for block in self._blocks if block.header.height == height)
        return [
            Event(height, idx, venue, kind, account or NO_ACCOUNT, content)
            for block in found
            for idx, (venue, _, account, kind, content) in enumerate(_told(block.events))
        ]

    def request_keys(self) -> Iterator[bytes]:
        """See `Archive`."""
        yield from self._outcomes

    def outcome(self, request_key: bytes) -> Outcome | None:
        """See `Archive`."""
        return self._outcomes.get(request_key)

    def close(self) -> None:
        """See `Archive`."""

    def _first(self) -> int:
        return self._blocks[0].header.height if self._blocks else 1


def _told(events: NumberedEvents) -> Iterator[tuple[int, int, int, int, bytes]]:
    return zip(*(column.tolist() for column in events.facts()), events, strict=True)
