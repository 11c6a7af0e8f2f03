"""A Twilight shard that opens, closes and settles by columns lives as the scalar one does, rolled back or not."""

import random
from typing import Any

import numpy as np
import pytest

from actors.columns import RowGatherer, rows
from actors.isolated.book import IsolatedBook
from actors.isolated.runs import run_closes
from actors.ledger.table import StagingLog
from actors.sinks import AnswerSink, EventSink
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.calling import pending_list
from tests.actors.shard_calls import DROP, PRICE, STAGED, Shard, order
from tests.building import LIMIT, MARKET, STOP_LOSS, TAKE_PROFIT

ACCOUNTS = (1, 2, 3, 4)
PARTS = ("opens", "closes", "liquidity", "staged_outcomes", "funding", "sums", "digests", "outcomes", "candidates")


class Life:
    """What happens, drawn once, to both shards."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.shards = [Shard(way=way) for way in (Way.BY_COLUMNS, Way.BY_ROW)]
        self.live: dict[int, int] = {}
        # What the desk was sent and has not answered: opens, and what accounts have held for them.
        self.sent: list[tuple[int, ...]] = []

    def block(self) -> None:
        draw = self.draw
        price = draw.choice((PRICE + draw.randint(-400, 400), PRICE, PRICE, 1 << 39 if draw.random() < 0.05 else PRICE))
        state = common.MARK_STATE_FRESH if draw.random() < 0.9 else common.MARK_STATE_HALTED
        boundary_ms = draw.choice((0, 0, 5))
        totals = [batches.MarketTotals(venue=1, market=1, long_size=draw.randint(0, 9), short_size=3)]
        legs = self._legs()
        rows_of = self._commands()
        said = []
        for shard in self.shards:
            shard.price, shard.state, shard.boundary_ms = price, state, boundary_ms
            reply = shard.run(legs=legs, totals=totals, **rows_of)
            said.append([_said(reply)])
        assert said[0] == said[1]
        if draw.random() < 0.4:
            # Somebody elsewhere was below a rung: what was staged is undone and done again.
            again = [shard.again(phases=(DROP, *STAGED), commands=shard.commands(**rows_of)) for shard in self.shards]
            assert _said(again[0]) == _said(again[1])
            reply = again[1]
        self.sent = list(rows(reply.opens))
        for position in reply.closes.position:
            self.live.pop(position, None)
        assert self.shards[0].actor.snapshot() == self.shards[1].actor.snapshot()

    def _legs(self) -> list[tuple[int, ...]]:
        """The pool filled most opens and released the others; now and then it pays."""
        draw, legs = self.draw, []
        for place, row in enumerate(self.sent):
            _, _, number, command, _, market, account, side, _, margin, leverage, _ = row
            if draw.random() < 0.8:
                held = margin - draw.randint(1, 5)
                head = (4, max(command, 0), place, 1, account, events.LEG_KIND_OPENED, 0, -margin, held, number)
                legs.append((*head, market, side, PRICE, margin, leverage))
                self.live[number] = account
            else:
                release = (4, max(command, 0), place, 1, account, events.LEG_KIND_RELEASE, margin, -margin, 0, number)
                legs.append((*release, 0, 0, 0, 0, 0))
        for place in range(draw.randint(0, 9)):
            kind = draw.choice((events.LEG_KIND_PAYOUT, events.LEG_KIND_CLAIM))
            legs.append((1, 0, place, 1, draw.choice(ACCOUNTS), kind, draw.randint(0, 99), 0, 0, 7, *([0] * 5)))
        return sorted(legs)

    def _commands(self) -> dict[str, list[tuple[int, ...]]]:
        draw, opens, closes, moves = self.draw, [], [], []
        for command in range(draw.randint(0, 30)):
            account, what = draw.choice(ACCOUNTS), draw.random()
            if what < 0.55:
                kind = MARKET if draw.random() < 0.93 else LIMIT
                margin = draw.choice((draw.randint(1, 9), draw.randint(1_000, 200_000), 10**8, 1 << 45))
                leverage = draw.choice((100, 200, 1_000, 5_000))
                limit = PRICE + draw.randint(-300, 300) if kind == LIMIT else 0
                opens.append((command, 1, account, 1, draw.choice((1, -1)), kind, margin, leverage, limit))
            elif what < 0.95 and self.live:
                position = draw.choice((*self.live, 77))
                owner = self.live.get(position, account) if draw.random() < 0.9 else account
                kind = MARKET if draw.random() < 0.85 else draw.choice((LIMIT, STOP_LOSS, TAKE_PROFIT))
                level = PRICE + draw.randint(-300, 300) if kind != MARKET else 0
                closes.append((command, 1, owner, position, kind, level))
            elif draw.random() < 0.3:
                moves.append((command, 1, account, 1, draw.randint(1, 1_000)))
        froze = [(0, 1, draw.choice(ACCOUNTS), draw.choice((0, 0, 1)))] if draw.random() < 0.2 else []
        return {"opens": opens, "closes": closes, "liquidity": moves, "freezes": froze}


def _said(reply: Any) -> Any:
    """All of a reply that somebody reads, in an order of its own where its reader sorts."""
    told = [
        sorted(zip(part.phase, part.a, part.b, part.c, pending_list(part), strict=True))
        for part in (reply.events, reply.staged_events)
    ]
    return told, {name: sorted(rows(getattr(reply, name))) for name in PARTS}


@pytest.mark.parametrize("seed", range(12))
def test_a_random_life_is_the_same_by_columns_and_by_rows(seed: int) -> None:
    life = Life(seed)
    for _ in range(30):
        life.block()


def test_positions_removed_and_inserted_together_come_back_with_their_levels() -> None:
    """A block that closes ten positions at once is rolled back: every level still closes its position."""
    shard = Shard()
    sides = [1 if place % 2 else -1 for place in range(10)]
    numbers = [order(2, place) for place in range(10)]
    opened = [
        (4, place, place, 1, 1 + place % 4, events.LEG_KIND_OPENED, 0, 0, 990, number, 1, side, PRICE, 1_000, 200)
        for place, (number, side) in enumerate(zip(numbers, sides, strict=True))
    ]
    shard.run(legs=opened)
    levels = [
        (place, 1, 1 + place % 4, number, STOP_LOSS, PRICE - sides[place] * (place + 1))
        for place, number in enumerate(numbers)
    ]
    shard.run(closes=levels)
    closing = [(place, 1, 1 + place % 4, number, MARKET, 0) for place, number in enumerate(numbers)]
    assert len(shard.run(closes=closing).closes.position) == 10
    shard.again(phases=(DROP, *STAGED))
    assert shard.actor.book(1).positions.numbers() == numbers
    shard.price = PRICE - 10
    met = shard.run().closes
    assert sorted(met.position) == [number for number, side in zip(numbers, sides, strict=True) if side > 0]


def test_many_closes_of_nothing_are_refused_where_there_is_no_market() -> None:
    book, answers = IsolatedBook(1, StagingLog(), Way.BY_COLUMNS), AnswerSink(EventSink())
    closing = [(place, 1, 1, 77 + place, MARKET, 0) for place in range(20)]
    left = run_closes(book, np.array(closing).T, RowGatherer(batches.CloseOps), answers)
    assert not left.any()
    assert list(answers.message().refusal) == [refusals.REFUSAL_UNKNOWN_POSITION] * 20
