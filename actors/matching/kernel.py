"""The batch: every operation in its turn, done whole before the next is looked at."""

import numpy as np
from numba import njit

from actors.matching.hash_map import find
from actors.matching.layout import (
    ACCOUNT_ID,
    ACCOUNT_SLOT,
    BEST,
    CAP,
    ELDER,
    FIRST,
    FLAG_MASK,
    KEY,
    LEVEL,
    MARKS,
    NEWEST,
    NIBBLE,
    NONE,
    ORDER_ID,
    ORDERS,
    REMAINING,
    ROWS,
    SELF_TRADE_SHIFT,
    SIDE_SHIFT,
    TIME_IN_FORCE_SHIFT,
    Store,
)
from actors.matching.price_index import key_of
from actors.matching.queues import account_slot, rest, shrink, take_out
from actors.matching.taking import could_fill_whole, emit, finish_resting, lots_within, take
from actors.matching.words import (
    AMEND,
    AMENDED,
    AMENDED_AWAY,
    CANCEL,
    CANCEL_ACCOUNT,
    DONE,
    DUPLICATE,
    EXPIRE_BOTH,
    FLAGS_BOUND,
    FOK,
    FOK_UNFILLED,
    GTC,
    IOC_NOTHING,
    IOC_REST,
    MARKET,
    NO_LIQUIDITY,
    PLACE,
    POST_ONLY,
    PRICE_TICKS_MAX,
    RESTED,
    SELF_TRADE,
    UNKNOWN,
    USER,
    VAULT_DEPTH,
    VAULT_DEPTH_CUT,
    WOULD_CROSS,
)
from actors.units_kernels import mul_div_floor

# Rows of the matrix of operations, in the order of `Operations`.
_KIND = 0
_ORDER = 1
_ACCOUNT = 2
_SIDE = 3
_PRICE = 4
_SIZE = 5
_EXPECTED = 6
_TIME_IN_FORCE = 7
_FLAGS = 8
_SELF_TRADE = 9
_BUDGET = 10
_DEPTH_PPM = 11
_DEPTH_LIMIT = 12
# Columns of the result rows, in the order of `Results`.
_ORDER_OF_ROW = 2
_MET = 4
_PPM = 1_000_000


@njit(cache=True)
def first_malformed(ops: np.ndarray) -> np.int64:
    """The first operation that no door lets through, or -1: the kernels would wrap silently on it."""
    for op in range(ops.shape[1]):
        kind = ops[_KIND, op]
        if not PLACE <= kind <= CANCEL_ACCOUNT or ops[_ACCOUNT, op] < 0:
            return np.int64(op)
        if kind != CANCEL_ACCOUNT and ops[_ORDER, op] <= 0:
            return np.int64(op)
        if kind in (PLACE, AMEND) and not 0 < ops[_PRICE, op] <= PRICE_TICKS_MAX:
            return np.int64(op)
        if kind == PLACE and (ops[_SIZE, op] <= 0 or ops[_SIDE, op] not in (-1, 1)):
            return np.int64(op)
        if kind == PLACE and (not GTC <= ops[_TIME_IN_FORCE, op] <= FOK or not 0 <= ops[_FLAGS, op] < FLAGS_BOUND):
            return np.int64(op)
    return np.int64(-1)


@njit(cache=True)
def bind_caps(store: Store, accounts: np.ndarray, bound: bool) -> None:
    """Notes at every capped account where its position is, for the time of a batch."""
    for cap in range(accounts.shape[0]):
        store.accounts[account_slot(store, accounts[cap]), CAP] = cap if bound else NONE


@njit(cache=True)
def run(store: Store, ops: np.ndarray, caps: np.ndarray, rows: np.ndarray, first: np.int64, end: np.int64) -> None:
    """Does the operations from `first` to before `end`; the caller has made room (`MatchingBook`)."""
    for op in range(first, end):
        kind = ops[_KIND, op]
        if kind == PLACE:
            _place(store, ops, caps, rows, op)
        elif kind == CANCEL_ACCOUNT:
            _cancel_account(store, ops, rows, op)
        else:
            slot = find(store.order_map, ops[_ORDER, op])
            account = ops[_ACCOUNT, op]
            if slot < 0 or store.accounts[store.orders[slot, ACCOUNT_SLOT], ACCOUNT_ID] != account:
                emit(store, rows, op, UNKNOWN, ops[_ORDER, op], account, 0, 0, 0, 0, 0, 0)
            elif kind == CANCEL:
                finish_resting(store, rows, op, _book_side(store, slot), slot, USER)
            else:
                _amend(store, ops, caps, rows, op, slot)


