"""Simulated market makers: they quote a ladder around the price, lean against their inventory, and thin out in a fall.

The ladder has the shape of a real book (Bybit XRPUSDT, 500 levels): how much lies within which distance of the middle.
"""

import numpy as np

from breakwater.v1 import common_pb2 as com
from node.load.asks import Ask
from node.load.books.knowledge import Knowledge
from node.load.books.markets import Markets
from node.load.books.orders import cancel_ask, order_ask

PPM = 1_000_000
# (distance from the middle in ppm, thousands of USD up to there): measured, both sides averaged.
SHAPE = (
    (200, 70),
    (500, 250),
    (1_000, 600),
    (2_000, 1_640),
    (3_500, 2_900),
    (5_000, 3_900),
    (7_500, 5_800),
    (10_000, 8_900),
    (15_000, 13_600),
    (20_000, 16_000),
)
# Every firm has three desks, an account each: (first level, end, how far the price may move before it quotes anew).
# Whoever quotes far away need not follow every tick; a tolerance is far below the distance, so no quote goes stale
# enough to meet another maker's.
DESKS = ((0, 4, 60), (4, 7, 800), (7, 10, 2_500))
FIRMS = 2
# An old quote is renewed: the market may have calmed down since.
_RENEW_BLOCKS = 60
# A fall of this much within a minute halves what is quoted; never less than this part stays.
_HALF_FALL_PPM = 12_000
_LEAST_PM = 120


class Makers:
    """The columns of all desks, firm by firm."""

    def __init__(self, draw: np.random.Generator, markets: Markets, depth_atoms: int) -> None:
        """All desks together quote depth_atoms a side in every market within 2%."""
        self._draw, self._markets = draw, markets
        desks = FIRMS * len(DESKS)
        self.account = np.zeros(desks, np.int64)
        firm, desk = (axis.ravel() for axis in np.indices((FIRMS, len(DESKS))))
        self._first, self._end, self._tolerance_ppm = np.array(DESKS, np.int64)[desk].T
        weight = draw.integers(60, 140, size=FIRMS)
        self._depth_atoms = (depth_atoms * weight // int(weight.sum()))[firm]
        # Enough to carry a few times what is quoted.
        self.deposit_atoms = (self._depth_atoms * markets.count + depth_atoms) // len(DESKS)
        self._nerve_pm = draw.integers(600, 1_600, size=FIRMS)[firm]
        distance, depth = (np.array(column, np.int64) for column in zip(*SHAPE, strict=True))
        self._distance_ppm = distance
        self._part_ppm = np.diff(depth, prepend=0) * PPM // depth[-1]
        # What every desk last quoted around, with which inventory and when; by desk and place.
        self._quoted_ticks = np.zeros((desks, markets.count), np.int64)
        self._quoted_lots = np.zeros((desks, markets.count), np.int64)
        self._quoted_block = np.zeros((desks, markets.count), np.int64)

    def bring(self, money_atoms: int) -> None:
        """They bring this much together, in the parts in which they quote."""
        depths = self._depth_atoms.tolist()
        whole = sum(depths)
        self.deposit_atoms = np.array([money_atoms * depth // whole for depth in depths], np.int64)

    def act(self, block: int, price_ticks: np.ndarray, fall_ppm: np.ndarray, known: Knowledge) -> list[Ask]:
        """Who must takes the old ladder of a market away and quotes anew; prices and falls one a market."""
        desk, place = np.nonzero(self._is_stale(block, price_ticks, known))
        if not len(desk):
            return []
        self._quoted_ticks[desk, place] = price_ticks[place]
        self._quoted_lots[desk, place] = known.lots(self.account[desk], place)
        self._quoted_block[desk, place] = block
        cancels = cancel_ask(self.account[desk], self._markets.number[place])
        return [cancels, self._quote(desk, place, price_ticks, fall_ppm, known)]

    def _is_stale(self, block: int, price_ticks: np.ndarray, known: Knowledge) -> np.ndarray:
        """By desk and place: the price moved beyond the tolerance, the inventory changed, or the quote is old."""
        desk, place = np.indices(self._quoted_ticks.shape)
        moved = np.abs(price_ticks[place] - self._quoted_ticks) * PPM
        stale = moved > self._tolerance_ppm[desk] * self._quoted_ticks
        stale |= known.lots(self.account[desk], place) != self._quoted_lots
        return np.asarray(stale | (block - self._quoted_block >= _RENEW_BLOCKS))

    def _quote(
        self, desk: np.ndarray, place: np.ndarray, price_ticks: np.ndarray, fall_ppm: np.ndarray, known: Knowledge
    ) -> Ask:
        row, level, side = self._rungs(desk)
        desk, place = desk[row], place[row]
        price = price_ticks[place]
        away_ppm = self._distance_ppm[level] + self._draw.integers(-40, 40, size=len(row))
        limit = np.maximum(1, price - side * np.maximum(1, price * away_ppm // PPM))
        notional = self._depth_atoms[desk] * self._part_ppm[level] // PPM
        notional = notional * self._appetite_pm(desk, place, side, price, fall_ppm, known) // 1000
        enough = notional >= 2 * self._markets.min_notional_atoms[place]
        size = self._markets.lots(place, notional, limit)
        return order_ask(
            self.account[desk][enough],
            self._markets.number[place][enough],
            side[enough],
            size[enough],
            kind=com.ORDER_KIND_LIMIT,
            limit_ticks=limit[enough],
        )

    def _rungs(self, desk: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(row, level, side): every level of every row's desk, both sides."""
        levels = self._end[desk] - self._first[desk]
        row = np.repeat(np.arange(len(desk)), 2 * levels)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(2 * levels) - 2 * levels, 2 * levels)
        return row, self._first[desk][row] + nth // 2, 1 - 2 * (nth % 2)

    def _appetite_pm(
        self,
        desk: np.ndarray,
        place: np.ndarray,
        side: np.ndarray,
        price: np.ndarray,
        fall_ppm: np.ndarray,
        known: Knowledge,
    ) -> np.ndarray:
        """How much of the full size is quoted: less in a fast move, less on the side where the inventory is."""
        speed = np.abs(fall_ppm[place]) * self._nerve_pm[desk] // 1000
        calm = np.maximum(_LEAST_PM, 1000 * _HALF_FALL_PPM // (_HALF_FALL_PPM + speed))
        held = known.lots(self.account[desk], place) * price * self._markets.quote_atoms[place]
        lean = np.clip(side * held * 1000 // np.maximum(1, self._depth_atoms[desk]), -500, 1000)
        return calm * (1000 - lean) // 1000
