"""Simulated leveraged takers and whales: when they come in, what protects them, when they leave or lose their nerve.

What they hold they know from the node's events; everything else follows from the seed and the prices, in whole numbers.
"""

import numpy as np

from breakwater.v1 import common_pb2 as com
from node.load.asks import Ask
from node.load.books.knowledge import Knowledge
from node.load.books.markets import Markets
from node.load.books.orders import REDUCE_ONLY, cancel_ask, order_ask
from node.load.habits import PPM, Habits, first_blocks

IDLE, WAITING, HOLDING = 0, 1, 2
SMALLEST_EQUITY_ATOMS = 50_000_000
# An order that was sent shows in the events of the block, and those come a block later.
_ANSWER_BLOCKS = 3
_REST_BLOCKS = 90
# Who stays away for long after a position, and how long; the others are back soon.
_AWAY_PM = 200
_AWAY_BLOCKS = (300, 3_000)
_PAUSE_BLOCKS = (4, 80)
# A whale's order is worked in parts of this size of its target.
_WHALE_PART_PM = 200
_WHALE_WORKS_BLOCKS = 48
# What an order may pay above the price. A market order may pay 5% more, and that is held: only who has little leverage
# can afford it. Fees and the noise of the mark come on top.
_SLIP_PPM = (2_000, 6_000)
_MARKET_SLIP_PPM = 50_000
_MARKET_LEVERAGE = 4
_SPARE_PPM = 1_500


