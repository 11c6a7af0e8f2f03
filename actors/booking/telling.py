"""From the kernel's result rows to events, legs and answers, in the order in which things happened (MT-05, MT-16a).

Every fill is told twice, the maker first, and has two legs. An order that leaves unfilled has an event and a leg; one
that rests has an event. A command is answered when all rows of its operation are told.
"""

from typing import Final

import numpy as np
from numba import njit

from actors.booking.endings import refuses_whole, why_done
from actors.booking.pages import OPEN_INTEREST, TRADES, Pages, open_event, refuse, side_word, write_leg, write_outcome
from actors.booking.words import (
    ACCOUNT,
    AMENDED_BODY,
    BANKRUPTCY,
    CLASS,
    CLIENT,
    COMMAND,
    COMMANDS,
    DONE_BODY,
    EXPIRED,
    FILLED,
    FILLED_BODY,
    KIND,
    LEG_FILL,
    LEG_GONE,
    OP_AMEND,
    OP_CANCEL,
    OP_PLACE,
    ORDER,
    PARTIALLY_FILLED,
    PLACED_BODY,
    REFUSED,
    RESTING,
    ROW_ACCOUNT,
    ROW_FLAGS,
    ROW_LOTS,
    ROW_MET,
    ROW_OP,
    ROW_ORDER,
    ROW_OTHER_ACCOUNT,
    ROW_PRICE,
    ROW_REASON,
    ROW_REMAINING,
    ROW_SIDE,
    ROW_TYPE,
    SIZE,
    TAKER_FLAGS_SHIFT,
    UNKNOWN_ORDER,
    MarketTerms,
)
from actors.matching.words import (
    AMENDED,
    AMENDED_AWAY,
    DONE,
    FILL,
    LADDER,
    REDUCE_ONLY,
    RESTED,
    UNKNOWN,
    VAULT_DEPTH,
    VAULT_DEPTH_CUT,
)
from actors.units import E9
from actors.units_kernels import mul_div_ceil

# state: the operation whose rows are being told.
_LEFT: Final = 0
_LOTS: Final = 1
_QUOTE: Final = 2
_STATUS: Final = 3
_REFUSAL: Final = 4
_REQUIRED: Final = 5
_ACTUAL: Final = 6
_REMAINING: Final = 7
_AMENDED: Final = 8
STATE: Final = 9


