"""What happens to accounts before the scan, under every rulebook: opened, deposits, decisions, freezes (phase 5).

Each kind in command order; the first sort key after the phase is the kind. Whole columns of accounts are opened and
funded at once: neither can be refused here, so what is said of them follows from the rows alone.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from actors.columns import matrix, row_count, rows, split_columns
from actors.event_rows import body_number
from actors.ledger.accounts import Accounts
from actors.sinks import TAKE, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

Int64Array = NDArray[np.int64]

OPENED, DEPOSIT, DECISION, FREEZE, CANCEL = range(5)
# Columns cost as much as so many accounts opened, or deposits, one by one.
FEW_ROWS: Final = 8
_OPENED_BODY: Final = body_number("account_opened")
_DEPOSITED_BODY: Final = body_number("deposited")
# Columns of `Outcomes`.
_REFERENCE: Final = 5
_AMOUNT: Final = 7


class AccountBook(Protocol):
    """A venue's book, whatever its rulebook: it has accounts."""

    venue: int
    accounts: Accounts


def take_account_commands(
    books: Mapping[int, AccountBook], commands: batches.ShardCommands, sink: EventSink, answers: AnswerSink
) -> None:
    """Accounts opened, deposits, the custodian's decisions and freezes of all venues."""
    if row_count(commands.opened) < FEW_ROWS:
        for command, venue, account, _ in rows(commands.opened):
            _open(books[venue], command, account, sink, answers)
    else:
        opened = split_columns(batches.AccountRows, matrix(commands.opened), "venue")
        for (venue,), (command_column, _, account_column, _) in opened.items():
            open_many(books[venue], command_column, account_column, sink, answers)
    if row_count(commands.deposits) < FEW_ROWS:
        for command, venue, account, amount in rows(commands.deposits):
            _deposit(books[venue], command, account, amount, sink, answers)
    else:
        deposits = split_columns(batches.AmountRows, matrix(commands.deposits), "venue")
        for (venue,), (command_column, _, account_column, amounts) in deposits.items():
            deposit_many(books[venue], command_column, account_column, amounts, sink, answers)
    for command, venue, account, withdrawal, confirm in rows(commands.decisions):
        _decide(books[venue], command, account, withdrawal, confirm == 1, sink, answers)
    for command, venue, account, frozen in rows(commands.freezes):
        books[venue].accounts.freeze(account, frozen == 1)
        body = events.AccountFrozen(frozen=frozen == 1)
        sink.emit((TAKE, FREEZE, command, 0), events.Event(venue=venue, account=account, account_frozen=body))
        answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account)


def _open(book: AccountBook, command: int, account: int, sink: EventSink, answers: AnswerSink) -> None:
    book.accounts.open(account)
    event = events.Event(venue=book.venue, account=account, account_opened=events.AccountOpened())
    sink.emit((TAKE, OPENED, command, 0), event)
    answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account)


def open_many(
    book: AccountBook, command: Int64Array, account: Int64Array, sink: EventSink, answers: AnswerSink
) -> None:
    """Opens a column of new accounts of one venue."""
    book.accounts.open_many(account)
    no_fields = np.empty((account.size, 0), dtype=np.int64)
    _say(book, OPENED, _OPENED_BODY, command, account, no_fields, sink)
    nothing = np.zeros_like(command)
    _answer(command, account, nothing, answers)


def _deposit(book: AccountBook, command: int, account: int, amount: int, sink: EventSink, answers: AnswerSink) -> None:
    book.accounts.post(account, free=amount, deposited=amount)
    event = events.Event(venue=book.venue, account=account, deposited=events.Deposited(amount_atoms=amount))
    sink.emit((TAKE, DEPOSIT, command, 0), event)
    answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account, amount_atoms=amount)


def deposit_many(
    book: AccountBook,
    command: Int64Array,
    account: Int64Array,
    amount_atoms: Int64Array,
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """Credits a column of deposits of one venue; an account may be named more than once."""
    book.accounts.deposit_many(account, amount_atoms)
    _say(book, DEPOSIT, _DEPOSITED_BODY, command, account, amount_atoms[:, np.newaxis], sink)
    _answer(command, account, amount_atoms, answers)


def _say(
    book: AccountBook,
    kind: int,
    body: int,
    command: Int64Array,
    account: Int64Array,
    fields: Int64Array,
    sink: EventSink,
) -> None:
    """An event of every row; `fields` int64[n, fields]."""
    nothing = np.zeros_like(command)
    keys = np.stack((np.full_like(command, TAKE), np.full_like(command, kind), command, nothing))
    sink.emit_rows(keys, body, book.venue, nothing, account, fields)


def _answer(command: Int64Array, account: Int64Array, amount_atoms: Int64Array, answers: AnswerSink) -> None:
    """DONE for every row."""
    done = np.zeros((len(batches.Outcomes.DESCRIPTOR.fields), command.size), dtype=np.int64)
    done[:2] = command, np.full_like(command, common.OUTCOME_STATUS_DONE)
    done[_REFERENCE], done[_AMOUNT] = account, amount_atoms
    answers.answer_rows(done)


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
