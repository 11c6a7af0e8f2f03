"""A taker meets resting orders: what it may fill, what happens on the way, and whether it could fill whole."""

import numpy as np
from numba import njit

from actors.matching.layout import (
    ACCOUNT_ID,
    ACCOUNT_SLOT,
    BEST,
    CAP,
    FIRST,
    FLAG_MASK,
    KEY,
    LAST_TRADE,
    LEVEL,
    LOTS,
    MARKS,
    NEXT,
    NONE,
    ORDER_ID,
    REMAINING,
    ROOM_LOTS,
    ROWS,
    WORSE,
    Store,
)
from actors.matching.price_index import key_of
from actors.matching.queues import shrink, take_out
from actors.matching.words import (
    DONE,
    EXPIRE_MAKER,
    EXPIRE_TAKER,
    FILL,
    MARGIN,
    NOT_REDUCING,
    OPEN_INTEREST,
    REDUCE_ONLY,
    SELF_TRADE,
    TRADE_WITH_SELF,
)

_EVERYTHING = 1 << 62
_COST_MAX = 1 << 62
_TAKER_FLAGS = 8


@njit(cache=True)
def emit(
    store: Store,
    rows: np.ndarray,
    op: np.int64,
    kind: np.int64,
    order: np.int64,
    account: np.int64,
    side: np.int64,
    price_ticks: np.int64,
    lots: np.int64,
    remaining_lots: np.int64,
    reason: np.int64,
    flags: np.int64,
) -> None:
    """Writes one result row about one order; a fill adds the other order itself."""
    place = store.heads[ROWS]
    store.heads[ROWS] = place + 1
    rows[place, 0] = op
    rows[place, 1] = kind
    rows[place, 2] = order
    rows[place, 3] = account
    rows[place, 4] = 0
    rows[place, 5] = 0
    rows[place, 6] = side
    rows[place, 7] = price_ticks
    rows[place, 8] = lots
    rows[place, 9] = remaining_lots
    rows[place, 10] = reason
    rows[place, 11] = flags


@njit(cache=True)
def finish_resting(
    store: Store, rows: np.ndarray, op: np.int64, book_side: np.int64, slot: np.int64, reason: np.int64
) -> None:
    """Takes a resting order out and says that it is done, with all that remained of it."""
    orders = store.orders
    account = store.accounts[orders[slot, ACCOUNT_SLOT], ACCOUNT_ID]
    price_ticks = key_of(book_side, store.levels[orders[slot, LEVEL], KEY])
    flags = orders[slot, MARKS] & FLAG_MASK
    order = orders[slot, ORDER_ID]
    remaining = orders[slot, REMAINING]
    emit(store, rows, op, DONE, order, account, 2 * book_side - 1, price_ticks, remaining, 0, reason, flags)
    take_out(store, book_side, slot)


@njit(cache=True)
def allowed_lots(caps: np.ndarray, cap: np.int64, side: np.int64, flags: np.int64) -> np.int64:
    """What an order may still fill: everything, or for a capped one what reduces the position of its account."""
    reduces_only = flags & REDUCE_ONLY != 0
    if cap == NONE:
        return np.int64(0) if reduces_only else np.int64(_EVERYTHING)
    if not reduces_only and caps[cap, 1] == 0:
        return np.int64(_EVERYTHING)
    return max(-caps[cap, 0] * side, np.int64(0))


@njit(cache=True)
def allowance_reason(flags: np.int64) -> np.int64:
    """Why an order that may fill nothing more is cancelled."""
    return np.int64(NOT_REDUCING) if flags & REDUCE_ONLY != 0 else np.int64(MARGIN)


@njit(cache=True)
def take(
    store: Store,
    caps: np.ndarray,
    rows: np.ndarray,
    op: np.int64,
    order: np.int64,
    owner: np.int64,
    book_side: np.int64,
    limit_key: np.int64,
    left: np.int64,
    flags: np.int64,
    self_trade: np.int64,
) -> tuple[np.int64, np.int64]:
    """Fills the taker against the best orders up to its limit. Returns (lots left, why it must end or 0).

    At every maker, in this order: may the taker fill anything (caps, open interest), is it the same account, may the
    maker fill anything. A maker that may not is cancelled whole, when it is met and not before.
    """
    heads = store.heads
    orders = store.orders
    maker_side = 1 - book_side
    side = 2 * book_side - 1
    cap = store.accounts[owner, CAP]
    while left > 0:
        level = heads[BEST + maker_side]
        if level == NONE or store.levels[level, KEY] > limit_key:
            break
        may_take = allowed_lots(caps, cap, side, flags)
        if may_take == 0:
            return left, allowance_reason(flags)
        if flags & REDUCE_ONLY == 0:
            if heads[ROOM_LOTS] <= 0:
                return left, np.int64(OPEN_INTEREST)
            may_take = min(may_take, heads[ROOM_LOTS])
        slot = store.levels[level, FIRST]
        maker = orders[slot, ACCOUNT_SLOT]
        if maker == owner and self_trade != TRADE_WITH_SELF:
            if self_trade != EXPIRE_TAKER:
                finish_resting(store, rows, op, maker_side, slot, SELF_TRADE)
            if self_trade != EXPIRE_MAKER:
                return left, np.int64(SELF_TRADE)
            continue
        maker_flags = orders[slot, MARKS] & FLAG_MASK
        may_make = allowed_lots(caps, store.accounts[maker, CAP], -side, maker_flags)
        if may_make == 0:
            finish_resting(store, rows, op, maker_side, slot, allowance_reason(maker_flags))
            continue
        lots = min(left, orders[slot, REMAINING], may_take, may_make)
        left -= lots
        _fill(store, caps, rows, op, order, owner, maker_side, slot, lots, flags)
    return left, np.int64(0)


