"""One run of legs over the columns of positions and orders; `actors.orders.moves` says what each of them does.

Rows stay where they are: an order that is used up or gone has 0 lots left from then on, a position that nothing keeps
stays as an empty row. Both leave the tables after the run.
"""

from typing import Final

import numpy as np
from numba import njit

from actors.compiling import inlined, kernel
from actors.ledger.book_orders import MARKET_ORDER, REDUCE_ONLY
from actors.ledger.order_columns import ACCOUNT, FLAGS, LIMIT, MARKET, REMAINING, SIDE, TRIGGER
from actors.ledger.position_rows import COST, LOTS, MARKET_BITS, fetch_position
from actors.ledger.row_layout import NO_CELL, Layout
from actors.ledger.slot_map import ROWS_AHEAD
from actors.legs.position import position_after
from actors.units import E9
from actors.units_kernels import mul_div_ceil
from breakwater.v1 import events_pb2 as events

FILL: Final = int(events.CROSS_LEG_KIND_FILL)
GONE: Final = int(events.CROSS_LEG_KIND_GONE)

# Columns of `CrossLegs` a run reads.
LEG_MARKET: Final = 2
LEG_ACCOUNT: Final = 5
LEG_KIND: Final = 6
LEG_ORDER: Final = 7
_LEG_LOTS: Final = 8
_LEG_QUOTE: Final = 9
_LEG_FEE: Final = 10
_LEG_LIQUIDATION_FEE: Final = 11

# What a run did to one position, atoms: a row of `done`. ACCRUED is funding paid.
REALISED: Final = 0
FEE: Final = 1
LIQUIDATION_FEE: Final = 2
ACCRUED: Final = 3
DONE_COLUMNS: Final = 4

# What became of the order of a leg: nothing, it left the table, there was none, its market counts as tried.
STAYED: Final = 0
LEFT: Final = 1
MISSING: Final = 2
TRIED: Final = 3

# Columns of what a run knows of a market, by its number.
MARK: Final = 0
QUOTE_ATOMS: Final = 1
INDEX_E9: Final = 2
MARKET_COLUMNS: Final = 3

# The odd number nearest to 2**64 / golden ratio, as a signed word: neighbouring keys spread evenly.
_SPREAD: Final = -7046029254386353131
_HALF: Final = 32
_NO_KEY: Final = -1
# Sums stay so far inside a word that one more term cannot wrap unseen.
_SUM_BOUND: Final = 1 << 62


def rows_for(keys: int) -> int:
    """Rows of a map of so many keys that is never more than half full, for `pairs_of`."""
    return 1 << max(4, (2 * keys).bit_length())


