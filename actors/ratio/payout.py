"""Phase 8 of a Spin venue: withdrawals leave cash for `pending`, transfers leave it for a leg (SP-01, SP-04)."""

from collections.abc import Callable

from actors.columns import RowGatherer, rows
from actors.ledger.payout import request_withdrawal
from actors.orders.checks import why_market_stops
from actors.ratio.book import RatioBook
from actors.ratio.health import Terms, health, required_ceil_atoms
from actors.ratio.losses import live_losses_atoms
from actors.rulebooks import spin
from actors.sinks import PAY_OUT, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

# Class of the legs transfers leave.
TRANSFER_CLASS = 4


def pay_out(
    book: RatioBook,
    commands: batches.ShardCommands,
    legs: RowGatherer[batches.CrossLegs],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """The venue's withdrawals and transfers of the block, in command order together."""
    terms = Terms(book)

    def withdraw(command: int, account: int, amount: int, _to: int) -> None:
        request_withdrawal(book, book.height, command, account, amount, sink, answers)

    def transfer(command: int, account: int, amount: int, to: int) -> None:
        _transfer(book, command, account, amount, to, legs, sink, answers)

    queue: list[tuple[int, int, int, int, Callable[[int, int, int, int], None]]] = []
    queue += [(command, account, amount, 0, withdraw) for command, _, account, amount in rows(commands.withdrawals)]
    queue += [(command, account, amount, to, transfer) for command, _, account, to, amount in rows(commands.transfers)]
    for command, account, amount, to, leave in sorted(queue, key=lambda entry: entry[0]):
        refused = why_not_paid(book, account, amount, terms)
        if refused:
            answers.refuse((PAY_OUT, command, 0, 0), command, refused, book.venue, account=account)
        else:
            leave(command, account, amount, to)


def why_not_paid(book: RatioBook, account: int, amount_atoms: int, terms: Terms) -> Refused | None:
    """ACCOUNT_FROZEN, the state of a market the account stands in, MARGIN_RATIO, INSUFFICIENT_BALANCE.

    Mr must be 1 at least after it, what live orders may lose taken off equity; and what leaves must be cash, whatever
    gains would allow.
    """
    if book.accounts.is_frozen(account):
        return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
    for market in book.positions.of_account(account):
        if book.positions.lots(account, market) and not book.is_usable(market):
            return why_market_stops(book, market)
    standing = health(book, account, terms)
    left = standing.equity - sum(live_losses_atoms(book, account, terms).values()) - amount_atoms
    if not spin.may_withdraw(left, standing.collateral_e9):
        return Refused(refusals.REFUSAL_MARGIN_RATIO, required_ceil_atoms(standing.collateral_e9), left)
    cash = book.accounts.free(account)
    return Refused(refusals.REFUSAL_INSUFFICIENT_BALANCE, amount_atoms, cash) if amount_atoms > cash else None


def _transfer(
    book: RatioBook,
    command: int,
    account: int,
    amount: int,
    to: int,
    legs: RowGatherer[batches.CrossLegs],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    book.accounts.post(account, free=-amount)
    kind = events.CROSS_LEG_KIND_TRANSFER
    legs.add(TRANSFER_CLASS, command, 0, 0, book.venue, to, kind, 0, 0, 0, 0, 0, amount, account)
    body = events.Transferred(counterparty=to, amount_atoms=-amount, cash_atoms=book.accounts.free(account))
    event = events.Event(venue=book.venue, account=account, transferred=body)
    sink.emit((PAY_OUT, command, 0, 0), event)
    answers.answer(command, common.OUTCOME_STATUS_DONE, reference=to, amount_atoms=amount)
