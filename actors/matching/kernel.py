"""The batch: every operation in its turn, done whole before the next is looked at."""

import numpy as np

from actors.compiling import kernel
from actors.matching.asking import ROWS_AHEAD, ask_ahead
from actors.matching.hash_map import find
from actors.matching.layout import (
    ACCOUNT_ID,
    ACCOUNT_MAP,
    BEST,
    BID_SHIFT,
    CAPPED,
    ELDER,
    FAILS_MARGIN,
    FIRST,
    FLAG_MASK,
    KEY,
    LEVEL_AND_MARKS,
    MARKS_SHIFT,
    NEWEST,
    NIBBLE,
    ORDER_ID,
    ORDER_MAP,
    ORDERS,
    OWNER,
    POSITION,
    POSITION_KEPT,
    REMAINING,
    SELF_TRADE_SHIFT,
    TIME_IN_FORCE_SHIFT,
)
from actors.matching.price_index import key_of
from actors.matching.queues import account_at, rest, shrink, take_out
from actors.matching.taking import MET, could_fill_whole, emit, finish_resting, lots_within, price_at, take
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
    OP_ACCOUNT,
    OP_BUDGET,
    OP_DEPTH_LIMIT,
    OP_DEPTH_PPM,
    OP_EXPECTED,
    OP_FLAGS,
    OP_KIND,
    OP_ORDER,
    OP_PRICE,
    OP_SELF_TRADE,
    OP_SIDE,
    OP_SIZE,
    OP_TIME_IN_FORCE,
    PLACE,
    POST_ONLY,
    PRICE_TICKS_MAX,
    RESTED,
    RESULT_COLUMNS,
    SELF_TRADE,
    TRADE_WITH_SELF,
    UNKNOWN,
    USER,
    VAULT_DEPTH,
    VAULT_DEPTH_CUT,
    WOULD_CROSS,
)
from actors.units_kernels import mul_div_floor

# A column of the result rows, in the order of `Results`.
_ORDER_OF_ROW = 2
_PPM = 1_000_000


@kernel
def first_malformed(ops: np.ndarray) -> np.int64:
    """The first operation that no door lets through, or -1: the kernels would wrap silently on it."""
    for op in range(ops.shape[0]):
        kind = ops[op, OP_KIND]
        wrong = kind < PLACE or kind > CANCEL_ACCOUNT or ops[op, OP_ACCOUNT] < 0
        wrong |= ops[op, OP_ORDER] <= 0 and kind != CANCEL_ACCOUNT
        if kind == PLACE:
            side = ops[op, OP_SIDE]
            wrong |= side * side != 1 or ops[op, OP_SIZE] <= 0
            wrong |= ops[op, OP_TIME_IN_FORCE] < GTC or ops[op, OP_TIME_IN_FORCE] > FOK
            wrong |= ops[op, OP_SELF_TRADE] < TRADE_WITH_SELF or ops[op, OP_SELF_TRADE] > EXPIRE_BOTH
            wrong |= ops[op, OP_FLAGS] < 0 or ops[op, OP_FLAGS] >= FLAGS_BOUND
        if kind in (PLACE, AMEND):
            wrong |= ops[op, OP_PRICE] <= 0 or ops[op, OP_PRICE] > PRICE_TICKS_MAX
        if wrong:
            return np.int64(op)
    return np.int64(-1)


@kernel
def bind_caps(memory: np.ndarray, accounts: np.ndarray, positions_lots: np.ndarray, fails: np.ndarray) -> None:
    """Notes the capped accounts of the batch that begins."""
    for cap in range(accounts.shape[0]):
        account = account_at(memory, accounts[cap])
        memory[account + CAPPED] = FAILS_MARGIN if fails[cap] != 0 else POSITION_KEPT
        memory[account + POSITION] = positions_lots[cap]


@kernel
def unbind_caps(memory: np.ndarray, accounts: np.ndarray) -> None:
    """Nobody is capped between batches."""
    for cap in range(accounts.shape[0]):
        memory[account_at(memory, accounts[cap]) + CAPPED] = 0


