"""Equity and collateral by fractions, orders one by one: what every test of the margin ratio asks (SP-02 to SP-07)."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from actors.units import E9
from tests.engine.margin.state import BookOrder
from tests.engine.spin.state import Holding, SpinSight

INT64_MAX = (1 << 63) - 1
TARGET, COMPLETE = Fraction(7, 10), Fraction(3, 10)


@dataclass
class Standing:
    """An account at the marks; collateral in atoms, exact."""

    equity: int
    accrued: int
    positions: Fraction
    orders: Fraction
    reserved: Fraction

    @property
    def collateral(self) -> Fraction:
        return self.positions + self.orders + self.reserved

    @property
    def tier(self) -> int:
        """By the ratio without orders (SP-04, SP-05)."""
        if self.equity >= self.positions or not self.positions:
            return 0
        if self.equity >= TARGET * self.positions:
            return 1
        return 2 if self.equity >= COMPLETE * self.positions else 3


def reaches_one(equity: int, collateral: Fraction) -> bool:
    """Mr >= 1; infinite where nothing needs collateral."""
    return not collateral or equity >= collateral


def collateral_of(sight: SpinSight, market: int, lots: int, price: int) -> Fraction:
    """Cc * |lots| * price."""
    return Fraction(abs(lots) * price * sight.k(market) * sight.ratio_e9(market), E9)


def upnl(sight: SpinSight, market: int, held: Holding) -> int:
    return held.lots * sight.mark(market) * sight.k(market) - held.cost


def live_orders(sight: SpinSight, account: int, market: int) -> list[BookOrder]:
    """What rests at the book and may increase: no triggers, nothing reduce-only."""
    mine = [order for order in sight.own.orders_of(account) if order.market == market]
    return [order for order in mine if order.rests and not order.reduces_only]


def price_of(sight: SpinSight, order: BookOrder) -> int:
    return sight.mark(order.market) if order.is_market else order.limit


def increasing_parts(sight: SpinSight, lots: int, orders: list[BookOrder], prices: dict[int, int]) -> dict[int, int]:
    """Lots of each order above the position: the best price of a side reduces first, then the lower number (SP-03)."""
    parts = {}
    for side in (1, -1):
        reducible = max(0, -side * lots)
        mine = [order for order in orders if order.side == side]
        for order in sorted(mine, key=lambda order: (-order.side * prices[order.number], order.number)):
            reducing = min(reducible, order.remaining)
            parts[order.number] = order.remaining - reducing
            reducible -= reducing
    return parts


def orders_collateral(
    sight: SpinSight, market: int, lots: int, orders: list[BookOrder], worst: dict[int, int] | None = None
) -> Fraction:
    """sum Co of a market; `worst` names prices that count instead of an order's own."""
    prices = {order.number: price_of(sight, order) for order in orders} | (worst or {})
    parts = increasing_parts(sight, lots, orders, prices)
    return sum((collateral_of(sight, market, parts[number], prices[number]) for number in parts), Fraction(0))


def reserved_lots(sight: SpinSight, account: int, market: int) -> int:
    mine = [held for held in sight.own.reservations.values() if (held.account, held.market) == (account, market)]
    return sum(held.lots for held in mine)


def standing(sight: SpinSight, account: int) -> Standing:
    """The account's sums over its markets."""
    now = Standing(sight.account(account).free, 0, Fraction(0), Fraction(0), Fraction(0))
    for market in sight.markets:
        held, mark = sight.own.positions.get((account, market), Holding()), sight.mark(market)
        if held.lots:
            gain, accrued = upnl(sight, market, held), sight.accrued(account, market)
            now.equity += (gain if sight.usable(market) else min(0, gain)) - accrued
            now.accrued += accrued
            now.positions += collateral_of(sight, market, held.lots, mark)
        reserved = reserved_lots(sight, account, market)
        if reserved:
            largest = max(abs(held.lots + reserved), abs(held.lots - reserved))
            now.reserved += collateral_of(sight, market, largest - abs(held.lots), mark)
        now.orders += orders_collateral(sight, market, held.lots, live_orders(sight, account, market))
    return now


def adverse(sight: SpinSight, order: BookOrder) -> int:
    """What a fill of all of it at its worst price loses against the mark."""
    gap = max(0, order.side * (order.limit - sight.mark(order.market)))
    return gap * order.remaining * sight.k(order.market)


def fails(sight: SpinSight, account: int) -> bool:
    """Mr < 1, what live orders would lose against the mark taken off: nothing of them may open anything."""
    now, live = standing(sight, account), [order for order in sight.own.orders_of(account) if order.rests]
    return not reaches_one(now.equity - sum(adverse(sight, order) for order in live), now.collateral)


def loss_of(sight: SpinSight, order: BookOrder) -> int:
    """The same with the taker fee."""
    k, fee_e9 = sight.k(order.market), sight.rules_of(order.market).taker_fee_e9
    return adverse(sight, order) + ceil(Fraction(order.remaining * order.limit * k * fee_e9, E9))


def worse_than_the_mark(sight: SpinSight, account: int) -> dict[int, int]:
    """Losses of the live orders whose worst price is worse than the mark."""
    live = [order for order in sight.own.orders_of(account) if order.rests]
    worse = [order for order in live if order.side * (order.limit - sight.mark(order.market)) > 0]
    return {order.number: loss_of(sight, order) for order in worse}


def closable(sight: SpinSight, account: int, market: int) -> int:
    """Lots that may be taken over now (SP-05 to SP-07): none, the calculator's, or all."""
    now, lots = standing(sight, account), sight.lots(account, market)
    if now.tier < 2 or not lots:
        return 0
    if now.tier == 3:
        return abs(lots)
    rules = sight.rules_of(market)
    penalty = Fraction(sight.rules.liquidator_reward_e9 + sight.rules.insurance_share_e9, E9)
    per_lot, ratio, step = (
        sight.mark(market) * sight.k(market),
        Fraction(rules.collateral_ratio_e9, E9),
        rules.step_lots,
    )
    if TARGET * ratio <= penalty:
        return abs(lots)
    gain = per_lot * (TARGET * ratio - penalty)

    def steps(missing: Fraction) -> int:
        return ceil(missing / gain / step) * step

    found = steps(TARGET * now.positions - now.equity)
    left = now.positions - found * per_lot * ratio
    # The penalty is rounded up: where that takes the ratio below again, it is asked of an atom less.
    if found < abs(lots) and now.equity - ceil(found * per_lot * penalty) < TARGET * left:
        found = steps(TARGET * now.positions - now.equity + 1)
    return min(abs(lots), found)
