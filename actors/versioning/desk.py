"""One call's work at a version desk: how accounts stand, and where events, answers and legs go, in their order."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from actors.columns import RowGatherer
from actors.rulebooks.perennial import NOTHING, Totals, requirement_floor_atoms
from actors.rulebooks.perennial_versions import Accumulators
from actors.sinks import DESK, AnswerSink, EventSink, Refused
from actors.units import INT64_MAX
from actors.versioning.state import VersionBook
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

# Classes of the desk's legs: what ops did, and what versions settled.
OPS, SETTLED = 0, 1
# The kind of a standing row that a desk tells (`StandingRows`).
PENDING_ROW = -1


@dataclass(slots=True)
class Standing:
    """How an account stands in the call: settled sizes, collateral at the latest version (floor), ops included."""

    settled: Totals
    collateral_atoms: int


class Op(NamedTuple):
    """A row of `VersionOps`."""

    op_class: int
    command: int
    venue: int
    market: int
    account: int
    kind: int
    maker_lots: int
    long_lots: int
    short_lots: int
    collateral_atoms: int
    counterparty: int
    reward_atoms: int
    settled_maker_lots: int
    settled_long_lots: int
    settled_short_lots: int
    standing_atoms: int
    only_reduces: int


class VersionWork:
    """Events and legs of ops are numbered from 0 in each call, each for itself."""

    def __init__(self, book: VersionBook, now_ms: int) -> None:
        self.book = book
        self.now_ms = now_ms
        self.sink = EventSink()
        self.answers = AnswerSink(self.sink)
        self.legs = RowGatherer(batches.VersionLegs)
        self._standings: dict[int, Standing] = {}
        # Pending fees and lock of accounts before the call changed them.
        self._before: dict[int, tuple[int, int]] = {}
        self._events = 0

    def standing(self, op: Op) -> Standing:
        """How the op's account stands; what the shard said with its first op, and what the call did since."""
        found = self._standings.get(op.account)
        if found is None:
            settled = Totals(op.settled_maker_lots, op.settled_long_lots, op.settled_short_lots)
            waiting = self.book.pending.accounts.get(op.account)
            assert waiting is None or waiting.settled == settled, f"account {op.account} is {settled} on its shard"
            found = self._standings[op.account] = Standing(settled, op.standing_atoms)
        return found

    def requirement_atoms(self, *positions: Totals) -> int:
        """The largest requirement of these positions at the latest valid price (PE-01)."""
        risk, price_ticks = self.book.terms.risk, self.book.price_ticks
        size_lots = max((position.magnitude_lots for position in positions), default=0)
        return requirement_floor_atoms(size_lots, price_ticks, risk.maintenance_ppm, risk.min_maintenance_atoms)

    def touch(self, account: int) -> None:
        """Remembers pending fees and lock of an account that is about to change."""
        if account not in self._before:
            self._before[account] = self._pending_of(account)

    def standings(self) -> batches.StandingRows:
        """Accounts whose pending fees or lock are not what they were, ascending."""
        told = RowGatherer(batches.StandingRows)
        for account, before in sorted(self._before.items()):
            now = self._pending_of(account)
            if now != before:
                told.add(self.book.venue, account, self.book.market, PENDING_ROW, 0, *now)
        return told.message()

    def _pending_of(self, account: int) -> tuple[int, int]:
        return self.book.pending.fees_atoms(account), self.book.pending.locked_ms(account)

    def emit(self, account: int, **body: Any) -> None:
        """Adds an event of the market under the call's next key."""
        event = events.Event(venue=self.book.venue, market=self.book.market, account=account, **body)
        self.sink.emit(self._next_key(), event)

    def done(self, command: int, amount_atoms: int) -> None:
        """Answers a command that has nothing to wait for."""
        self.answers.answer(command, common.OUTCOME_STATUS_DONE, amount_atoms=amount_atoms)

    def wait(self, command: int, version_ms: int, amount_atoms: int) -> None:
        """Answers a command that is pinned to a version."""
        self.answers.answer(command, common.OUTCOME_STATUS_PENDING, version_ms, amount_atoms=amount_atoms)

    def refuse(self, op: Op, refused: Refused, account: int, held_atoms: int) -> None:
        """Answers a command that may not happen, says so in an event, and gives back what its shard held for it.

        The numbers are cut to what an answer can carry: nobody has what the largest order of a costly asset requires.
        """
        book = self.book
        required, actual = (max(-INT64_MAX, min(number, INT64_MAX)) for number in (refused.required, refused.actual))
        cut = Refused(refused.refusal, required, actual)
        self.answers.refuse(self._next_key(), op.command, cut, book.venue, book.market, account)
        if held_atoms > 0:
            kind = batches.VERSION_LEG_KIND_RELEASE
            self.leg(op.command, 0, account, kind, free_atoms=held_atoms, held_atoms=-held_atoms)

    def leg(
        self,
        command: int,
        leg: int,
        account: int,
        kind: "batches.VersionLegKind",
        collateral_atoms: int = 0,
        free_atoms: int = 0,
        held_atoms: int = 0,
        counterparty: int = 0,
    ) -> None:
        """Adds a posting of class 0 to an account; `leg` tells those of a command apart."""
        head = (OPS, command, self.book.market, leg, self.book.venue, account, kind)
        self.legs.add(*head, collateral_atoms, free_atoms, held_atoms, 0, *NOTHING, 0, 0, 0, 0, 0, 0, counterparty)

    def settled_leg(
        self,
        number: int,
        leg: int,
        account: int,
        version_ms: int,
        sizes: Totals,
        values: Accumulators,
        fee_atoms: int,
        settlement_fee_atoms: int,
        flags: int,
    ) -> None:
        """Adds a posting of class 1; `number` counts the slots settled in this call."""
        kind = batches.VERSION_LEG_KIND_SETTLED
        head = (SETTLED, number, self.book.market, leg, self.book.venue, account, kind, 0, 0, 0)
        self.legs.add(*head, version_ms, *sizes, *values, fee_atoms, settlement_fee_atoms, flags, 0)

    def _next_key(self) -> tuple[int, int, int, int]:
        place, self._events = self._events, self._events + 1
        return DESK, self.book.venue << 32 | self.book.market, place, 0


def why_not_priced(work: VersionWork, needs_price: bool) -> Refused | None:
    """PE-04: without a valid version there is no price, and one too long ago is none either."""
    book = work.book
    if not book.valid_ms:
        return Refused(refusals.REFUSAL_NO_VERSION, 1, 0) if needs_price else None
    age_ms, stale_after_ms = book.next_ms - book.valid_ms, book.terms.risk.stale_after_ms
    return Refused(refusals.REFUSAL_STALE_VERSION, stale_after_ms, age_ms) if age_ms >= stale_after_ms else None


def kind_of(position: Totals) -> "events.PositionKind":
    """Which side a position is on."""
    for kind, lots in zip(_KINDS, position, strict=True):
        if lots:
            return kind
    return events.POSITION_KIND_UNSPECIFIED


_KINDS = (events.POSITION_KIND_MAKER, events.POSITION_KIND_LONG, events.POSITION_KIND_SHORT)
