"""What simulated people know of the markets of a Perennial venue; columns by place. Sizes and prices in 1e-6."""

from collections.abc import Sequence

import numpy as np

from breakwater.v1 import parameters_pb2
from node.load.habits import PPM

# Products of a size and a price would not fit: both ways a thousandth is cut off first.
_CUT = 1_000


class VersionedMarkets:
    """The markets of a replay. A place is the index in the list, a number what commands name."""

    def __init__(self, markets: Sequence[parameters_pb2.MarketParameters]) -> None:
        self.count = len(markets)
        self.number = np.array([market.market for market in markets], np.int64)
        self.max_leverage = np.array([PPM // market.perennial.maintenance_ppm for market in markets], np.int64)
        self.maintenance_ppm = np.array([market.perennial.maintenance_ppm for market in markets], np.int64)
        self.least_atoms = np.array([market.perennial.min_maintenance_atoms for market in markets], np.int64)
        self._place = {int(number): place for place, number in enumerate(self.number)}

    def place(self, number: int) -> int:
        """Where the market of this number is."""
        return self._place[number]

    def lots(self, notional_atoms: np.ndarray, price_ticks: np.ndarray) -> np.ndarray:
        """Lots that a notional buys at a price, a whole number of thousands, at least one."""
        return np.maximum(1, notional_atoms * _CUT // price_ticks) * _CUT

    def worth_atoms(self, lots: np.ndarray, price_ticks: np.ndarray) -> np.ndarray:
        """What lots are worth at a price, or gain by a change of it; about, and signed as they are."""
        return lots // _CUT * price_ticks // (PPM // _CUT)