@njit(cache=True)
def _book_side(store: Store, slot: np.int64) -> np.int64:
    return (store.orders[slot, MARKS] >> SIDE_SHIFT) & 1


@njit(cache=True)
def _place(store: Store, ops: np.ndarray, caps: np.ndarray, rows: np.ndarray, op: np.int64) -> None:
    order = ops[_ORDER, op]
    account = ops[_ACCOUNT, op]
    side = ops[_SIDE, op]
    price_ticks = ops[_PRICE, op]
    lots = ops[_SIZE, op]
    flags = ops[_FLAGS, op]
    if find(store.order_map, order) >= 0:
        emit(store, rows, op, DONE, order, account, side, price_ticks, lots, 0, DUPLICATE, flags)
        return
    book_side = (side + 1) >> 1
    if flags & VAULT_DEPTH != 0:
        limit_ticks = ops[_DEPTH_LIMIT, op] if ops[_DEPTH_LIMIT, op] > 0 else price_ticks
        depth = lots_within(store, 1 - book_side, key_of(1 - book_side, limit_ticks))
        # MT-14: at most a fraction of the depth, rounded down so that the vault never asks for more.
        kept = min(lots, mul_div_floor(depth, ops[_DEPTH_PPM, op], _PPM))
        if kept < lots:
            emit(store, rows, op, DONE, order, account, side, price_ticks, lots - kept, kept, VAULT_DEPTH_CUT, flags)
            lots = kept
        if lots == 0:
            return
    marks = (
        flags
        | (ops[_SELF_TRADE, op] << SELF_TRADE_SHIFT)
        | (ops[_TIME_IN_FORCE, op] << TIME_IN_FORCE_SHIFT)
        | (book_side << SIDE_SHIFT)
    )
    _work(store, caps, rows, op, order, account_slot(store, account), price_ticks, lots, marks, ops[_BUDGET, op])


@njit(cache=True)
def _work(
    store: Store,
    caps: np.ndarray,
    rows: np.ndarray,
    op: np.int64,
    order: np.int64,
    owner: np.int64,
    price_ticks: np.int64,
    lots: np.int64,
    marks: np.int64,
    budget_atoms: np.int64,
) -> None:
    """A new order, or an amended one that lost its priority: matches, then rests or is done."""
    flags = marks & FLAG_MASK
    self_trade = (marks >> SELF_TRADE_SHIFT) & NIBBLE
    time_in_force = (marks >> TIME_IN_FORCE_SHIFT) & NIBBLE
    book_side = (marks >> SIDE_SHIFT) & 1
    limit_key = key_of(1 - book_side, price_ticks)
    best = store.heads[BEST + 1 - book_side]
    left = lots
    fillable = np.int64(0)
    whole = True
    reason = np.int64(0)
    if time_in_force == FOK:
        whole, fillable = could_fill_whole(
            store, caps, owner, book_side, limit_key, lots, flags, self_trade, budget_atoms
        )
    if not whole:
        reason = np.int64(FOK_UNFILLED)
    elif best != NONE and store.levels[best, KEY] <= limit_key:
        if flags & POST_ONLY != 0:
            reason = np.int64(WOULD_CROSS)
        else:
            left, reason = take(store, caps, rows, op, order, owner, book_side, limit_key, lots, flags, self_trade)
    if left == 0:
        return
    account = store.accounts[owner, ACCOUNT_ID]
    side = 2 * book_side - 1
    if reason == 0 and time_in_force == GTC and flags & MARKET == 0:
        rest(store, book_side, key_of(book_side, price_ticks), order, owner, left, marks)
        emit(store, rows, op, RESTED, order, account, side, price_ticks, left, left, 0, flags)
        return
    if reason == 0:
        reason = _nothing_left(left < lots, flags)
    emit(store, rows, op, DONE, order, account, side, price_ticks, left, 0, reason, flags)
    rows[store.heads[ROWS] - 1, _MET] = _met(store, rows, book_side, reason, self_trade, fillable)


