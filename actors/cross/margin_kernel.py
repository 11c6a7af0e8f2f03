"""Holds, free margin and spare equity of a Margin Trade venue, compiled (MT-02, MT-03, MT-06).

Twins of `cross.holds` and `cross.losses` over columns of positions and orders, int64 throughout. Whatever might leave
64 bits has no answer here (UNKNOWN) and is worked by hand in Python's integers.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined
from actors.cross.holds import MarginTerms
from actors.ledger.book_orders import REDUCE_ONLY
from actors.ledger.cross_positions import CrossPosition
from actors.ledger.order_columns import FLAGS, LIMIT, NEWEST, OLDER, REMAINING, SIDE, TRIGGER, find_head
from actors.ledger.order_columns import MARKET as ORDER_MARKET
from actors.orders.carried import CARRIED_BOUND
from actors.orders.check_kernel import MARK, MOST_LOTS, RULES, K, fits
from actors.orders.value_kernel import UNKNOWN, counted_upnl_atoms, div_ceil, drawn_in_ticks, fee_ceil_atoms
from actors.units import TOTAL_BOUND

# Columns of `rules` behind those every venue has; then lower notional, rate and deduction of each tier.
FIRST_LEVERAGE, DIVISOR, TIERS, FIRST_TIER = range(RULES, RULES + 4)
TIER_CELLS: Final = 3
# Columns of a position.
MARKET, LOTS, COST, LEVERAGE, BUYS, BUY_VALUE, BUY_ADVERSE, SELLS, SELL_VALUE, SELL_ADVERSE = range(1, 11)
RESTING, REDUCING = range(11, 13)
assert CrossPosition._fields[MARKET : REDUCING + 1] == (
    *("market", "lots", "cost", "leverage", "buy_lots", "buy_value", "buy_adverse"),
    *("sell_lots", "sell_value", "sell_adverse", "resting", "reduce_only"),
)


def term_cells(terms: MarginTerms) -> list[int]:
    """A market's cells of `rules` that are Margin Trade's own."""
    tiers = terms.tiers
    cells = [terms.first_leverage, tiers.divisor, len(tiers.rates)]
    for tier in zip(tiers.lowers_atoms, tiers.rates, tiers.deductions, strict=True):
        cells += tier
    return cells


@inlined
def initial_margin_ceil_atoms(rules: np.ndarray, market: np.int64, notional: np.int64, leverage: np.int64) -> np.int64:
    """Of a notional below TOTAL_BOUND: its product with a rate stays in 64 bits (`tiers.RATE_NUMERATOR_MAX`)."""
    tier = FIRST_TIER
    for other in range(FIRST_TIER + TIER_CELLS, FIRST_TIER + TIER_CELLS * rules[market, TIERS], TIER_CELLS):
        if rules[market, other] >= notional:
            break
        tier = other
    maintenance = div_ceil(notional * rules[market, tier + 1] - rules[market, tier + 2], rules[market, DIVISOR])
    return max(2 * maintenance, div_ceil(notional, leverage))


@inlined
def _side_hold_ceil_atoms(
    rules: np.ndarray,
    market: np.int64,
    leverage: np.int64,
    held: np.int64,
    side: np.int64,
    lots: np.int64,
    value: np.int64,
    adverse: np.int64,
) -> np.int64:
    """What the orders of a side with these sums hold, or UNKNOWN."""
    opposite = -side * held
    increase = lots - opposite if opposite > 0 else lots
    if increase <= 0:
        return np.int64(0)
    if abs(held) + increase > rules[market, MOST_LOTS] or value >= TOTAL_BOUND or adverse >= TOTAL_BOUND:
        return np.int64(UNKNOWN)
    per_lot = rules[market, MARK] * rules[market, K]
    before = abs(held) * per_lot
    added = initial_margin_ceil_atoms(rules, market, before + increase * per_lot, leverage)
    if before != 0:
        added -= initial_margin_ceil_atoms(rules, market, before, leverage)
    return added + fee_ceil_atoms(rules, market, value) + adverse


@inlined
def _resting_hold_ceil_atoms(
    rules: np.ndarray, positions: np.ndarray, slot: np.int64, leverage: np.int64, side: np.int64
) -> np.int64:
    """What the resting orders of a side of a position's row hold, or UNKNOWN."""
    first = BUYS if side > 0 else SELLS
    lots, value, adverse = positions[first, slot], positions[first + 1, slot], positions[first + 2, slot]
    if lots == 0:
        return np.int64(0)
    market, held = positions[MARKET, slot], positions[LOTS, slot]
    return _side_hold_ceil_atoms(rules, market, leverage, held, side, lots, value, adverse)


