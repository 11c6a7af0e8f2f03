"""Simulated makers of a Perennial market: they put up collateral, each with a leverage of his own, and take the other
side of whoever comes; some take a part out again, or bring more."""

import numpy as np

from node.load.asks import Ask
from node.load.perennial.changes import change_ask
from node.load.perennial.knowledge import VersionedKnowledge
from node.load.perennial.markets import VersionedMarkets

MAKERS = 20
# What makers stand for together, as a part of what all takers would hold, and how much of their money they put in.
_SIZE_PM = 800
_IN_PM = 900
_MOVES_EACH = 3
# The first version settles in the block of the first price: before it nothing but collateral moves.
_FIRST_BLOCK = 2
_ANSWER_BLOCKS = 4


class Makers:
    """The columns of all makers, a row for every (maker, market)."""

    def __init__(
        self, draw: np.random.Generator, markets: VersionedMarkets, notional_atoms: int, money_atoms: int, blocks: int
    ) -> None:
        """Together they bring money_atoms and stand for a part of notional_atoms, what all takers would hold."""
        self._draw, self._markets = draw, markets
        self.account = np.zeros(MAKERS, np.int64)
        weight = draw.integers(40, 160, size=MAKERS)
        self.deposit_atoms = money_atoms * weight // int(weight.sum())
        # Who is keener stands for more with the same money.
        keen = weight * draw.integers(60, 160, size=MAKERS)
        whole, parts = notional_atoms * _SIZE_PM // 1000 // markets.count, keen.tolist()
        size = np.array([whole * part // sum(parts) for part in parts], np.int64)
        self._who = np.repeat(np.arange(MAKERS), markets.count)
        self._place = np.tile(np.arange(markets.count), MAKERS)
        self._size_atoms = size[self._who]
        self._moves = np.sort(draw.integers(max(8, blocks // 8), max(9, blocks), size=(len(self._who), _MOVES_EACH)), 1)
        self._again_block = np.full(len(self._who), _FIRST_BLOCK)

    def put_up(self) -> Ask:
        """The collateral, before there is a price."""
        part = self.deposit_atoms[self._who] * _IN_PM // 1000 // self._markets.count
        return change_ask(self.account[self._who], self._number, collateral_atoms=part)

    def act(self, block: int, price_ticks: np.ndarray, known: VersionedKnowledge) -> list[Ask]:
        """Who is not in comes in; who moves in this block leaves with a part, or stands for more."""
        account, price = self.account[self._who], price_ticks[self._place]
        lots = known.lots(account, self._place)
        coming = np.flatnonzero((lots == 0) & (self._again_block <= block))
        coming = coming[known.equity_atoms(account, self._place, price)[coming] > 0]
        self._again_block[coming] = block + _ANSWER_BLOCKS
        asks = []
        if len(coming):
            size = self._markets.lots(self._size_atoms[coming], price[coming])
            asks.append(change_ask(account[coming], self._number[coming], maker_lots=size, long_lots=0, short_lots=0))
        moving = np.flatnonzero((self._moves == block).any(axis=1) & (lots > 0))
        if len(moving):
            asks.append(self._move(moving, lots[moving], known))
        return asks

    def _move(self, rows: np.ndarray, lots: np.ndarray, known: VersionedKnowledge) -> Ask:
        """Two of three stand for less and take collateral along, the others for more."""
        account = self.account[self._who[rows]]
        less = self._draw.integers(0, 3, size=len(rows)) > 0
        part_pm = self._draw.integers(50, 300, size=len(rows))
        size = np.where(less, lots - lots * part_pm // 1000, lots + lots * part_pm // 2000)
        out = known.collateral_atoms(account, self._place[rows]) * part_pm // 2000
        more = np.minimum(known.cash_atoms(account), out)
        collateral = np.where(less, -out, np.maximum(0, more))
        return change_ask(
            account, self._number[rows], maker_lots=size, long_lots=0, short_lots=0, collateral_atoms=collateral
        )

    @property
    def _number(self) -> np.ndarray:
        return self._markets.number[self._place]
