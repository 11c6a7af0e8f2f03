"""Phase 9 of a Perennial book: what accounts ask of the version desks gets their standing and goes to them.

Refused here is only what the desk cannot know: a frozen account, a deposit the balance does not cover. The desk answers
all else; that a frozen account may only reduce it is told with the change.
"""

from typing import Any

from actors.columns import RowGatherer, rows
from actors.ledger.payout import why_not_spend
from actors.rulebooks.versions import frozen_may_close
from actors.sinks import ADMIT, AnswerSink, Refused
from actors.versioned.book import VersionedBook
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import refusals_pb2 as refusals

LIQUIDATION, CHANGE, REPAYMENT = 0, 1, 2
_NO_SIZES = _NO_STANDING = (0, 0, 0)


def admit(
    book: VersionedBook, commands: batches.ShardCommands, ops: RowGatherer[batches.VersionOps], answers: AnswerSink
) -> None:
    """Everything of the venue's block that comes after the withdrawals, in command order."""
    queue: list[tuple[Any, tuple[Any, ...]]] = []
    queue += [(_liquidate, row) for row in rows(commands.forced_closes)]
    queue += [(_change, row) for row in rows(commands.changes)]
    queue += [(_repay, row) for row in rows(commands.repayments)]
    queue.sort(key=lambda entry: entry[1][0])
    for work, row in queue:
        refused = work(book, ops, *row)
        if refused:
            command, _, account, *_ = row
            answers.refuse((ADMIT, command, 0, 0), command, refused, book.venue, account=account)


def _liquidate(
    book: VersionedBook,
    ops: RowGatherer[batches.VersionOps],
    command: int,
    venue: int,
    account: int,
    market: int,
    liquidator: int,
    reward_atoms: int,
) -> None:
    """PE-07: anyone may ask, whoever is frozen; the target's standing decides at the desk."""
    kind = batches.VERSION_OP_KIND_LIQUIDATE
    standing = _standing(book, account, market)
    head = (LIQUIDATION, command, venue, market, account, kind)
    ops.add(*head, *_NO_SIZES, 0, liquidator, reward_atoms, *standing, 0)


def _change(
    book: VersionedBook,
    ops: RowGatherer[batches.VersionOps],
    command: int,
    venue: int,
    account: int,
    market: int,
    maker_lots: int,
    long_lots: int,
    short_lots: int,
    collateral_atoms: int,
) -> Refused | None:
    """ACCOUNT_FROZEN, INSUFFICIENT_BALANCE; a deposit is held until the desk has decided."""
    only_reduces = book.accounts.is_frozen(account) and not collateral_atoms and frozen_may_close(book.terms)
    refused = None if only_reduces else _hold(book, account, max(collateral_atoms, 0))
    if refused:
        return refused
    kind = batches.VERSION_OP_KIND_CHANGE
    sizes, standing = (maker_lots, long_lots, short_lots), _standing(book, account, market)
    ops.add(CHANGE, command, venue, market, account, kind, *sizes, collateral_atoms, 0, 0, *standing, int(only_reduces))
    return None


def _repay(
    book: VersionedBook,
    ops: RowGatherer[batches.VersionOps],
    command: int,
    venue: int,
    payer: int,
    market: int,
    debtor: int,
    amount_atoms: int,
) -> Refused | None:
    """ACCOUNT_FROZEN, INSUFFICIENT_BALANCE of the payer; the debtor may be on another shard."""
    refused = _hold(book, payer, amount_atoms)
    if refused:
        return refused
    kind = batches.VERSION_OP_KIND_REPAY
    head = (REPAYMENT, command, venue, market, debtor, kind)
    ops.add(*head, *_NO_SIZES, amount_atoms, payer, 0, *_NO_STANDING, 0, 0)
    return None


def _hold(book: VersionedBook, account: int, amount_atoms: int) -> Refused | None:
    if book.accounts.is_frozen(account):
        return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
    if amount_atoms:
        refused = why_not_spend(book.accounts, account, amount_atoms)
        if refused:
            return refused
        book.accounts.hold(account, amount_atoms)
    return None


def _standing(book: VersionedBook, account: int, market: int) -> tuple[int, int, int, int]:
    """Settled sizes, and collateral at the latest version, floored."""
    row = book.positions.read(account, market)
    return (*row.totals, book.standing_floor_atoms(row))
