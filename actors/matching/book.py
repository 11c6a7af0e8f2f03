"""A price-time-priority book: batches in, result rows out, and what can be read of it (MT-05).

The orders of a side are matched from the best price on, at a price from the oldest on. An amended order keeps its
place only if it shrinks at its price. A book is the list of its orders by priority and the last trade, nothing else:
`dump` and `load` carry both, whatever lies where in memory.
"""

from typing import Final

import numpy as np

from actors.matching.growth import with_room
from actors.matching.hash_map import find
from actors.matching.kernel import bind_caps, first_malformed, load_rows, run, unbind_caps
from actors.matching.layout import (
    BEST,
    KEY,
    LAST_TRADE,
    ORDER_MAP,
    ORDERS_LIVE,
    ROOM_LOTS,
    ROWS,
    SIDE_LOTS,
    empty_memory,
)
from actors.matching.price_index import key_of
from actors.matching.reading import depth_rows, dump_rows, impact, order_row
from actors.matching.words import (
    BUY,
    DUMP_COLUMNS,
    RESULT_COLUMNS,
    SELL,
    Caps,
    Limits,
    Operations,
    Results,
    as_matrix,
    op_rows,
)
from actors.units import mul_div_ceil, mul_div_floor

# Room is made for so many operations at a time: each may need seven nodes of the price index, 4 KB.
WORKED_AT_ONCE: Final = 2048
_NOBODY = Caps.none()
_UNLIMITED = Limits()
_NO_ROWS = np.empty((0, RESULT_COLUMNS), dtype=np.int64)


