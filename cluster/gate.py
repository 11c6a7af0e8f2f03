"""The gate before the sequencer: RESUMING after a restart, PAUSED by an operator. No part of the state, no height."""

from collections.abc import Callable

from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals
from cluster.sequencer import Refused

# Commands that take risk away, bring money in, say what a price is, or are an operator's.
ALWAYS = frozenset(
    (
        "ticks",
        "deposits",
        "insurance_deposit",
        "cancel_orders",
        "cancel_book_orders",
        "cancel_all_after",
        "withdrawal_decisions",
        "create_venue",
        "create_market",
        "halt_market",
        "freeze_accounts",
        "void_command",
        "validator_progress",
    )
)


class ResumingGate:
    """Open once a fresh price was sequenced and the grace time is over; a driver's node and a new one start open."""

    def __init__(self, is_open: bool, grace_ms: int, now_ms: Callable[[], int]) -> None:
        self._fresh_at_ms = now_ms() - grace_ms if is_open else None
        self._grace_ms = grace_ms
        self._now_ms = now_ms
        self._paused = False

    def pause(self, paused: bool) -> None:
        """An operator's switch."""
        self._paused = paused

    def fresh_price(self) -> None:
        """A mark moved."""
        if self._fresh_at_ms is None:
            self._fresh_at_ms = self._now_ms()

    def state(self) -> "admin.NodeState":
        """READY, RESUMING or PAUSED."""
        if self._paused:
            return admin.NODE_STATE_PAUSED
        return admin.NODE_STATE_READY if self._is_open() else admin.NODE_STATE_RESUMING

    def check(self, batch: commands.CommandBatch) -> Refused | None:
        """Why the batch may not be sequenced now, or None."""
        if batch.WhichOneof("body") in ALWAYS:
            return None
        if self._paused:
            return Refused(refusals.REFUSAL_UNAVAILABLE)
        return None if self._is_open() else Refused(refusals.REFUSAL_RESUMING)

    def _is_open(self) -> bool:
        return self._fresh_at_ms is not None and self._now_ms() - self._fresh_at_ms >= self._grace_ms


def brings_ticks(payload: bytes) -> bool:
    """Whether there is a price, taken or not, in the bytes of a block."""
    return any(batch.HasField("ticks") for batch in commands.BlockInput.FromString(payload).batches)
