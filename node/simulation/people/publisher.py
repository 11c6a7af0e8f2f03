"""The sources of a venue: one price path a market, seen by several publishers, with stalls, outliers and gaps.

The path leans towards prices at which somebody is liquidated, so that ladders and locks come within a few dozen blocks.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from breakwater.v1 import commands_pb2
from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.workload import Reader
from node.simulation.people.person import Person, Row
from node.simulation.venues import Listed

_TICKS: Final = ("market", "publisher", "price_ticks", "published_ms")
_STALL_MS: Final = (1_000, 3_000, 8_000)
_HIDDEN_LOCKS: Final = 0.3


class Mood(NamedTuple):
    """How a path moves: chance of a jump, how far in permille, and chance to go where somebody is liquidated."""

    jumps: float
    spans_permille: tuple[int, ...]
    aim: float
    lean_permille: int = 0


MOODS: Final = {
    "drift": Mood(0.1, (5, 20), 0.2, 3),
    "edge": Mood(0.1, (5, 20), 0.6),
    "crash": Mood(0.35, (30, 80, 150, 300), 0.35),
}


class Publisher(Person):
    """All sources of one venue."""

    def __init__(self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, accounts: int) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._listed = listed
        self._mood = MOODS[listed.mood]
        self._side = self.random.choice((-1, 1))
        self._accounts = list(range(1, accounts + 1))
        self.prices_ticks = dict(listed.prices_ticks)
        self._last_ms: dict[tuple[int, int], int] = {}
        self._stalled_until: dict[int, int] = {}
        self._locks_seen_ms: dict[int, int] = {}

    def first_prices(self, now_ms: int) -> commands_pb2.CommandBatch:
        """Every source's first tick of every market."""
        self.now_ms = now_ms
        rows = [row for market in sorted(self._listed.markets) for row in self._ticks(market)]
        return self.rows("ticks", _TICKS, rows)[0]

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """Ticks of the markets that are not stalled."""
        rows: list[Row] = []
        for market in sorted(self._listed.markets):
            if self._stalled_until.get(market, 0) > self.now_ms:
                continue
            if self._chaos.strikes(Fault.ORACLE_STALL, f"venue {self.venue} market {market}"):
                self._stalled_until[market] = self.now_ms + self.random.choice(_STALL_MS)
            elif hidden_until_ms := self._hidden_until_ms(market, reader):
                self._stalled_until[market] = hidden_until_ms
            elif self.chance(0.8):
                self._move(market, reader)
                rows += self._ticks(market)
        return self.rows("ticks", _TICKS, rows)

    def finish(self) -> None:
        """Goes on: a node that restarts waits for a fresh price before it takes anything else."""

    def unanswered(self) -> int:
        """Nobody waits for the fate of a tick: the next one overtakes it."""
        return 0

    def _hidden_until_ms(self, market: int, reader: Reader) -> int:
        """Now and then the slot of a liquidation gets no price, and the close moves on (PE-06); 0: not now."""
        rules = self._listed.markets[market]
        view = reader.versions(self.venue, market) if rules.HasField("perennial") else None
        locked_ms = max((one.version_ms for one in view.pending if one.is_liquidation), default=0) if view else 0
        if locked_ms <= self._locks_seen_ms.get(market, 0):
            return 0
        self._locks_seen_ms[market] = locked_ms
        hides = locked_ms > self.now_ms and self.chance(_HIDDEN_LOCKS)
        return locked_ms + rules.perennial.grace_ms + 1 if hides else 0

    def _move(self, market: int, reader: Reader) -> None:
        """The path's next price."""
        last, first, mood = self.prices_ticks[market], self._listed.prices_ticks[market], self._mood
        edges = self._edges(market, last, reader) if self.chance(mood.aim) else []
        if edges:
            nearest = sorted(edges, key=lambda ticks: (abs(ticks - last), ticks))[: self.random.choice((1, 2, 5))]
            ticks = self.random.choice(nearest)
            price = ticks + self.random.choice((-1, 0, 1, -ticks // 300, ticks // 300, -ticks // 40, ticks // 40))
        else:
            span = self.random.choice(mood.spans_permille) if self.chance(mood.jumps) else 2
            lean = self._side * mood.lean_permille
            price = last + last * (self.random.randint(-span, span) + lean) // 1_000
        self.prices_ticks[market] = max(first // 8, 2, min(price, 4 * first))

    def _edges(self, market: int, last: int, reader: Reader) -> list[int]:
        """Prices at which somebody is liquidated, not too far away."""
        views = reader.accounts(self.venue, self._accounts)
        if views is None:
            return []
        levels = []
        for view in views.accounts:
            levels += [one.liquidation_ticks for one in view.positions if one.market == market]
            levels += [one.liquidation_ticks for one in view.cross.positions if one.market == market]
            levels += [one.liquidation_ticks for one in view.ratio.positions if one.market == market]
            levels += [one.liquidation_ticks for one in view.versioned if one.market == market]
        return [ticks for ticks in levels if 2 * last < 3 * ticks < 4 * last]

    def _ticks(self, market: int) -> list[Row]:
        sources = self._listed.markets[market].oracle.sources
        where = f"venue {self.venue} market {market}"
        left_out = self.random.choice(sources).publisher if self._chaos.strikes(Fault.ORACLE_GAP, where) else 0
        wrong = self.random.choice(sources).publisher if self._chaos.strikes(Fault.ORACLE_OUTLIER, where) else 0
        rows = []
        for source in sources:
            if source.publisher == left_out:
                continue
            price = self.prices_ticks[market] + self.random.choice((0, 0, 0, 1, -1))
            if source.publisher == wrong:
                price = price * self.random.choice((1, 5, 15, 200)) // 10
            late_ms = self.random.choice((0, 0, 0, 1, 40, 1_500))
            published_ms = max(self.now_ms - late_ms, self._last_ms.get((market, source.publisher), 0) + 1)
            self._last_ms[market, source.publisher] = published_ms
            rows.append([market, source.publisher, max(1, price), published_ms])
        return rows