@kernel
def run(memory: np.ndarray, ops: np.ndarray, rows: np.ndarray, first: np.int64, end: np.int64) -> None:
    """Does the operations from `first` to before `end`; the caller has made room (`MatchingBook`)."""
    for op in range(first - ROWS_AHEAD, end):
        ask_ahead(memory, ops, op, end)
        if op < first:
            continue
        kind = ops[op, OP_KIND]
        if kind == PLACE:
            _place(memory, ops, rows, op)
        elif kind == CANCEL_ACCOUNT:
            _cancel_account(memory, ops, rows, op)
        else:
            order = find(memory, ORDER_MAP, ops[op, OP_ORDER])
            account = ops[op, OP_ACCOUNT]
            if order == 0 or memory[memory[order + OWNER] + ACCOUNT_ID] != account:
                emit(memory, rows, op, UNKNOWN, ops[op, OP_ORDER], account, 0, 0, 0, 0, 0, 0)
            elif kind == CANCEL:
                finish_resting(memory, rows, op, _is_bid(memory, order), order, USER)
            else:
                _amend(memory, ops, rows, op, order)


@kernel
def _is_bid(memory: np.ndarray, order: np.int64) -> np.int64:
    return memory[order + LEVEL_AND_MARKS] >> (MARKS_SHIFT + BID_SHIFT)


@kernel
def _place(memory: np.ndarray, ops: np.ndarray, rows: np.ndarray, op: np.int64) -> None:
    order_id = ops[op, OP_ORDER]
    account = ops[op, OP_ACCOUNT]
    side = ops[op, OP_SIDE]
    price_ticks = ops[op, OP_PRICE]
    lots = ops[op, OP_SIZE]
    flags = ops[op, OP_FLAGS]
    if find(memory, ORDER_MAP, order_id) != 0:
        emit(memory, rows, op, DONE, order_id, account, side, price_ticks, lots, 0, DUPLICATE, flags)
        return
    bid = (side + 1) >> 1
    if flags & VAULT_DEPTH != 0:
        limit_ticks = ops[op, OP_DEPTH_LIMIT] if ops[op, OP_DEPTH_LIMIT] > 0 else price_ticks
        depth = lots_within(memory, 1 - bid, key_of(1 - bid, limit_ticks))
        # MT-14: at most a fraction of the depth, rounded down so that the vault never asks for more.
        kept = min(lots, mul_div_floor(depth, ops[op, OP_DEPTH_PPM], _PPM))
        if kept < lots:
            cut = lots - kept
            emit(memory, rows, op, DONE, order_id, account, side, price_ticks, cut, kept, VAULT_DEPTH_CUT, flags)
            lots = kept
        if lots == 0:
            return
    marks = _marks(flags, ops[op, OP_SELF_TRADE], ops[op, OP_TIME_IN_FORCE], bid)
    _work(memory, rows, op, order_id, account_at(memory, account), price_ticks, lots, marks, ops[op, OP_BUDGET])


@kernel
def _marks(flags: np.int64, self_trade: np.int64, time_in_force: np.int64, bid: np.int64) -> np.int64:
    return flags | (self_trade << SELF_TRADE_SHIFT) | (time_in_force << TIME_IN_FORCE_SHIFT) | (bid << BID_SHIFT)


