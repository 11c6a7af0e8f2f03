"""Who simulated takers are: money, leverage, markets, bias and nerve, drawn once from the seed in whole numbers."""

from collections.abc import Sequence
from copy import copy

import numpy as np

PPM = 1_000_000
DEPOSIT_MEDIAN_ATOMS = 2_500_000_000
# Sixteen factors of 5/4 or 4/5 make a log-normal with a deviation of 0.9, without a logarithm.
_FACTORS = 16
WHALES_PER_THOUSAND = 8
_WHALE_TIMES = 50
_WHALE_LEVERAGE = (6, 20)
# Leverage: how many in a thousand, from, to.
_LEVERAGE_MIX = ((150, 1, 3), (300, 3, 8), (300, 8, 15), (250, 15, 40))
# Most hold through the window; the others come and go, whatever its length.
_CHURNERS_PM = 200
_LONGEST_BLOCKS = 6_000
# Nine in ten come in at the start, before anything falls.
_EARLY_PM = 900
_EARLY_BLOCKS = 120
_TURNS = 16


class Habits:
    """Columns: traders first, then one row for every (trader, market) they trade in. Money in 1e-6 USD."""

    def __init__(self, draw: np.random.Generator, traders: int, max_leverage: np.ndarray, blocks: int) -> None:
        """`max_leverage`, one a market, is what there is; `blocks`, how many blocks the markets will be open, scales
        how long positions are held."""
        self.traders = traders
        self.is_whale = np.arange(traders) < max(1, traders * WHALES_PER_THOUSAND // 1000)
        self.deposit_atoms = _deposits(draw, traders) * np.where(self.is_whale, _WHALE_TIMES, 1)
        self.panics = draw.integers(0, 1000, size=traders) < 200
        self.nerve_ppm = draw.integers(250_000, 900_000, size=traders)
        self.who, self.place = _rows(draw, traders, len(max_leverage))
        rows = len(self.who)
        self.rows_of_trader = np.bincount(self.who, minlength=traders)
        self.wanted = np.where(
            self.is_whale[self.who], draw.integers(*_WHALE_LEVERAGE, size=rows), _leverages(draw, rows)
        )
        self._use_pm = draw.integers(800, 980, size=rows), draw.integers(350, 900, size=rows)
        self._limit(max_leverage)
        self.long_pm = draw.integers(450, 850, size=rows)
        self.limit_pm = draw.integers(0, 300, size=rows)
        self.stop_pm = np.where(draw.integers(0, 1000, size=rows) < 250, draw.integers(250, 800, size=rows), 0)
        self.profit_pm = np.where(draw.integers(0, 1000, size=rows) < 350, draw.integers(150, 1_500, size=rows), 0)
        self.patience_blocks = _patience(draw, rows, blocks)
        # Set where several venues share these people: when each comes in first, and which side at every turn.
        self.first_block: np.ndarray | None = None
        self.long_turns: np.ndarray | None = None

    def appoint(self, draw: np.random.Generator, blocks: int) -> None:
        """Draw what else would be left to the moment, so that every venue sees the same people do the same."""
        self.first_block = first_blocks(draw, len(self.who), blocks)
        self.long_turns = draw.integers(0, 1000, size=(len(self.who), _TURNS)) < self.long_pm[:, None]

    def under(self, max_leverage: np.ndarray) -> "Habits":
        """The same people where this is the most leverage there is, one a market."""
        same = copy(self)
        same._limit(max_leverage)
        return same

    def of(self, traders: Sequence[int] | np.ndarray) -> "Habits":
        """Some of these people, numbered anew in this order."""
        some = copy(self)
        some.traders = len(traders)
        number = np.full(self.traders, -1)
        number[np.asarray(traders)] = np.arange(len(traders))
        rows = np.flatnonzero(number[self.who] >= 0)
        some.who = number[self.who[rows]]
        for name in ("is_whale", "deposit_atoms", "panics", "nerve_ppm", "rows_of_trader"):
            setattr(some, name, getattr(self, name)[np.asarray(traders)])
        for name in (
            *("place", "wanted", "leverage", "use_pm", "long_pm", "limit_pm", "stop_pm", "profit_pm"),
            *("patience_blocks", "first_block", "long_turns"),
        ):
            column = getattr(self, name)
            setattr(some, name, column if column is None else column[rows])
        some._use_pm = self._use_pm[0][rows], self._use_pm[1][rows]
        return some

    def sides(self, draw: np.random.Generator, rows: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """+1 or -1 for these rows when they come in for the `turn`-th time, by bias or as appointed."""
        if self.long_turns is None:
            long = draw.integers(0, 1000, size=len(rows)) < self.long_pm[rows]
        else:
            long = self.long_turns[rows, turn % _TURNS]
        return np.where(long, 1, -1)

    def notional_atoms(self) -> int:
        """What all would hold with all their money in, about."""
        return int((self.deposit_atoms[self.who] // self.rows_of_trader[self.who] * self.leverage // 2).sum())

    def _limit(self, max_leverage: np.ndarray) -> None:
        most = max_leverage[self.place]
        self.leverage = np.minimum(self.wanted, most)
        # Who wants more leverage than there is puts all he has into it.
        self.use_pm = np.where(self.wanted > most, *self._use_pm)


def first_blocks(draw: np.random.Generator, count: int, blocks: int) -> np.ndarray:
    """When each comes in, of so many blocks; most come at the start."""
    early = draw.integers(1, max(2, min(_EARLY_BLOCKS, blocks // 12)), size=count)
    late = draw.integers(1, max(2, blocks), size=count)
    return np.where(draw.integers(0, 1000, size=count) < _EARLY_PM, early, late)


def _patience(draw: np.random.Generator, count: int, blocks: int) -> np.ndarray:
    """How many blocks a position is held if nothing happens."""
    passing = draw.integers(max(4, blocks // 40), max(8, blocks // 6), size=count)
    lasting = draw.integers(max(4, blocks // 2), max(8, 3 * blocks), size=count)
    churns = draw.integers(0, 1000, size=count) < _CHURNERS_PM
    return np.minimum(np.where(churns, passing, lasting), _LONGEST_BLOCKS)


def _deposits(draw: np.random.Generator, count: int) -> np.ndarray:
    ups = draw.integers(0, 2, size=(count, _FACTORS)).sum(axis=1) - _FACTORS // 2
    deposit = DEPOSIT_MEDIAN_ATOMS + draw.integers(-500_000_000, 500_000_000, size=count)
    # One factor more up is one factor less down, so a step is the square of a factor.
    for step in range(_FACTORS // 2):
        deposit = np.where(ups > step, deposit * 25 // 16, deposit)
        deposit = np.where(-ups > step, deposit * 16 // 25, deposit)
    return deposit


def _leverages(draw: np.random.Generator, count: int) -> np.ndarray:
    pick = draw.integers(0, 1000, size=count)
    leverage = np.ones(count, np.int64)
    below = 0
    for share_pm, low, high in _LEVERAGE_MIX:
        chosen = (pick >= below) & (pick < below + share_pm)
        leverage = np.where(chosen, draw.integers(low, high, size=count, endpoint=True), leverage)
        below += share_pm
    return leverage


def _rows(draw: np.random.Generator, traders: int, markets: int) -> tuple[np.ndarray, np.ndarray]:
    """(trader, market place): seven in ten trade one market, the others two or three."""
    pick = draw.integers(0, 10, size=traders)
    wanted = np.minimum(np.where(pick < 7, 1, np.where(pick < 9, 2, 3)), markets)
    first = draw.integers(0, markets, size=traders)
    step = draw.integers(1, max(2, markets), size=traders)
    who = np.repeat(np.arange(traders), wanted)
    nth = np.concatenate([np.arange(count) for count in wanted.tolist()])
    # A step that shares no factor with the number of markets never meets one twice; one does for any number.
    step = np.where(np.gcd(step, markets) == 1, step, 1)
    return who, (first[who] + nth * step[who]) % markets
