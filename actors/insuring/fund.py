"""An insurance fund, whichever desk keeps it: how it moves, operators' deposits, what settling took by kind."""

from typing import Final, Protocol

from actors.columns import rows
from actors.sinks import Refused
from actors.units import TOTAL_BOUND
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

# Asking the enum costs more than all else there is to do where nothing is due.
_DUE_KINDS: Final[tuple[int, ...]] = tuple(batches.CrossDueKind.values())


class FundBook(Protocol):
    """Who keeps a fund, atoms; `deposited_atoms` is what operators ever paid in."""

    venue: int
    fund_atoms: int
    deposited_atoms: int


class FundDesk(Protocol):
    """Where the keeper of a fund tells and answers in a call."""

    @property
    def book(self) -> FundBook:
        """The fund's state."""

    def emit(self, account: int, market: int = 0, **body: object) -> None:
        """Adds an event of the venue."""

    def done(self, command: int, reference: int, amount_atoms: int) -> None:
        """Answers a command that was carried out."""

    def refuse(self, command: int, refused: Refused, account: int = 0) -> None:
        """Answers a command that may not happen."""


def move_fund(
    desk: FundDesk, amount_atoms: int, reason: "events.InsuranceReason", account: int = 0, market: int = 0
) -> None:
    """The fund gets an amount, or pays one that is below zero; it must have what it pays. Nothing is not told."""
    if not amount_atoms:
        return
    desk.book.fund_atoms += amount_atoms
    assert desk.book.fund_atoms >= 0, f"the fund of venue {desk.book.venue} fell below zero by {amount_atoms}"
    body = events.InsuranceMoved(amount_atoms=amount_atoms, reason=reason, fund_atoms=desk.book.fund_atoms)
    desk.emit(account, market, insurance_moved=body)


def take_deposits(desk: FundDesk, deposits: batches.InsuranceRows) -> None:
    """Operators pay into the fund, in the order of the rows; VENUE_TOTAL where all they ever paid reaches 2^60."""
    book = desk.book
    for command, venue, amount in rows(deposits):
        if venue != book.venue:
            continue
        if book.deposited_atoms + amount >= TOTAL_BOUND:
            total = book.deposited_atoms + amount
            desk.refuse(command, Refused(refusals.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, total))
            continue
        book.deposited_atoms += amount
        move_fund(desk, amount, events.INSURANCE_REASON_OPERATOR)
        desk.done(command, 0, amount)


def dues_by_kind(venue: int, dues: batches.CrossDues) -> dict[int, int]:
    """What settling took from the venue's accounts, atoms by kind: summed, for who sent a row must not show."""
    sums = dict.fromkeys(_DUE_KINDS, 0)
    for due_venue, kind, amount in rows(dues):
        if due_venue == venue:
            sums[kind] += amount
    return sums