@kernel
def _work(
    memory: np.ndarray,
    rows: np.ndarray,
    op: np.int64,
    order_id: np.int64,
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
    bid = marks >> BID_SHIFT
    limit_key = key_of(1 - bid, price_ticks)
    best = memory[BEST + 1 - bid]
    left = lots
    fillable = np.int64(0)
    whole = True
    reason = np.int64(0)
    if time_in_force == FOK:
        whole, fillable = could_fill_whole(memory, owner, bid, limit_key, lots, flags, self_trade, budget_atoms)
    if not whole:
        reason = np.int64(FOK_UNFILLED)
    elif best != 0 and memory[best + KEY] <= limit_key:
        if flags & POST_ONLY != 0:
            reason = np.int64(WOULD_CROSS)
        else:
            left, reason = take(memory, rows, op, order_id, owner, bid, limit_key, lots, flags, self_trade)
    if left == 0:
        return
    account = memory[owner + ACCOUNT_ID]
    side = 2 * bid - 1
    if reason == 0 and time_in_force == GTC and flags & MARKET == 0:
        rest(memory, bid, key_of(bid, price_ticks), order_id, owner, left, marks)
        emit(memory, rows, op, RESTED, order_id, account, side, price_ticks, left, left, 0, flags)
        return
    if reason == 0:
        reason = _nothing_left(left < lots, flags)
    row = emit(memory, rows, op, DONE, order_id, account, side, price_ticks, left, 0, reason, flags)
    rows[row + MET] = _met(memory, rows, row, bid, reason, self_trade, fillable)


@kernel
def _met(
    memory: np.ndarray,
    rows: np.ndarray,
    row: np.int64,
    bid: np.int64,
    reason: np.int64,
    self_trade: np.int64,
    fillable: np.int64,
) -> np.int64:
    """What a taker's last row tells of the other side (`Results`)."""
    if reason == FOK_UNFILLED:
        return fillable
    # Both expire: the maker's own last row stands before the taker's.
    if reason == SELF_TRADE and self_trade == EXPIRE_BOTH:
        return rows[row - RESULT_COLUMNS + _ORDER_OF_ROW]
    level = memory[BEST + 1 - bid]
    if level == 0:
        return np.int64(0)
    if reason == SELF_TRADE:
        return memory[memory[level + FIRST] + ORDER_ID]
    return key_of(1 - bid, memory[level + KEY])


@kernel
def _nothing_left(has_filled: bool, flags: np.int64) -> np.int64:
    """Why an order that may not rest is done when nobody is left to trade with."""
    if has_filled:
        return np.int64(IOC_REST)
    return np.int64(NO_LIQUIDITY) if flags & MARKET != 0 else np.int64(IOC_NOTHING)


@kernel
def _amend(memory: np.ndarray, ops: np.ndarray, rows: np.ndarray, op: np.int64, order: np.int64) -> None:
    """MT-05: less at the same price keeps priority; anything else is taken out and comes again as a new order."""
    order_id = ops[op, OP_ORDER]
    price_ticks = ops[op, OP_PRICE]
    owner = memory[order + OWNER]
    marks = memory[order + LEVEL_AND_MARKS] >> MARKS_SHIFT
    bid = _is_bid(memory, order)
    before = memory[order + REMAINING]
    price_before_ticks = price_at(memory, bid, order)
    filled_since = max(ops[op, OP_EXPECTED] - before, np.int64(0))
    lots = ops[op, OP_SIZE] - filled_since
    if lots <= 0:
        finish_resting(memory, rows, op, bid, order, AMENDED_AWAY)
        return
    keeps = np.int64(price_before_ticks == price_ticks and lots < before)
    account = memory[owner + ACCOUNT_ID]
    flags = marks & FLAG_MASK
    row = emit(memory, rows, op, AMENDED, order_id, account, 2 * bid - 1, price_ticks, before, lots, keeps, flags)
    rows[row + MET] = price_before_ticks
    if keeps == 1:
        shrink(memory, bid, order, before - lots)
        return
    take_out(memory, bid, order)
    _work(memory, rows, op, order_id, owner, price_ticks, lots, marks, np.int64(0))


@kernel
def _cancel_account(memory: np.ndarray, ops: np.ndarray, rows: np.ndarray, op: np.int64) -> None:
    """Orders of the account on one side or both, by number: the list itself is in the order of resting."""
    account = find(memory, ACCOUNT_MAP, ops[op, OP_ACCOUNT])
    if account == 0:
        return
    # The end of the rows is room for the numbers (`MatchingBook`).
    begin = end = rows.shape[0] - memory[account + ORDERS]
    order = memory[account + NEWEST]
    while order != 0:
        if ops[op, OP_SIDE] in (0, 2 * _is_bid(memory, order) - 1):
            rows[end] = memory[order + ORDER_ID]
            end += 1
        order = memory[order + ELDER]
    _sort(rows, begin, end)
    for place in range(begin, end):
        order = find(memory, ORDER_MAP, rows[place])
        finish_resting(memory, rows, op, _is_bid(memory, order), order, USER)


@kernel
def _sort(words: np.ndarray, begin: np.int64, end: np.int64) -> None:
    """Ascending, in place: a heap with the greatest in front, taken apart from the back."""
    count = end - begin
    for root in range(count // 2 - 1, -1, -1):
        _sift(words, begin, root, count)
    for last in range(count - 1, 0, -1):
        words[begin], words[begin + last] = words[begin + last], words[begin]
        _sift(words, begin, 0, last)


@kernel
def _sift(words: np.ndarray, begin: np.int64, root: np.int64, count: np.int64) -> None:
    word = words[begin + root]
    child = 2 * root + 1
    while child < count:
        if child + 1 < count and words[begin + child] < words[begin + child + 1]:
            child += 1
        if words[begin + child] <= word:
            break
        words[begin + root] = words[begin + child]
        root = child
        child = 2 * root + 1
    words[begin + root] = word


@kernel
def load_rows(memory: np.ndarray, dump: np.ndarray) -> None:
    """Rests the orders of a dump one behind the other: its order is their priority."""
    for row in range(dump.shape[0]):
        bid = (dump[row, 2] + 1) >> 1
        marks = _marks(dump[row, 5], dump[row, 7], dump[row, 6], bid)
        owner = account_at(memory, dump[row, 1])
        rest(memory, bid, key_of(bid, dump[row, 3]), dump[row, 0], owner, dump[row, 4], marks)
