"""Who rests on a market's book, from its events: every fill takes the best price there is, and of that the earliest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from breakwater.v1 import events_pb2
from node.simulation.auditing.seen import LONG

_REDUCE_ONLY: Final = 2


@dataclass
class Resting:
    """An order on the book: its side +1 or -1, the lots left, its place behind others, the block it came to rest in."""

    side: int
    price_ticks: int
    lots: int
    place: int
    account: int
    is_reduce_only: bool
    height: int


class RestingBook:
    """One market (MT-05)."""

    def __init__(self) -> None:
        self._orders: dict[int, Resting] = {}
        self._places = 0
        self._armed: set[int] = set()

    def of(self, account: int) -> Iterator[Resting]:
        """The account's orders."""
        return (order for order in self._orders.values() if order.account == account)

    def height_of(self, order: int) -> int | None:
        """The block it came to rest in; None where it does not rest."""
        return self._orders[order].height if order in self._orders else None

    def place(self, body: events_pb2.OrderPlaced, account: int, height: int) -> list[str]:
        """An order rests behind those of its price."""
        self._places += 1
        side = 1 if body.side == LONG else -1
        others = [one.price_ticks for one in self._orders.values() if one.side != side]
        self._armed.discard(body.order)
        self._orders[body.order] = Resting(
            side,
            body.price_ticks,
            body.remaining_lots,
            self._places,
            account,
            body.flags & _REDUCE_ONLY != 0,
            height,
        )
        if all(side * (body.price_ticks - other) < 0 for other in others):
            return []
        return [f"MT-05: order {body.order} rests at {body.price_ticks} across {others}"]

    def arm(self, body: events_pb2.OrderArmed) -> None:
        """A trigger waits; until it fires it is on no book."""
        self._armed.add(body.order)

    def amend(self, body: events_pb2.OrderAmended) -> list[str]:
        """Smaller at its price it keeps its place; else it is off the book, and told anew where it rests again."""
        order = self._orders.get(body.order)
        if body.order in self._armed:
            return []
        if order is None:
            return [f"MT-05: order {body.order} was amended and does not rest"]
        may_keep = body.price_ticks == order.price_ticks and body.remaining_lots <= order.lots
        if body.kept_priority:
            order.lots = body.remaining_lots
            return [] if may_keep else [f"MT-05: order {body.order} kept its place with more lots or another price"]
        del self._orders[body.order]
        return []

    def done(self, body: events_pb2.OrderDone) -> list[str]:
        """An order left."""
        order = self._orders.pop(body.order, None)
        if body.was_resting and (order is None or order.lots != body.remaining_lots):
            return [f"MT-05: order {body.order} left with {body.remaining_lots} lots, {order} rested"]
        return []

    def fill(self, body: events_pb2.OrderFilled) -> list[str]:
        """A maker is filled: at its own price, and nobody stands before it."""
        order = self._orders.get(body.order)
        if order is None:
            return [f"MT-05: order {body.order} was filled as a maker and does not rest"]
        before = [
            number
            for number, one in self._orders.items()
            if one.side == order.side
            and (-one.side * one.price_ticks, one.place) < (-order.side * order.price_ticks, order.place)
        ]
        faults = [f"MT-05: order {body.order} was filled before {before}"] if before else []
        order.lots -= body.lots
        if (body.price_ticks, body.remaining_lots) != (order.price_ticks, order.lots) or order.lots < 0:
            faults.append(f"MT-05: order {body.order} filled {body.lots} at {body.price_ticks}, {order} is left")
        if order.lots <= 0:
            del self._orders[body.order]
        return faults
