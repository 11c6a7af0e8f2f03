"""What a run of new orders does around its checks, compiled: where the rows an order is asked beside are, the command
as a row of an order, and of one that passes the row among the orders and the operation for its book.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined, kernel
from actors.fetching import fetch
from actors.ledger.book_orders import MARKET_ORDER
from actors.ledger.key_index import KeyArrays, find_key
from actors.ledger.order_columns import (
    ACCOUNT,
    BY_NUMBER,
    BY_OWNER,
    CLIENT,
    FLAGS,
    LIMIT,
    MARKET,
    NUMBER,
    REMAINING,
    SELF_TRADE,
    SIDE,
    SIZE,
    TIME_IN_FORCE,
    TRIGGER,
    TRIGGER_TICKS,
    fetch_newest,
    fetch_owner,
    take_row,
)
from actors.ledger.position_rows import MARKET_BITS, fetch_position
from actors.ledger.slot_map import NEAR_AHEAD, ROWS_AHEAD, WORDS_AHEAD, fetch_home, first_tagged, tag_of
from actors.orders.check_kernel import (
    BUY_PROTECTION,
    FROZEN,
    OWNER,
    POSITION,
    RUNG,
    SELL_PROTECTION,
    TAKEN,
    UNCAPPED,
    WHY,
)
from actors.orders.checks import COMMAND, COMMAND_BITS
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common

# Columns of `OrderRows`: rows of `cells`.
CELL_COMMAND, _, CELL_ACCOUNT, CELL_MARKET, _CELL_SIDE, _CELL_KIND, _CELL_SIZE, _CELL_LIMIT = range(8)
_CELL_TIME_IN_FORCE, CELL_FLAGS, _CELL_SELF_TRADE, CELL_TRIGGER, _, _CELL_CLIENT = range(8, 14)
# Columns of `OrderOps`: rows of `ops`.
OP_ORDER: Final = 2
OP_MARKET: Final = 4
OP_ACCOUNT: Final = 5
OP_FLAGS: Final = 12
OP_COLUMNS: Final = len(batches.OrderOps.DESCRIPTOR.fields)

_COMMAND_MASK: Final = (1 << COMMAND_BITS) - 1
_MARKET_KIND: Final = int(common.ORDER_KIND_MARKET)
_GTC: Final = int(common.TIME_IN_FORCE_GTC)
_IOC: Final = int(common.TIME_IN_FORCE_IOC)
_EXPIRE_MAKER: Final = int(common.SELF_TRADE_PREVENTION_EXPIRE_MAKER)
_PLACE: Final = int(batches.ORDER_OP_KIND_PLACE)


@inlined
def _key_of(cells: np.ndarray, at: np.int64) -> np.int64:
    return cells[CELL_ACCOUNT, at] << MARKET_BITS | cells[CELL_MARKET, at]


@kernel
def find_places(
    cells: np.ndarray, positions: KeyArrays, accounts: KeyArrays, frozen: np.ndarray, places: np.ndarray
) -> np.int64:
    """Fills `places` of commands: slots, that of a position -1 where there is no row, and who is frozen, all else 0.

    frozen: by slot of an account. Returns how many have no row of a position.
    """
    count, missing = cells.shape[1], np.int64(0)
    for at in range(-WORDS_AHEAD, count):
        if at + WORDS_AHEAD < count:
            fetch_home(positions.words, tag_of(_key_of(cells, at + WORDS_AHEAD)))
            fetch_home(accounts.words, tag_of(cells[CELL_ACCOUNT, at + WORDS_AHEAD]))
        if 0 <= at + ROWS_AHEAD < count:
            slot = first_tagged(positions.words, tag_of(_key_of(cells, at + ROWS_AHEAD)))
            fetch(positions.keys, slot * positions.keys.itemsize)
            owner = first_tagged(accounts.words, tag_of(cells[CELL_ACCOUNT, at + ROWS_AHEAD]))
            fetch(accounts.keys, owner * accounts.keys.itemsize)
            fetch(frozen, owner * frozen.strides[0])
        if at >= 0:
            slot = find_key(positions.words, positions.keys, _key_of(cells, at))
            owner = find_key(accounts.words, accounts.keys, cells[CELL_ACCOUNT, at])
            assert owner >= 0, "an order is of no account"
            places[at, POSITION], places[at, OWNER], places[at, FROZEN] = slot, owner, frozen[owner]
            places[at, RUNG] = places[at, UNCAPPED] = 0
            missing += slot < 0
    return missing


@inlined
def fetch_ahead(
    cells: np.ndarray,
    at: np.int64,
    height: np.int64,
    places: np.ndarray,
    cash: np.ndarray,
    positions: np.ndarray,
    chains: np.ndarray,
    rows: np.ndarray,
    heads: np.ndarray,
    maps: np.ndarray,
    words: np.ndarray,
) -> None:
    """Asks for the memory of what the orders that come soon are asked beside: where names are known, then rows.

    words find what is carried of an account.
    """
    coming = at + WORDS_AHEAD
    if coming < cells.shape[1]:
        owner = places[coming, OWNER]
        fetch_position(positions, places[coming, POSITION])
        fetch(cash, owner * cash.strides[0])
        fetch(chains, owner * chains.itemsize)
        tag = tag_of(cells[CELL_ACCOUNT, coming])
        fetch_home(words, tag)
        fetch_home(maps[BY_OWNER], tag)
        fetch_home(maps[BY_NUMBER], tag_of(height << COMMAND_BITS | cells[CELL_COMMAND, coming]))
    if at + 2 * NEAR_AHEAD < cells.shape[1]:
        fetch_owner(heads, maps, cells[CELL_ACCOUNT, at + 2 * NEAR_AHEAD])
    if at + NEAR_AHEAD < cells.shape[1]:
        fetch_newest(rows, heads, maps, cells[CELL_ACCOUNT, at + NEAR_AHEAD])


@inlined
def read_order(
    cells: np.ndarray, at: np.int64, height: np.int64, rules: np.ndarray, orders: np.ndarray, why: np.ndarray
) -> None:
    """The row of an order (`order_columns`) as `OrderAdmission` makes it of a command without a trigger."""
    why[at, WHY], why[at, TAKEN] = 0, -1
    market, side, limit = cells[CELL_MARKET, at], cells[_CELL_SIDE, at], cells[_CELL_LIMIT, at]
    time_in_force, flags, self_trade = (
        cells[_CELL_TIME_IN_FORCE, at],
        cells[CELL_FLAGS, at],
        cells[_CELL_SELF_TRADE, at],
    )
    if cells[_CELL_KIND, at] == _MARKET_KIND:
        # MT-05: a market order is filled as far as its protection price goes, and never rests.
        limit = rules[market, BUY_PROTECTION if side > 0 else SELL_PROTECTION]
        flags, time_in_force = flags | MARKET_ORDER, np.int64(_IOC)
    elif time_in_force == 0:
        time_in_force = np.int64(_GTC)
    orders[at, NUMBER] = height << COMMAND_BITS | cells[CELL_COMMAND, at]
    orders[at, ACCOUNT], orders[at, MARKET], orders[at, SIDE] = cells[CELL_ACCOUNT, at], market, side
    orders[at, LIMIT], orders[at, SIZE], orders[at, REMAINING] = limit, cells[_CELL_SIZE, at], cells[_CELL_SIZE, at]
    orders[at, TIME_IN_FORCE], orders[at, FLAGS] = time_in_force, flags
    orders[at, SELF_TRADE] = self_trade if self_trade != 0 else np.int64(_EXPIRE_MAKER)
    orders[at, CLIENT], orders[at, TRIGGER], orders[at, TRIGGER_TICKS] = cells[_CELL_CLIENT, at], 0, 0


@inlined
def take_order(
    orders: np.ndarray,
    at: np.int64,
    venue: np.int64,
    rows: np.ndarray,
    heads: np.ndarray,
    maps: np.ndarray,
    state: np.ndarray,
    why: np.ndarray,
    ops: np.ndarray,
    op: np.int64,
) -> None:
    """The order joins the rows, and the operation in this place of `ops` brings it to its book."""
    why[at, TAKEN] = take_row(rows, heads, maps, state, orders, at)
    ops[0, op], ops[1, op], ops[OP_ORDER, op] = COMMAND, orders[at, NUMBER] & _COMMAND_MASK, orders[at, NUMBER]
    ops[3, op], ops[OP_MARKET, op], ops[OP_ACCOUNT, op] = venue, orders[at, MARKET], orders[at, ACCOUNT]
    ops[6, op], ops[7, op], ops[8, op] = _PLACE, orders[at, SIDE], orders[at, LIMIT]
    ops[9, op], ops[10, op], ops[11, op] = orders[at, REMAINING], 0, orders[at, TIME_IN_FORCE]
    ops[OP_FLAGS, op], ops[13, op] = orders[at, FLAGS], orders[at, SELF_TRADE]
    ops[14, op], ops[15, op] = orders[at, CLIENT], 0
