"""The people of a replay of several venues at once: drawn once, so that what differs between venues is their rules.

A trader is the same on every venue: the same money, the leverage wished for, the side taken at each turn, the nerve,
the time of coming. A venue only caps the leverage. Those who provide liquidity bring the same money everywhere too,
whatever they are called: LPs of a pool, market makers, makers of Perennial; so does who backs the vault or the fund.
"""

import numpy as np

from node.load.habits import Habits

# What liquidity brings, and what backs a vault or a fund, in thousandths of what all traders would hold together.
_LIQUIDITY_PM = 500
_BACKSTOP_PM = 16
# Above every wish.
_NO_LIMIT = 1_000
_STREAM = 7


class Cast:
    """Traders by their habits, and money in 1e-6 USD."""

    def __init__(self, seed: int, traders: int, blocks: int) -> None:
        """`blocks` is how many price steps there will be."""
        draw = np.random.Generator(np.random.PCG64([seed, _STREAM]))
        self.habits = Habits(draw, traders, np.array([_NO_LIMIT]), blocks)
        self.habits.appoint(draw, blocks)
        self.notional_atoms = self.habits.notional_atoms()
        self.liquidity_atoms = self.notional_atoms * _LIQUIDITY_PM // 1000
        self.backstop_atoms = self.notional_atoms * _BACKSTOP_PM // 1000
