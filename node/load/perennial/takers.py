"""Simulated longs and shorts of a Perennial venue: they come in with collateral, watch the price themselves, since
nobody keeps a stop for them, add collateral or leave, and take home what is left.

What they hold they know from the node's events; everything else follows from the seed and the prices, in whole numbers.
"""

import numpy as np

from node.load.asks import Answers, Ask
from node.load.habits import PPM, Habits, first_blocks
from node.load.perennial.changes import EVERYTHING, change_ask
from node.load.perennial.knowledge import VersionedKnowledge
from node.load.perennial.markets import VersionedMarkets

IDLE, COMING, HOLDING, LEAVING, COLLECTING = range(5)
SMALLEST_STAKE_ATOMS = 50_000_000
# Makers come first; then a change shows in an event when its version has settled, two blocks later or more.
_FIRST_BLOCK = 5
_ANSWER_BLOCKS = 8
_AWAY_PM = 200
_AWAY_BLOCKS = (300, 3_000)
_PAUSE_BLOCKS = (4, 80)
_WHALE_PART_PM = 850
# What position and settlement fees take of a notional, about, and more collateral than that when a loss hurts.
_FEES_PPM = 1_500
_RESCUE_PM = 500
_RESCUER_EVERY = 5


class Takers:
    """The columns of all takers, one row for every (trader, market)."""

    def __init__(self, draw: np.random.Generator, habits: Habits, markets: VersionedMarkets, blocks: int) -> None:
        """`blocks` is how many blocks the markets will be open; most come at the start."""
        rows = len(habits.who)
        self._draw, self._habits, self._markets = draw, habits, markets
        self.account = np.zeros(habits.traders, np.int64)
        appointed = habits.first_block
        first = first_blocks(draw, rows, blocks) if appointed is None else appointed
        self.due_block = np.maximum(first, _FIRST_BLOCK)
        self.state = np.full(rows, IDLE, np.int8)
        self._turn = np.zeros(rows, np.int64)
        self._side = np.zeros(rows, np.int64)
        self._entry_ticks = np.ones(rows, np.int64)
        self._again_block = np.zeros(rows, np.int64)
        self._rescued = np.zeros(rows, bool)
        self._block = 0
        self._prices = np.zeros(markets.count, np.int64)

    def act(self, block: int, price_ticks: np.ndarray, fall_ppm: np.ndarray, known: VersionedKnowledge) -> list[Ask]:
        """What all takers ask for in this block; prices and falls one a market."""
        self._block, self._prices = block, price_ticks
        account, place = self.account[self._habits.who], self._habits.place
        lots = known.lots(account, place)
        self._notice(lots)
        asks = [self._collect(known), self._rescue(known), self._leave(lots, fall_ppm), self._enter(known)]
        return [ask for ask in asks if ask is not None]

    def flat(self, known: VersionedKnowledge) -> np.ndarray:
        """Traders who hold nothing, wait for nothing and have money."""
        return np.flatnonzero(~self._busy & (known.cash_atoms(self.account) > 4 * SMALLEST_STAKE_ATOMS))

    def broke(self, known: VersionedKnowledge) -> np.ndarray:
        """Traders without position whose money is gone."""
        return np.flatnonzero(~self._busy & (known.cash_atoms(self.account) < SMALLEST_STAKE_ATOMS))

    def return_soon(self, traders: np.ndarray) -> None:
        """These have fresh money."""
        rows = np.flatnonzero(np.isin(self._habits.who, traders))
        self.due_block[rows] = self._block + self._draw.integers(2, 60, size=len(rows))

    @property
    def _busy(self) -> np.ndarray:
        busy: np.ndarray = np.bincount(self._habits.who, weights=self.state != IDLE, minlength=self._habits.traders) > 0
        return busy

    def _notice(self, lots: np.ndarray) -> None:
        """What settled since: positions that are there, that are gone, and changes that came to nothing."""
        came_in = np.flatnonzero(((self.state == COMING) | (self.state == COLLECTING)) & (lots != 0))
        self.state[came_in] = HOLDING
        self._entry_ticks[came_in] = self._prices[self._habits.place[came_in]]
        self.due_block[came_in] = self._block + self._habits.patience_blocks[came_in]
        self._rescued[came_in] = False
        gone = (lots == 0) & ((self.state == HOLDING) | (self.state == LEAVING))
        late = self._again_block <= self._block
        nothing = late & (lots == 0) & (self.state == COMING)
        self.state[gone | nothing] = COLLECTING
        self._again_block[gone | nothing] = self._block
        self.state[late & (lots != 0) & (self.state == LEAVING)] = HOLDING

    def _rest(self, rows: np.ndarray) -> None:
        self.state[rows] = IDLE
        away = self._draw.integers(0, 1000, size=len(rows)) < _AWAY_PM
        long, short = (self._draw.integers(*blocks, size=len(rows)) for blocks in (_AWAY_BLOCKS, _PAUSE_BLOCKS))
        self.due_block[rows] = self._block + np.where(away, long, short)

    def _collect(self, known: VersionedKnowledge) -> Ask | None:
        """What is left in a market is taken home; who has nothing left there rests."""
        rows = np.flatnonzero((self.state == COLLECTING) & (self._again_block <= self._block))
        left = known.collateral_atoms(self.account[self._habits.who[rows]], self._habits.place[rows])
        self._rest(rows[left <= 0])
        rows = rows[left > 0]
        if not len(rows):
            return None
        self._again_block[rows] = self._block + _ANSWER_BLOCKS
        return self._change(rows, collateral_atoms=EVERYTHING)

    def _enter(self, known: VersionedKnowledge) -> Ask | None:
        habits = self._habits
        rows = np.flatnonzero((self.state == IDLE) & (self.due_block <= self._block))
        who, place = habits.who[rows], habits.place[rows]
        # A part of what is outside the markets for each that is not in one yet.
        waiting = np.bincount(habits.who, weights=self.state == IDLE, minlength=habits.traders).astype(np.int64)
        budget = known.cash_atoms(self.account[who]) // np.maximum(1, waiting[who])
        enough = budget > SMALLEST_STAKE_ATOMS
        rows, who, place, budget = rows[enough], who[enough], place[enough], budget[enough]
        if not len(rows):
            return None
        self._side[rows] = habits.sides(self._draw, rows, self._turn[rows])
        self._turn[rows] += 1
        stake = budget * np.where(habits.is_whale[who], _WHALE_PART_PM, habits.use_pm[rows]) // 1000
        leverage = habits.leverage[rows]
        notional = stake * leverage * PPM // (PPM + leverage * _FEES_PPM)
        size = self._markets.lots(notional, self._prices[place])
        self.state[rows] = COMING
        self._again_block[rows] = self._block + _ANSWER_BLOCKS

        def learn(answers: Answers) -> None:
            self.state[rows[answers.refused]] = IDLE
            self.due_block[rows[answers.refused]] = self._block + 3 * _ANSWER_BLOCKS

        long = self._side[rows] > 0
        return change_ask(
            self.account[who],
            self._markets.number[place],
            maker_lots=0,
            long_lots=np.where(long, size, 0),
            short_lots=np.where(long, 0, size),
            collateral_atoms=stake,
            learn=learn,
        )

    def _rescue(self, known: VersionedKnowledge) -> Ask | None:
        """Some who are about to lose everything put in half of what they have outside."""
        habits = self._habits
        rows = np.flatnonzero((self.state == HOLDING) & ~self._rescued)
        rows = rows[habits.who[rows] % _RESCUER_EVERY == 0]
        rows = rows[self._loss_ppm(rows) * habits.leverage[rows] >= PPM * _RESCUE_PM // 1000]
        free = known.cash_atoms(self.account[habits.who[rows]])
        rows, free = rows[free > SMALLEST_STAKE_ATOMS], free[free > SMALLEST_STAKE_ATOMS]
        if not len(rows):
            return None
        self._rescued[rows] = True
        return self._change(rows, collateral_atoms=free // 2)

    def _leave(self, lots: np.ndarray, fall_ppm: np.ndarray) -> Ask | None:
        """Planned exits, stops and profits watched by hand, and panic."""
        habits = self._habits
        rows = np.flatnonzero((self.state == HOLDING) & (lots != 0))
        loss_ppm = self._loss_ppm(rows)
        margin_loss_ppm = loss_ppm * habits.leverage[rows]
        leaving = habits.panics[habits.who[rows]] & (margin_loss_ppm >= habits.nerve_ppm[habits.who[rows]])
        leaving |= self.due_block[rows] <= self._block
        leaving |= (habits.stop_pm[rows] > 0) & (margin_loss_ppm >= habits.stop_pm[rows] * PPM // 1000)
        leaving |= (habits.profit_pm[rows] > 0) & (-margin_loss_ppm >= habits.profit_pm[rows] * PPM // 1000)
        fast = (fall_ppm[habits.place[rows]] > 12_000) & (self._side[rows] > 0)
        leaving |= fast & (self._draw.integers(0, 1000, size=len(rows)) < 15)
        rows = rows[leaving]
        if not len(rows):
            return None
        self.state[rows] = LEAVING
        self._again_block[rows] = self._block + _ANSWER_BLOCKS
        return self._change(rows, maker_lots=0, long_lots=0, short_lots=0)

    def _loss_ppm(self, rows: np.ndarray) -> np.ndarray:
        """Of the entry price; below zero a gain."""
        entry, price = self._entry_ticks[rows], self._prices[self._habits.place[rows]]
        loss: np.ndarray = self._side[rows] * (entry - price) * PPM // entry
        return loss

    def _change(self, rows: np.ndarray, **columns: np.ndarray | int) -> Ask:
        habits = self._habits
        account, number = self.account[habits.who[rows]], self._markets.number[habits.place[rows]]
        return change_ask(account, number, **columns)  # type: ignore[arg-type]  # columns only
