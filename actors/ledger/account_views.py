"""What every reader of an account sees first, whatever the rulebook: its balances and withdrawals."""

import numpy as np
from numpy.typing import NDArray

from actors.columns import field_names
from actors.ledger.account_commands import AccountBook
from breakwater.v1 import batches_pb2 as batches

# Of `StandingRows`: an account's cash stands where the cost of a position does.
_COST = 5


def balances_view(book: AccountBook, account: int) -> batches.AccountView:
    """Balances, lifetime totals and withdrawals not decided yet; `exists` is false, and all else 0, without it."""
    view = batches.AccountView(venue=book.venue, account=account, exists=account in book.accounts)
    if not view.exists:
        return view
    _, frozen, free, held, pending, deposited, withdrawn = book.accounts.table.row(account)
    view.frozen = frozen == 1
    view.free_atoms, view.held_atoms, view.pending_withdrawal_atoms = free, held, pending
    view.deposited_atoms, view.withdrawn_atoms = deposited, withdrawn
    for withdrawal in book.accounts.withdrawals_of(account):
        view.withdrawals.add(withdrawal=withdrawal, amount_atoms=book.accounts.withdrawals.get(withdrawal, "amount"))
    return view


def cash_columns(book: AccountBook, accounts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns of `StandingRows` that tell what is free to those of these accounts that are there, in their order."""
    slots = book.accounts.slots_of(accounts)
    there = slots >= 0  # one opened while staging may have been dropped
    told = np.zeros((len(field_names(batches.StandingRows)), np.count_nonzero(there)), dtype=np.int64)
    told[0], told[1] = book.venue, accounts[there]
    told[_COST] = book.accounts.table.column("free")[slots[there]]
    return told