@njit(cache=True)
def pairs_of(legs: np.ndarray, rows: np.int64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(account << 16 | market of every position once, which of them a leg moves, by leg the place of its position)."""
    count = legs.shape[1]
    held, place_at = np.full(rows, _NO_KEY, dtype=np.int64), np.empty(rows, dtype=np.int64)
    keys, moves = np.empty(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    places = np.empty(count, dtype=np.int64)
    found, mask = np.int64(0), np.int64(rows - 1)
    for leg in range(count):
        key = legs[LEG_ACCOUNT, leg] << MARKET_BITS | legs[LEG_MARKET, leg]
        row = (key * np.int64(_SPREAD) >> _HALF) & mask
        while held[row] != key and held[row] != _NO_KEY:
            row = (row + 1) & mask
        if held[row] == _NO_KEY:
            held[row], place_at[row], keys[found] = key, found, key
            found += 1
        places[leg] = place_at[row]
        if legs[LEG_KIND, leg] != GONE:
            moves[place_at[row]] = True
    return keys[:found], moves[:found], places


@kernel
def run_legs(
    legs: np.ndarray,
    places: np.ndarray,
    slots: np.ndarray,
    order_slots: np.ndarray,
    positions: np.ndarray,
    orders: np.ndarray,
    markets: np.ndarray,
    layout: Layout,
    tried_height: np.int64,
    done: np.ndarray,
    fates: np.ndarray,
) -> None:
    """Legs that fill, end orders or move positions add to `done`, by place, and say in `fates`, by leg, what became of
    the order.

    places: of every leg that of its position in `slots`, which is -1 where there is no row and no leg makes one;
    order_slots: -1 where the order has no row. `tried_height` is 0 outside the ladder.
    """
    for leg in range(places.size):
        if leg + ROWS_AHEAD < places.size:
            fetch_position(positions, slots[places[leg + ROWS_AHEAD]])
        kind, place, order = legs[LEG_KIND, leg], places[leg], order_slots[leg]
        slot, market = slots[place], legs[LEG_MARKET, leg]
        has_row = order >= 0 and orders[order, REMAINING] > 0
        if has_row:
            is_own = orders[order, ACCOUNT] == legs[LEG_ACCOUNT, leg] and orders[order, MARKET] == market
            assert is_own, "a leg names an order that is not its account's in its market"
        if kind == GONE:
            if has_row:
                _take_out(positions, slot, orders, order, markets, layout)
                fates[leg] = LEFT
            elif tried_height > 0 and slot >= 0 and is_kept(positions, slot, layout):
                positions[layout.tried, slot] = tried_height
                fates[leg] = TRIED
            continue
        lots = legs[_LEG_LOTS, leg]
        _move(positions, slot, lots, legs[_LEG_QUOTE, leg], markets, market, layout, done, place)
        if kind == FILL:
            _add(done, place, FEE, legs[_LEG_FEE, leg])
            _add(done, place, LIQUIDATION_FEE, legs[_LEG_LIQUIDATION_FEE, leg])
            fates[leg] = MISSING
            if has_row:
                fates[leg] = _fill(positions, slot, orders, order, abs(lots), markets, layout)


@inlined
def _move(
    positions: np.ndarray,
    slot: np.int64,
    lots: np.int64,
    quote: np.int64,
    markets: np.ndarray,
    market: np.int64,
    layout: Layout,
    done: np.ndarray,
    place: np.int64,
) -> None:
    """The position moves at a quote; what it accrued is paid before (SP-11)."""
    held = positions[LOTS, slot]
    if layout.paid != NO_CELL and held != 0:
        grown = markets[INDEX_E9, market] - positions[layout.paid, slot]
        _add(done, place, ACCRUED, mul_div_ceil(held * markets[QUOTE_ATOMS, market], grown, np.int64(E9)))
    after, cost, realised = position_after(held, positions[COST, slot], lots, quote)
    positions[LOTS, slot] = after
    positions[COST, slot] = cost
    if layout.paid != NO_CELL:
        positions[layout.paid, slot] = markets[INDEX_E9, market] if after != 0 else np.int64(0)
    _add(done, place, REALISED, realised)
    _forget_if_empty(positions, slot, layout)


@inlined
def _fill(
    positions: np.ndarray,
    slot: np.int64,
    orders: np.ndarray,
    order: np.int64,
    lots: np.int64,
    markets: np.ndarray,
    layout: Layout,
) -> np.int64:
    """Lots of a resting order were filled, maybe more than an amend left of it; says whether it is used up."""
    assert orders[order, TRIGGER] == 0 and lots > 0, "an order cannot be filled so"
    if lots >= orders[order, REMAINING]:
        _take_out(positions, slot, orders, order, markets, layout)
        return np.int64(LEFT)
    orders[order, REMAINING] -= lots
    add_to_sums(positions, slot, orders, order, -lots, 0, markets, layout)
    return np.int64(STAYED)


@inlined
def _take_out(
    positions: np.ndarray,
    slot: np.int64,
    orders: np.ndarray,
    order: np.int64,
    markets: np.ndarray,
    layout: Layout,
) -> None:
    """The order holds nothing any more, and has no lots left."""
    if orders[order, TRIGGER] == 0:
        add_to_sums(positions, slot, orders, order, -orders[order, REMAINING], -1, markets, layout)
        _forget_if_empty(positions, slot, layout)
    orders[order, REMAINING] = 0


@inlined
def add_to_sums(
    positions: np.ndarray,
    slot: np.int64,
    orders: np.ndarray,
    order: np.int64,
    lots: np.int64,
    step: np.int64,
    markets: np.ndarray,
    layout: Layout,
) -> None:
    """Signed lots of an order join the sums of its side in the row of its position, `step` the row's counts.

    A market order counts at the mark where rows have no adverse sums (SP-03), else at its limit.
    """
    flags, side, limit, market = orders[order, FLAGS], orders[order, SIDE], orders[order, LIMIT], orders[order, MARKET]
    positions[layout.resting, slot] += step
    if flags & REDUCE_ONLY:
        positions[layout.reduce_only, slot] += step
        return
    mark, per_tick = markets[MARK, market], lots * markets[QUOTE_ATOMS, market]
    first = layout.buys if side > 0 else layout.sells
    positions[first, slot] += lots
    if layout.buy_adverse != NO_CELL:
        adverse = layout.buy_adverse if side > 0 else layout.sell_adverse
        positions[first + 1, slot] += limit * per_tick
        positions[adverse, slot] += max(np.int64(0), side * (limit - mark)) * per_tick
    else:
        positions[first + 1, slot] += (mark if flags & MARKET_ORDER else limit) * per_tick


@kernel
def empty_rows(positions: np.ndarray, slots: np.ndarray, layout: Layout, empty: np.ndarray) -> None:
    """Says in `empty` which of these rows, where there are any, nothing keeps."""
    for place in range(slots.size):
        empty[place] = slots[place] >= 0 and not is_kept(positions, slots[place], layout)


@njit(cache=True)
def interest_grown(
    markets: np.ndarray, lots_before: np.ndarray, lots: np.ndarray, width: np.int64
) -> tuple[np.ndarray, np.ndarray]:
    """By how much long and short lots rose, by market, when these positions became others."""
    longs, shorts = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
    for place in range(markets.size):
        longs[markets[place]] += max(lots[place], 0) - max(lots_before[place], 0)
        shorts[markets[place]] += max(-lots[place], 0) - max(-lots_before[place], 0)
    return longs, shorts


@inlined
def is_kept(positions: np.ndarray, slot: np.int64, layout: Layout) -> np.bool_:
    """The row stays: there are lots, an order rests or something else keeps it."""
    return positions[LOTS, slot] != 0 or positions[layout.resting, slot] != 0 or positions[layout.keeps, slot] != 0


@inlined
def _forget_if_empty(positions: np.ndarray, slot: np.int64, layout: Layout) -> None:
    """A row that nothing keeps is as good as gone: whoever comes next begins with a new one."""
    if layout.tried != NO_CELL and not is_kept(positions, slot, layout):
        positions[layout.tried, slot] = 0


@inlined
def _add(done: np.ndarray, place: np.int64, column: np.int64, atoms: np.int64) -> None:
    total = done[place, column] + atoms
    assert -_SUM_BOUND < total < _SUM_BOUND and -_SUM_BOUND < atoms < _SUM_BOUND, "a sum of legs out of bounds"
    done[place, column] = total
