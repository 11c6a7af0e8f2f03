"""Why an order left the book, as refusals say it: the refusal and the two numbers that decided."""

import numpy as np

from actors.booking.words import (
    AMEND_BELOW_FILLED,
    BEING_LIQUIDATED,
    DELEVERAGE_RUNG,
    MARGIN_CAPPED,
    NO_LIQUIDITY_REFUSED,
    NOT_FILLABLE,
    NOTHING_TO_MATCH,
    OPEN_INTEREST_CAP,
    REDUCE_ONLY_REFUSED,
    ROW_FLAGS,
    ROW_LOTS,
    ROW_MET,
    ROW_OP,
    ROW_ORDER,
    ROW_PRICE,
    ROW_REASON,
    SELF_TRADE_REFUSED,
    WOULD_CROSS_REFUSED,
    MarketTerms,
)
from actors.compiling import kernel
from actors.matching.words import (
    AMENDED_AWAY,
    CANCEL_ACCOUNT,
    FOK_UNFILLED,
    IOC_NOTHING,
    IOC_REST,
    MARGIN,
    MARKET,
    NO_LIQUIDITY,
    NOT_REDUCING,
    OP_EXPECTED,
    OP_KIND,
    OP_ORDER,
    OP_SIZE,
    OPEN_INTEREST,
    SELF_TRADE,
    VAULT_DEPTH_CUT,
    WOULD_CROSS,
)


@kernel
def why_done(
    ops: np.ndarray, row: np.ndarray, terms: MarketTerms, open_interest_lots: np.int64
) -> tuple[np.int64, np.int64, np.int64]:
    """(refusal, required, actual) of a DONE row; zeros where the user cancelled."""
    op = row[ROW_OP]
    reason = row[ROW_REASON]
    if reason in (IOC_REST, IOC_NOTHING, NO_LIQUIDITY, VAULT_DEPTH_CUT):
        is_market = row[ROW_FLAGS] & MARKET != 0 or reason in (NO_LIQUIDITY, VAULT_DEPTH_CUT)
        refusal = NO_LIQUIDITY_REFUSED if is_market else NOTHING_TO_MATCH
        return np.int64(refusal), row[ROW_PRICE], row[ROW_MET]
    if reason == WOULD_CROSS:
        return np.int64(WOULD_CROSS_REFUSED), row[ROW_MET], row[ROW_PRICE]
    if reason == FOK_UNFILLED:
        return np.int64(NOT_FILLABLE), row[ROW_LOTS], row[ROW_MET]
    if reason == SELF_TRADE:
        # A maker that expires met the order of the operation.
        met = row[ROW_MET] if row[ROW_ORDER] == ops[op, OP_ORDER] else ops[op, OP_ORDER]
        return np.int64(SELF_TRADE_REFUSED), np.int64(0), met
    # The kernel ends an order by its caps only where it may trade no lot more.
    if reason == NOT_REDUCING:
        return np.int64(REDUCE_ONLY_REFUSED), np.int64(0), row[ROW_LOTS]
    if reason == MARGIN:
        return np.int64(MARGIN_CAPPED), np.int64(0), row[ROW_LOTS]
    if reason == OPEN_INTEREST:
        return np.int64(OPEN_INTEREST_CAP), np.int64(terms.open_interest_cap_lots), open_interest_lots + row[ROW_LOTS]
    if reason == AMENDED_AWAY:
        return np.int64(AMEND_BELOW_FILLED), ops[op, OP_EXPECTED] - row[ROW_LOTS], ops[op, OP_SIZE]
    if ops[op, OP_KIND] == CANCEL_ACCOUNT:
        return np.int64(BEING_LIQUIDATED), np.int64(0), np.int64(DELEVERAGE_RUNG)
    return np.int64(0), np.int64(0), np.int64(0)


@kernel
def refuses_whole(reason: np.int64) -> bool:
    """Whether an order that ends so without a fill is answered as refused; else it expired."""
    return reason in (WOULD_CROSS, IOC_NOTHING, FOK_UNFILLED, NO_LIQUIDITY, OPEN_INTEREST)
