"""A replay before it runs: the venue, its markets, a price path for each, the people, what every publisher says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com
from breakwater.v1 import parameters_pb2
from node.load.asks import Ask, column_ask, ignore
from node.load.margin_trade.population import BookPopulation
from node.load.margin_trade.tally import BookTally
from node.load.people import People
from node.load.population import Population
from node.load.price_path import PricePoint, quoted
from node.load.tally import Tally

PPM = 1_000_000
NOISE_MOST_PPM = 200


@dataclass(frozen=True)
class Plan:
    """Markets and their paths, one path a market, all with the same times."""

    venue: parameters_pb2.VenueParameters
    markets: Sequence[parameters_pb2.MarketParameters]
    paths: Sequence[Sequence[PricePoint]]
    seed: int
    traders: int

    @property
    def points(self) -> Sequence[PricePoint]:
        """The first market's path: what a line of progress shows, and where the times are read."""
        return self.paths[0]

    @property
    def is_book(self) -> bool:
        """Whether the venue trades on order books."""
        return self.venue.rulebook == com.RULEBOOK_MARGIN_TRADE

    def part(self, start: int, end: int) -> "Plan":
        """The same with these steps of every path."""
        paths = [path[start:end] for path in self.paths]
        return Plan(self.venue, self.markets, paths, self.seed, self.traders)

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

    def people(self) -> People:
        """The people of this plan, before they have an account."""
        steps = len(self.points)
        if self.is_book:
            lock_ms = self.venue.margin_trade.vault_lock_ms
            return BookPopulation(self.seed, self.traders, steps, self.markets, self._blocks_in(lock_ms))
        cap_atoms = self.venue.twilight.margin_cap_atoms
        return Population(self.seed, self.traders, steps, self.markets[0].market, cap_atoms)

    def _blocks_in(self, span_ms: int) -> int:
        """How many steps of this plan so long a time has, rounded up."""
        whole_ms = self.points[-1].time_ms - self.points[0].time_ms
        return -(-span_ms * len(self.points) // max(1, whole_ms))

    def tally(self) -> Tally | BookTally:
        """What counts it."""
        return BookTally() if self.is_book else Tally()

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
