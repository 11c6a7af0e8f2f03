"""What a cross account is worth and what its positions and orders require, by the scalar rulebook (MT-01 to MT-03).

The kernel of the scan computes the same over columns; admission, withdrawals, the ladder's second look and the views
ask here, one account at a time.
"""

from typing import TYPE_CHECKING, NamedTuple

from actors.ledger.cross_positions import CrossPosition
from actors.rulebooks import margin_trade
from actors.units import LONG, SHORT

if TYPE_CHECKING:
    from actors.cross.book import CrossBook


class Health(NamedTuple):
    """An account, atoms: equity exact, requirements and holds rounded up."""

    equity: int
    initial_margin: int
    maintenance: int
    holds: int

    @property
    def free_margin(self) -> int:
        """What new orders may hold; below zero the account fails margin (MT-02)."""
        return self.equity - self.initial_margin - self.holds


class MarketHealth(NamedTuple):
    """One market of an account, atoms; `counted_upnl` leaves out a gain at a mark that may not be used."""

    notional: int
    upnl: int
    counted_upnl: int
    initial_margin: int
    maintenance: int
    hold: int


def health(book: "CrossBook", account: int) -> Health:
    """The account's sums at the marks in force."""
    equity = book.accounts.free(account)
    initial_margin = maintenance = holds = 0
    for market in book.positions.of_account(account):
        one = market_health(book, book.positions.read(account, market))
        equity += one.counted_upnl
        initial_margin += one.initial_margin
        maintenance += one.maintenance
        holds += one.hold
    return Health(equity, initial_margin, maintenance, holds)


def market_health(book: "CrossBook", row: CrossPosition) -> MarketHealth:
    """What one market adds to the account's sums."""
    market = row.market
    tiers, mark, k = book.tiers[market], book.mark_ticks(market), book.k(market)
    notional = margin_trade.notional_atoms(row.lots, mark, k)
    upnl = margin_trade.upnl_atoms(row.lots, row.cost, mark, k)
    return MarketHealth(
        notional=notional,
        upnl=upnl,
        counted_upnl=upnl if upnl < 0 or book.is_usable(market) else 0,
        initial_margin=margin_trade.initial_margin_ceil_atoms(notional, book.leverage(row), tiers),
        maintenance=margin_trade.maintenance_margin_ceil_atoms(notional, tiers),
        hold=market_hold(book, row),
    )


def market_hold(book: "CrossBook", row: CrossPosition) -> int:
    """What the resting orders of the row hold, atoms, rounded up (MT-02)."""
    if not row.buy_lots and not row.sell_lots:
        return 0
    return margin_trade.market_hold_atoms(
        _side_hold(book, row, LONG, row.buy_lots, row.buy_value, row.buy_adverse),
        _side_hold(book, row, SHORT, row.sell_lots, row.sell_value, row.sell_adverse),
    )


def _side_hold(book: "CrossBook", row: CrossPosition, side: int, lots: int, value: int, adverse: int) -> int:
    if not lots:
        return 0
    return margin_trade.side_hold_ceil_atoms(
        row.lots,
        side,
        lots,
        value,
        adverse,
        book.mark_ticks(row.market),
        book.k(row.market),
        book.leverage(row),
        book.tiers[row.market],
        book.markets[row.market].margin_trade.taker_fee_e9,
    )
