"""What happens to accounts before the scan, under every rulebook: opened, deposits, decisions, freezes (phase 5).

Each kind in command order; the first sort key after the phase is the kind.
"""

from collections.abc import Mapping
from typing import Protocol

from actors.columns import rows
from actors.ledger.accounts import Accounts
from actors.sinks import TAKE, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

OPENED, DEPOSIT, DECISION, FREEZE, CANCEL = range(5)


class AccountBook(Protocol):
    """A venue's book, whatever its rulebook: it has accounts."""

    venue: int
    accounts: Accounts


def take_account_commands(
    books: Mapping[int, AccountBook], commands: batches.ShardCommands, sink: EventSink, answers: AnswerSink
) -> None:
    """Accounts opened, deposits, the custodian's decisions and freezes of all venues."""
    for command, venue, account, _ in rows(commands.opened):
        books[venue].accounts.open(account)
        event = events.Event(venue=venue, account=account, account_opened=events.AccountOpened())
        sink.emit((TAKE, OPENED, command, 0), event)
        answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account)
    for command, venue, account, amount in rows(commands.deposits):
        _deposit(books[venue], command, account, amount, sink, answers)
    for command, venue, account, withdrawal, confirm in rows(commands.decisions):
        _decide(books[venue], command, account, withdrawal, confirm == 1, sink, answers)
    for command, venue, account, frozen in rows(commands.freezes):
        books[venue].accounts.freeze(account, frozen == 1)
        body = events.AccountFrozen(frozen=frozen == 1)
        sink.emit((TAKE, FREEZE, command, 0), events.Event(venue=venue, account=account, account_frozen=body))
        answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account)


def _deposit(book: AccountBook, command: int, account: int, amount: int, sink: EventSink, answers: AnswerSink) -> None:
    book.accounts.post(account, free=amount, deposited=amount)
    event = events.Event(venue=book.venue, account=account, deposited=events.Deposited(amount_atoms=amount))
    sink.emit((TAKE, DEPOSIT, command, 0), event)
    answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account, amount_atoms=amount)


def _decide(
    book: AccountBook,
    command: int,
    account: int,
    withdrawal: int,
    confirmed: bool,
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    table = book.accounts.withdrawals
    if withdrawal not in table or table.get(withdrawal, "account") != account:
        refused = Refused(refusals.REFUSAL_UNKNOWN_WITHDRAWAL, 1, withdrawal)
        answers.refuse((TAKE, DECISION, command, 0), command, refused, book.venue, account=account)
        return
    amount = book.accounts.decide_withdrawal(withdrawal, confirmed)
    body = events.WithdrawalDecided(withdrawal=withdrawal, amount_atoms=amount, confirmed=confirmed)
    sink.emit((TAKE, DECISION, command, 0), events.Event(venue=book.venue, account=account, withdrawal_decided=body))
    answers.answer(command, common.OUTCOME_STATUS_DONE, reference=withdrawal, amount_atoms=amount)
