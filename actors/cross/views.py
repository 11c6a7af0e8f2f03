"""A cross book as readers see it, between blocks: accounts, and where positions stand in the deleveraging queue."""

import numpy as np

from actors.cross.book import CrossBook
from actors.cross.health import Health, MarketHealth, market_health
from actors.cross.payout import must_stay_ceil_atoms
from actors.ledger.account_views import balances_view
from actors.ledger.cross_positions import CrossPosition
from actors.orders.views import order_view
from actors.risk.adl import score
from actors.risk.cross_scan import MarketAtMark, PositionColumns, market_columns, standing_of
from actors.rulebooks import margin_trade
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common


def account_view(book: CrossBook, account: int) -> batches.AccountView:
    """The account as a reader sees it; `exists` is false where there is none. free_atoms is its signed cash."""
    view = balances_view(book, account)
    if view.exists:
        view.cross.CopyFrom(_cross_view(book, account))
    return view


def _cross_view(book: CrossBook, account: int) -> batches.CrossView:
    health = book.health(account)
    view = batches.CrossView(
        cash_atoms=book.accounts.free(account),
        equity_atoms=health.equity,
        initial_margin_atoms=health.initial_margin,
        maintenance_atoms=health.maintenance,
        holds_atoms=health.holds,
        free_margin_atoms=health.free_margin,
        withdrawable_atoms=_withdrawable(book, account, health),
        rung=_rung(book, health),
        cooldown_until_ms=book.ladder.get(account, "cooldown_until_ms") if account in book.ladder else 0,
    )
    for market in book.positions.of_account(account):
        row = book.positions.read(account, market)
        view.positions.append(_position_view(book, row, health, market_health(book, row)))
    for order in book.orders.of_account(account):
        view.orders.append(order_view(book, order))
    return view


def _withdrawable(book: CrossBook, account: int, health: Health) -> int:
    """MT-04; nothing while the account is frozen or stands in a market whose mark may not be used."""
    held = [market for market in book.positions.of_account(account) if book.positions.lots(account, market)]
    if book.accounts.is_frozen(account) or not all(book.is_usable(market) for market in held):
        return 0
    return max(0, health.equity - must_stay_ceil_atoms(book, account, health))


def _rung(book: CrossBook, health: Health) -> int:
    rules = book.rules
    return margin_trade.rung_due(
        health.equity, health.maintenance, rules.backstop_numerator, rules.backstop_denominator
    )


def _position_view(
    book: CrossBook, row: CrossPosition, health: Health, market: MarketHealth
) -> batches.CrossPositionView:
    """One row, one without lots included: it shows the chosen leverage and the hold of its orders."""
    mark, k = book.mark_ticks(row.market), book.k(row.market)
    liquidation = margin_trade.liquidation_price_estimate_ticks(
        row.lots, mark, k, health.equity, health.maintenance, book.tiers[row.market]
    )
    return batches.CrossPositionView(
        market=row.market,
        lots=row.lots,
        cost_atoms=row.cost,
        mark_ticks=mark,
        notional_atoms=market.notional,
        upnl_atoms=market.upnl,
        initial_margin_atoms=market.initial_margin,
        maintenance_atoms=market.maintenance,
        leverage=book.leverage(row),
        liquidation_ticks=liquidation or 0,
        deleverage_score=score(row.lots, row.cost, health.equity, mark, k) if row.lots and health.equity > 0 else 0,
        hold_atoms=market.hold,
    )


def deleverage_rank(book: CrossBook, query: batches.DeleverageRankQuery) -> tuple[int, int]:
    """(positions of that side deleveraged before one with this score and account, positions of that side) (MT-15).

    Accounts without equity above zero are never deleveraged and not counted.
    """
    table, market = book.positions.table, query.market
    side = 1 if query.side == common.SIDE_LONG else -1
    made = table.slots_made
    slots = np.flatnonzero((table.column("market")[:made] == market) & (side * table.column("lots")[:made] > 0))
    if not slots.size:
        return 0, 0
    equity = _equities(book)[table.column("owner_slot")[slots]]
    mark, k = book.mark_ticks(market), book.k(market)
    columns = (table.column(name)[slots].tolist() for name in ("account", "lots", "cost"))
    ranked = [
        (-score(lots, cost, worth, mark, k), account)
        for account, lots, cost, worth in zip(*columns, equity.tolist(), strict=True)
        if worth > 0
    ]
    asked = (-query.score, query.account)
    return sum(one < asked for one in ranked), len(ranked)


def _equities(book: CrossBook) -> np.ndarray:
    """Equity by the account's slot, a gain at a mark that may not be used left out, atoms."""
    accounts, positions = book.accounts.table, book.positions.table
    made = positions.slots_made
    columns = PositionColumns(*(positions.column(name)[:made] for name in ("owner_slot", "market", "lots", "cost")))
    markets = {
        market: MarketAtMark(book.mark_ticks(market), book.k(market), book.is_usable(market), tiers)
        for market, tiers in book.tiers.items()
    }
    cash = accounts.column("free")[: accounts.slots_made]
    return standing_of(cash, columns, market_columns(markets)).equity_atoms
