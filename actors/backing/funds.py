"""The venue's money beside its vault: fees, the insurance fund (MT-16a), the shortfall ledger (MT-16)."""

from actors.backing.desk import TAKEOVERS, BackstopDesk
from actors.columns import rows
from actors.sinks import Refused
from actors.units import TOTAL_BOUND
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals


def book_dues(desk: BackstopDesk, dues: batches.CrossDues) -> None:
    """Books what settling took from accounts. Rows are summed by kind first: who sent them must not show."""
    book = desk.book
    sums = dict.fromkeys(batches.CrossDueKind.values(), 0)
    for venue, kind, amount in rows(dues):
        if venue == book.venue:
            sums[kind] += amount
    book.fees_atoms += sums[batches.CROSS_DUE_KIND_TRADING_FEES]
    _move_fund(desk, sums[batches.CROSS_DUE_KIND_LIQUIDATION_FEES], events.INSURANCE_REASON_LIQUIDATION_FEES)
    _move_fund(desk, sums[batches.CROSS_DUE_KIND_FUNDING], events.INSURANCE_REASON_FUNDING_RESIDUE)
    written_off = sums[batches.CROSS_DUE_KIND_WRITE_OFF]
    if written_off:
        book.shortfall_atoms += written_off
        body = events.ShortfallRecorded(amount_atoms=written_off, shortfall_atoms=book.shortfall_atoms)
        desk.emit(0, shortfall_recorded=body)


def take_deposits(desk: BackstopDesk, deposits: batches.InsuranceRows) -> None:
    """Operators pay into the fund, in command order."""
    book = desk.book
    for command, venue, amount in rows(deposits):
        if venue != book.venue:
            continue
        if book.deposited_atoms + amount >= TOTAL_BOUND:
            total = book.deposited_atoms + amount
            desk.refuse(command, Refused(refusals.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, total))
            continue
        book.deposited_atoms += amount
        _move_fund(desk, amount, events.INSURANCE_REASON_OPERATOR)
        desk.done(command, 0, amount)


def pay_deficit(desk: BackstopDesk, sequence: int, account: int, deficit_atoms: int) -> bool:
    """Pays what an account is below zero, fully or not at all; says whether it did (MT-16a)."""
    if desk.book.fund_atoms < deficit_atoms:
        return False
    _move_fund(desk, -deficit_atoms, events.INSURANCE_REASON_DEFICIT, account)
    desk.leg(TAKEOVERS, sequence, account, events.CROSS_LEG_KIND_CASH, deficit_atoms)
    return True


def _move_fund(desk: BackstopDesk, amount: int, reason: "events.InsuranceReason", account: int = 0) -> None:
    if not amount:
        return
    desk.book.fund_atoms += amount
    assert desk.book.fund_atoms >= 0, f"the fund of venue {desk.book.venue} fell below zero by {amount}"
    body = events.InsuranceMoved(amount_atoms=amount, reason=reason, fund_atoms=desk.book.fund_atoms)
    desk.emit(account, insurance_moved=body)
