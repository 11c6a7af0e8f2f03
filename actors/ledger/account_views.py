"""What every reader of an account sees first, whatever the rulebook: its balances and withdrawals."""

from actors.ledger.account_commands import AccountBook
from breakwater.v1 import batches_pb2 as batches


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
