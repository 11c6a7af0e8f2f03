"""The chain itself: heights, times, epochs, hashes, events in their numbers, a request key's one effect (3, 5)."""

from __future__ import annotations

from typing import Any, Final

from actors.chain.roots import header_hash
from breakwater.v1 import refusals_pb2
from node.simulation.auditing.seen import Seen

# A batch refused whole by one of these leaves its key free.
_NOT_TAKEN: Final = frozenset(range(refusals_pb2.REFUSAL_BAD_REQUEST_KEY, refusals_pb2.REFUSAL_EMPTY_BATCH + 1))


# How the legs that wait are ordered: the same whoever sent them, and from how many shards (design, section 3).
_BY_ONE_DESK: Final = ("venue", "class", "command", "leg")
_BY_MARKETS: Final = ("venue", "class", "command", "market", "leg")


class ChainBook:
    """What the last block was, and when a key was used."""

    def __init__(self) -> None:
        self.height = 0
        self._time_ms = 0
        self._epoch = 0
        self._header_hash = b""
        self._roots = (b"", b"")
        self._used: dict[tuple[int, bytes], int] = {}

    def block(self, seen: Seen) -> list[str]:
        """See `Auditor`."""
        header = seen.result.header
        faults = self._follows(seen)
        if header.height != seen.height or header.block_time_ms != seen.now_ms:
            faults.append(f"its header says height {header.height}, time {header.block_time_ms}")
        for index, event in enumerate(seen.events):
            if (event.height, event.index, event.block_time_ms) != (seen.height, index, seen.now_ms):
                faults.append(f"event {index} is numbered {event.height}/{event.index} at {event.block_time_ms}")
        faults += _out_of_order(seen)
        commands = list(seen.result.outcomes.command)
        if commands != list(range(sum(seen.result.batch_rows))):
            faults.append(f"{sum(seen.result.batch_rows)} commands are answered as {commands}")
        self.height, self._time_ms, self._epoch = seen.height, seen.now_ms, header.epoch
        self._header_hash = header_hash(seen.result.header_bytes)
        self._roots = header.events_root, header.state_root
        return faults + self._keys(seen)

    def _follows(self, seen: Seen) -> list[str]:
        header, faults = seen.result.header, []
        if seen.height != self.height + 1:
            faults.append(f"it follows height {self.height}")
        if seen.now_ms < self._time_ms:
            faults.append(f"block time fell from {self._time_ms} to {seen.now_ms} ms")
        if header.epoch < self._epoch:
            faults.append(f"the epoch fell from {self._epoch} to {header.epoch}")
        if self._header_hash and header.previous_header_hash != self._header_hash:
            faults.append("its header does not name the header before")
        told = seen.block.previous_events_root, seen.block.previous_state_root
        if self.height and told[0] and told != self._roots:
            faults.append("its frame does not carry the roots of the block before")
        return faults

    def _keys(self, seen: Seen) -> list[str]:
        """Expired ones are refused, and none is taken twice."""
        faults = []
        for batch, outcome in zip(seen.block.batches, seen.outcomes, strict=True):
            if all(refusal in _NOT_TAKEN for refusal in outcome.refusal):
                continue
            key, shown = (batch.principal, batch.request_key), batch.request_key.decode(errors="replace")
            if key in self._used:
                faults.append(f"principal {batch.principal} key {shown} was taken at height {self._used[key]} already")
            if batch.expires_ms < seen.now_ms:
                faults.append(f"principal {batch.principal} key {shown} was taken, expired at {batch.expires_ms} ms")
            self._used[key] = seen.height
        return faults


def _out_of_order(seen: Seen) -> list[str]:
    """Outboxes whose legs are not in the order they are settled in."""
    state = seen.view.state
    boxes: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("outbox", state.outbox, _BY_ONE_DESK),
        ("cross outbox", state.cross_outbox, _BY_MARKETS),
        ("version outbox", state.version_outbox, _BY_MARKETS),
    )
    faults = []
    for name, box, order in boxes:
        places = list(zip(*(getattr(box, column) for column in order), strict=True))
        if places != sorted(places):
            faults.append(f"the {name} has its legs as {places}, which is not by {order}")
    return faults
