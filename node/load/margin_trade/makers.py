"""Simulated market makers: they quote a ladder around the price, lean against their inventory, and thin out in a fall.

The ladder has the shape of a real book (Bybit XRPUSDT, 500 levels): how much lies within which distance of the middle.
"""

import numpy as np

from breakwater.v1 import common_pb2 as com
from node.load.asks import Ask
from node.load.margin_trade.knowledge import Knowledge
from node.load.margin_trade.markets import Markets
from node.load.margin_trade.orders import cancel_ask, order_ask

PPM = 1_000_000
MAKERS = 4
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
# A fall of this much within a minute halves what is quoted; never less than this part stays.
_HALF_FALL_PPM = 12_000
_LEAST_PM = 120


class Makers:
    """The columns of all makers."""

    def __init__(self, draw: np.random.Generator, markets: Markets, depth_atoms: int) -> None:
        """All makers together quote depth_atoms a side in every market within 2%."""
        self._draw, self._markets = draw, markets
        self.account = np.zeros(MAKERS, np.int64)
        weight = draw.integers(60, 140, size=MAKERS)
        self._depth_atoms = depth_atoms * weight // int(weight.sum())
        # Enough to carry a few times what is quoted.
        self.deposit_atoms = self._depth_atoms * markets.count + depth_atoms
        self._nerve_pm = draw.integers(600, 1_600, size=MAKERS)
        distance, depth = (np.array(column, np.int64) for column in zip(*SHAPE, strict=True))
        self._distance_ppm = distance
        self._part_ppm = np.diff(depth, prepend=0) * PPM // depth[-1]

    def act(self, price_ticks: np.ndarray, fall_ppm: np.ndarray, known: Knowledge) -> list[Ask]:
        """Everybody takes the old ladder away and quotes anew; prices and falls one a market."""
        return [cancel_ask(self.account), self._quote(price_ticks, fall_ppm, known)]

    def _quote(self, price_ticks: np.ndarray, fall_ppm: np.ndarray, known: Knowledge) -> Ask:
        levels = len(self._distance_ppm)
        shape = (MAKERS, self._markets.count, 2, levels)
        row, place, side_at, level = (axis.ravel() for axis in np.indices(shape))
        side, price = 1 - 2 * side_at, price_ticks[place]
        away_ppm = self._distance_ppm[level] + self._draw.integers(-40, 40, size=len(row))
        limit = np.maximum(1, price - side * np.maximum(1, price * away_ppm // PPM))
        notional = self._depth_atoms[row] * self._part_ppm[level] // PPM
        notional = notional * self._appetite_pm(row, place, side, price, fall_ppm, known) // 1000
        enough = notional >= 2 * self._markets.min_notional_atoms[place]
        size = self._markets.lots(place, notional, limit)
        return order_ask(
            self.account[row][enough],
            self._markets.number[place][enough],
            side[enough],
            size[enough],
            kind=com.ORDER_KIND_LIMIT,
            limit_ticks=limit[enough],
        )

    def _appetite_pm(
        self,
        row: np.ndarray,
        place: np.ndarray,
        side: np.ndarray,
        price: np.ndarray,
        fall_ppm: np.ndarray,
        known: Knowledge,
    ) -> np.ndarray:
        """How much of the full size is quoted: less in a fast move, less on the side where the inventory is."""
        speed = np.abs(fall_ppm[place]) * self._nerve_pm[row] // 1000
        calm = np.maximum(_LEAST_PM, 1000 * _HALF_FALL_PPM // (_HALF_FALL_PPM + speed))
        held = known.lots(self.account[row], place) * price * self._markets.quote_atoms[place]
        lean = np.clip(side * held * 1000 // np.maximum(1, 2 * self._depth_atoms[row]), -500, 1000)
        return calm * (1000 - lean) // 1000
