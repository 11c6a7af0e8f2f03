"""Withdrawals of free balance, where nothing but the balance decides (phase 8), and what every payout ends in.

Under a rulebook by which positions keep some of the cash the book asks first and then requests the withdrawal here.
"""

from collections.abc import Mapping

from actors.columns import rows
from actors.ledger.account_commands import AccountBook
from actors.ledger.accounts import Accounts
from actors.sinks import PAY_OUT, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals


def pay_out_free(
    books: Mapping[int, AccountBook], height: int, requests: batches.AmountRows, sink: EventSink, answers: AnswerSink
) -> None:
    """Withdrawals leave `free` for `pending` in command order: frozen, balance."""
    for command, venue, account, amount in rows(requests):
        refused = why_not_spend(books[venue].accounts, account, amount)
        if refused:
            answers.refuse((PAY_OUT, command, 0, 0), command, refused, venue, account=account)
        else:
            request_withdrawal(books[venue], height, command, account, amount, sink, answers)


def why_not_spend(accounts: Accounts, account: int, amount_atoms: int) -> Refused | None:
    """ACCOUNT_FROZEN, then INSUFFICIENT_BALANCE (required the amount, actual what is free)."""
    if accounts.is_frozen(account):
        return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
    free = accounts.free(account)
    return Refused(refusals.REFUSAL_INSUFFICIENT_BALANCE, amount_atoms, free) if free < amount_atoms else None


def request_withdrawal(
    book: AccountBook,
    height: int,
    command: int,
    account: int,
    amount_atoms: int,
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """Moves what may leave to `pending`, under the number of the command, and says so."""
    withdrawal = height << 20 | command
    book.accounts.request_withdrawal(account, withdrawal, amount_atoms)
    body = events.WithdrawalRequested(withdrawal=withdrawal, amount_atoms=amount_atoms)
    event = events.Event(venue=book.venue, account=account, withdrawal_requested=body)
    sink.emit((PAY_OUT, command, 0, 0), event)
    answers.answer(command, common.OUTCOME_STATUS_DONE, reference=withdrawal, amount_atoms=amount_atoms)