@njit(cache=True)
def tell(ops: np.ndarray, rows: np.ndarray, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    """Tells all rows of a batch; rows of one operation stand together. Cancels were told where they were asked."""
    current = np.int64(-1)
    for place in range(rows.shape[0]):
        row = rows[place]
        op = row[ROW_OP]
        if ops[KIND, op] == OP_CANCEL:
            continue
        if op != current:
            if current >= 0:
                _answer(ops, current, terms, pages, state)
            current = op
            state[:] = 0
            state[_LEFT] = ops[SIZE, op]
        kind = row[ROW_TYPE]
        if kind == FILL:
            _tell_fill(ops, row, terms, pages, state)
        elif kind == RESTED:
            _tell_rested(ops, row, pages, state)
        elif kind == DONE:
            _tell_done(ops, row, terms, pages, state)
        elif kind == AMENDED:
            _tell_amended(row, pages, state)
        elif kind == UNKNOWN:
            _tell_unknown(ops, row, terms, pages, state)
    if current >= 0:
        _answer(ops, current, terms, pages, state)


@njit(cache=True)
def liquidation_fee(
    quote_atoms: np.int64, side: np.int64, lots: np.int64, size_lots: np.int64, bankruptcy: np.int64, rate: np.int64
) -> np.int64:
    """MT-16a: the fee rounded up, at most what the fill is better than its part of the bankruptcy quote, floor."""
    better = -side * quote_atoms - mul_div_ceil(bankruptcy, lots, size_lots)
    return max(np.int64(0), min(mul_div_ceil(quote_atoms, rate, np.int64(E9)), better))


@njit(cache=True)
def _tell_fill(ops: np.ndarray, row: np.ndarray, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    op = row[ROW_OP]
    lots = row[ROW_LOTS]
    side = -row[ROW_SIDE]
    flags = row[ROW_FLAGS] >> TAKER_FLAGS_SHIFT
    quote = lots * row[ROW_PRICE] * terms.quote_atoms_per_tick_lot
    maker_fee = mul_div_ceil(quote, terms.maker_fee_e9, np.int64(E9))
    taker_fee = np.int64(0)
    taken_fee = np.int64(0)
    if flags & LADDER != 0:
        taken_fee = liquidation_fee(
            quote, side, lots, ops[SIZE, op], ops[BANKRUPTCY, op], np.int64(terms.liquidation_fee_e9)
        )
    else:
        taker_fee = mul_div_ceil(quote, terms.taker_fee_e9, np.int64(E9))
    if flags & REDUCE_ONLY == 0:
        pages.counts[OPEN_INTEREST] += lots
    pages.counts[TRADES] += 1
    state[_LEFT] -= lots
    state[_LOTS] += lots
    state[_QUOTE] += quote
    command = ops[COMMAND, op]
    maker = _filled_event(row, terms, pages, row[ROW_ACCOUNT], row[ROW_ORDER], -side, quote, flags)
    maker[5] = maker_fee
    maker[7] = 1
    maker[8] = row[ROW_REMAINING]
    taker = _filled_event(row, terms, pages, row[ROW_OTHER_ACCOUNT], row[ROW_MET], side, quote, flags)
    taker[5] = taker_fee
    taker[6] = taken_fee
    taker[8] = state[_LEFT]
    kind = np.int64(LEG_FILL)
    write_leg(pages, terms, command, row[ROW_ACCOUNT], kind, row[ROW_ORDER], -side * lots, -side * quote, maker_fee, 0)
    write_leg(
        pages,
        terms,
        command,
        row[ROW_OTHER_ACCOUNT],
        kind,
        row[ROW_MET],
        side * lots,
        side * quote,
        taker_fee,
        taken_fee,
    )


@njit(cache=True)
def _filled_event(
    row: np.ndarray,
    terms: MarketTerms,
    pages: Pages,
    account: np.int64,
    order: np.int64,
    side: np.int64,
    quote_atoms: np.int64,
    taker_flags: np.int64,
) -> np.ndarray:
    """`OrderFilled` but for fees, whose side it is, and what is left."""
    fields = open_event(pages, np.int64(FILLED_BODY), account)
    fields[0] = order
    fields[1] = side_word(side)
    fields[2] = row[ROW_PRICE]
    fields[3] = row[ROW_LOTS]
    fields[4] = quote_atoms
    fields[9] = pages.counts[TRADES]
    fields[10] = 1 if taker_flags & LADDER != 0 else 0
    fields[11] = 1 if taker_flags & VAULT_DEPTH != 0 else 0
    fields[12] = terms.version
    return fields


@njit(cache=True)
def _tell_rested(ops: np.ndarray, row: np.ndarray, pages: Pages, state: np.ndarray) -> None:
    op = row[ROW_OP]
    fields = open_event(pages, np.int64(PLACED_BODY), row[ROW_ACCOUNT])
    fields[0] = row[ROW_ORDER]
    fields[1] = ops[CLIENT, op]
    fields[2] = side_word(row[ROW_SIDE])
    fields[3] = row[ROW_PRICE]
    fields[4] = ops[SIZE, op]
    fields[5] = row[ROW_REMAINING]
    fields[6] = row[ROW_FLAGS]
    state[_STATUS] = PARTIALLY_FILLED if state[_LOTS] else RESTING
    state[_REMAINING] = row[ROW_REMAINING]


@njit(cache=True)
def _tell_done(ops: np.ndarray, row: np.ndarray, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    op = row[ROW_OP]
    reason = row[ROW_REASON]
    if reason == VAULT_DEPTH_CUT and row[ROW_REMAINING] > 0:
        # The vault's order goes on with what the depth lets it have.
        state[_LEFT] = row[ROW_REMAINING]
        return
    refusal, required, actual = why_done(ops, row, terms, pages.counts[OPEN_INTEREST])
    is_own = row[ROW_ORDER] == ops[ORDER, op]
    was_resting = not is_own or (ops[KIND, op] != OP_PLACE and state[_AMENDED] == 0)
    fields = open_event(pages, np.int64(DONE_BODY), row[ROW_ACCOUNT])
    fields[0] = row[ROW_ORDER]
    fields[1] = side_word(row[ROW_SIDE])
    fields[2] = row[ROW_PRICE]
    fields[3] = row[ROW_LOTS]
    fields[4] = 1 if was_resting else 0
    fields[5] = refusal
    fields[6] = required
    fields[7] = actual
    # Where an amend came too late the fills were as many as its size: they have taken the order out already.
    if reason != AMENDED_AWAY:
        _tell_gone(ops[COMMAND, op], row, terms, pages)
    if not is_own:
        return
    whole = ops[KIND, op] == OP_PLACE and state[_LOTS] == 0 and refuses_whole(reason)
    ended = PARTIALLY_FILLED if state[_LOTS] else EXPIRED
    state[_STATUS] = REFUSED if whole else ended
    state[_REFUSAL] = refusal
    state[_REQUIRED] = required
    state[_ACTUAL] = actual


@njit(cache=True)
def _tell_amended(row: np.ndarray, pages: Pages, state: np.ndarray) -> None:
    fields = open_event(pages, np.int64(AMENDED_BODY), row[ROW_ACCOUNT])
    fields[0] = row[ROW_ORDER]
    fields[1] = side_word(row[ROW_SIDE])
    fields[2] = row[ROW_MET]
    fields[3] = row[ROW_PRICE]
    fields[4] = row[ROW_LOTS]
    fields[5] = row[ROW_REMAINING]
    fields[6] = row[ROW_REASON]
    state[_AMENDED] = 1
    state[_LEFT] = row[ROW_REMAINING]
    if row[ROW_REASON]:
        state[_STATUS] = RESTING
        state[_REMAINING] = row[ROW_REMAINING]


@njit(cache=True)
def _tell_unknown(ops: np.ndarray, row: np.ndarray, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    """The order an amend names left the book in this very batch; the shard had given it its new lots already."""
    state[_STATUS] = REFUSED
    state[_REFUSAL] = UNKNOWN_ORDER
    state[_REQUIRED] = 1
    state[_ACTUAL] = row[ROW_ORDER]
    _tell_gone(ops[COMMAND, row[ROW_OP]], row, terms, pages)


@njit(cache=True)
def _tell_gone(command: np.int64, row: np.ndarray, terms: MarketTerms, pages: Pages) -> None:
    write_leg(pages, terms, command, row[ROW_ACCOUNT], np.int64(LEG_GONE), row[ROW_ORDER], 0, 0, 0, 0)


@njit(cache=True)
def _answer(ops: np.ndarray, op: np.int64, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    """The answer of a command; a taker with nothing left was filled whole. price_ticks is the average, floor."""
    kind = ops[KIND, op]
    if ops[CLASS, op] != COMMANDS or ops[COMMAND, op] < 0 or kind not in (OP_PLACE, OP_AMEND):
        return
    lots = state[_LOTS]
    why = (state[_REFUSAL], state[_REQUIRED], state[_ACTUAL])
    if state[_STATUS] == REFUSED:
        refuse(pages, ops[COMMAND, op], ops[ACCOUNT, op], why)
        return
    status = state[_STATUS] if state[_STATUS] else np.int64(FILLED)
    price = state[_QUOTE] // (lots * terms.quote_atoms_per_tick_lot) if lots else np.int64(0)
    write_outcome(pages, ops[COMMAND, op], status, why, ops[ORDER, op], price, state[_QUOTE], lots, state[_REMAINING])
