"""A taker meets resting orders: what it may fill, what happens on the way, and whether it could fill whole.

Numba keeps compiled code by the file it stands in: after a change in a file that this one calls, the old code would
stay inlined here until this file changes, too, or its cache is removed.
"""

import numpy as np

from actors.compiling import kernel
from actors.matching.layout import (
    ACCOUNT_ID,
    BEST,
    CAPPED,
    FAILS_MARGIN,
    FIRST,
    FLAG_MASK,
    KEY,
    LAST_TRADE,
    LEVEL_AND_MARKS,
    LEVEL_MASK,
    LOTS,
    MARKS_SHIFT,
    NEXT,
    ORDER_ID,
    OWNER,
    POSITION,
    REMAINING,
    ROOM_LOTS,
    ROWS,
    TRIAL,
    WORSE,
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
    RESULT_COLUMNS,
    SELF_TRADE,
    TAKER_FLAGS_SHIFT,
    TRADE_WITH_SELF,
)

# Columns of a result row, in the order of `Results`.
MET = 4
_EVERYTHING = 1 << 62
_COST_MAX = 1 << 62


@kernel
def emit(
    memory: np.ndarray,
    rows: np.ndarray,
    op: np.int64,
    kind: np.int64,
    order_id: np.int64,
    account: np.int64,
    side: np.int64,
    price_ticks: np.int64,
    lots: np.int64,
    remaining_lots: np.int64,
    reason: np.int64,
    flags: np.int64,
) -> np.int64:
    """Writes a result row that met nothing and returns where it begins: what was met is added there."""
    row = memory[ROWS]
    memory[ROWS] = row + RESULT_COLUMNS
    rows[row] = op
    rows[row + 1] = kind
    rows[row + 2] = order_id
    rows[row + 3] = account
    rows[row + MET] = 0
    rows[row + MET + 1] = 0
    rows[row + 6] = side
    rows[row + 7] = price_ticks
    rows[row + 8] = lots
    rows[row + 9] = remaining_lots
    rows[row + 10] = reason
    rows[row + 11] = flags
    return row


@kernel
def price_at(memory: np.ndarray, bid: np.int64, order: np.int64) -> np.int64:
    """The price of a resting order."""
    return key_of(bid, memory[(memory[order + LEVEL_AND_MARKS] & LEVEL_MASK) + KEY])


@kernel
def flags_at(memory: np.ndarray, order: np.int64) -> np.int64:
    """The flags of a resting order."""
    return (memory[order + LEVEL_AND_MARKS] >> MARKS_SHIFT) & FLAG_MASK


@kernel
def finish_resting(
    memory: np.ndarray, rows: np.ndarray, op: np.int64, bid: np.int64, order: np.int64, reason: np.int64
) -> None:
    """Takes a resting order out and says that it is done, with all that remained of it."""
    account = memory[memory[order + OWNER] + ACCOUNT_ID]
    price_ticks = price_at(memory, bid, order)
    lots = memory[order + REMAINING]
    flags = flags_at(memory, order)
    emit(memory, rows, op, DONE, memory[order + ORDER_ID], account, 2 * bid - 1, price_ticks, lots, 0, reason, flags)
    take_out(memory, bid, order)


@kernel
def _allowed_lots(memory: np.ndarray, owner: np.int64, side: np.int64, flags: np.int64) -> np.int64:
    """What an order may still fill: everything, or only what reduces the position of its account."""
    capped = memory[owner + CAPPED]
    if flags & REDUCE_ONLY == 0 and capped != FAILS_MARGIN:
        return np.int64(_EVERYTHING)
    if capped == 0:
        return np.int64(0)
    return max(-side * (memory[owner + POSITION] + memory[owner + TRIAL]), np.int64(0))


@kernel
def _not_allowed(flags: np.int64) -> np.int64:
    """Why an order that may fill nothing more is cancelled."""
    return np.int64(NOT_REDUCING) if flags & REDUCE_ONLY != 0 else np.int64(MARGIN)


@kernel
def take(
    memory: np.ndarray,
    rows: np.ndarray,
    op: np.int64,
    order_id: np.int64,
    owner: np.int64,
    bid: np.int64,
    limit_key: np.int64,
    left: np.int64,
    flags: np.int64,
    self_trade: np.int64,
) -> tuple[np.int64, np.int64]:
    """Fills the taker against the best orders up to its limit. Returns (lots left, why it must end or 0).

    At every maker, in this order: may the taker fill anything (caps, open interest), is it the same account, may the
    maker fill anything. A maker that may not is cancelled whole, when it is met and not before.
    """
    side = 2 * bid - 1
    while left > 0:
        level = memory[BEST + 1 - bid]
        if level == 0 or memory[level + KEY] > limit_key:
            break
        may_take = _allowed_lots(memory, owner, side, flags)
        if may_take == 0:
            return left, _not_allowed(flags)
        if flags & REDUCE_ONLY == 0:
            if memory[ROOM_LOTS] <= 0:
                return left, np.int64(OPEN_INTEREST)
            may_take = min(may_take, memory[ROOM_LOTS])
        maker = memory[level + FIRST]
        maker_owner = memory[maker + OWNER]
        if maker_owner == owner and self_trade != TRADE_WITH_SELF:
            if self_trade != EXPIRE_TAKER:
                finish_resting(memory, rows, op, 1 - bid, maker, SELF_TRADE)
            if self_trade != EXPIRE_MAKER:
                return left, np.int64(SELF_TRADE)
            continue
        maker_flags = flags_at(memory, maker)
        may_make = _allowed_lots(memory, maker_owner, -side, maker_flags)
        if may_make == 0:
            finish_resting(memory, rows, op, 1 - bid, maker, _not_allowed(maker_flags))
            continue
        lots = min(left, memory[maker + REMAINING], may_take, may_make)
        left -= lots
        _fill(memory, rows, op, order_id, owner, 1 - bid, maker, lots, flags)
    return left, np.int64(0)


