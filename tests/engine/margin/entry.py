"""What may become an order: refusals in their order, prices drawn in, the way to the book (MT-02, MT-05, MT-06)."""

from fractions import Fraction
from math import ceil, floor

from actors.units import PPM, PRICE_BOUND
from breakwater.v1 import common_pb2
from tests.engine.margin.books import order_op
from tests.engine.margin.health import (
    adverse,
    fees_ceil,
    hold,
    increasing,
    losses,
    market_hold,
    notional,
    order_loss,
    resting,
    standing,
)
from tests.engine.margin.rows import rules_of
from tests.engine.margin.state import PLACE, BookOrder, Sight
from tests.engine.state import R, Refusal, market_refusal

REDUCING = common_pb2.MARK_STATE_REDUCE_ONLY
LOTS_BOUND, VALUE_BOUND = 1 << 44, 1 << 60
INT64_MAX = (1 << 63) - 1


class OrderEntry:
    """One block's orders of a venue, one after the other on the state the last one left."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self.block = sight.block
        self.own = sight.own
        self.spare: dict[int, int] = {}

    def why_not_trader(self, account: int) -> Refusal | None:
        if self.sight.account(account).frozen:
            return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, account)
        memory = self.own.ladder.get(account)
        if memory and memory.acted_rung and memory.acted_height == self.block.height:
            return Refusal(R.REFUSAL_BEING_LIQUIDATED, 0, memory.acted_rung)
        return None

    def why_no_market(self, market: int) -> Refusal | None:
        mark = self.block.marks[self.sight.venue, market]
        return None if mark.state == REDUCING else market_refusal(self.sight.state, mark)

    def why_not_new(self, order: BookOrder) -> Refusal | None:
        why = self.why_not_trader(order.account) or self.why_no_market(order.market)
        if why is not None:
            return why
        live, most = self.own.orders_of(order.account), self.sight.rules.max_orders_per_account
        if len(live) >= most:
            return Refusal(R.REFUSAL_TOO_MANY_ORDERS, most, len(live))
        same = [other.number for other in live if order.client_id and other.client_id == order.client_id]
        return Refusal(R.REFUSAL_CLIENT_ORDER_ID_USED, 0, same[0]) if same else None

    def why_not_numbers(self, order: BookOrder) -> Refusal | None:
        """OVERFLOW, MIN_NOTIONAL, TOO_FAR_FROM_ORACLE, beside the account's other orders."""
        sight, rules = self.sight, rules_of(self.sight.markets[order.market])
        others = [other for other in resting(sight, order.account, order.market) if other.number != order.number]
        lots = abs(sight.lots(order.account, order.market))
        total = lots + sum(other.remaining for other in [*others, order])
        if total >= LOTS_BOUND:
            return Refusal(R.REFUSAL_OVERFLOW, LOTS_BOUND, total)
        value = self._value(order.account, order.market, [*others, order])
        value += sum(
            self._value(order.account, market, resting(sight, order.account, market))
            for market in sight.markets
            if market != order.market
        )
        if value >= VALUE_BOUND:
            return Refusal(R.REFUSAL_OVERFLOW, VALUE_BOUND, min(value, INT64_MAX))
        price = sight.mark(order.market) if order.is_market else order.limit
        worth = order.remaining * price * sight.k(order.market)
        if not order.reduces_only and worth < rules.min_notional_atoms:
            return Refusal(R.REFUSAL_MIN_NOTIONAL, rules.min_notional_atoms, worth)
        if order.is_market:
            return None
        mark = self.block.marks[sight.venue, order.market]
        oracle = mark.index_ticks or mark.mark_ticks
        low = ceil(Fraction(oracle * (PPM - rules.price_band_ppm), PPM))
        high = floor(Fraction(oracle * (PPM + rules.price_band_ppm), PPM))
        if price > high:
            return Refusal(R.REFUSAL_TOO_FAR_FROM_ORACLE, high, price)
        return Refusal(R.REFUSAL_TOO_FAR_FROM_ORACLE, low, price) if price < low else None

    def _value(self, account: int, market: int, orders: list[BookOrder]) -> int:
        """Position and orders at the mark, or the orders at their limits: the larger."""
        lot, k = self.sight.mark(market) * self.sight.k(market), self.sight.k(market)
        at_mark = sum(order.remaining for order in orders) * lot
        at_limit = sum(order.remaining * order.limit * k for order in orders)
        return notional(self.sight, market, self.sight.lots(account, market)) + max(at_mark, at_limit)

    def why_not_reducing(self, order: BookOrder) -> Refusal | None:
        """In a reduce-only market: beside what rests on its side, it may not go beyond the position (MT-08)."""
        mark = self.block.marks[self.sight.venue, order.market]
        if mark.state != REDUCING or order.reduces_only:
            return None
        if self._beyond(order) == 0:
            return None
        return Refusal(R.REFUSAL_MARKET_REDUCE_ONLY, 0, mark.age_ms)

    def why_not_reduce_only(self, order: BookOrder) -> Refusal | None:
        may = max(0, -order.side * self.sight.lots(order.account, order.market))
        if order.reduces_only and order.remaining > may:
            return Refusal(R.REFUSAL_REDUCE_ONLY, may, order.remaining)
        return None

    def why_no_margin(self, order: BookOrder) -> Refusal | None:
        """What the market's hold rises by, against the free margin there is (MT-02)."""
        if order.reduces_only:
            return None
        sight, account, market = self.sight, order.account, order.market
        others = [other for other in resting(sight, account, market) if other.number != order.number]
        lots, leverage = sight.lots(account, market), sight.leverage(account, market)
        added = hold(sight, lots, market, [*others, order], leverage) - market_hold(sight, account, market)
        return self.why_too_much(account, added)

    def why_too_much(self, account: int, added: int) -> Refusal | None:
        free = standing(self.sight, account).free
        return Refusal(R.REFUSAL_BELOW_INITIAL_MARGIN, added, free) if added > 0 and added > free else None

    def entered(self, order: BookOrder) -> BookOrder | Refusal:
        """The order as it goes to the book, or why not."""
        why = (
            self.why_not_numbers(order)
            or self.why_not_reducing(order)
            or self.why_not_reduce_only(order)
            or self.why_no_margin(order)
        )
        return why or self.drawn_in(order, 0)

    def amended(self, before: BookOrder, after: BookOrder) -> BookOrder | Refusal:
        """An order that rests as it goes to the book anew, or why not."""
        why = self.why_not_reduce_only(after) or self.why_no_margin(after)
        freed = order_loss(self.sight, before)
        if why is None and order_loss(self.sight, after) > freed:
            return self.drawn_in(after, freed)
        return why or after

    def note_amended(self, before: BookOrder, after: BookOrder) -> None:
        self.take_off(after.account, order_loss(self.sight, after) - order_loss(self.sight, before))
        self.note_reducing(after)

    def spare_of(self, account: int) -> int:
        """Equity less what all live orders may lose, asked once a block; what comes later is taken off."""
        if account not in self.spare:
            self.spare[account] = standing(self.sight, account).equity - losses(self.sight, account)
        return self.spare[account]

    def take_off(self, account: int, atoms: int) -> None:
        if account in self.spare:
            self.spare[account] -= atoms

    def drawn_in(self, order: BookOrder, freed: int) -> BookOrder | Refusal:
        """What the equity does not bear: an order that only reduces gets a nearer price, another is refused."""
        mark, k = self.sight.mark(order.market), self.sight.k(order.market)
        if adverse(self.sight, order) == 0:
            return order
        spare = self.spare_of(order.account) + freed
        if order.reduces_only or self._beyond(order) == 0:
            highest = max(order.limit, mark) * order.remaining * k
            left = max(0, spare - fees_ceil(self.sight, order.market, highest, order.remaining))
            nearest = mark + order.side * (left // (order.remaining * k))
            return order.but(limit=max(order.limit, nearest) if order.side < 0 else min(order.limit, nearest))
        loss = order_loss(self.sight, order)
        return Refusal(R.REFUSAL_BELOW_INITIAL_MARGIN, loss, spare) if loss > spare else order

    def _beyond(self, order: BookOrder) -> int:
        """Lots that the order, beside the others resting on its side, has above the opposite position."""
        others = [other for other in resting(self.sight, order.account, order.market) if other.number != order.number]
        beside = sum(other.remaining for other in others if other.side == order.side)
        return increasing(self.sight.lots(order.account, order.market), order.side, beside + order.remaining)

    def protection(self, market: int, side: int) -> int:
        """The worst price of a market order: a buy up, a sell down; a price in any case."""
        mark, away = self.sight.mark(market), rules_of(self.sight.markets[market]).market_protection_ppm
        if side > 0:
            return min(PRICE_BOUND - 1, -(-mark * (PPM + away) // PPM))
        return max(1, mark * (PPM - away) // PPM)

    def enter(self, order: BookOrder, work_class: int, command: int) -> None:
        self.own.orders[order.number] = order
        self.take_off(order.account, order_loss(self.sight, order))
        self.note_reducing(order)
        self.own.ops.append(order_op(order, work_class, command, PLACE))

    def note_reducing(self, order: BookOrder) -> None:
        """A row of caps for a reduce-only order where the scan made none of the account here."""
        key = (order.market, order.account)
        if order.reduces_only and key not in self.own.caps and key not in self.own.added_caps:
            fails = int(standing(self.sight, order.account).free < 0)
            self.own.added_caps[key] = (self.sight.lots(order.account, order.market), fails)
