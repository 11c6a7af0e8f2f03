"""A Spin book that settles and cancels by columns lives as the scalar one does, whatever its desks and traders do."""

import random
from typing import Any

import pytest

from actors.columns import rows
from actors.ledger.book_orders import MARKET_ORDER
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from tests.actors.ratio.venue import (
    ACCOUNTS,
    CASH_LEG,
    CERTAIN,
    FILL,
    GONE,
    LIMIT,
    LIQUIDATED,
    MARK,
    MARKET,
    MARKETS,
    REDUCE_ONLY,
    STOP,
    TRANSFER,
    UNRESERVED,
    VENUE,
    Done,
    K,
    Venue,
    order,
)

ADMIT = batches.SHARD_PHASE_ADMIT
# So little that losses leave some accounts with a deficit.
CASH = 8_000_000


class Life:
    """What happens, drawn once, to both books."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.venues = [Venue(way, cash_atoms=CASH) for way in (Way.BY_COLUMNS, Way.BY_ROW)]
        self.index_e9 = 0

    @property
    def book(self) -> Any:
        return self.venues[1].book

    def block(self) -> int:
        """Returns how many deficits were claimed."""
        draw = self.draw
        self.index_e9 += draw.randint(-(10**9), 2 * 10**9)
        marks = [(market, MARK + draw.randint(-300, 300)) for market in MARKETS]
        reserved = [self._reserve(place) for place in range(draw.randint(0, 2))]
        legs = [self._leg(place, reserved) for place in range(draw.randint(0, 30))]
        legs = sorted(legs + self._market_orders_gone())
        commands = range(draw.randint(0, 12))
        orders = [self._order(command) for command in commands]
        cancels = [self._cancel(len(orders) + place) for place in range(draw.randint(0, 20))]
        said = []
        for venue in self.venues:
            for market, ticks in marks:
                venue.mark(ticks, market, index_e9=self.index_e9)
            said.append(_said(venue.call((*CERTAIN, ADMIT), legs, orders=orders, book_cancels=cancels)))
        assert said[0] == said[1]
        assert self.venues[0].state() == self.venues[1].state()
        claims = said[0][2][1]
        return len(claims)

    def _reserve(self, place: int) -> tuple[int, int, int, int]:
        """A liquidator has set lots aside."""
        account, market, lots = self.draw.choice(ACCOUNTS), self.draw.choice(MARKETS), self.draw.randint(1, 9)
        number = self.venues[0].height << 20 | 1 << 18 | place
        for venue in self.venues:
            venue.log.keep()
            venue.book.reservations.add(number, account, market, lots)
        return number, account, market, lots

    def _market_orders_gone(self) -> list[tuple[int, ...]]:
        """No market order outlives its block."""
        orders = self.book.orders
        live = [(number, orders.read(number)) for number in orders.numbers()]
        return [
            (1, 1_000, row.market, 0, VENUE, row.account, GONE, number, *([0] * 6))
            for number, row in live
            if row.flags & MARKET_ORDER and not row.trigger
        ]

    def _leg(self, place: int, reserved: list[tuple[int, int, int, int]]) -> tuple[int, ...]:
        draw, numbers = self.draw, self.book.orders.numbers()
        price, kind = MARK + draw.randint(-200, 200), draw.random()
        if reserved and kind < 0.2:
            number, account, market, lots = reserved.pop()
            if draw.random() < 0.5:
                return (2, place, market, 0, VENUE, account, UNRESERVED, *([0] * 6), number)
            quote, reward = lots * price * K, draw.randint(0, 50)
            return (2, place, market, 0, VENUE, account, LIQUIDATED, 0, lots, quote, 0, 0, reward, number)
        if kind < 0.25:
            paid = draw.choice((CASH_LEG, TRANSFER))
            return (3, place, 0, 0, VENUE, draw.choice(ACCOUNTS), paid, *([0] * 5), draw.randint(1, 99), 1)
        number, account, market, side = 77_777, draw.choice(ACCOUNTS), draw.choice(MARKETS), draw.choice((1, -1))
        if numbers and draw.random() < 0.8:
            number = draw.choice(numbers)
            row = self.book.orders.read(number)
            account, market, side = row.account, row.market, row.side
            if row.trigger or draw.random() < 0.2:
                return (1, place, market, 0, VENUE, account, GONE, number, *([0] * 6))
        lots, fee = side * draw.randint(1, 12), draw.choice((draw.randint(-900, 900), 0, 0, 2_000_000))
        if number == 77_777 and draw.random() < 0.7:
            lots = -self.book.positions.lots(account, market) or lots
        return (1, place, market, 0, VENUE, account, FILL, number, lots, lots * price * K, fee, 0, 0, 0)

    def _order(self, command: int) -> tuple[int, ...]:
        draw, side = self.draw, self.draw.choice((1, -1))
        cells = {"market": draw.choice(MARKETS), "kind": draw.choice((LIMIT, LIMIT, MARKET))}
        if draw.random() < 0.2:
            cells["flags"] = REDUCE_ONLY
        if draw.random() < 0.15:
            cells |= {"trigger": STOP, "trigger_ticks": MARK + side * draw.randint(500, 900)}
        if draw.random() < 0.4:
            cells["client"] = draw.randint(1, 9)
        limit = MARK + draw.randint(-400, 400) if cells["kind"] == LIMIT else 0
        return order(command, draw.choice(ACCOUNTS), side, 5 * draw.randint(1, 4), limit, **cells)

    def _cancel(self, command: int) -> tuple[int, ...]:
        draw, numbers, account = self.draw, self.book.orders.numbers(), self.draw.choice(ACCOUNTS)
        kind = draw.random()
        if kind < 0.05:
            return (command, VENUE, account, draw.choice((0, *MARKETS)), 0, 0)
        if numbers and kind < 0.6:
            number = draw.choice(numbers)
            return (command, VENUE, self.book.orders.read(number).account, 0, number, 0)
        return (command, VENUE, account, 0, 0, draw.randint(1, 9))


def _said(done: Done) -> Any:
    """All of a reply, in an order of its own where whoever reads it sorts."""
    reply = done.reply
    events = sorted((key, event.SerializeToString(deterministic=True)) for key, event in done.events)
    told = [list(rows(getattr(reply, name))) for name in ("dues", "insurance_claims", "open_interest", "standings")]
    ops = [sorted(rows(getattr(reply, name))) for name in ("order_ops", "staged_order_ops")]
    return events, done.answers, told, ops, list(rows(reply.caps)), list(rows(reply.staged_caps))


@pytest.mark.parametrize("seed", range(10))
def test_a_random_life_is_the_same_by_columns_and_by_rows(seed: int) -> None:
    life = Life(seed)
    claims = sum(life.block() for _ in range(25))
    assert claims or seed, "nobody owed anything: the life is too easy"