@njit(cache=True)
def _fill(
    store: Store,
    caps: np.ndarray,
    rows: np.ndarray,
    op: np.int64,
    order: np.int64,
    owner: np.int64,
    maker_side: np.int64,
    slot: np.int64,
    lots: np.int64,
    flags: np.int64,
) -> None:
    """Trades so many lots at the maker's price, and moves positions and open interest with them."""
    heads = store.heads
    orders = store.orders
    accounts = store.accounts
    maker = orders[slot, ACCOUNT_SLOT]
    side = 2 * maker_side - 1
    price_ticks = key_of(maker_side, store.levels[orders[slot, LEVEL], KEY])
    rest = orders[slot, REMAINING] - lots
    both_flags = (orders[slot, MARKS] & FLAG_MASK) | (flags << _TAKER_FLAGS)
    maker_account = accounts[maker, ACCOUNT_ID]
    place = heads[ROWS]
    emit(store, rows, op, FILL, orders[slot, ORDER_ID], maker_account, side, price_ticks, lots, rest, 0, both_flags)
    rows[place, 4] = order
    rows[place, 5] = accounts[owner, ACCOUNT_ID]
    _shift(caps, accounts[maker, CAP], side * lots)
    _shift(caps, accounts[owner, CAP], -side * lots)
    if flags & REDUCE_ONLY == 0:
        heads[ROOM_LOTS] -= lots
    heads[LAST_TRADE] = price_ticks
    if rest == 0:
        take_out(store, maker_side, slot)
    else:
        shrink(store, maker_side, slot, lots)


@njit(cache=True)
def could_fill_whole(
    store: Store,
    caps: np.ndarray,
    owner: np.int64,
    book_side: np.int64,
    limit_key: np.int64,
    wanted: np.int64,
    flags: np.int64,
    self_trade: np.int64,
    budget_atoms: np.int64,
) -> tuple[bool, np.int64]:
    """(whether `take` would fill every lot, for a budget if there is one; the lots it would fill).

    Changes nothing: positions are put back.
    """
    before = caps.copy()
    left, cost = _walk(store, caps, owner, book_side, limit_key, wanted, flags, self_trade)
    caps[:] = before
    if left > 0 or budget_atoms == 0:
        return left == 0, wanted - left
    return (cost <= budget_atoms if book_side == 1 else cost >= budget_atoms), wanted


@njit(cache=True)
def _walk(
    store: Store,
    caps: np.ndarray,
    owner: np.int64,
    book_side: np.int64,
    limit_key: np.int64,
    left: np.int64,
    flags: np.int64,
    self_trade: np.int64,
) -> tuple[np.int64, np.int64]:
    """(lots that `take` would not fill, what the others cost in ticks * lots). Positions in the caps move."""
    orders = store.orders
    maker_side = 1 - book_side
    side = 2 * book_side - 1
    own_cap = store.accounts[owner, CAP]
    room = np.int64(_EVERYTHING) if flags & REDUCE_ONLY != 0 else store.heads[ROOM_LOTS]
    cost = np.int64(0)
    level = store.heads[BEST + maker_side]
    while level != NONE and store.levels[level, KEY] <= limit_key:
        price_ticks = key_of(maker_side, store.levels[level, KEY])
        slot = store.levels[level, FIRST]
        rest = orders[slot, REMAINING]
        may_make = np.int64(0)
        while slot != NONE:
            may_take = min(allowed_lots(caps, own_cap, side, flags), room)
            maker = orders[slot, ACCOUNT_SLOT]
            meets_itself = maker == owner and self_trade != TRADE_WITH_SELF
            if left == 0 or may_take <= 0 or (meets_itself and self_trade != EXPIRE_MAKER):
                return left, cost
            if not meets_itself:
                cap = store.accounts[maker, CAP]
                may_make = allowed_lots(caps, cap, -side, orders[slot, MARKS] & FLAG_MASK)
                lots = min(left, rest, may_take, may_make)
                left -= lots
                rest -= lots
                room -= lots
                cost = np.int64(_COST_MAX) if lots > (_COST_MAX - cost) // price_ticks else cost + lots * price_ticks
                _shift(caps, cap, -side * lots)
                _shift(caps, own_cap, side * lots)
            if meets_itself or may_make == 0 or rest == 0:
                slot = orders[slot, NEXT]
                rest = orders[slot, REMAINING]
        level = store.levels[level, WORSE]
    return left, cost


@njit(cache=True)
def _shift(caps: np.ndarray, cap: np.int64, lots: np.int64) -> None:
    if cap != NONE:
        caps[cap, 0] += lots


@njit(cache=True)
def lots_within(store: Store, maker_side: np.int64, limit_key: np.int64) -> np.int64:
    """All lots of a side at keys up to a limit."""
    lots = np.int64(0)
    level = store.heads[BEST + maker_side]
    while level != NONE and store.levels[level, KEY] <= limit_key:
        lots += store.levels[level, LOTS]
        level = store.levels[level, WORSE]
    return lots
