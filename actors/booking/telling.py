"""From the kernel's result rows to events, legs and answers, in the order in which things happened (MT-05, MT-16a).

Every fill is told twice, the maker first, and has two legs. An order that leaves unfilled has an event and a leg; one
that rests has an event. A command is answered when all rows of its operation are told.
"""

from typing import Final

import numpy as np

from actors.booking.endings import refuses_whole, why_done
from actors.booking.event_writing import tell_amended, tell_done, tell_filled, tell_placed, tell_refused
from actors.booking.pages import OPEN_INTEREST, TRADES, Pages, write_leg, write_outcome
from actors.booking.words import (
    BANKRUPTCY,
    CLASS,
    CLIENT,
    COMMAND,
    COMMANDS,
    EXPIRED,
    FILLED,
    LEG_FILL,
    LEG_GONE,
    PARTIALLY_FILLED,
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
    TAKER_FLAGS_SHIFT,
    UNKNOWN_ORDER,
    MarketTerms,
)
from actors.compiling import kernel
from actors.matching.words import (
    AMEND,
    AMENDED,
    AMENDED_AWAY,
    CANCEL,
    DONE,
    FILL,
    LADDER,
    OP_ACCOUNT,
    OP_KIND,
    OP_ORDER,
    OP_SIZE,
    PLACE,
    REDUCE_ONLY,
    RESTED,
    UNKNOWN,
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


@kernel
def tell(ops: np.ndarray, rows: np.ndarray, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    """Tells result rows; those of one operation stand together. Cancels were told where they were asked."""
    current = np.int64(-1)
    for place in range(rows.shape[0]):
        row = rows[place]
        op = row[ROW_OP]
        if ops[op, OP_KIND] == CANCEL:
            continue
        if op != current:
            if current >= 0:
                _answer(ops, current, terms, pages, state)
            current = op
            state[:] = 0
            state[_LEFT] = ops[op, OP_SIZE]
        kind = row[ROW_TYPE]
        if kind == FILL:
            _tell_fill(ops, row, terms, pages, state)
        elif kind == RESTED:
            _tell_rested(ops, row, terms, pages, state)
        elif kind == DONE:
            _tell_done(ops, row, terms, pages, state)
        elif kind == AMENDED:
            _tell_amended(row, terms, pages, state)
        elif kind == UNKNOWN:
            _tell_unknown(ops, row, pages, state)
    if current >= 0:
        _answer(ops, current, terms, pages, state)


@kernel
def liquidation_fee(
    quote_atoms: np.int64, side: np.int64, lots: np.int64, size_lots: np.int64, bankruptcy: np.int64, rate: np.int64
) -> np.int64:
    """MT-16a: the fee rounded up, at most what the fill is better than its part of the bankruptcy quote, floor."""
    better = -side * quote_atoms - mul_div_ceil(bankruptcy, lots, size_lots)
    return max(np.int64(0), min(mul_div_ceil(quote_atoms, rate, np.int64(E9)), better))


@kernel
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
            quote, side, lots, ops[op, OP_SIZE], ops[op, BANKRUPTCY], np.int64(terms.liquidation_fee_e9)
        )
    else:
        taker_fee = mul_div_ceil(quote, terms.taker_fee_e9, np.int64(E9))
    if flags & REDUCE_ONLY == 0:
        pages.counts[OPEN_INTEREST] += lots
    pages.counts[TRADES] += 1
    state[_LEFT] -= lots
    state[_LOTS] += lots
    state[_QUOTE] += quote
    none = np.int64(0)
    maker, maker_order, taker, taker_order = row[ROW_ACCOUNT], row[ROW_ORDER], row[ROW_OTHER_ACCOUNT], row[ROW_MET]
    maker_fees, taker_fees = (maker_fee, none), (taker_fee, taken_fee)
    tell_filled(pages, terms, row, maker, maker_order, -side, quote, maker_fees, 1, row[ROW_REMAINING], flags)
    tell_filled(pages, terms, row, taker, taker_order, side, quote, taker_fees, 0, state[_LEFT], flags)
    command, kind = ops[op, COMMAND], np.int64(LEG_FILL)
    write_leg(pages, command, maker, kind, maker_order, -side * lots, -side * quote, maker_fee, none)
    write_leg(pages, command, taker, kind, taker_order, side * lots, side * quote, taker_fee, taken_fee)


@kernel
def _tell_rested(ops: np.ndarray, row: np.ndarray, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    op = row[ROW_OP]
    tell_placed(pages, terms, row, ops[op, CLIENT], ops[op, OP_SIZE])
    state[_STATUS] = PARTIALLY_FILLED if state[_LOTS] else RESTING
    state[_REMAINING] = row[ROW_REMAINING]


@kernel
def _tell_done(ops: np.ndarray, row: np.ndarray, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    op = row[ROW_OP]
    reason = row[ROW_REASON]
    if reason == VAULT_DEPTH_CUT and row[ROW_REMAINING] > 0:
        # The vault's order goes on with what the depth lets it have.
        state[_LEFT] = row[ROW_REMAINING]
        return
    why = why_done(ops, row, terms, pages.counts[OPEN_INTEREST])
    is_own = row[ROW_ORDER] == ops[op, OP_ORDER]
    was_resting = not is_own or (ops[op, OP_KIND] != PLACE and state[_AMENDED] == 0)
    tell_done(pages, terms, row, np.int64(was_resting), why)
    # Where an amend came too late the fills were as many as its size: they have taken the order out already.
    if reason != AMENDED_AWAY:
        _tell_gone(ops[op, COMMAND], row, pages)
    if not is_own:
        return
    whole = ops[op, OP_KIND] == PLACE and state[_LOTS] == 0 and refuses_whole(reason)
    ended = PARTIALLY_FILLED if state[_LOTS] else EXPIRED
    state[_STATUS] = REFUSED if whole else ended
    state[_REFUSAL], state[_REQUIRED], state[_ACTUAL] = why


@kernel
def _tell_amended(row: np.ndarray, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    tell_amended(pages, terms, row)
    state[_AMENDED] = 1
    state[_LEFT] = row[ROW_REMAINING]
    if row[ROW_REASON]:
        state[_STATUS] = RESTING
        state[_REMAINING] = row[ROW_REMAINING]


@kernel
def _tell_unknown(ops: np.ndarray, row: np.ndarray, pages: Pages, state: np.ndarray) -> None:
    """The order an amend names left the book in this very batch; the shard had given it its new lots already."""
    state[_STATUS] = REFUSED
    state[_REFUSAL] = UNKNOWN_ORDER
    state[_REQUIRED] = 1
    state[_ACTUAL] = row[ROW_ORDER]
    _tell_gone(ops[row[ROW_OP], COMMAND], row, pages)


@kernel
def _tell_gone(command: np.int64, row: np.ndarray, pages: Pages) -> None:
    none = np.int64(0)
    write_leg(pages, command, row[ROW_ACCOUNT], np.int64(LEG_GONE), row[ROW_ORDER], none, none, none, none)


@kernel
def _answer(ops: np.ndarray, op: np.int64, terms: MarketTerms, pages: Pages, state: np.ndarray) -> None:
    """The answer of a command; a taker with nothing left was filled whole. price_ticks is the average, floor."""
    kind = ops[op, OP_KIND]
    command = ops[op, COMMAND]
    if ops[op, CLASS] != COMMANDS or command < 0 or kind not in (PLACE, AMEND):
        return
    lots = state[_LOTS]
    why = (state[_REFUSAL], state[_REQUIRED], state[_ACTUAL])
    if state[_STATUS] == REFUSED:
        # A refusal is an answer and an event.
        none = np.int64(0)
        write_outcome(pages, command, np.int64(REFUSED), why, none, none, none, none, none)
        tell_refused(pages, terms, command, ops[op, OP_ACCOUNT], why)
        return
    status = state[_STATUS] if state[_STATUS] else np.int64(FILLED)
    price = state[_QUOTE] // (lots * terms.quote_atoms_per_tick_lot) if lots else np.int64(0)
    write_outcome(pages, command, status, why, ops[op, OP_ORDER], price, state[_QUOTE], lots, state[_REMAINING])
