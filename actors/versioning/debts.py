"""The shortfall ledger of a market: who owes it what after a close, and how debts are repaid (PE-17).

A debt is the negative collateral of an account without a position; the ledger only names it.
"""

from collections.abc import Iterable

from actors.columns import rows
from actors.sinks import Refused
from actors.versioning.desk import Op, VersionWork
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals


def record_debts(work: VersionWork, debts: Iterable[tuple[int, int]]) -> None:
    """Takes what shards found owed when they settled: (account, atoms), the whole of it each time."""
    book = work.book
    for account, amount_atoms in debts:
        known_atoms = book.debts.get(account, 0)
        if amount_atoms > known_atoms:
            book.set_debt(account, amount_atoms)
            body = events.ShortfallRecorded(
                amount_atoms=amount_atoms - known_atoms, shortfall_atoms=book.shortfall_atoms
            )
            work.emit(account, shortfall_recorded=body)
        lower_debt(work, account, account, amount_atoms)


def lower_debt(work: VersionWork, account: int, payer: int, owed_atoms: int) -> None:
    """An account owes no more than this from now on; says who paid the difference, if there is one."""
    book = work.book
    known_atoms = book.debts.get(account, 0)
    if owed_atoms >= known_atoms:
        return
    book.set_debt(account, owed_atoms)
    body = events.ShortfallRepaid(
        payer=payer,
        amount_atoms=known_atoms - owed_atoms,
        debt_atoms=owed_atoms,
        shortfall_atoms=book.shortfall_atoms,
    )
    work.emit(account, shortfall_repaid=body)


def repay(work: VersionWork, op: Op) -> None:
    """Somebody pays a debt, in part or whole, from what its shard held; more than the debt is refused.

    `v2_exact`: a stranger pays the whole of it or nothing, as in the contracts.
    """
    book, payer, amount_atoms = work.book, op.counterparty, op.collateral_atoms
    debt_atoms = book.debts.get(op.account, 0)
    in_part_by_stranger = amount_atoms < debt_atoms and payer != op.account
    if amount_atoms > debt_atoms or (book.terms.exact and in_part_by_stranger):
        refused = Refused(refusals.REFUSAL_NOTHING_TO_REPAY, debt_atoms, amount_atoms)
        work.refuse(op, refused, payer, amount_atoms)
        return
    book.balance_atoms += amount_atoms
    kind = batches.VERSION_LEG_KIND_REPAID
    work.leg(op.command, 0, op.account, kind, collateral_atoms=amount_atoms, counterparty=payer)
    work.leg(op.command, 1, payer, kind, held_atoms=-amount_atoms, counterparty=op.account)
    work.done(op.command, amount_atoms)
    lower_debt(work, op.account, payer, debt_atoms - amount_atoms)


def debt_rows(debts: batches.VersionDebts) -> list[tuple[int, int]]:
    """(account, atoms) of the column message, by account."""
    return sorted((account, amount_atoms) for _, _, account, amount_atoms in rows(debts))