@inlined
def _leverage(rules: np.ndarray, positions: np.ndarray, slot: np.int64) -> np.int64:
    chosen = positions[LEVERAGE, slot]
    return chosen if chosen != 0 else rules[positions[MARKET, slot], FIRST_LEVERAGE]


@inlined
def added_hold_atoms(
    rules: np.ndarray, positions: np.ndarray, slot: np.int64, side: np.int64, limit: np.int64, lots: np.int64
) -> np.int64:
    """By how much the hold of the row rises when an order joins it whose value fits (`fits`), or UNKNOWN."""
    market, held = positions[MARKET, slot], positions[LOTS, slot]
    first = BUYS if side > 0 else SELLS
    per_tick, gap = lots * rules[market, K], side * (limit - rules[market, MARK])
    value, adverse = positions[first + 1, slot] + limit * per_tick, positions[first + 2, slot]
    if adverse >= TOTAL_BOUND:
        return np.int64(UNKNOWN)
    if gap > 0:
        # A sale's gap is below the mark, at which all lots of the row fit; a purchase's is below its limit.
        adverse += gap * per_tick
    leverage = _leverage(rules, positions, slot)
    resting = positions[first, slot]
    after = _side_hold_ceil_atoms(rules, market, leverage, held, side, resting + lots, value, adverse)
    if after <= 0:
        return after
    before = _resting_hold_ceil_atoms(rules, positions, slot, leverage, side)
    other = _resting_hold_ceil_atoms(rules, positions, slot, leverage, -side)
    if min(before, other) == UNKNOWN:
        return np.int64(UNKNOWN)
    return max(np.int64(0), after - max(before, other))


@inlined
def worst_loss_ceil_atoms(
    rules: np.ndarray, market: np.int64, side: np.int64, limit: np.int64, lots: np.int64
) -> np.int64:
    """What lots filled at their worst price cost at the mark, fee included; at both they are below TOTAL_BOUND."""
    k = rules[market, K]
    gap = side * (limit - rules[market, MARK])
    fees = fee_ceil_atoms(rules, market, limit * lots * k) + lots
    return gap * lots * k + fees if gap > 0 else fees


@inlined
def spared_limit_ticks(
    rules: np.ndarray, market: np.int64, side: np.int64, limit: np.int64, lots: np.int64, spare: np.int64
) -> np.int64:
    """The worst price, or the nearer one at which the lots and their fee use `spare` up; both values must fit."""
    value = max(limit, rules[market, MARK]) * lots * rules[market, K]
    left = spare - (fee_ceil_atoms(rules, market, value) + lots)
    return drawn_in_ticks(rules, market, side, limit, lots, left)


@inlined
def free_margin_atoms(
    rules: np.ndarray, positions: np.ndarray, following: np.ndarray, link: np.int64, cash: np.int64
) -> np.int64:
    """Free margin of an account whose rows begin at `link` (one more than a slot, 0 for none), or UNKNOWN."""
    free = cash
    while link != 0:
        slot = link - 1
        market, lots = positions[MARKET, slot], positions[LOTS, slot]
        leverage = _leverage(rules, positions, slot)
        if lots != 0:
            upnl = counted_upnl_atoms(rules, market, lots, positions[COST, slot])
            if upnl == UNKNOWN:
                return np.int64(UNKNOWN)
            notional = abs(lots) * rules[market, MARK] * rules[market, K]
            free += upnl - initial_margin_ceil_atoms(rules, market, notional, leverage)
        buys = _resting_hold_ceil_atoms(rules, positions, slot, leverage, np.int64(1))
        sells = _resting_hold_ceil_atoms(rules, positions, slot, leverage, np.int64(-1))
        if min(buys, sells) == UNKNOWN:
            return np.int64(UNKNOWN)
        free -= max(buys, sells)
        if abs(free) >= CARRIED_BOUND:
            return np.int64(UNKNOWN)
        link = np.int64(following[slot])
    return free