@kernel
def _fill(
    memory: np.ndarray,
    rows: np.ndarray,
    op: np.int64,
    taker_id: np.int64,
    taker_owner: np.int64,
    bid: np.int64,
    maker: np.int64,
    lots: np.int64,
    taker_flags: np.int64,
) -> None:
    """Trades so many lots at the maker's price, and moves positions and open interest with them."""
    owner = memory[maker + OWNER]
    side = 2 * bid - 1
    price_ticks = price_at(memory, bid, maker)
    remaining = memory[maker + REMAINING] - lots
    flags = flags_at(memory, maker) | (taker_flags << TAKER_FLAGS_SHIFT)
    account = memory[owner + ACCOUNT_ID]
    row = emit(memory, rows, op, FILL, memory[maker + ORDER_ID], account, side, price_ticks, lots, remaining, 0, flags)
    rows[row + MET] = taker_id
    rows[row + MET + 1] = memory[taker_owner + ACCOUNT_ID]
    # Kept for everybody, read where it is capped: cheaper than asking.
    memory[owner + POSITION] += side * lots
    memory[taker_owner + POSITION] -= side * lots
    if taker_flags & REDUCE_ONLY == 0:
        memory[ROOM_LOTS] -= lots
    memory[LAST_TRADE] = price_ticks
    if remaining == 0:
        take_out(memory, bid, maker)
    else:
        shrink(memory, bid, maker, lots)


@kernel
def could_fill_whole(
    memory: np.ndarray,
    owner: np.int64,
    bid: np.int64,
    limit_key: np.int64,
    wanted: np.int64,
    flags: np.int64,
    self_trade: np.int64,
    budget_atoms: np.int64,
) -> tuple[bool, np.int64]:
    """(whether `take` would fill every lot, for a budget if there is one; the lots it would fill). Changes nothing."""
    left, cost, last = _try(memory, owner, bid, limit_key, wanted, flags, self_trade)
    _forget_trial(memory, owner, bid, last)
    if left > 0 or budget_atoms == 0:
        return left == 0, wanted - left
    return (cost <= budget_atoms if bid == 1 else cost >= budget_atoms), wanted


@kernel
def _try(
    memory: np.ndarray,
    owner: np.int64,
    bid: np.int64,
    limit_key: np.int64,
    left: np.int64,
    flags: np.int64,
    self_trade: np.int64,
) -> tuple[np.int64, np.int64, np.int64]:
    """(lots that `take` would not fill, what the others cost in ticks * lots, the last order tried).

    Positions move in TRIAL only.
    """
    side = 2 * bid - 1
    room = np.int64(_EVERYTHING) if flags & REDUCE_ONLY != 0 else memory[ROOM_LOTS]
    cost = np.int64(0)
    last = np.int64(0)
    level = memory[BEST + 1 - bid]
    while level != 0 and memory[level + KEY] <= limit_key:
        price_ticks = key_of(1 - bid, memory[level + KEY])
        maker = memory[level + FIRST]
        rest = memory[maker + REMAINING]
        while maker != 0:
            may_take = min(_allowed_lots(memory, owner, side, flags), room)
            maker_owner = memory[maker + OWNER]
            meets_itself = maker_owner == owner and self_trade != TRADE_WITH_SELF
            if left == 0 or may_take <= 0 or (meets_itself and self_trade != EXPIRE_MAKER):
                return left, cost, last
            may_make = np.int64(0)
            if not meets_itself:
                may_make = _allowed_lots(memory, maker_owner, -side, flags_at(memory, maker))
                lots = min(left, rest, may_take, may_make)
                left -= lots
                rest -= lots
                room -= lots
                cost = np.int64(_COST_MAX) if lots > (_COST_MAX - cost) // price_ticks else cost + lots * price_ticks
                memory[maker_owner + TRIAL] -= side * lots
                memory[owner + TRIAL] += side * lots
                last = maker
            if may_make == 0 or rest == 0:
                maker = memory[maker + NEXT]
                rest = memory[maker + REMAINING]
        level = memory[level + WORSE]
    return left, cost, last


@kernel
def _forget_trial(memory: np.ndarray, owner: np.int64, bid: np.int64, last: np.int64) -> None:
    """Follows `_try` along the same orders up to the last one it tried."""
    memory[owner + TRIAL] = 0
    level = memory[BEST + 1 - bid]
    maker = np.int64(0)
    while maker != last:
        maker = memory[maker + NEXT] if maker != 0 else memory[level + FIRST]
        memory[memory[maker + OWNER] + TRIAL] = 0
        if memory[maker + NEXT] == 0 and maker != last:
            level = memory[level + WORSE]
            maker = np.int64(0)


@kernel
def lots_within(memory: np.ndarray, bid: np.int64, limit_key: np.int64) -> np.int64:
    """All lots of a side at keys up to a limit."""
    lots = np.int64(0)
    level = memory[BEST + bid]
    while level != 0 and memory[level + KEY] <= limit_key:
        lots += memory[level + LOTS]
        level = memory[level + WORSE]
    return lots
