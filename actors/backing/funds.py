"""The venue's money beside its vault: fees, the insurance fund (MT-16a), the shortfall ledger (MT-16)."""

from actors.backing.desk import TAKEOVERS, BackstopDesk
from actors.insuring.fund import dues_by_kind, move_fund
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events


def book_dues(desk: BackstopDesk, dues: batches.CrossDues) -> None:
    """Books what settling took from accounts, kind by kind."""
    book = desk.book
    sums = dues_by_kind(book.venue, dues)
    book.fees_atoms += sums[batches.CROSS_DUE_KIND_TRADING_FEES]
    move_fund(desk, sums[batches.CROSS_DUE_KIND_LIQUIDATION_FEES], events.INSURANCE_REASON_LIQUIDATION_FEES)
    move_fund(desk, sums[batches.CROSS_DUE_KIND_FUNDING], events.INSURANCE_REASON_FUNDING_RESIDUE)
    written_off = sums[batches.CROSS_DUE_KIND_WRITE_OFF]
    if written_off:
        book.shortfall_atoms += written_off
        body = events.ShortfallRecorded(amount_atoms=written_off, shortfall_atoms=book.shortfall_atoms)
        desk.emit(0, shortfall_recorded=body)


def pay_deficit(desk: BackstopDesk, sequence: int, account: int, deficit_atoms: int) -> bool:
    """Pays what an account is below zero, fully or not at all; says whether it did (MT-16a)."""
    if desk.book.fund_atoms < deficit_atoms:
        return False
    move_fund(desk, -deficit_atoms, events.INSURANCE_REASON_DEFICIT, account)
    desk.leg(TAKEOVERS, sequence, account, events.CROSS_LEG_KIND_CASH, deficit_atoms)
    return True
