"""Simulated traders as columns: who they are, what they believe they hold, and what they do about it.

Everything is decided from the seed, the price and the answers of earlier blocks, in whole numbers. Beliefs are not
knowledge: a trader works out from the price that a level or a liquidation must have hit, and may be wrong; then the
node refuses, and the trader learns.
"""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com
from breakwater.v1 import refusals_pb2 as ref
from node.load.asks import Answers, Ask, Learn, column_ask
from node.load.temperament import PPM, Temperament

IDLE, RESTING, HOLDING, OUT = 0, 1, 2, 3
FAR_FUTURE = 1 << 40
SMALLEST_MARGIN_ATOMS = 20_000
# Maintenance 0.4%, exit fee and the open fee already taken (TW-04, TW-07), in ppm of the entry value.
MAINTENANCE_BELIEF_PPM = 5_000
REST_BLOCKS = 90
FREE_PART_MAX_PM = 900
# Which way from the entry each exit lies for a long.
_EXITS = {com.ORDER_KIND_STOP_LOSS: -1, com.ORDER_KIND_TAKE_PROFIT: 1, com.ORDER_KIND_LIMIT: 1}


class Traders:
    """The columns of all traders and what they ask for in a block."""

    def __init__(self, draw: np.random.Generator, temper: Temperament, blocks: int, market: int) -> None:
        """`blocks` is how many blocks the market will be open; most traders come within the first tenth."""
        count = temper.count
        self._draw, self._temper, self._blocks, self._market = draw, temper, blocks, market
        self.account = np.zeros(count, np.int64)
        self.free_atoms = np.zeros(count, np.int64)
        self.state = np.full(count, IDLE, np.int8)
        early = draw.integers(1, max(2, blocks // 10), size=count)
        late = draw.integers(1, max(2, blocks), size=count)
        self.due_block = np.where(draw.integers(0, 1000, size=count) < 870, early, late)
        if temper.first_block is not None:
            self.due_block = temper.first_block.copy()
        # How often each came in.
        self._turn = np.zeros(count, np.int64)
        self.reference = np.zeros(count, np.int64)
        self.side = np.ones(count, np.int64)
        self.entry_ticks = np.zeros(count, np.int64)
        self.margin_atoms = np.zeros(count, np.int64)
        self.leverage = np.full(count, 100, np.int64)
        self.resting_ticks = np.zeros(count, np.int64)
        self.level_ticks = {kind: np.zeros(count, np.int64) for kind in _EXITS}
        self._unprotected = np.zeros(count, bool)
        self._block = 0
        self._price_ticks = 0

    def act(self, block: int, price_ticks: int, fall_ppm: int) -> list[Ask]:
        """What all traders ask for in this block at this price; fall_ppm is how far it fell within the last minute."""
        self._block, self._price_ticks = block, price_ticks
        self._believe()
        asks = [self._protect(), self._leave(fall_ppm), self._enter(fall_ppm), self._give_up_waiting()]
        return [ask for ask in asks if ask is not None]

    def funded(self, rows: np.ndarray, amount_atoms: np.ndarray) -> None:
        """The custodian credited these amounts."""
        self.free_atoms[rows] += amount_atoms

    def flat(self) -> np.ndarray:
        """Rows of those without position or order who believe they have money, in order."""
        return np.flatnonzero((self.state == IDLE) & (self.free_atoms > 4 * SMALLEST_MARGIN_ATOMS))

    def broke(self) -> np.ndarray:
        """Rows of those who left because nothing is left."""
        return np.flatnonzero(self.state == OUT)

    def return_with(self, rows: np.ndarray, amount_atoms: np.ndarray) -> None:
        """These come back with fresh money."""
        self.funded(rows, amount_atoms)
        self.state[rows] = IDLE
        self.due_block[rows] = self._block + self._draw.integers(2, 60, size=len(rows))

    def _loss_ppm(self, rows: np.ndarray) -> np.ndarray:
        """Loss in ppm of the entry value, inverse contract (TW-05); negative is a gain."""
        return self.side[rows] * (self.entry_ticks[rows] - self._price_ticks) * PPM // self._price_ticks

    def _believe(self) -> None:
        """Fills of resting orders, levels hit and liquidations that must follow from this price."""
        price = self._price_ticks
        waiting = np.flatnonzero(self.state == RESTING)
        distance = self.side[waiting] * (self.resting_ticks[waiting] - price)
        self._hold(waiting[distance >= 0], price)
        holding = np.flatnonzero(self.state == HOLDING)
        side = self.side[holding]
        dead = self._loss_ppm(holding) >= 100 * PPM // self.leverage[holding] - MAINTENANCE_BELIEF_PPM
        stop = self.level_ticks[com.ORDER_KIND_STOP_LOSS][holding]
        stopped = (stop > 0) & (side * (stop - price) >= 0) & ~dead
        gained = np.zeros(len(holding), bool)
        for kind in (com.ORDER_KIND_TAKE_PROFIT, com.ORDER_KIND_LIMIT):
            level = self.level_ticks[kind][holding]
            gained |= (level > 0) & (side * (price - level) >= 0) & ~dead
        self._empty(holding[dead], 0)
        self._empty(holding[stopped], 400)
        self._empty(holding[gained & ~stopped], 1_000)

    def _hold(self, rows: np.ndarray, entry_ticks: int | np.ndarray) -> None:
        self.state[rows] = HOLDING
        self.entry_ticks[rows] = entry_ticks
        self.due_block[rows] = self._block + self._temper.patience_blocks[rows]
        self._unprotected[rows] = True

    def _empty(self, rows: np.ndarray, back_pm: int) -> None:
        """The position is gone and this part (per mille) of its margin is believed to be back."""
        self.free_atoms[rows] += self.margin_atoms[rows] * back_pm // 1000
        self._rest(rows)

    def _rest(self, rows: np.ndarray) -> None:
        self._unprotected[rows] = False
        for level in self.level_ticks.values():
            level[rows] = 0
        poor = self.free_atoms[rows] < SMALLEST_MARGIN_ATOMS
        tired = self._draw.integers(0, 1000, size=len(rows)) < 250
        self.state[rows] = np.where(poor, OUT, IDLE)
        pause = self._block + self._draw.integers(4, 160, size=len(rows))
        self.due_block[rows] = np.where(tired, FAR_FUTURE, pause)

    def _enter(self, fall_ppm: int) -> Ask | None:
        rows = np.flatnonzero((self.state == IDLE) & (self.due_block <= self._block))
        if not len(rows):
            return None
        draw, temper, price = self._draw, self._temper, self._price_ticks
        fear_pm = min(350, max(0, fall_ppm) // 60)
        side = np.where(temper.long_now(draw, rows, self._turn[rows], fear_pm), 1, -1)
        self._turn[rows] += 1
        use_pm = draw.integers(350, FREE_PART_MAX_PM, size=len(rows)) if temper.use_pm is None else temper.use_pm[rows]
        part = self.free_atoms[rows] * use_pm // 1000
        margin = np.clip(np.minimum(part, temper.margin_atoms[rows]), SMALLEST_MARGIN_ATOMS, temper.margin_cap_atoms)
        limit = draw.integers(0, 1000, size=len(rows)) < temper.limit_pm[rows]
        # One in six limits is set beyond the price and crosses.
        offset_ppm = np.where(draw.integers(0, 6, size=len(rows)) == 0, -1_500, draw.integers(500, 12_000, len(rows)))
        limit_ticks = np.where(limit, np.maximum(1, price - side * (price * offset_ppm // PPM)), 0)
        kind = np.where(limit, com.ORDER_KIND_LIMIT, com.ORDER_KIND_MARKET)

        def learn(answers: Answers) -> None:
            self._entered(rows, side, margin, limit_ticks, answers)

        return column_ask(
            "open_positions",
            cmd.OpenPositions,
            learn,
            account=self.account[rows],
            market=np.full(len(rows), self._market),
            side=side,
            kind=kind,
            margin_atoms=margin,
            leverage_hundredths=temper.leverage[rows],
            limit_ticks=limit_ticks,
        )

    def _entered(
        self, rows: np.ndarray, side: np.ndarray, margin: np.ndarray, limit_ticks: np.ndarray, answers: Answers
    ) -> None:
        self.side[rows], self.margin_atoms[rows], self.reference[rows] = side, margin, answers.reference
        self.leverage[rows] = self._temper.leverage[rows]
        resting = answers.status == com.OUTCOME_STATUS_RESTING
        self.free_atoms[rows] -= np.where(answers.refused, 0, margin)
        self._hold(rows[answers.filled], answers.price_ticks[answers.filled])
        self.state[rows[resting]] = RESTING
        self.resting_ticks[rows[resting]] = limit_ticks[resting]
        self.due_block[rows[resting]] = self._block + REST_BLOCKS
        short_of_money = answers.refused & (answers.refusal == ref.REFUSAL_INSUFFICIENT_BALANCE)
        self.free_atoms[rows[short_of_money]] = answers.actual[short_of_money]
        self._rest(rows[answers.refused])

    def _protect(self) -> Ask | None:
        """Stop-loss, take-profit and close limit for those who came in, each by temperament."""
        rows = np.flatnonzero(self._unprotected & (self.state == HOLDING))
        self._unprotected[rows] = False
        wanted, kinds, levels = [], [], []
        for kind, sign in _EXITS.items():
            chosen = rows[self._temper.wants(kind, rows)]
            room_ppm = 100 * PPM // self.leverage[chosen]
            away_ppm = np.minimum(room_ppm * self._temper.reach_pm(kind, chosen) // 1000, 800_000)
            entry = self.entry_ticks[chosen]
            level = np.maximum(1, entry + sign * self.side[chosen] * (entry * away_ppm // PPM))
            wanted.append(chosen)
            kinds.append(np.full(len(chosen), kind))
            levels.append(level)
        sent, kind_column, level_column = map(np.concatenate, (wanted, kinds, levels))
        if not len(sent):
            return None

        def learn(answers: Answers) -> None:
            for kind, level in self.level_ticks.items():
                taken = (kind_column == kind) & answers.done
                level[sent[taken]] = level_column[taken]
            self._learn_gone(sent, answers)

        return self._closes(sent, kind_column, level_column, learn)

    def _leave(self, fall_ppm: int) -> Ask | None:
        """Planned exits, and panic: the loss hurts, or the price falls fast and the nerve is weak."""
        rows = np.flatnonzero(self.state == HOLDING)
        if not len(rows):
            return None
        loss_of_margin_ppm = self._loss_ppm(rows) * self.leverage[rows] // 100
        panicking = self._temper.panics[rows] & (loss_of_margin_ppm >= self._temper.nerve_ppm[rows])
        if fall_ppm > 12_000:
            panicking |= (self.side[rows] > 0) & (self._draw.integers(0, 1000, size=len(rows)) < 15)
        rows = rows[panicking | (self.due_block[rows] <= self._block)]
        if not len(rows):
            return None

        def learn(answers: Answers) -> None:
            self._learn_gone(rows, answers)

        return self._closes(rows, np.full(len(rows), com.ORDER_KIND_MARKET), np.zeros(len(rows), np.int64), learn)

    def _closes(self, rows: np.ndarray, kind: np.ndarray, level_ticks: np.ndarray, learn: Learn) -> Ask:
        return column_ask(
            "close_positions",
            cmd.ClosePositions,
            learn,
            account=self.account[rows],
            position=self.reference[rows],
            kind=kind,
            level_ticks=level_ticks,
        )

    def _learn_gone(self, rows: np.ndarray, answers: Answers) -> None:
        """Closed at once, closed as a liquidation (TW-12), or gone before the command came."""
        filled = answers.filled
        self.free_atoms[rows[filled]] += answers.amount_atoms[filled]
        unknown = answers.refused & (answers.refusal == ref.REFUSAL_UNKNOWN_POSITION)
        self._rest(np.unique(rows[filled | unknown | (answers.status == com.OUTCOME_STATUS_LIQUIDATED)]))

    def _give_up_waiting(self) -> Ask | None:
        rows = np.flatnonzero((self.state == RESTING) & (self.due_block <= self._block))
        if not len(rows):
            return None

        def learn(answers: Answers) -> None:
            self.free_atoms[rows[answers.done]] += self.margin_atoms[rows[answers.done]]
            self._rest(rows)

        return column_ask(
            "cancel_orders",
            cmd.CancelOrders,
            learn,
            account=self.account[rows],
            order=self.reference[rows],
            kind=np.zeros(len(rows), np.int64),
        )
