"""What live orders may lose against the mark: nobody takes out, or stakes twice, what a fill may still cost (SP-04)."""

from actors.ledger.book_orders import BookOrder
from actors.ratio.book import RatioBook
from actors.ratio.health import MarketTerms, Terms, health
from actors.rulebooks import spin


def adverse_atoms(order: BookOrder, terms: MarketTerms) -> int:
    """What a fill of all lots at the worst price would lose against the mark, exact, fees aside."""
    return max(0, order.side * (order.limit - terms.mark_ticks)) * order.remaining * terms.k


def order_loss_ceil_atoms(order: BookOrder, terms: MarketTerms) -> int:
    """The same with the taker fee."""
    return adverse_atoms(order, terms) + spin.trading_fee_ceil_atoms(
        order.remaining * order.limit * terms.k, terms.taker_fee_e9
    )


def live_losses_atoms(book: RatioBook, account: int, terms: Terms) -> dict[int, int]:
    """That of the account's live orders whose worst price is worse than the mark, by number; triggers are not live."""
    losses = {}
    for number in book.orders.of_account(account):
        order = book.orders.read(number)
        rules = terms[order.market]
        if order.is_resting and order.side * (order.limit - rules.mark_ticks) > 0:
            losses[number] = order_loss_ceil_atoms(order, rules)
    return losses


def is_failing(book: RatioBook, account: int, terms: Terms) -> bool:
    """Mr < 1 with what the account's live orders would lose taken off: nothing of them may open anything (SP-04).

    An order that rests while the mark runs away from it is filled at its old price: without this an account could be
    filled far below zero, on the fund's account.
    """
    standing, adverse = health(book, account, terms), 0
    for number in book.orders.of_account(account):
        order = book.orders.read(number)
        adverse += adverse_atoms(order, terms[order.market]) if order.is_resting else 0
    return not spin.reaches(standing.equity - adverse, standing.collateral_e9, spin.OPEN_TENTHS)
