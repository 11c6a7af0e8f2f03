"""Who the simulated takers are: money, leverage, markets, bias and nerve, drawn once from the seed in whole numbers."""

import numpy as np

from node.load.margin_trade.markets import Markets

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


class Habits:
    """Columns: traders first, then one row for every (trader, market) they trade in."""

    def __init__(self, draw: np.random.Generator, traders: int, markets: Markets, blocks: int) -> None:
        """`blocks` is how many blocks the markets will be open; it scales how long positions are held."""
        self.traders = traders
        self.is_whale = np.arange(traders) < max(1, traders * WHALES_PER_THOUSAND // 1000)
        self.deposit_atoms = _deposits(draw, traders) * np.where(self.is_whale, _WHALE_TIMES, 1)
        self.panics = draw.integers(0, 1000, size=traders) < 200
        self.nerve_ppm = draw.integers(250_000, 900_000, size=traders)
        self.who, self.place = _rows(draw, traders, markets.count)
        rows = len(self.who)
        self.rows_of_trader = np.bincount(self.who, minlength=traders)
        wanted = np.where(self.is_whale[self.who], draw.integers(*_WHALE_LEVERAGE, size=rows), _leverages(draw, rows))
        self.leverage = np.minimum(wanted, markets.max_leverage[self.place])
        # Who wants more leverage than there is puts all he has into it.
        all_in = wanted > markets.max_leverage[self.place]
        self.use_pm = np.where(all_in, draw.integers(800, 980, size=rows), draw.integers(350, 900, size=rows))
        self.long_pm = draw.integers(450, 850, size=rows)
        self.limit_pm = draw.integers(0, 300, size=rows)
        self.stop_pm = np.where(draw.integers(0, 1000, size=rows) < 250, draw.integers(250, 800, size=rows), 0)
        self.profit_pm = np.where(draw.integers(0, 1000, size=rows) < 350, draw.integers(150, 1_500, size=rows), 0)
        self.patience_blocks = _patience(draw, rows, blocks)

    def notional_atoms(self) -> int:
        """What all would hold with all their money in, about."""
        return int((self.deposit_atoms[self.who] // self.rows_of_trader[self.who] * self.leverage // 2).sum())


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
