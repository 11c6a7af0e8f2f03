"""The naive twin of the book: lists, dicts and copies, one rule after the other. Slow, and easy to believe."""

import copy
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from actors.matching import words as w

Row = tuple[int, ...]


@dataclass
class Order:
    """One order, resting or on its way in."""

    order: int
    account: int
    side: int
    price: int
    lots: int
    flags: int
    time_in_force: int
    self_trade: int

    @property
    def reduces_only(self) -> bool:
        return bool(self.flags & w.REDUCE_ONLY)

    def row(self) -> Row:
        return (
            *(self.order, self.account, self.side, self.price, self.lots),
            *(self.flags, self.time_in_force, self.self_trade),
        )


class NaiveBook:
    """Orders of a side in one list, the best and oldest first."""

    def __init__(self) -> None:
        self.sides: dict[int, list[Order]] = {w.BUY: [], w.SELL: []}
        self.last_trade = 0
        self.rows: list[Row] = []
        self.positions: dict[int, int] = {}
        self.failing: set[int] = set()
        self.room = 0
        self.op = 0
        self.met_order = 0

    def match(self, ops: list[dict[str, int]], caps: dict[int, tuple[int, int]], limits: w.Limits) -> list[Row]:
        self.rows = []
        self.positions = {account: position for account, (position, _) in caps.items()}
        self.failing = {account for account, (_, fails) in caps.items() if fails}
        self.room = limits.open_interest_cap_lots - limits.open_interest_lots
        for self.op, op in enumerate(ops):
            self.do(op)
        return self.rows

    def do(self, op: dict[str, int]) -> None:
        if op["kind"] == w.PLACE:
            self.place(op)
        elif op["kind"] == w.CANCEL_ACCOUNT:
            theirs = [order for order in self.everything() if order.account == op["account"]]
            for order in sorted(theirs, key=lambda order: order.order):
                if op.get("side", 0) in (0, order.side):
                    self.finish_resting(order, w.USER)
        else:
            found = [o for o in self.everything() if o.order == op["order"] and o.account == op["account"]]
            if not found:
                self.rows.append((self.op, w.UNKNOWN, op["order"], op["account"], 0, 0, 0, 0, 0, 0, 0, 0))
            elif op["kind"] == w.CANCEL:
                self.finish_resting(found[0], w.USER)
            else:
                self.amend(found[0], op)

    def everything(self) -> list[Order]:
        return self.sides[w.BUY] + self.sides[w.SELL]

    def say(self, kind: int, order: Order, lots: int, remaining: int, reason: int = 0, met: int = 0) -> None:
        self.rows.append(
            (
                *(self.op, kind, order.order, order.account, met, 0, order.side, order.price),
                *(lots, remaining, reason, order.flags),
            )
        )

    def finish_resting(self, order: Order, reason: int) -> None:
        self.sides[order.side].remove(order)
        self.say(w.DONE, order, order.lots, 0, reason)

    def place(self, op: dict[str, int]) -> None:
        order = Order(
            *(op["order"], op["account"], op["side"], op["price_ticks"], op["size_lots"], op.get("flags", 0)),
            *(op.get("time_in_force", w.GTC), op.get("self_trade", w.EXPIRE_MAKER)),
        )
        if any(other.order == order.order for other in self.everything()):
            self.say(w.DONE, order, order.lots, 0, w.DUPLICATE)
            return
        if order.flags & w.VAULT_DEPTH:
            limit = op.get("depth_limit_ticks", 0) or order.price
            depth = sum(o.lots for o in self.sides[-order.side] if (limit - o.price) * order.side >= 0)
            kept = min(order.lots, depth * op.get("depth_ppm", 0) // 1_000_000)
            if kept < order.lots:
                self.say(w.DONE, order, order.lots - kept, kept, w.VAULT_DEPTH_CUT)
            order.lots = kept
            if kept == 0:
                return
        self.work(order, op.get("budget_atoms", 0))

    def amend(self, order: Order, op: dict[str, int]) -> None:
        lots = op["size_lots"] - max(op["expected_lots"] - order.lots, 0)
        if lots <= 0:
            self.finish_resting(order, w.AMENDED_AWAY)
            return
        before, price_before = order.lots, order.price
        keeps = op["price_ticks"] == order.price and lots < order.lots
        order.price, order.lots = op["price_ticks"], lots
        self.say(w.AMENDED, order, before, lots, int(keeps), price_before)
        if not keeps:
            self.sides[order.side].remove(order)
            self.work(order, 0)

    def work(self, order: Order, budget: int) -> None:
        wanted = order.lots
        self.met_order = reason = 0
        whole, fillable = self.could_fill(order, budget) if order.time_in_force == w.FOK else (True, 0)
        if not whole:
            reason = w.FOK_UNFILLED
        elif order.flags & w.POST_ONLY and self.crossing(order):
            reason = w.WOULD_CROSS
        else:
            reason = self.take(order)
        if order.lots == 0:
            return
        if reason == 0 and order.time_in_force == w.GTC and not order.flags & w.MARKET:
            queue = self.sides[order.side]
            ahead = [o for o in queue if (o.price - order.price) * order.side >= 0]
            queue.insert(len(ahead), order)
            self.say(w.RESTED, order, order.lots, order.lots)
            return
        if reason == 0 and order.lots < wanted:
            reason = w.IOC_REST
        elif reason == 0:
            reason = w.NO_LIQUIDITY if order.flags & w.MARKET else w.IOC_NOTHING
        others = self.sides[-order.side]
        met = {w.FOK_UNFILLED: fillable, w.SELF_TRADE: self.met_order}
        self.say(w.DONE, order, order.lots, 0, reason, met.get(reason, others[0].price if others else 0))

    def crossing(self, order: Order) -> Order | None:
        makers = self.sides[-order.side]
        return makers[0] if makers and (order.price - makers[0].price) * order.side >= 0 else None

    def could_fill(self, order: Order, budget: int) -> tuple[bool, int]:
        """Tries it on a copy of the whole world."""
        world, tried = copy.deepcopy((self, order))
        world.rows = []
        world.take(tried)
        cost = sum(row[7] * row[8] for row in world.rows if row[1] == w.FILL)
        within = budget == 0 or (cost <= budget if order.side == w.BUY else cost >= budget)
        return tried.lots == 0 and within, order.lots - tried.lots

    def may_fill(self, order: Order) -> int | None:
        """Lots, None for no bound."""
        if not order.reduces_only and order.account not in self.failing:
            return None
        return max(0, -self.positions.get(order.account, 0) * order.side)

    def take(self, taker: Order) -> int:
        """Fills what it can; the reason for which the taker must end, or 0."""
        while taker.lots > 0 and (maker := self.crossing(taker)):
            bounds: list[Any] = [taker.lots, maker.lots, self.may_fill(taker), self.may_fill(maker)]
            if bounds[2] == 0:
                return w.NOT_REDUCING if taker.reduces_only else w.MARGIN
            if not taker.reduces_only:
                if self.room <= 0:
                    return w.OPEN_INTEREST
                bounds.append(self.room)
            if maker.account == taker.account and taker.self_trade != w.TRADE_WITH_SELF:
                if taker.self_trade in (w.EXPIRE_MAKER, w.EXPIRE_BOTH):
                    self.finish_resting(maker, w.SELF_TRADE)
                self.met_order = maker.order
                if taker.self_trade in (w.EXPIRE_TAKER, w.EXPIRE_BOTH):
                    return w.SELF_TRADE
            elif bounds[3] == 0:
                self.finish_resting(maker, w.NOT_REDUCING if maker.reduces_only else w.MARGIN)
            else:
                self.fill(taker, maker, min(bound for bound in bounds if bound is not None))
        return 0

    def fill(self, taker: Order, maker: Order, lots: int) -> None:
        taker.lots -= lots
        maker.lots -= lots
        for order in (taker, maker):
            if order.account in self.positions:
                self.positions[order.account] += order.side * lots
        if not taker.reduces_only:
            self.room -= lots
        self.last_trade = maker.price
        if maker.lots == 0:
            self.sides[maker.side].remove(maker)
        self.rows.append(
            (
                *(self.op, w.FILL, maker.order, maker.account, taker.order, taker.account, maker.side, maker.price),
                *(lots, maker.lots, 0, maker.flags + 256 * taker.flags),
            )
        )

    def dump(self) -> list[Row]:
        return [order.row() for order in self.everything()]

    def impact(self, side: int, notional: int) -> int:
        """By exact rationals: lots bought until the notional is spent, then notional / lots."""
        left, lots = Fraction(notional), Fraction(0)
        for order in self.sides[side]:
            part = min(Fraction(order.lots), left / order.price)
            lots += part
            left -= part * order.price
        if left > 0:
            return 0
        average = notional / lots
        return math.floor(average) if side == w.BUY else math.ceil(average)