class MatchingBook:
    """One market's orders."""

    def __init__(self) -> None:
        self._memory = empty_memory()
        self._rows = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._memory[ORDERS_LIVE])

    def match(self, ops: Operations, caps: Caps = _NOBODY, limits: Limits = _UNLIMITED) -> Results:
        """Does a batch in its order and returns what happened in its order. The columns given stay as they are.

        A capped account that fails margin fills only what reduces its position, as maker or taker; a reduce-only
        order likewise, against position 0 where its account is not capped. Positions move with every fill of the
        batch. What an order may not fill is cancelled when the order is met: a maker whole, a taker with all its rest.
        A taker that is not reduce-only fills at most what open interest has room for, each of its lots counted as
        opening; then its rest is cancelled. Malformed operations are the caller's fault: AssertionError, no effect.
        """
        rows = op_rows(ops)
        self.begin(rows, caps, limits)
        told = [self.work(rows, first).copy() for first in range(0, len(rows), WORKED_AT_ONCE)]
        self.finish(caps)
        return Results(*(told[0] if len(told) == 1 else np.concatenate([_NO_ROWS, *told])).T)

    def begin(self, ops: np.ndarray, caps: Caps = _NOBODY, limits: Limits = _UNLIMITED) -> None:
        """`match` in parts: `begin`, `work` by `work`, `finish`. Rows of `ops` begin as those of `op_rows` do."""
        malformed = int(first_malformed(ops))
        assert malformed < 0, f"operation {malformed} is out of bounds: {ops[malformed].tolist()}"
        self._memory[ROOM_LOTS] = limits.open_interest_cap_lots - limits.open_interest_lots
        if len(caps.account):
            capped = as_matrix(caps)
            assert bool((capped[0, 1:] > capped[0, :-1]).all()), "capped accounts must ascend"
            self._make_room(0, capped.shape[1])
            bind_caps(self._memory, *capped)

    def work(self, ops: np.ndarray, first: int) -> np.ndarray:
        """Does the next WORKED_AT_ONCE operations: what happened, a row each in the columns of `Results`.

        The rows are valid until the next call.
        """
        end = min(len(ops), first + WORKED_AT_ONCE)
        self._make_room(end - first, 0)
        self._make_room_for_rows(end - first)
        self._memory[ROWS] = 0
        run(self._memory, ops, self._rows, first, end)
        return self._rows[: self._memory[ROWS]].reshape(-1, RESULT_COLUMNS)

    def finish(self, caps: Caps = _NOBODY) -> None:
        """Nobody is capped any more."""
        if len(caps.account):
            unbind_caps(self._memory, as_matrix(caps)[0])

    def best_bid_ticks(self) -> int:
        """The highest price bid, 0 for none."""
        return self._best_ticks(1)

    def best_ask_ticks(self) -> int:
        """The lowest price asked, 0 for none."""
        return self._best_ticks(0)

    def last_trade_ticks(self) -> int:
        """The price of the last fill, 0 before the first."""
        return int(self._memory[LAST_TRADE])

    def open_lots(self, side: int) -> int:
        """All lots resting on a side."""
        return int(self._memory[SIDE_LOTS + _bid(side)])

    def depth(self, side: int, levels: int) -> list[tuple[int, int, int]]:
        """(price_ticks, lots, orders) of the best levels of a side, the best first."""
        rows = np.empty((min(levels, len(self)), 3), dtype=np.int64)
        count = depth_rows(self._memory, _bid(side), rows)
        return [tuple(row) for row in rows[:count].tolist()]

    def impact_ticks(self, side: int, notional: int) -> int:
        """Average price of filling this notional (ticks * lots, positive) against the orders of a side.

        Rounded against who fills: down on bids, up on asks (MT-10). 0 where the depth does not suffice.
        """
        assert notional > 0, f"notional must be positive, got {notional}"
        lots, left, price_ticks = (int(number) for number in impact(self._memory, _bid(side), notional))
        if price_ticks == 0:
            return 0
        divide = mul_div_floor if side == BUY else mul_div_ceil
        # notional / (lots + left / price): the last level is taken by a fraction.
        return divide(notional, price_ticks, lots * price_ticks + left)

    def order(self, order: int) -> tuple[int, ...] | None:
        """A resting order as a row of the dump, None where there is none of this number."""
        place = find(self._memory, ORDER_MAP, order) if order > 0 else 0
        if place == 0:
            return None
        row = np.empty(len(DUMP_COLUMNS), dtype=np.int64)
        order_row(self._memory, place, row)
        return tuple(row.tolist())

    def dump(self) -> np.ndarray:
        """All orders in DUMP_COLUMNS: bids, then asks, each from the best price, at a price from the oldest."""
        rows = np.empty((len(self), len(DUMP_COLUMNS)), dtype=np.int64)
        dump_rows(self._memory, rows)
        return rows

    def load(self, dump: np.ndarray, last_trade_ticks: int = 0) -> None:
        """Takes the place of what was here. Orders get the priority they had in the book that was dumped."""
        rows = np.array(dump, dtype=np.int64).reshape(-1, len(DUMP_COLUMNS))
        self._memory = empty_memory()
        self._memory[LAST_TRADE] = last_trade_ticks
        for first in range(0, len(rows), WORKED_AT_ONCE):
            chunk = rows[first : first + WORKED_AT_ONCE]
            self._make_room(len(chunk), 0)
            load_rows(self._memory, chunk)

    def _best_ticks(self, bid: int) -> int:
        level = self._memory[BEST + bid]
        return int(key_of(bid, self._memory[level + KEY])) if level != 0 else 0

    def _make_room(self, ops: int, caps: int) -> None:
        self._memory = with_room(self._memory, ops, caps)

    def _make_room_for_rows(self, ops: int) -> None:
        """An order ends once, with two rows at most; an operation adds a partial fill and three of its own.

        Behind them is room for the numbers of all orders, to be sorted.
        """
        words = RESULT_COLUMNS * (2 * (len(self) + ops) + 4 * ops) + len(self) + ops
        if len(self._rows) < words:
            self._rows = np.empty(2 * words, dtype=np.int64)


def _bid(side: int) -> int:
    assert side in (BUY, SELL), f"side must be {BUY} or {SELL}, got {side}"
    return 1 if side == BUY else 0
