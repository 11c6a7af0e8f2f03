"""Phase 8: withdrawals leave cash for `pending`, as long as what must stay does (MT-04)."""

from actors.columns import rows
from actors.cross.book import CrossBook
from actors.cross.health import Health
from actors.cross.holds import increasing_atoms, margin_terms
from actors.cross.losses import orders_loss_ceil_atoms
from actors.ledger.payout import request_withdrawal
from actors.orders.checks import why_market_stops
from actors.sinks import PAY_OUT, AnswerSink, EventSink, Refused
from actors.units import PPM, mul_div_ceil
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import refusals_pb2 as refusals

WITHDRAWAL_FLOOR_PPM = 100_000


def pay_out(book: CrossBook, requests: batches.AmountRows, sink: EventSink, answers: AnswerSink) -> None:
    """The venue's withdrawals of the block, in command order, on the state after the ladder."""
    for command, _, account, amount in rows(requests):
        refused = why_not_paid(book, account, amount)
        if refused:
            answers.refuse((PAY_OUT, command, 0, 0), command, refused, book.venue, account=account)
            continue
        request_withdrawal(book, book.height, command, account, amount, sink, answers)


def why_not_paid(book: CrossBook, account: int, amount_atoms: int) -> Refused | None:
    """ACCOUNT_FROZEN, the state of a market the account stands in, WITHDRAWAL_MARGIN."""
    if book.accounts.is_frozen(account):
        return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
    for market in book.positions.of_account(account):
        if book.positions.lots(account, market) and not book.is_usable(market):
            return why_market_stops(book, market)
    health = book.health(account)
    required = must_stay_ceil_atoms(book, account, health)
    left = health.equity - amount_atoms
    return Refused(refusals.REFUSAL_WITHDRAWAL_MARGIN, required, left) if left < required else None


def must_stay_ceil_atoms(book: CrossBook, account: int, health: Health) -> int:
    """The largest, rounded up, of: sum IM + holds, 10% of the notional of positions and of orders that would increase
    them (MT-04), and what the live orders may lose against the mark.
    """
    notional = loss = 0
    for market in book.positions.of_account(account):
        row, terms = book.positions.read(account, market), margin_terms(book, market)
        notional += abs(row.lots) * terms.mark_ticks * terms.k + increasing_atoms(row, terms)
        loss += orders_loss_ceil_atoms(book, row, terms)
    return max(health.initial_margin + health.holds, mul_div_ceil(notional, WITHDRAWAL_FLOOR_PPM, PPM), loss)