class Takers:
    """The columns of all takers, one row for every (trader, market)."""

    def __init__(self, draw: np.random.Generator, habits: Habits, markets: Markets, blocks: int) -> None:
        """`blocks` is how many blocks the markets will be open; most come at the start."""
        rows = len(habits.who)
        self._draw, self._habits, self._markets = draw, habits, markets
        self.account = np.zeros(habits.traders, np.int64)
        appointed = habits.first_block
        self.due_block = first_blocks(draw, rows, blocks) if appointed is None else appointed.copy()
        # How often each came in.
        self._turn = np.zeros(rows, np.int64)
        self.state = np.full(rows, IDLE, np.int8)
        self._entry_ticks = np.zeros(rows, np.int64)
        self._entry_block = np.zeros(rows, np.int64)
        self._unprotected = np.zeros(rows, bool)
        # When a row that is leaving may ask again.
        self._again_block = np.zeros(rows, np.int64)
        self._block = 0
        self._prices = np.zeros(markets.count, np.int64)

    def act(self, block: int, price_ticks: np.ndarray, fall_ppm: np.ndarray, known: Knowledge) -> list[Ask]:
        """What all takers ask for in this block; prices and falls one a market."""
        self._block, self._prices = block, price_ticks
        habits = self._habits
        lots = known.lots(self.account[habits.who], habits.place)
        asks = [*self._notice(lots), self._protect(lots), self._leave(lots, fall_ppm, known), self._enter(lots, known)]
        return [ask for ask in asks if ask is not None]

    def broke(self, known: Knowledge) -> np.ndarray:
        """Traders without position whose money is gone."""
        held = np.bincount(self._habits.who, weights=self.state != IDLE, minlength=self._habits.traders) > 0
        return np.flatnonzero(~held & (known.cash_atoms(self.account) < SMALLEST_EQUITY_ATOMS))

    def flat(self, known: Knowledge) -> np.ndarray:
        """Traders who hold nothing, wait for nothing and have money."""
        busy = np.bincount(self._habits.who, weights=self.state != IDLE, minlength=self._habits.traders) > 0
        return np.flatnonzero(~busy & (known.cash_atoms(self.account) > 4 * SMALLEST_EQUITY_ATOMS))

    def return_soon(self, traders: np.ndarray) -> None:
        """These have fresh money."""
        rows = np.flatnonzero(np.isin(self._habits.who, traders))
        self.due_block[rows] = self._block + self._draw.integers(2, 60, size=len(rows))

    def _notice(self, lots: np.ndarray) -> list[Ask]:
        """Fills and losses of positions that the events have told of since; what is left over is cancelled."""
        habits = self._habits
        came_in = np.flatnonzero((self.state != HOLDING) & (lots != 0))
        self.state[came_in] = HOLDING
        self._entry_ticks[came_in] = self._prices[habits.place[came_in]]
        self._entry_block[came_in] = self._block
        self._unprotected[came_in] = True
        self.due_block[came_in] = self._block + habits.patience_blocks[came_in]
        gone = np.flatnonzero((self.state == HOLDING) & (lots == 0))
        tired = np.flatnonzero((self.state == WAITING) & (self.due_block <= self._block))
        self._rest(gone)
        self.state[tired] = IDLE
        self.due_block[tired] = self._block + self._draw.integers(2, 12, size=len(tired))
        over = np.unique(np.concatenate([gone, tired]))
        if not len(over):
            return []
        return [cancel_ask(self.account[habits.who[over]], self._markets.number[habits.place[over]])]

    def _rest(self, rows: np.ndarray) -> None:
        self.state[rows] = IDLE
        self._unprotected[rows] = False
        away = self._draw.integers(0, 1000, size=len(rows)) < _AWAY_PM
        long, short = (self._draw.integers(*blocks, size=len(rows)) for blocks in (_AWAY_BLOCKS, _PAUSE_BLOCKS))
        self.due_block[rows] = self._block + np.where(away, long, short)

    def _enter(self, lots: np.ndarray, known: Knowledge) -> Ask | None:
        habits, draw = self._habits, self._draw
        rows = np.flatnonzero((self.state == IDLE) & (lots == 0) & (self.due_block <= self._block))
        rows = np.concatenate([rows, self._growing(lots, known)])
        who = habits.who[rows]
        equity = known.equity_atoms(self.account[who], self._prices)
        # A part of the equity for each market, or what the positions in the others leave of it.
        budget = np.minimum(equity // habits.rows_of_trader[who], equity - self._margin_atoms(lots)[who])
        enough = (equity > SMALLEST_EQUITY_ATOMS) & (budget > SMALLEST_EQUITY_ATOMS // 4)
        rows, budget = rows[enough], budget[enough]
        if not len(rows):
            return None
        who = habits.who[rows]
        side = np.where(lots[rows] != 0, np.sign(lots[rows]), habits.sides(draw, rows, self._turn[rows]))
        self._turn[rows] += lots[rows] == 0
        rests = (draw.integers(0, 1000, size=len(rows)) < habits.limit_pm[rows]) & ~habits.is_whale[who]
        self.state[rows] = np.where(lots[rows] != 0, HOLDING, WAITING)
        wait = np.where(rests, _REST_BLOCKS, _ANSWER_BLOCKS)
        self.due_block[rows] = np.where(lots[rows] != 0, self.due_block[rows], self._block + wait)
        return self._entry(rows, side, budget, rests)

    def _entry(self, rows: np.ndarray, side: np.ndarray, budget: np.ndarray, rests: np.ndarray) -> Ask:
        """Orders of these rows: a limit that waits, one that takes at once, or a market order."""
        habits, draw = self._habits, self._draw
        who, place = habits.who[rows], habits.place[rows]
        price, leverage = self._prices[place], habits.leverage[rows]
        is_market = ~rests & (leverage <= _MARKET_LEVERAGE)
        slip_ppm = np.where(is_market, _MARKET_SLIP_PPM, draw.integers(*_SLIP_PPM, size=len(rows)))
        away_ppm = np.where(rests, -draw.integers(100, 6_000, size=len(rows)), slip_ppm)
        part_pm = np.where(habits.is_whale[who], _WHALE_PART_PM, habits.use_pm[rows])
        # Every USDC of notional takes margin, what the order may pay above the mark, and fees.
        margin_ppm = PPM // leverage + np.maximum(0, away_ppm) + _SPARE_PPM
        notional = budget * part_pm // 1000 * PPM // margin_ppm
        limit = np.maximum(1, price + side * (price * away_ppm // PPM))
        return order_ask(
            self.account[who],
            self._markets.number[place],
            side,
            self._markets.lots(place, notional, price),
            kind=np.where(is_market, com.ORDER_KIND_MARKET, com.ORDER_KIND_LIMIT),
            limit_ticks=np.where(is_market, 0, limit),
            time_in_force=np.where(rests, com.TIME_IN_FORCE_GTC, com.TIME_IN_FORCE_IOC),
        )

    def _margin_atoms(self, lots: np.ndarray) -> np.ndarray:
        """Initial margin of every trader's positions."""
        habits, used = self._habits, np.zeros(self._habits.traders, np.int64)
        value = np.abs(lots) * self._prices[habits.place] * self._markets.quote_atoms[habits.place]
        np.add.at(used, habits.who, value // habits.leverage)
        return used

    def _growing(self, lots: np.ndarray, known: Knowledge) -> np.ndarray:
        """Whales come in by parts: the rows that are being worked and hold less than seven tenths of their target."""
        habits = self._habits
        if self._block % (_ANSWER_BLOCKS + 1):
            return np.zeros(0, np.int64)
        works = (self.state == HOLDING) & (self._block < self._entry_block + _WHALE_WORKS_BLOCKS)
        rows = np.flatnonzero(works & habits.is_whale[habits.who])
        who, place = habits.who[rows], habits.place[rows]
        held = np.abs(lots[rows]) * self._prices[place] * self._markets.quote_atoms[place]
        wanted = known.equity_atoms(self.account[who], self._prices) * habits.leverage[rows]
        return rows[held * habits.rows_of_trader[who] < wanted * 7 // 10]

    def _protect(self, lots: np.ndarray) -> Ask | None:
        """Stop and take-profit for those who came in, each by habit, away from the entry in parts of the margin."""
        habits = self._habits
        fresh = np.flatnonzero(self._unprotected & (self.state == HOLDING) & (lots != 0))
        self._unprotected[fresh] = False
        asked = []
        for trigger, habit, direction in (
            (com.TRIGGER_KIND_STOP, habits.stop_pm, -1),
            (com.TRIGGER_KIND_TAKE_PROFIT, habits.profit_pm, 1),
        ):
            rows = fresh[habit[fresh] > 0]
            side, entry = np.sign(lots[rows]), self._entry_ticks[rows]
            away_ppm = np.minimum(PPM // habits.leverage[rows] * habit[rows] // 1000, 800_000)
            level = np.maximum(1, entry + direction * side * (entry * away_ppm // PPM))
            asked.append((rows, -side, np.full(len(rows), trigger), level))
        rows, side, trigger_kind, level = (np.concatenate(column) for column in zip(*asked, strict=True))
        if not len(rows):
            return None
        return order_ask(
            self.account[habits.who[rows]],
            self._markets.number[habits.place[rows]],
            side,
            np.minimum(np.abs(lots[rows]), self._markets.max_order_lots[habits.place[rows]]),
            kind=com.ORDER_KIND_MARKET,
            flags=REDUCE_ONLY,
            trigger=trigger_kind,
            trigger_ticks=level,
        )

    def _leave(self, lots: np.ndarray, fall_ppm: np.ndarray, known: Knowledge) -> Ask | None:
        """Planned exits, and panic: the loss hurts, or the price falls fast and the nerve is weak."""
        habits = self._habits
        rows = np.flatnonzero((self.state == HOLDING) & (lots != 0))
        if not len(rows):
            return None
        who, place = habits.who[rows], habits.place[rows]
        side = np.sign(lots[rows])
        loss_ppm = side * (self._entry_ticks[rows] - self._prices[place]) * PPM // self._prices[place]
        hurts = loss_ppm * habits.leverage[rows] >= habits.nerve_ppm[who]
        leaving = (habits.panics[who] & hurts) | (self.due_block[rows] <= self._block)
        fast = (fall_ppm[place] > 12_000) & (side > 0)
        leaving |= fast & (self._draw.integers(0, 1000, size=len(rows)) < 15)
        leaving &= self._again_block[rows] <= self._block
        rows, who, place, side = rows[leaving], who[leaving], place[leaving], side[leaving]
        if not len(rows):
            return None
        # Who is not out by then tries again.
        self.due_block[rows] = self._again_block[rows] = self._block + _ANSWER_BLOCKS
        return order_ask(
            self.account[who],
            self._markets.number[place],
            -side,
            np.minimum(np.abs(lots[rows]), self._markets.max_order_lots[place]),
            kind=com.ORDER_KIND_MARKET,
            flags=REDUCE_ONLY,
        )
