"""Who the simulated traders are: size, leverage, bias, nerve and habits, drawn once from the seed in whole numbers."""

import numpy as np

from breakwater.v1 import common_pb2 as com

PPM = 1_000_000
MARGIN_MEDIAN_ATOMS = 400_000
# Sixteen factors of 5/4 or 4/5 make a log-normal with a deviation of 0.9, without a logarithm.
_MARGIN_FACTORS = 16
# Leverage in hundredths: how many in a thousand, from, to. The tail above 10 is heavy.
_LEVERAGE_MIX = ((200, 100, 300), (330, 300, 1_000), (300, 1_000, 2_500), (170, 2_500, 5_000))
# Habit of each level: how many in a thousand set it, and how far, in thousandths of the way to bankruptcy.
_HABITS: dict[int, tuple[int, int, int]] = {
    com.ORDER_KIND_STOP_LOSS: (380, 200, 650),
    com.ORDER_KIND_TAKE_PROFIT: (330, 150, 1_500),
    com.ORDER_KIND_LIMIT: (160, 100, 900),
}


class Temperament:
    """Columns drawn once, one row a trader."""

    def __init__(self, draw: np.random.Generator, count: int, blocks: int, margin_cap_atoms: int) -> None:
        """`blocks` scales how long positions are held."""
        self.count = count
        self.margin_cap_atoms = margin_cap_atoms
        self.margin_atoms = _margins(draw, count, margin_cap_atoms)
        self.leverage = _leverages(draw, count)
        self.long_pm = draw.integers(450, 850, size=count)
        self.limit_pm = draw.integers(50, 450, size=count)
        self.panics = draw.integers(0, 1000, size=count) < 300
        self.nerve_ppm = draw.integers(250_000, 900_000, size=count)
        self.patience_blocks = draw.integers(max(4, blocks // 60), max(8, blocks), size=count)
        self.deposit_atoms = self.margin_atoms * draw.integers(1_200, 3_000, size=count) // 1000
        self.first_block: np.ndarray | None = None
        self.use_pm: np.ndarray | None = None
        self._wants = {kind: draw.integers(0, 1000, size=count) < habit[0] for kind, habit in _HABITS.items()}
        self._reach_pm = {kind: draw.integers(habit[1], habit[2], size=count) for kind, habit in _HABITS.items()}

    def long_now(self, draw: np.random.Generator, rows: np.ndarray, turn: np.ndarray, fear_pm: int) -> np.ndarray:
        """Who of these rows, coming in for the `turn`-th time, goes long; fear makes fewer of them."""
        long: np.ndarray = draw.integers(0, 1000, size=len(rows)) < self.long_pm[rows] - fear_pm
        return long

    def wants(self, kind: int, rows: np.ndarray) -> np.ndarray:
        """Which of these rows set a level of this kind."""
        return self._wants[kind][rows]

    def reach_pm(self, kind: int, rows: np.ndarray) -> np.ndarray:
        """How far from the entry, in thousandths of the distance that eats the margin."""
        return self._reach_pm[kind][rows]

    def notional_atoms(self) -> np.ndarray:
        """Entry value each would have with the full margin, ascending."""
        return np.sort(self.margin_atoms * self.leverage // 100)


def _margins(draw: np.random.Generator, count: int, cap_atoms: int) -> np.ndarray:
    ups = (draw.integers(0, 2, size=(count, _MARGIN_FACTORS))).sum(axis=1) - _MARGIN_FACTORS // 2
    margin = MARGIN_MEDIAN_ATOMS + draw.integers(-90_000, 90_000, size=count)
    # One factor more up is one factor less down, so a step is the square of a factor.
    for step in range(_MARGIN_FACTORS // 2):
        margin = np.where(ups > step, margin * 25 // 16, margin)
        margin = np.where(-ups > step, margin * 16 // 25, margin)
    return np.minimum(margin, cap_atoms)


def _leverages(draw: np.random.Generator, count: int) -> np.ndarray:
    pick = draw.integers(0, 1000, size=count)
    leverage = np.zeros(count, np.int64)
    below = 0
    for share_pm, low, high in _LEVERAGE_MIX:
        chosen = (pick >= below) & (pick < below + share_pm)
        leverage = np.where(chosen, draw.integers(low, high, size=count, endpoint=True), leverage)
        below += share_pm
    # Most people say a round number.
    whole = draw.integers(0, 1000, size=count) < 700
    return np.where(whole, leverage // 100 * 100, leverage)