@njit(cache=True)
def _met(
    store: Store,
    rows: np.ndarray,
    book_side: np.int64,
    reason: np.int64,
    self_trade: np.int64,
    fillable: np.int64,
) -> np.int64:
    """What a taker's last row tells of the other side (`Results`); that row is written already."""
    if reason == FOK_UNFILLED:
        return fillable
    # Both expire: the maker's own last row stands before the taker's.
    if reason == SELF_TRADE and self_trade == EXPIRE_BOTH:
        return rows[store.heads[ROWS] - 2, _ORDER_OF_ROW]
    level = store.heads[BEST + 1 - book_side]
    if level == NONE:
        return np.int64(0)
    if reason == SELF_TRADE:
        return store.orders[store.levels[level, FIRST], ORDER_ID]
    return key_of(1 - book_side, store.levels[level, KEY])


@njit(cache=True)
def _nothing_left(has_filled: bool, flags: np.int64) -> np.int64:
    """Why an order that may not rest is done when nobody is left to trade with."""
    if has_filled:
        return np.int64(IOC_REST)
    return np.int64(NO_LIQUIDITY) if flags & MARKET != 0 else np.int64(IOC_NOTHING)


@njit(cache=True)
def _amend(store: Store, ops: np.ndarray, caps: np.ndarray, rows: np.ndarray, op: np.int64, slot: np.int64) -> None:
    """MT-05: less at the same price keeps priority; anything else is taken out and comes again as a new order."""
    order = ops[_ORDER, op]
    price_ticks = ops[_PRICE, op]
    owner = store.orders[slot, ACCOUNT_SLOT]
    marks = store.orders[slot, MARKS]
    book_side = _book_side(store, slot)
    before = store.orders[slot, REMAINING]
    filled_since = max(ops[_EXPECTED, op] - before, np.int64(0))
    lots = ops[_SIZE, op] - filled_since
    if lots <= 0:
        finish_resting(store, rows, op, book_side, slot, AMENDED_AWAY)
        return
    same_price = store.levels[store.orders[slot, LEVEL], KEY] == key_of(book_side, price_ticks)
    keeps = np.int64(same_price and lots < before)
    account = store.accounts[owner, ACCOUNT_ID]
    side = 2 * book_side - 1
    emit(store, rows, op, AMENDED, order, account, side, price_ticks, before, lots, keeps, marks & FLAG_MASK)
    rows[store.heads[ROWS] - 1, _MET] = key_of(book_side, store.levels[store.orders[slot, LEVEL], KEY])
    if keeps == 1:
        shrink(store, book_side, slot, before - lots)
        return
    take_out(store, book_side, slot)
    _work(store, caps, rows, op, order, owner, price_ticks, lots, marks, np.int64(0))


@njit(cache=True)
def _cancel_account(store: Store, ops: np.ndarray, rows: np.ndarray, op: np.int64) -> None:
    """Orders of the account on one side or both, by number: the list itself is in the order of resting."""
    found = find(store.account_map, ops[_ACCOUNT, op] + 1)
    if found < 0 or store.accounts[found, ORDERS] == 0:
        return
    numbers = np.empty(store.accounts[found, ORDERS], dtype=np.int64)
    count = 0
    slot = store.accounts[found, NEWEST]
    while slot != NONE:
        if ops[_SIDE, op] in (0, 2 * _book_side(store, slot) - 1):
            numbers[count] = store.orders[slot, ORDER_ID]
            count += 1
        slot = store.siblings[slot, ELDER]
    for number in np.sort(numbers[:count]):
        slot = find(store.order_map, number)
        finish_resting(store, rows, op, _book_side(store, slot), slot, USER)


@njit(cache=True)
def load_rows(store: Store, dump: np.ndarray) -> None:
    """Rests the orders of a dump one behind the other: its order is their priority."""
    for row in range(dump.shape[0]):
        book_side = (dump[row, 2] + 1) >> 1
        marks = (
            dump[row, 5]
            | (dump[row, 7] << SELF_TRADE_SHIFT)
            | (dump[row, 6] << TIME_IN_FORCE_SHIFT)
            | (book_side << SIDE_SHIFT)
        )
        owner = account_slot(store, dump[row, 1])
        rest(store, book_side, key_of(book_side, dump[row, 3]), dump[row, 0], owner, dump[row, 4], marks)
