"""What simulated people know of the markets of a venue with order books: steps, values, leverage; columns by place."""

from collections.abc import Sequence

import numpy as np

from actors.units import E9
from breakwater.v1 import parameters_pb2


class Markets:
    """The markets of a replay. A place is the index in the list, a number what commands name."""

    def __init__(self, markets: Sequence[parameters_pb2.MarketParameters]) -> None:
        rules = [market.spin if market.HasField("spin") else market.margin_trade for market in markets]
        self.count = len(markets)
        self.number = np.array([market.market for market in markets], np.int64)
        self.quote_atoms = np.array([rule.quote_atoms_per_tick_lot for rule in rules], np.int64)
        self.max_leverage = np.array([_max_leverage(market) for market in markets], np.int64)
        self.max_order_lots = np.array([rule.max_order_lots for rule in rules], np.int64)
        self.min_notional_atoms = np.array([rule.min_notional_atoms for rule in rules], np.int64)
        self._place = {int(number): place for place, number in enumerate(self.number)}

    def place(self, number: int) -> int:
        """Where the market of this number is."""
        return self._place[number]

    def lots(self, place: np.ndarray, notional_atoms: np.ndarray, price_ticks: np.ndarray) -> np.ndarray:
        """Whole lots that a notional buys at a price, at least one, at most an order's most."""
        lots = notional_atoms // (price_ticks * self.quote_atoms[place])
        return np.clip(lots, 1, self.max_order_lots[place])


def _max_leverage(market: parameters_pb2.MarketParameters) -> int:
    """Of the lowest tier; on Spin what the collateral ratio leaves (SP-02)."""
    if market.HasField("spin"):
        return E9 // market.spin.collateral_ratio_e9
    return market.margin_trade.tiers[0].max_leverage
