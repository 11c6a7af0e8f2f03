"""What simulated people know of the markets of a Margin Trade venue: steps, values, leverage; columns by place."""

from collections.abc import Sequence

import numpy as np

from breakwater.v1 import parameters_pb2


class Markets:
    """The markets of a replay. A place is the index in the list, a number what commands name."""

    def __init__(self, markets: Sequence[parameters_pb2.MarketParameters]) -> None:
        self.count = len(markets)
        self.number = np.array([market.market for market in markets], np.int64)
        self.quote_atoms = np.array([market.margin_trade.quote_atoms_per_tick_lot for market in markets], np.int64)
        self.max_leverage = np.array([market.margin_trade.tiers[0].max_leverage for market in markets], np.int64)
        self.max_order_lots = np.array([market.margin_trade.max_order_lots for market in markets], np.int64)
        self.min_notional_atoms = np.array([market.margin_trade.min_notional_atoms for market in markets], np.int64)
        self._place = {int(number): place for place, number in enumerate(self.number)}

    def place(self, number: int) -> int:
        """Where the market of this number is."""
        return self._place[number]

    def lots(self, place: np.ndarray, notional_atoms: np.ndarray, price_ticks: np.ndarray) -> np.ndarray:
        """Whole lots that a notional buys at a price, at least one, at most an order's most."""
        lots = notional_atoms // (price_ticks * self.quote_atoms[place])
        return np.clip(lots, 1, self.max_order_lots[place])
