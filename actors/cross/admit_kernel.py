"""A run of new orders of a Margin Trade venue, compiled: what `OrderEntry.enter` does with one after the other.

Equal to it in every refusal and every number, on columns of accounts, positions and orders that it changes in place.
An order that only Python's integers can decide ends the run; whoever called works it by hand and calls again.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined, kernel
from actors.cross.margin_kernel import (
    BUYS,
    REDUCING,
    RESTING,
    SELLS,
    added_hold_atoms,
    free_margin_atoms,
    spare_atoms,
    spared_limit_ticks,
    worst_loss_ceil_atoms,
)
from actors.ledger.book_orders import REDUCE_ONLY
from actors.ledger.order_columns import ACCOUNT, FLAGS, LIMIT, MARKET, REMAINING, SIDE
from actors.orders.carried import BY_HAND_ONLY, CARRIED_BOUND, FIRST, KNOWN, SECOND, bit_of, row_of
from actors.orders.check_kernel import (
    BY_HAND,
    CLEAR,
    FAILS,
    MARK,
    OWNER,
    POSITION,
    K,
    reduces,
    refuse,
    why_not_new,
    why_not_row,
)
from actors.orders.run_kernel import fetch_ahead, read_order, take_order
from actors.orders.value_kernel import UNKNOWN
from breakwater.v1 import refusals_pb2 as refusals

# Columns of `carried`.
FREE: Final = FIRST
SPARE: Final = SECOND
_BELOW_INITIAL_MARGIN: Final = int(refusals.REFUSAL_BELOW_INITIAL_MARGIN)


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
            chain, free_cash = np.int64(chains[owner]), cash[owner]
            standing = (carried, rules, positions, following, rows, heads, maps, why)
            found = _why_not_margin(orders, at, slot, row, chain, free_cash, *standing)
        if found == CLEAR:
            _join(orders, at, slot, rules, positions)
            take_order(orders, np.int64(at), venue, rows, heads, maps, state, why, ops, sent)
            sent += 1
        elif found == BY_HAND:
            return np.int64(at), sent
    return np.int64(cells.shape[1]), sent


@inlined
def _why_not_margin(
    orders: np.ndarray,
    at: np.int64,
    slot: np.int64,
    row: np.int64,
    chain: np.int64,
    cash: np.int64,
    carried: np.ndarray,
    rules: np.ndarray,
    positions: np.ndarray,
    following: np.ndarray,
    rows: np.ndarray,
    heads: np.ndarray,
    maps: np.ndarray,
    why: np.ndarray,
) -> np.int64:
    """BELOW_INITIAL_MARGIN by the hold it adds, then by what it may lose; draws it in and carries both amounts on."""
    if carried[row, KNOWN] & BY_HAND_ONLY != 0:
        return np.int64(BY_HAND)
    account, market, side, lots = orders[at, ACCOUNT], orders[at, MARKET], orders[at, SIDE], orders[at, REMAINING]
    limit, is_reduce_only = orders[at, LIMIT], orders[at, FLAGS] & REDUCE_ONLY != 0
    added = np.int64(0) if is_reduce_only else added_hold_atoms(rules, positions, slot, side, limit, lots)
    if added == UNKNOWN:
        return np.int64(BY_HAND)
    if added > 0 or is_reduce_only:
        if carried[row, KNOWN] & bit_of(FREE) == 0:
            free = free_margin_atoms(rules, positions, following, chain, cash)
            if not _carry(carried, row, FREE, free):
                return np.int64(BY_HAND)
        if added > max(np.int64(0), carried[row, FREE]):
            return refuse(why, at, _BELOW_INITIAL_MARGIN, added, carried[row, FREE])
        why[at, FAILS] = carried[row, FREE] < 0
    if side * (limit - rules[market, MARK]) > 0:
        if carried[row, KNOWN] & bit_of(SPARE) == 0:
            spare = spare_atoms(rules, positions, following, chain, cash, rows, heads, maps, account)
            if not _carry(carried, row, SPARE, spare):
                return np.int64(BY_HAND)
        if reduces(orders, at, slot, positions, BUYS, SELLS):
            limit = spared_limit_ticks(rules, market, side, limit, lots, carried[row, SPARE])
        else:
            loss = worst_loss_ceil_atoms(rules, market, side, limit, lots)
            if loss > carried[row, SPARE]:
                return refuse(why, at, _BELOW_INITIAL_MARGIN, loss, carried[row, SPARE])
    if carried[row, KNOWN] & bit_of(SPARE) != 0:
        left = carried[row, SPARE] - worst_loss_ceil_atoms(rules, market, side, limit, lots)
        if left <= -CARRIED_BOUND:
            return np.int64(BY_HAND)
        carried[row, SPARE] = left
    # Nothing where free margin is not known: the order adds nothing then.
    carried[row, FREE] -= added
    orders[at, LIMIT] = limit
    return np.int64(CLEAR)


@inlined
def _carry(carried: np.ndarray, row: np.int64, column: np.int64, atoms: np.int64) -> np.bool_:
    """The amount is known from here on, if it is not UNKNOWN."""
    if atoms == UNKNOWN:
        return np.bool_(False)
    carried[row, column] = atoms
    carried[row, KNOWN] |= bit_of(column)
    return np.bool_(True)


@inlined
def _join(orders: np.ndarray, at: np.int64, slot: np.int64, rules: np.ndarray, positions: np.ndarray) -> None:
    """`CrossBook._add_to_sums` of an order that comes."""
    positions[RESTING, slot] += 1
    if orders[at, FLAGS] & REDUCE_ONLY != 0:
        positions[REDUCING, slot] += 1
        return
    market, side, limit = orders[at, MARKET], orders[at, SIDE], orders[at, LIMIT]
    lots, gap = orders[at, REMAINING], side * (limit - rules[market, MARK])
    first = BUYS if side > 0 else SELLS
    positions[first, slot] += lots
    positions[first + 1, slot] += lots * limit * rules[market, K]
    if gap > 0:
        positions[first + 2, slot] += lots * gap * rules[market, K]