@inlined
def _reduce_only_loss_ceil_atoms(
    rules: np.ndarray, market: np.int64, rows: np.ndarray, heads: np.ndarray, head: np.int64
) -> np.int64:
    """What the resting reduce-only orders of an account in a market may lose, or UNKNOWN."""
    loss = np.int64(0)
    link = heads[head, NEWEST] if head >= 0 else np.int64(0)
    while link != 0:
        row = link - 1
        if rows[row, ORDER_MARKET] == market and rows[row, FLAGS] & REDUCE_ONLY != 0 and rows[row, TRIGGER] == 0:
            limit, lots = rows[row, LIMIT], rows[row, REMAINING]
            if not fits(lots, limit, rules[market, K]) or lots > rules[market, MOST_LOTS] or loss >= TOTAL_BOUND:
                return np.int64(UNKNOWN)
            loss += worst_loss_ceil_atoms(rules, market, rows[row, SIDE], limit, lots)
        link = rows[row, OLDER]
    return loss


@inlined
def _orders_loss_ceil_atoms(
    rules: np.ndarray, positions: np.ndarray, slot: np.int64, rows: np.ndarray, heads: np.ndarray, head: np.int64
) -> np.int64:
    """What all resting orders of a row may lose, or UNKNOWN."""
    loss = positions[BUY_ADVERSE, slot] + positions[SELL_ADVERSE, slot]
    lots = positions[BUYS, slot] + positions[SELLS, slot]
    value = positions[BUY_VALUE, slot] + positions[SELL_VALUE, slot]
    if positions[BUY_ADVERSE, slot] >= TOTAL_BOUND or positions[SELL_ADVERSE, slot] >= TOTAL_BOUND:
        return np.int64(UNKNOWN)
    if lots != 0:
        if value >= TOTAL_BOUND:
            return np.int64(UNKNOWN)
        loss += fee_ceil_atoms(rules, positions[MARKET, slot], value) + lots
    if positions[REDUCING, slot] != 0:
        reducing = _reduce_only_loss_ceil_atoms(rules, positions[MARKET, slot], rows, heads, head)
        if reducing == UNKNOWN or loss >= CARRIED_BOUND:
            return np.int64(UNKNOWN)
        loss += reducing
    return loss


@inlined
def spare_atoms(
    rules: np.ndarray,
    positions: np.ndarray,
    following: np.ndarray,
    link: np.int64,
    cash: np.int64,
    rows: np.ndarray,
    heads: np.ndarray,
    maps: np.ndarray,
    account: np.int64,
) -> np.int64:
    """Spare equity of an account whose rows begin at `link` (one more than a slot, 0 for none), or UNKNOWN."""
    spare = cash
    head = find_head(heads, maps, account)
    while link != 0:
        slot = link - 1
        lots, cost = positions[LOTS, slot], positions[COST, slot]
        loss = _orders_loss_ceil_atoms(rules, positions, slot, rows, heads, head)
        upnl = counted_upnl_atoms(rules, positions[MARKET, slot], lots, cost) if lots != 0 else np.int64(0)
        if min(loss, upnl) == UNKNOWN or loss >= CARRIED_BOUND:
            return np.int64(UNKNOWN)
        spare += upnl - loss
        if abs(spare) >= CARRIED_BOUND:
            return np.int64(UNKNOWN)
        link = np.int64(following[slot])
    return spare
