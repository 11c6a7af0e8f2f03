"""A run of new orders of a Spin venue, compiled: what `OrderEntry.enter` does with one after the other.

Equal to it in every refusal and every number, on columns of accounts, positions and orders that it changes in place.
An order that only Python's integers can decide, of which a part reduces, or with which the book hears of its account
for the first time, ends the run; whoever called works it by hand and calls again.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined, kernel
from actors.ledger.book_orders import MARKET_ORDER, REDUCE_ONLY
from actors.ledger.order_columns import ACCOUNT, FLAGS, LIMIT, MARKET, REMAINING, SIDE
from actors.orders.carried import BY_HAND_ONLY, CARRIED_BOUND, KNOWN, bit_of, row_of
from actors.orders.check_kernel import (
    BY_HAND,
    CLEAR,
    MARK,
    OWNER,
    POSITION,
    UNCAPPED,
    K,
    reduces,
    refuse,
    why_not_new,
    why_not_row,
)
from actors.orders.run_kernel import fetch_ahead, read_order, take_order
from actors.orders.value_kernel import drawn_in_ticks, fee_ceil_atoms
from actors.ratio.margin_kernel import (
    BUYS,
    LEFT,
    LOTS,
    MAX_POSITION,
    REDUCING,
    RESERVED,
    REST,
    RESTING,
    SELLS,
    WHOLE,
    carry_standing,
    counted_value_atoms,
    order_loss_ceil_atoms,
    with_collateral,
)
from breakwater.v1 import refusals_pb2 as refusals

_MARGIN_RATIO: Final = int(refusals.REFUSAL_MARGIN_RATIO)
_POSITION_CAP: Final = int(refusals.REFUSAL_POSITION_CAP)


@kernel
def admit_rows(
    first: np.int64,
    sent: np.int64,
    cells: np.ndarray,
    height: np.int64,
    venue: np.int64,
    orders: np.ndarray,
    places: np.ndarray,
    why: np.ndarray,
    ops: np.ndarray,
    rules: np.ndarray,
    max_orders: np.int64,
    share_atoms: np.int64,
    cash: np.ndarray,
    positions: np.ndarray,
    chains: np.ndarray,
    following: np.ndarray,
    rows: np.ndarray,
    heads: np.ndarray,
    maps: np.ndarray,
    state: np.ndarray,
    carried: np.ndarray,
    words: np.ndarray,
    made: np.ndarray,
) -> tuple[np.int64, np.int64]:
    """Works the commands from `first` on, of which `orders` and `why` tell then; what passes joins `ops` behind those
    `sent`. Returns the first one it leaves, or how many there are, and how many are sent.

    cash: free atoms by slot of an account; chains, following: its first position row and the next after each. The limit
    of an order that was drawn in is changed in `orders`.
    """
    for at in range(first, cells.shape[1]):
        fetch_ahead(cells, at, height, places, cash, positions, chains, rows, heads, maps, words)
        read_order(cells, at, height, rules, orders, why)
        slot, owner = places[at, POSITION], places[at, OWNER]
        found = why_not_new(orders, at, places, rules, max_orders, rows, heads, maps, why)
        if found == CLEAR:
            found = why_not_row(orders, at, slot, rules, share_atoms, positions, BUYS, SELLS, why)
        if found == CLEAR:
            row = row_of(carried, words, made, orders[at, ACCOUNT])
            found = _is_by_hand(orders, at, slot, places, positions, carried, row)
        if found == CLEAR and carried[row, KNOWN] & bit_of(LEFT) == 0:
            chain, account = np.int64(chains[owner]), orders[at, ACCOUNT]
            ledger = (rules, positions, following, chain, cash[owner], rows, heads, maps)
            if carry_standing(*ledger, account, carried, row):
                carried[row, KNOWN] |= bit_of(LEFT) | bit_of(WHOLE) | bit_of(REST)
            else:
                found = np.int64(BY_HAND)
        if found == CLEAR:
            found = _why_not_ratio(orders, at, slot, row, carried, rules, positions, why)
        if found == CLEAR:
            _join(orders, at, slot, rules, positions)
            take_order(orders, np.int64(at), venue, rows, heads, maps, state, why, ops, sent)
            sent += 1
        elif found == BY_HAND:
            return np.int64(at), sent
    return np.int64(cells.shape[1]), sent


@inlined
def _is_by_hand(
    orders: np.ndarray,
    at: np.int64,
    slot: np.int64,
    places: np.ndarray,
    positions: np.ndarray,
    carried: np.ndarray,
    row: np.int64,
) -> np.int64:
    """BY_HAND where the account is, where a cap may be new to the book, and where a part of the order reduces."""
    is_reduce_only = orders[at, FLAGS] & REDUCE_ONLY != 0
    turns = orders[at, SIDE] * positions[LOTS, slot] < 0 and not reduces(orders, at, slot, positions, BUYS, SELLS)
    if turns or carried[row, KNOWN] & BY_HAND_ONLY != 0 or (is_reduce_only and places[at, UNCAPPED] != 0):
        return np.int64(BY_HAND)
    return np.int64(CLEAR)


@inlined
def _why_not_ratio(
    orders: np.ndarray,
    at: np.int64,
    slot: np.int64,
    row: np.int64,
    carried: np.ndarray,
    rules: np.ndarray,
    positions: np.ndarray,
    why: np.ndarray,
) -> np.int64:
    """MARGIN_RATIO, then POSITION_CAP; draws in what only reduces, and carries the amounts on."""
    market, side, limit, lots = orders[at, MARKET], orders[at, SIDE], orders[at, LIMIT], orders[at, REMAINING]
    mark, left, whole, rest = rules[market, MARK], carried[row, LEFT], carried[row, WHOLE], carried[row, REST]
    loss = order_loss_ceil_atoms(rules, market, side, limit, lots)
    if reduces(orders, at, slot, positions, BUYS, SELLS):
        if side * (limit - mark) > 0:
            value = max(limit, mark) * lots * rules[market, K]
            spared = left - fee_ceil_atoms(rules, market, value)
            limit = drawn_in_ticks(rules, market, side, limit, lots, spared)
            loss = order_loss_ceil_atoms(rules, market, side, limit, lots)
    else:
        value = counted_value_atoms(orders, at, rules, side < 0 and limit < mark)
        needed, needed_rest = with_collateral(rules, market, value, whole, rest)
        required = needed + np.int64(needed_rest > 0)
        # E * 1e9 >= collateral in 1e-9 atoms, E being whole atoms; infinite where there is none.
        if left - loss < required and required != 0:
            return refuse(why, at, _MARGIN_RATIO, required, left - loss)
        resting = positions[BUYS if side > 0 else SELLS, slot]
        largest = side * positions[LOTS, slot] + positions[RESERVED, slot] + resting + lots
        if largest > rules[market, MAX_POSITION]:
            return refuse(why, at, _POSITION_CAP, rules[market, MAX_POSITION], largest)
        value = counted_value_atoms(orders, at, rules, orders[at, FLAGS] & MARKET_ORDER != 0)
        whole, rest = with_collateral(rules, market, value, whole, rest)
    if left - loss <= -CARRIED_BOUND or whole >= CARRIED_BOUND:
        return np.int64(BY_HAND)
    carried[row, LEFT], carried[row, WHOLE], carried[row, REST] = left - loss, whole, rest
    orders[at, LIMIT] = limit
    return np.int64(CLEAR)


@inlined
def _join(orders: np.ndarray, at: np.int64, slot: np.int64, rules: np.ndarray, positions: np.ndarray) -> None:
    """`RatioBook._add_to_sums` of an order that comes."""
    positions[RESTING, slot] += 1
    if orders[at, FLAGS] & REDUCE_ONLY != 0:
        positions[REDUCING, slot] += 1
        return
    first = BUYS if orders[at, SIDE] > 0 else SELLS
    positions[first, slot] += orders[at, REMAINING]
    positions[first + 1, slot] += counted_value_atoms(orders, at, rules, orders[at, FLAGS] & MARKET_ORDER != 0)
