"""Triggers, then orders and amends: Margin Trade's refusals, then the margin ratio and the largest position (SP-04)."""

from fractions import Fraction
from math import ceil

from actors.units import E9
from tests.engine.margin.admit import ADMIT, Admission
from tests.engine.margin.books import order_op
from tests.engine.margin.state import PLACE, BookOrder
from tests.engine.spin.health import (
    fails,
    live_orders,
    loss_of,
    orders_collateral,
    reaches_one,
    reserved_lots,
    standing,
    worse_than_the_mark,
)
from tests.engine.spin.state import SpinSight, spin_sights
from tests.engine.state import Block, R, Refusal, State


def admit(state: State, block: Block) -> None:
    """Phase 9 of every Spin venue, after its takeovers."""
    for sight in spin_sights(state, block):
        RatioAdmission(sight).run()


class RatioAdmission(Admission):
    """One venue's. `losses`: what live orders may lose, by account and order, from when it is first asked."""

    sight: SpinSight

    def __init__(self, sight: SpinSight) -> None:
        super().__init__(sight)
        self.losses: dict[int, dict[int, int]] = {}

    def run(self) -> None:
        for order in self._met():
            self._fire(order)
        rows = [
            command
            for body in ("place_orders", "amend_orders")
            for command in self.block.of(body)
            if command.venue == self.sight.venue
        ]
        handlers = {"place_orders": self._place, "amend_orders": self._amend}
        for command in sorted(rows, key=lambda command: command.index):
            why = handlers[command.body](command)
            if why is not None:
                self.block.refuse((ADMIT, command.index, 0, 0), command, why)

    def why_not_trader(self, account: int) -> Refusal | None:
        if self.sight.account(account).frozen:
            return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, account)
        tier = self.own.liquidated.get(account)
        return Refusal(R.REFUSAL_BEING_LIQUIDATED, 0, tier) if tier else None

    def entered(self, order: BookOrder) -> BookOrder | Refusal:
        why = self.why_not_numbers(order) or self.why_not_reducing(order) or self.why_not_reduce_only(order)
        return why or self.bounded(None, order)

    def amended(self, before: BookOrder, after: BookOrder) -> BookOrder | Refusal:
        return self.why_not_reduce_only(after) or self.bounded(before, after)

    def bounded(self, before: BookOrder | None, order: BookOrder) -> BookOrder | Refusal:
        """Drawn in where it only reduces; else Mr >= 1 with it, then the largest position."""
        sight, account, market = self.sight, order.account, order.market
        others = {number: loss for number, loss in self._losses(account).items() if number != order.number}
        now = standing(sight, account)
        left, loss = now.equity - sum(others.values()), loss_of(sight, order)
        loses_more = before is None or loss > loss_of(sight, before)
        if order.reduces_only or self._beyond(order) == 0:
            return self._drawn(order, left) if loses_more else order
        mine, lots = live_orders(sight, account, market), sight.lots(account, market)
        resting = [other for other in mine if other.number != order.number]
        worst = {order.number: max(order.limit, sight.mark(market)) if order.side < 0 else order.limit}
        then = orders_collateral(sight, market, lots, [*resting, order], worst)
        needed = now.collateral - orders_collateral(sight, market, lots, mine) + then
        asked = loses_more or needed > now.collateral
        if asked and not reaches_one(left - loss, needed):
            return Refusal(R.REFUSAL_MARGIN_RATIO, ceil(needed), left - loss)
        return self._why_too_large(before, order, resting) or order

    def _drawn(self, order: BookOrder, left: int) -> BookOrder:
        """What is left may be used up by a fill at the worst price, fee and all."""
        sight, mark = self.sight, self.sight.mark(order.market)
        if order.side * (order.limit - mark) <= 0:
            return order
        per_tick = order.remaining * sight.k(order.market)
        fee_e9 = sight.rules_of(order.market).taker_fee_e9
        spare = max(0, left - ceil(Fraction(max(order.limit, mark) * per_tick * fee_e9, E9)))
        nearest = mark + order.side * (spare // per_tick)
        return order.but(limit=max(order.limit, nearest) if order.side < 0 else min(order.limit, nearest))

    def _why_too_large(self, before: BookOrder | None, order: BookOrder, resting: list[BookOrder]) -> Refusal | None:
        if before is not None and order.remaining <= before.remaining:
            return None
        account, market = order.account, order.market
        beside = sum(other.remaining for other in resting if other.side == order.side)
        largest = order.side * self.sight.lots(account, market) + reserved_lots(self.sight, account, market)
        largest += beside + order.remaining
        cap = self.sight.rules_of(market).max_position_lots
        return Refusal(R.REFUSAL_POSITION_CAP, cap, largest) if cap and largest > cap else None

    def _losses(self, account: int) -> dict[int, int]:
        return self.losses.setdefault(account, worse_than_the_mark(self.sight, account))

    def enter(self, order: BookOrder, work_class: int, command: int) -> None:
        self._losses(order.account)[order.number] = loss_of(self.sight, order)
        self.own.orders[order.number] = order
        self.note_reducing(order)
        self.own.ops.append(order_op(order, work_class, command, PLACE))

    def note_amended(self, before: BookOrder, after: BookOrder) -> None:
        self._losses(after.account)[after.number] = loss_of(self.sight, after)
        self.note_reducing(after)

    def note_reducing(self, order: BookOrder) -> None:
        key = (order.market, order.account)
        if order.reduces_only and key not in self.own.caps and key not in self.own.added_caps:
            failing = int(fails(self.sight, order.account))
            self.own.added_caps[key] = (self.sight.lots(order.account, order.market), failing)
