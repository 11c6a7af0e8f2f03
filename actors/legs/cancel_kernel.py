"""One run of cancels that name their order, over the columns of positions and orders; what is said of it in columns."""

from typing import Final, NamedTuple

import numpy as np

from actors.compiling import inlined, kernel
from actors.ledger.key_index import find_key
from actors.ledger.order_columns import (
    ACCOUNT,
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
)
from actors.ledger.position_rows import MARKET_BITS, fetch_position
from actors.ledger.row_layout import Layout
from actors.ledger.slot_map import ROWS_AHEAD, WORDS_AHEAD, fetch_home, first_tagged, tag_of
from actors.legs.kernel import add_to_sums, is_kept
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common

# Rows of the matrix of cancels: command, account, market (nobody asks for it here), order, client id.
CANCEL_COMMAND, CANCEL_ACCOUNT, _, CANCEL_ORDER, CANCEL_CLIENT = range(5)
# Cancels come before everything else a book is sent (OrderOps).
CANCEL_CLASS: Final = 0
_DONE: Final = int(common.OUTCOME_STATUS_DONE)
_LONG: Final = int(common.SIDE_LONG)
_SHORT: Final = int(common.SIDE_SHORT)
_CANCEL: Final = int(batches.ORDER_OP_KIND_CANCEL)

# Widths of what is said, and where in it the fields are that a cancel fills: `Outcomes`, `OrderOps`, `OrderDone`.
_OUTCOME: Final = 10
_STATUS, _REFERENCE, _PRICE, _FILLED, _LEFT = 1, 5, 6, 8, 9
_OP: Final = 16
_OP_COMMAND, _OP_ORDER, _OP_VENUE, _OP_MARKET, _OP_ACCOUNT, _OP_KIND, _OP_SIDE, _OP_PRICE, _OP_SIZE = range(1, 10)
_OP_TIME_IN_FORCE, _OP_FLAGS, _OP_SELF_TRADE, _OP_CLIENT = range(11, 15)
_TOLD: Final = 9
_TOLD_ORDER, _TOLD_SIDE, _TOLD_PRICE, _TOLD_LEFT, _TOLD_RESTED = range(5)
_TOLD_ARMED: Final = 8


class Said(NamedTuple):
    """What cancels come to, made for as many as there are: which met an order of their account; of these the columns
    of answers, rows of events and columns of ops, and the keys of rows that nothing keeps any more.
    """

    met: np.ndarray
    outcomes: np.ndarray
    told: np.ndarray
    ops: np.ndarray
    emptied: np.ndarray


def nothing_said(cancels: int) -> Said:
    """For so many cancels."""
    return Said(
        np.zeros(cancels, dtype=np.bool_),
        np.zeros((_OUTCOME, cancels), dtype=np.int64),
        np.zeros((cancels, _TOLD), dtype=np.int64),
        np.zeros((_OP, cancels), dtype=np.int64),
        np.empty(cancels, dtype=np.int64),
    )


@kernel
def cancel(
    cancels: np.ndarray,
    order_slots: np.ndarray,
    orders: np.ndarray,
    words: np.ndarray,
    keys: np.ndarray,
    positions: np.ndarray,
    markets: np.ndarray,
    layout: Layout,
    venue: np.int64,
    said: Said,
) -> tuple[np.int64, np.int64, np.int64]:
    """Fills `said`; returns how many orders were met, how many ops sent and how many rows nothing keeps.

    words and keys find positions (`key_index`). An order that was met holds nothing and has no lots left; its row is
    there still.
    """
    met, outcomes, told, ops, emptied = said
    done, sent, empty = np.int64(0), np.int64(0), np.int64(0)
    for place in range(order_slots.size):
        if place + WORDS_AHEAD < order_slots.size:
            fetch_home(words, _tag_at(orders, order_slots[place + WORDS_AHEAD]))
        if place + ROWS_AHEAD < order_slots.size:
            fetch_position(positions, first_tagged(words, _tag_at(orders, order_slots[place + ROWS_AHEAD])))
        order = order_slots[place]
        is_own = order >= 0 and orders[order, ACCOUNT] == cancels[CANCEL_ACCOUNT, place]
        if not is_own or orders[order, REMAINING] == 0:
            continue
        met[place], command = True, cancels[CANCEL_COMMAND, place]
        _answer(outcomes, done, command, orders, order)
        _tell(told, done, orders, order)
        done += 1
        if orders[order, TRIGGER] == 0:
            _send(ops, sent, command, venue, orders, order)
            sent += 1
            key = _key_at(orders, order)
            slot = find_key(words, keys, key)
            assert slot >= 0, "an order rested without a row of its position"
            add_to_sums(positions, slot, orders, order, -orders[order, REMAINING], -1, markets, layout)
            if not is_kept(positions, slot, layout):
                emptied[empty] = key
                empty += 1
        orders[order, REMAINING] = 0
    return done, sent, empty


@inlined
def _key_at(orders: np.ndarray, order: np.int64) -> np.int64:
    return orders[order, ACCOUNT] << MARKET_BITS | orders[order, MARKET]


@inlined
def _tag_at(orders: np.ndarray, order: np.int64) -> np.int64:
    """The hash of the key of an order's position, of none (-1) any."""
    return tag_of(_key_at(orders, max(order, np.int64(0))))


@inlined
def _answer(outcomes: np.ndarray, place: np.int64, command: np.int64, orders: np.ndarray, order: np.int64) -> None:
    outcomes[0, place], outcomes[_STATUS, place] = command, _DONE
    outcomes[_REFERENCE, place], outcomes[_PRICE, place] = orders[order, NUMBER], orders[order, LIMIT]
    outcomes[_FILLED, place] = orders[order, SIZE] - orders[order, REMAINING]
    outcomes[_LEFT, place] = orders[order, REMAINING]


@inlined
def _tell(told: np.ndarray, place: np.int64, orders: np.ndarray, order: np.int64) -> None:
    armed = np.int64(orders[order, TRIGGER] != 0)
    told[place, _TOLD_ORDER] = orders[order, NUMBER]
    told[place, _TOLD_SIDE] = _LONG if orders[order, SIDE] > 0 else _SHORT
    told[place, _TOLD_PRICE], told[place, _TOLD_LEFT] = orders[order, LIMIT], orders[order, REMAINING]
    told[place, _TOLD_RESTED], told[place, _TOLD_ARMED] = 1 - armed, armed


@inlined
def _send(
    ops: np.ndarray, place: np.int64, command: np.int64, venue: np.int64, orders: np.ndarray, order: np.int64
) -> None:
    ops[0, place], ops[_OP_COMMAND, place], ops[_OP_ORDER, place] = CANCEL_CLASS, command, orders[order, NUMBER]
    ops[_OP_VENUE, place], ops[_OP_MARKET, place] = venue, orders[order, MARKET]
    ops[_OP_ACCOUNT, place], ops[_OP_KIND, place] = orders[order, ACCOUNT], _CANCEL
    ops[_OP_SIDE, place], ops[_OP_PRICE, place] = orders[order, SIDE], orders[order, LIMIT]
    ops[_OP_SIZE, place], ops[_OP_TIME_IN_FORCE, place] = orders[order, REMAINING], orders[order, TIME_IN_FORCE]
    ops[_OP_FLAGS, place], ops[_OP_SELF_TRADE, place] = orders[order, FLAGS], orders[order, SELF_TRADE]
    ops[_OP_CLIENT, place] = orders[order, CLIENT]
