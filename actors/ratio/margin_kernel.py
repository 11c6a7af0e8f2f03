"""Equity, collateral and losses of a Spin account while orders come in, compiled (SP-02 to SP-04).

Twins of `ratio.health` and `ratio.losses` over columns. Collateral is exact in 1e-9 atoms as there: whole atoms and a
rest below 1e9. Whatever might leave 64 bits, and orders of which only a part reduces, are worked by hand.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined
from actors.ledger.order_columns import LIMIT, NEWEST, OLDER, REMAINING, SIDE, TRIGGER, find_head
from actors.ledger.order_columns import MARKET as ORDER_MARKET
from actors.ledger.ratio_positions import RatioPosition
from actors.orders.carried import CARRIED_BOUND, FIRST, SECOND, THIRD
from actors.orders.check_kernel import MARK, MOST_LOTS, RULES, K, bits, fits
from actors.orders.value_kernel import UNKNOWN, counted_upnl_atoms, fee_ceil_atoms
from actors.ratio.health import MarketTerms
from actors.units import E9, TOTAL_BOUND
from actors.units_kernels import mul_div_ceil

# Columns of `rules` behind those every venue has.
COLLATERAL_E9, MAX_POSITION, INDEX_E9 = range(RULES, RULES + 3)
# Columns of a position.
MARKET, LOTS, COST, PAID, BUYS, BUY_VALUE, SELLS, SELL_VALUE, RESERVED, RESTING, REDUCING = range(1, 12)
assert RatioPosition._fields[MARKET : REDUCING + 1] == (
    *("market", "lots", "cost", "paid_e9", "buy_lots", "buy_value", "sell_lots", "sell_value"),
    *("reserved", "resting", "reduce_only"),
)
# Columns of `carried`: equity less what orders may lose; collateral in atoms and what is left of it in 1e-9 atoms.
LEFT: Final = FIRST
WHOLE: Final = SECOND
REST: Final = THIRD
# A product of so many bits, divided by 1e9, is below TOTAL_BOUND.
_ACCRUED_BITS: Final = (TOTAL_BOUND.bit_length() - 1) + (E9.bit_length() - 1)
_LOTS_VALUE_BITS: Final = 62
# The difference of two such indices stays in a word.
_INDEX_BOUND: Final = 1 << 62


def term_cells(terms: MarketTerms) -> list[int]:
    """A market's cells of `rules` that are Spin's own."""
    return [terms.collateral_e9, terms.max_position_lots, terms.index_e9]


@inlined
def with_collateral(
    rules: np.ndarray, market: np.int64, value: np.int64, whole: np.int64, rest: np.int64
) -> tuple[np.int64, np.int64]:
    """(atoms, 1e-9 atoms) of a collateral with that of a value from 0 to TOTAL_BOUND beside it."""
    rate, many = rules[market, COLLATERAL_E9], value // E9
    rest += (value - many * E9) * rate
    return whole + many * rate + rest // E9, rest % E9


@inlined
def order_loss_ceil_atoms(
    rules: np.ndarray, market: np.int64, side: np.int64, limit: np.int64, lots: np.int64
) -> np.int64:
    """What a fill at the worst price would lose against the mark, fee included; at both it is below TOTAL_BOUND."""
    k = rules[market, K]
    gap = side * (limit - rules[market, MARK])
    fee = fee_ceil_atoms(rules, market, lots * limit * k)
    return gap * lots * k + fee if gap > 0 else fee


@inlined
def _accrued_ceil_atoms(rules: np.ndarray, market: np.int64, lots: np.int64, paid_e9: np.int64) -> np.int64:
    """Funding a position owes since it last paid, rounded up, or UNKNOWN."""
    if abs(rules[market, INDEX_E9]) >= _INDEX_BOUND or abs(paid_e9) >= _INDEX_BOUND:
        return np.int64(UNKNOWN)
    moved, k = rules[market, INDEX_E9] - paid_e9, rules[market, K]
    if moved == 0:
        return np.int64(0)
    lots_bits = bits(abs(lots)) + bits(k)
    if lots_bits > _LOTS_VALUE_BITS or lots_bits + bits(abs(moved)) > _ACCRUED_BITS:
        return np.int64(UNKNOWN)
    return mul_div_ceil(lots * k, moved, np.int64(E9))


@inlined
def _orders_value(held: np.int64, side: np.int64, lots: np.int64, value: np.int64) -> np.int64:
    """Value of the increasing orders of a side with these sums; UNKNOWN where only single orders can tell."""
    opposite = -side * held
    if lots <= max(np.int64(0), opposite):
        return np.int64(0)
    return value if opposite <= 0 and value < TOTAL_BOUND else np.int64(UNKNOWN)


@inlined
def _live_losses_atoms(
    rules: np.ndarray, rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, account: np.int64
) -> np.int64:
    """Losses of the account's live orders whose worst price is worse than the mark, or UNKNOWN."""
    losses = np.int64(0)
    head = find_head(heads, maps, account)
    link = heads[head, NEWEST] if head >= 0 else np.int64(0)
    while link != 0:
        row = link - 1
        market, side, limit = rows[row, ORDER_MARKET], rows[row, SIDE], rows[row, LIMIT]
        if rows[row, TRIGGER] == 0 and side * (limit - rules[market, MARK]) > 0:
            lots = rows[row, REMAINING]
            if not fits(lots, limit, rules[market, K]) or lots > rules[market, MOST_LOTS] or losses >= TOTAL_BOUND:
                return np.int64(UNKNOWN)
            losses += order_loss_ceil_atoms(rules, market, side, limit, lots)
        link = rows[row, OLDER]
    return losses


