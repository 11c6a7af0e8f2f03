"""People of several venues as traders of Twilight: whoever stakes more than one position may hold has several.

A pocket is one position's money: a trader's stake is cut into as few as the margin cap allows, all of them with the
trader's habits. So a whale is as large here as elsewhere, by the venue's own rules.
"""

import numpy as np

from breakwater.v1 import common_pb2 as com
from node.load.habits import Habits
from node.load.temperament import Temperament

# A millionth of a USD in sats at a price of 1e-9 USD.
_SATS_E9 = 10**11
_MOST_HUNDREDTHS = 5_000


class Pockets(Temperament):
    """The columns of a Temperament, one row a pocket; `owner` is the trader it belongs to."""

    def __init__(
        self, draw: np.random.Generator, habits: Habits, margin_cap_atoms: int, price_e9: int, blocks: int
    ) -> None:
        """Of one market's people; their USD become BTC at this price."""
        deposit = sats(habits.deposit_atoms, price_e9)
        stake = deposit * habits.use_pm // 1000
        number = -(-stake // margin_cap_atoms)
        self.owner = np.repeat(np.arange(habits.traders), number)
        super().__init__(draw, len(self.owner), blocks, margin_cap_atoms)
        self.leverage = np.minimum(habits.wanted * 100, _MOST_HUNDREDTHS)[self.owner]
        self.deposit_atoms = (deposit // number)[self.owner]
        self.margin_atoms = (stake // number)[self.owner]
        self.use_pm = habits.use_pm[self.owner]
        self.limit_pm, self.patience_blocks = habits.limit_pm[self.owner], habits.patience_blocks[self.owner]
        self.panics, self.nerve_ppm = habits.panics[self.owner], habits.nerve_ppm[self.owner]
        assert habits.first_block is not None, "people of several venues are appointed"
        self.first_block = habits.first_block[self.owner]
        self._habits = habits
        distance: dict[int, np.ndarray] = {
            com.ORDER_KIND_STOP_LOSS: habits.stop_pm,
            com.ORDER_KIND_TAKE_PROFIT: habits.profit_pm,
        }
        none = np.zeros(habits.traders, np.int64)
        self._reach_pm = {kind: distance.get(kind, none)[self.owner] for kind in self._reach_pm}
        self._wants = {kind: reach > 0 for kind, reach in self._reach_pm.items()}

    def long_now(self, draw: np.random.Generator, rows: np.ndarray, turn: np.ndarray, fear_pm: int) -> np.ndarray:
        """As appointed: all of a trader's pockets alike."""
        return self._habits.sides(draw, self.owner[rows], turn) > 0


def sats(usd_e6: np.ndarray, price_e9: int) -> np.ndarray:
    """Millionths of a USD in sats at a price in 1e-9 USD, floor."""
    return np.array([amount * _SATS_E9 // price_e9 for amount in usd_e6.tolist()], np.int64)
