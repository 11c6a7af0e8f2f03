"""A replay before it runs: the venue, its markets, a price path for each, the people, what every publisher says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com
from breakwater.v1 import parameters_pb2
from node.bots.lock_step import LockStepBots
from node.load.asks import Ask, column_ask, ignore
from node.load.cast import Cast
from node.load.margin_trade.population import BookPopulation
from node.load.margin_trade.tally import BookTally
from node.load.perennial.population import VersionedPopulation
from node.load.perennial.tally import VersionedTally
from node.load.population import Population, own_population, shared_population
from node.load.price_path import PricePoint, quoted
from node.load.spin.population import SpinPopulation
from node.load.spin.tally import SpinTally
from node.load.tally import Tally

PPM = 1_000_000
NOISE_MOST_PPM = 200
SPIN_BOTS = 3
KEEPERS = 2

AnyPopulation = Population | BookPopulation | SpinPopulation | VersionedPopulation
AnyTally = Tally | BookTally | SpinTally | VersionedTally


@dataclass(frozen=True)
class Plan:
    """Markets and their paths, one path a market, all with the same times."""

    venue: parameters_pb2.VenueParameters
    markets: Sequence[parameters_pb2.MarketParameters]
    paths: Sequence[Sequence[PricePoint]]
    seed: int
    traders: int
    # Where several venues run at once: the people they share.
    cast: Cast | None = None

    @property
    def points(self) -> Sequence[PricePoint]:
        """The first market's path: what a line of progress shows, and where the times are read."""
        return self.paths[0]

    @property
    def is_book(self) -> bool:
        """Whether the venue trades on order books."""
        return self.venue.rulebook in (com.RULEBOOK_MARGIN_TRADE, com.RULEBOOK_SPIN)

    def part(self, start: int, end: int) -> "Plan":
        """The same with these steps of every path."""
        paths = [path[start:end] for path in self.paths]
        return replace(self, paths=paths)

    def prices(self, step: int) -> list[int]:
        """Prices of a step, one a market."""
        return [path[step].price_ticks for path in self.paths]

    def price_words(self, step: int) -> str:
        """The price of a step for a line of progress; of several markets how far they are from their first, on average.

        Only for the eye.
        """
        if len(self.paths) == 1:
            return f"price {quoted(self.points[step].price_ticks, self.markets[0].tick_size_e9)}"
        changes = [path[step].price_ticks / path[0].price_ticks - 1 for path in self.paths]
        return f"prices {sum(changes) / len(changes):+.2%}"

    def people(self) -> AnyPopulation:
        """The people of this plan, before they have an account."""
        steps, rulebook = len(self.points), self.venue.rulebook
        if rulebook == com.RULEBOOK_MARGIN_TRADE:
            locked_blocks = self._blocks_in(self.venue.margin_trade.vault_lock_ms)
            return BookPopulation(self.seed, self.traders, steps, self.markets, locked_blocks, self.cast)
        if rulebook == com.RULEBOOK_SPIN:
            return SpinPopulation(self.seed, self.traders, steps, self.markets, self.cast)
        if rulebook == com.RULEBOOK_PERENNIAL:
            return VersionedPopulation(self.seed, self.traders, steps, self.markets, self.cast)
        market, cap_atoms = self.markets[0], self.venue.twilight.margin_cap_atoms
        if self.cast is None:
            return own_population(self.seed, self.traders, steps, market.market, cap_atoms)
        price_e9 = self.points[0].price_ticks * market.tick_size_e9
        return shared_population(self.seed, steps, market.market, cap_atoms, self.cast, price_e9)

    def bots(self, people: AnyPopulation) -> LockStepBots | None:
        """Who liquidates, where the rulebook leaves that to bots: they have money in proportion to the takers'."""
        if isinstance(people, SpinPopulation):
            return LockStepBots(self.venue, self.markets, SPIN_BOTS, people.bot_money_atoms)
        if isinstance(people, VersionedPopulation):
            return LockStepBots(self.venue, self.markets, KEEPERS, 0)
        return None

    def _blocks_in(self, span_ms: int) -> int:
        """How many steps of this plan so long a time has, rounded up."""
        whole_ms = self.points[-1].time_ms - self.points[0].time_ms
        return -(-span_ms * len(self.points) // max(1, whole_ms))

    def tally(self) -> AnyTally:
        """What counts it."""
        if self.venue.rulebook == com.RULEBOOK_MARGIN_TRADE:
            return BookTally(markets=self.markets)
        if self.venue.rulebook == com.RULEBOOK_SPIN:
            return SpinTally()
        return VersionedTally() if self.venue.rulebook == com.RULEBOOK_PERENNIAL else Tally()

    def publishers(self) -> "Publishers":
        """Who says the prices."""
        return Publishers(self)


class Publishers:
    """Every source of every market: the price itself, or on a book venue with noise of up to 2 bp of its own."""

    def __init__(self, plan: Plan) -> None:
        self._draw = np.random.Generator(np.random.PCG64([plan.seed, 2]))
        self._noise_ppm = NOISE_MOST_PPM if plan.is_book else 0
        rows = [
            (place, market.market, source.publisher)
            for place, market in enumerate(plan.markets)
            for source in market.oracle.sources
        ]
        self._place, self._market, self._publisher = (np.array(column, np.int64) for column in zip(*rows, strict=True))

    def say(self, time_ms: int, prices_ticks: Sequence[int]) -> Ask:
        """The ticks of a block, one a source."""
        price = np.array(prices_ticks, np.int64)[self._place]
        if self._noise_ppm:
            noise_ppm = self._draw.integers(-self._noise_ppm, self._noise_ppm, size=len(price), endpoint=True)
            price = np.maximum(1, price + price * noise_ppm // PPM)
        return column_ask(
            "ticks",
            cmd.Ticks,
            ignore,
            market=self._market,
            publisher=self._publisher,
            price_ticks=price,
            published_ms=np.full(len(price), time_ms),
        )
