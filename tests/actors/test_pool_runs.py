"""A pool that closes and opens by columns comes to what it comes to row by row: legs, events, answers, every total."""

import random
from typing import Any

import pytest

from actors.columns import rows
from actors.pool import Pool
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from tests.actors.calling import Caller, pending_list, table, worked
from tests.building import LIMIT, MARKET, market, venue

FILLED, LIQUIDATED = common.OUTCOME_STATUS_FILLED, common.OUTCOME_STATUS_LIQUIDATED
MARKETS, PRICE, NO_COMMAND = (1, 3), 50_000, -1
# Some that nobody reaches and some that stop most.
LIMITS = {"max_oi_ppm": (60_000, 3_000_000), "max_net_ppm": (20_000, 700_000), "max_position_ppm": (5_000, 300_000)}


class Life:
    """What happens, drawn once, to both pools; a third of them is so poor that profits become claims."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.pools = [Caller(worked(Pool(1), way), batches.DeskReply) for way in (Way.BY_COLUMNS, Way.BY_ROW)]
        self.prices = dict.fromkeys(MARKETS, PRICE)
        self.open: dict[int, tuple[int, ...]] = {}
        limits = {name: self.draw.choice(choice) for name, choice in LIMITS.items()}
        terms = venue(1, seed % 3 < 2, utilisation_cap_ppm=900_000, **limits)
        self.changes = batches.ParameterChanges(venues=[terms], markets=[market(number) for number in MARKETS])
        self.work(liquidity=[(0, 1, 1, 1, 10**7 if seed % 4 == 0 else 10**10)])

    def work(self, **rows_of: list[tuple[int, ...]]) -> Any:
        kinds = {"liquidity": batches.LiquidityOps, "opens": batches.OpenOps, "closes": batches.CloseOps}
        marks = [
            common.Mark(venue=1, market=number, mark_ticks=ticks, version=3, age_ms=9, state=common.MARK_STATE_FRESH)
            for number, ticks in self.prices.items()
        ]
        fields = {name: table(kinds[name], *listed) for name, listed in rows_of.items()}
        replies = [pool.block(changes=self.changes, marks=marks, account=True, **fields) for pool in self.pools]
        self.changes = batches.ParameterChanges()
        assert _said(replies[0]) == _said(replies[1])
        assert self.pools[0].actor.snapshot() == self.pools[1].actor.snapshot()
        return replies[0]

    def block(self) -> Any:
        draw = self.draw
        for number in MARKETS:
            self.prices[number] = max(1, self.prices[number] + draw.randint(-900, 900))
        height = self.pools[0].height + 1
        opens = [self._open(height << 20 | command, command) for command in range(draw.randint(0, 25))]
        closed = draw.sample(sorted(self.open), min(len(self.open), draw.randint(0, 20)))
        closes = [self._close(position, 100 + place) for place, position in enumerate(closed)]
        reply = self.work(opens=opens, closes=closes)
        sent = {row[2]: row for row in opens}
        for row in rows(reply.legs):
            if row[10]:  # the market of an open that was filled
                self.open[row[9]] = (*row, *sent[row[9]])
        return reply

    def _open(self, order: int, command: int) -> tuple[int, ...]:
        draw, rested = self.draw, self.draw.random() < 0.2
        margin = draw.choice((draw.randint(1, 9), draw.randint(1_000, 90_000), draw.randint(10**6, 10**7)))
        head = (0, draw.randint(49_000, 51_000), order, NO_COMMAND) if rested else (1, 0, order, command)
        words = (draw.choice(MARKETS), draw.randint(1, 9), draw.choice((1, -1)), LIMIT if rested else MARKET)
        return (*head, 1, *words, margin, draw.choice((100, 500, 5_000)), 200_000 if rested else 400_000)

    def _close(self, position: int, command: int) -> tuple[int, ...]:
        """The shard's numbers of a close; the pool takes them as they are."""
        draw, row = self.draw, self.open.pop(position)
        account, held, number, side, entry, initial, leverage = row[4], row[8], *row[10:15]
        value, rested = initial * leverage // 100, draw.random() < 0.2
        head = (0, entry, position, NO_COMMAND) if rested else (1, 0, position, command)
        at = (1, number, account, side, LIMIT if rested else MARKET)
        if draw.random() < 0.15:
            return (*head, *at, LIQUIDATED, entry, value, value * entry, initial, held, -held, 0, 0, draw.randint(0, 5))
        profit = draw.randint(-held, 2 * held + 5)
        payout = max(0, held + profit - 1)
        return (*head, *at, FILLED, entry, value, value * entry, initial, held, profit, 1, payout, 0)


def _said(reply: Any) -> Any:
    """All of a reply, in an order of its own where its reader sorts."""
    told = reply.events
    events = sorted(zip(told.phase, told.a, told.b, told.c, pending_list(told), strict=True))
    sums = (reply.sums.SerializeToString(), [total.SerializeToString() for total in reply.totals])
    return events, sorted(rows(reply.legs)), sorted(rows(reply.outcomes)), sums, reply.digest


@pytest.mark.parametrize("seed", range(18))
def test_a_random_life_is_the_same_by_columns_and_by_rows(seed: int) -> None:
    life = Life(seed)
    for _ in range(20):
        life.block()