@inlined
def carry_standing(
    rules: np.ndarray,
    positions: np.ndarray,
    following: np.ndarray,
    link: np.int64,
    cash: np.int64,
    rows: np.ndarray,
    heads: np.ndarray,
    maps: np.ndarray,
    account: np.int64,
    carried: np.ndarray,
    at: np.int64,
) -> np.bool_:
    """Writes the amounts of an account whose rows begin at `link` (see `RowChains`); false where they are UNKNOWN."""
    left, whole, rest = cash, np.int64(0), np.int64(0)
    while link != 0:
        slot = link - 1
        market, held, reserved = positions[MARKET, slot], positions[LOTS, slot], positions[RESERVED, slot]
        per_lot = rules[market, MARK] * rules[market, K]
        if held != 0:
            upnl = counted_upnl_atoms(rules, market, held, positions[COST, slot])
            owed = _accrued_ceil_atoms(rules, market, held, positions[PAID, slot])
            if min(upnl, owed) == UNKNOWN:
                return np.bool_(False)
            left += upnl - owed
            whole, rest = with_collateral(rules, market, abs(held) * per_lot, whole, rest)
        buys = _orders_value(held, np.int64(1), positions[BUYS, slot], positions[BUY_VALUE, slot])
        sells = _orders_value(held, np.int64(-1), positions[SELLS, slot], positions[SELL_VALUE, slot])
        if min(buys, sells) == UNKNOWN or reserved > rules[market, MOST_LOTS]:
            return np.bool_(False)
        for value in (buys, sells, reserved * per_lot):
            whole, rest = with_collateral(rules, market, value, whole, rest)
        if abs(left) >= CARRIED_BOUND or whole >= CARRIED_BOUND:
            return np.bool_(False)
        link = np.int64(following[slot])
    losses = _live_losses_atoms(rules, rows, heads, maps, account)
    if losses == UNKNOWN or left - losses <= -CARRIED_BOUND:
        return np.bool_(False)
    carried[at, LEFT], carried[at, WHOLE], carried[at, REST] = left - losses, whole, rest
    return np.bool_(True)


@inlined
def counted_value_atoms(orders: np.ndarray, at: np.int64, rules: np.ndarray, is_at_mark: np.bool_) -> np.int64:
    """What is left of an order at its limit, or at the mark."""
    market = orders[at, ORDER_MARKET]
    price = rules[market, MARK] if is_at_mark else orders[at, LIMIT]
    return orders[at, REMAINING] * price * rules[market, K]
