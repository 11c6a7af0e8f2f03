"""What a reader sees of a cross account, a backstop and a book between blocks."""

from actors.risk.adl import score
from actors.risk.tiers import tiers_of
from actors.rulebooks import margin_trade
from breakwater.v1 import batches_pb2
from tests.engine.book import side_name
from tests.engine.margin.health import (
    initial_ceil,
    maintenance_ceil,
    market_hold,
    must_stay_ceil,
    notional,
    standing,
    upnl,
)
from tests.engine.margin.ladder import BACKSTOP, LIQUIDATABLE
from tests.engine.margin.state import Held, Sight


def cross_account_view(sight: Sight, number: int) -> batches_pb2.AccountView:
    """The account as its shard shows it."""
    account = sight.account(number)
    return batches_pb2.AccountView(
        venue=sight.venue,
        account=number,
        exists=True,
        frozen=account.frozen,
        free_atoms=account.free,
        held_atoms=account.held,
        pending_withdrawal_atoms=sum(account.withdrawals.values()),
        deposited_atoms=account.deposited,
        withdrawn_atoms=account.withdrawn,
        withdrawals=[
            batches_pb2.PendingWithdrawal(withdrawal=withdrawal, amount_atoms=amount)
            for withdrawal, amount in sorted(account.withdrawals.items())
        ],
        cross=_cross_view(sight, number),
    )


def _cross_view(sight: Sight, number: int) -> batches_pb2.CrossView:
    now, account = standing(sight, number), sight.account(number)
    frozen = account.frozen or any(not sight.usable(market) for market, _ in sight.held(number))
    rules, memory = sight.rules, sight.own.ladder.get(number)
    rung = LIQUIDATABLE if now.equity < now.maintenance else 0
    if now.equity * rules.backstop_denominator < now.maintenance * rules.backstop_numerator:
        rung = BACKSTOP
    return batches_pb2.CrossView(
        cash_atoms=account.free,
        equity_atoms=now.equity,
        initial_margin_atoms=now.initial,
        maintenance_atoms=now.maintenance,
        holds_atoms=now.holds,
        free_margin_atoms=now.free,
        withdrawable_atoms=0 if frozen else max(0, now.equity - must_stay_ceil(sight, number)),
        rung=rung,
        cooldown_until_ms=memory.cooldown_until_ms if memory else 0,
        positions=[
            _position_view(sight, number, market) for market in sight.markets if _has_row(sight, number, market)
        ],
        orders=[
            batches_pb2.CrossOrderView(
                order=order.number,
                client_order_id=order.client_id,
                market=order.market,
                side=side_name(order.side),
                limit_ticks=order.limit,
                size_lots=order.size,
                remaining_lots=order.remaining,
                time_in_force=order.time_in_force,
                flags=order.flags,
                trigger=order.trigger,
                trigger_ticks=order.trigger_ticks,
            )
            for order in sight.own.orders_of(number)
        ],
    )


def _has_row(sight: Sight, account: int, market: int) -> bool:
    """A position, an order at the book, or a leverage that was chosen."""
    rests = any(order.rests and order.market == market for order in sight.own.orders_of(account))
    return bool(sight.lots(account, market)) or rests or (account, market) in sight.own.leverages


def _position_view(sight: Sight, account: int, market: int) -> batches_pb2.CrossPositionView:
    now, held = standing(sight, account), sight.own.positions.get((account, market), Held())
    mark, k, leverage = sight.mark(market), sight.k(market), sight.leverage(account, market)
    worth = notional(sight, market, held.lots)
    tiers = [(tier.lower_notional_atoms, tier.max_leverage) for tier in sight.markets[market].margin_trade.tiers]
    liquidation = margin_trade.liquidation_price_estimate_ticks(
        held.lots, mark, k, now.equity, now.maintenance, tiers_of(tiers)
    )
    return batches_pb2.CrossPositionView(
        market=market,
        lots=held.lots,
        cost_atoms=held.cost,
        mark_ticks=mark,
        notional_atoms=worth,
        upnl_atoms=upnl(sight, market, held),
        initial_margin_atoms=initial_ceil(sight, market, worth, leverage),
        maintenance_atoms=maintenance_ceil(sight, market, worth),
        leverage=leverage,
        liquidation_ticks=liquidation or 0,
        deleverage_score=score(held.lots, held.cost, now.equity, mark, k) if held.lots and now.equity > 0 else 0,
        hold_atoms=market_hold(sight, account, market),
    )


def backstop_view(sight: Sight) -> batches_pb2.BackstopView:
    """The backstop with everybody's shares."""
    own, now_ms = sight.own.backstop, sight.block.time_ms
    total, nav = own.total_shares, own.vault.equity_atoms
    view = batches_pb2.BackstopView(
        height=sight.block.height,
        venue=sight.venue,
        sums=batches_pb2.BackstopSums(
            venue=sight.venue,
            fees_atoms=own.fees,
            fund_atoms=own.fund,
            shortfall_atoms=own.shortfall,
            micro_shares=total,
            deposited_atoms=own.deposited,
        ),
        vault=own.vault,
        nav_marked_atoms=nav,
        high_nav_atoms=own.high,
    )
    for account in sight.accounts():
        locked = [(free_ms, amount) for free_ms, amount in own.shares.get(account, []) if free_ms > now_ms]
        held = own.of(account)
        view.holdings.add(
            account=account,
            micro_shares=held,
            locked_micro_shares=sum(amount for _, amount in locked),
            locked_until_ms=max((free_ms for free_ms, _ in locked), default=0),
            value_atoms=held * nav // total if held and nav > 0 else 0,
        )
    return view


def book_levels(sight: Sight, market: int, side: int) -> batches_pb2.BookLevels:
    """Lots and orders by price, best first."""
    book, levels = sight.own.books.get(market), batches_pb2.BookLevels()
    for order in book.matching.sides[side] if book else []:
        if not levels.price_ticks or levels.price_ticks[-1] != order.price:
            levels.price_ticks.append(order.price)
            levels.lots.append(0)
            levels.orders.append(0)
        levels.lots[-1] += order.lots
        levels.orders[-1] += 1
    return levels
