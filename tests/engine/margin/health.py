"""Equity, requirements and holds by fractions, rounded where the page says so (MT-01 to MT-04)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from actors.units import E9
from tests.engine.margin.state import BookOrder, Held, Sight


@dataclass
class Standing:
    """An account at the marks; `required` is the maintenance margin of every market it stands in."""

    equity: int
    initial: int
    maintenance: int
    holds: int
    gross: int
    required: dict[int, int]

    @property
    def free(self) -> int:
        return self.equity - self.initial - self.holds


def maintenance_ceil(sight: Sight, market: int, notional: int) -> int:
    """MT-03: each part of the notional at its tier's rate, which is what rate * notional - deduction comes to."""
    tiers = sight.markets[market].margin_trade.tiers
    total = Fraction(0)
    for place, tier in enumerate(tiers):
        upper = tiers[place + 1].lower_notional_atoms if place + 1 < len(tiers) else notional
        part = max(0, min(notional, upper) - tier.lower_notional_atoms)
        total += Fraction(part, 2 * tier.max_leverage)
    return ceil(total)


def initial_ceil(sight: Sight, market: int, notional: int, leverage: int) -> int:
    """MT-02."""
    return max(ceil(Fraction(notional, leverage)), 2 * maintenance_ceil(sight, market, notional))


def notional(sight: Sight, market: int, lots: int) -> int:
    return abs(lots) * sight.mark(market) * sight.k(market)


def upnl(sight: Sight, market: int, held: Held) -> int:
    return held.lots * sight.mark(market) * sight.k(market) - held.cost


def counted_upnl(sight: Sight, market: int, held: Held) -> int:
    """A gain at a mark that may not be used counts as zero."""
    gain = upnl(sight, market, held)
    return gain if sight.usable(market) else min(gain, 0)


def resting(sight: Sight, account: int, market: int) -> list[BookOrder]:
    """Orders at the book that are not reduce-only."""
    return [
        order
        for order in sight.own.orders.values()
        if (order.account, order.market) == (account, market) and order.rests and not order.reduces_only
    ]


def increasing(lots: int, side: int, order_lots: int) -> int:
    """Lots above the opposite position."""
    return order_lots - min(order_lots, max(0, -side * lots))


def hold(sight: Sight, lots: int, market: int, orders: Sequence[BookOrder], leverage: int) -> int:
    """What these orders hold beside a position: the larger side (MT-02)."""
    sides = []
    mark, k, fee = sight.mark(market), sight.k(market), sight.markets[market].margin_trade.taker_fee_e9
    for side in (1, -1):
        mine = [order for order in orders if order.side == side]
        added = increasing(lots, side, sum(order.remaining for order in mine))
        if not added:
            sides.append(0)
            continue
        before = notional(sight, market, lots)
        after = before + added * mark * k
        margin = initial_ceil(sight, market, after, leverage) - initial_ceil(sight, market, before, leverage)
        worst = sum(order.remaining * order.limit * k for order in mine)
        adverse = sum(max(0, side * (order.limit - mark)) * order.remaining * k for order in mine)
        sides.append(margin + ceil(Fraction(worst * fee, E9)) + adverse)
    return max(sides)


def market_hold(sight: Sight, account: int, market: int) -> int:
    orders = resting(sight, account, market)
    return hold(sight, sight.lots(account, market), market, orders, sight.leverage(account, market))


def standing(sight: Sight, account: int) -> Standing:
    """The account's sums over its markets."""
    equity, initial, gross, required = sight.account(account).free, 0, 0, {}
    for market, held in sight.held(account):
        worth = notional(sight, market, held.lots)
        equity += counted_upnl(sight, market, held)
        initial += initial_ceil(sight, market, worth, sight.leverage(account, market))
        required[market] = maintenance_ceil(sight, market, worth)
        gross += worth
    holds = sum(market_hold(sight, account, market) for market in sight.markets)
    return Standing(equity, initial, sum(required.values()), holds, gross, required)


def fees_ceil(sight: Sight, market: int, value: int, lots: int) -> int:
    """The taker fee however it is cut into fills: each is rounded up and has a lot at least."""
    return ceil(Fraction(value * sight.markets[market].margin_trade.taker_fee_e9, E9)) + lots


def adverse(sight: Sight, order: BookOrder) -> int:
    """What the order loses against the mark at its worst price."""
    gap = max(0, order.side * (order.limit - sight.mark(order.market)))
    return gap * order.remaining * sight.k(order.market)


def order_loss(sight: Sight, order: BookOrder) -> int:
    """The same with its fee; a trigger loses nothing before it fires."""
    if not order.rests:
        return 0
    value = order.remaining * order.limit * sight.k(order.market)
    return adverse(sight, order) + fees_ceil(sight, order.market, value, order.remaining)


def losses(sight: Sight, account: int) -> int:
    """What the account's live orders may lose: sums of a market, reduce-only ones one by one."""
    total = 0
    for market in sight.markets:
        orders = resting(sight, account, market)
        total += sum(adverse(sight, order) for order in orders)
        if orders:
            value = sum(order.remaining * order.limit * sight.k(market) for order in orders)
            total += fees_ceil(sight, market, value, sum(order.remaining for order in orders))
    reducing = [order for order in sight.own.orders_of(account) if order.rests and order.reduces_only]
    return total + sum(order_loss(sight, order) for order in reducing)


def must_stay_ceil(sight: Sight, account: int) -> int:
    """MT-04: IM and holds, a tenth of positions and of what orders of both sides would add, what orders may lose."""
    now, worth = standing(sight, account), 0
    for market in sight.markets:
        lots = sight.lots(account, market)
        worth += notional(sight, market, lots)
        for side in (1, -1):
            mine = sum(order.remaining for order in resting(sight, account, market) if order.side == side)
            worth += notional(sight, market, increasing(lots, side, mine))
    return max(now.initial + now.holds, ceil(Fraction(worth, 10)), losses(sight, account))


def cumulative_shares(total: int, weights: list[int]) -> list[int]:
    """total by weight; each the step of the floor of what is reached, so they add up."""
    reached = [total * sum(weights[: place + 1]) // sum(weights) for place in range(len(weights))]
    return [after - before for before, after in zip([0, *reached], reached, strict=False)]
