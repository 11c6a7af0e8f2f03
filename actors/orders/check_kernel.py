"""What `OrderChecks` refuses, compiled: the same refusals in the same order with the same numbers, on columns.

Orders are rows as `order_columns` has them, markets rows of `rules` by their number, and why an order may not happen a
row of `why`. Where a number might leave 64 bits nothing is decided here: the order is worked by hand, one by one.
"""

from typing import Final

import numpy as np
from numba.cpython.unsafe.numbers import leading_zeros

from actors.compiling import inlined
from actors.ledger.book_orders import MARKET_ORDER, REDUCE_ONLY
from actors.ledger.order_columns import (
    ACCOUNT,
    CLIENT,
    FLAGS,
    LIMIT,
    MARKET,
    NUMBER,
    REMAINING,
    SIDE,
    count_of,
    find_client,
)
from actors.ledger.position_rows import LOTS
from actors.orders.checks import MarketRules
from actors.units import INT64_MAX, ORDER_LOTS_BOUND, POSITION_LOTS_BOUND, PRICE_BOUND, TOTAL_BOUND
from breakwater.v1 import refusals_pb2 as refusals

# Columns of `rules`, by the market's number; lots at the mark are worth less than TOTAL_BOUND up to MOST_LOTS.
MARK, K, REFUSAL, REQUIRED, ACTUAL, REDUCES_ONLY, AGE_MS, LOWEST, HIGHEST, MIN_NOTIONAL, MOST_LOTS = range(11)
BUY_PROTECTION, SELL_PROTECTION, USABLE, FEE_E9 = range(11, 15)
RULES: Final = 15
# Columns of `why`: the refusal, 0 where there is none, and its numbers; the slot an admitted order has, else -1; of a
# reduce-only one whether its account fails margin.
WHY, WHY_REQUIRED, WHY_ACTUAL, TAKEN, FAILS = range(5)
WHY_COLUMNS: Final = 5
# Columns of `places`: slots of the order's position and account; whether that is frozen, how far its liquidation went;
# of a reduce-only order that the book has not been told yet where its account stands.
POSITION, OWNER, FROZEN, RUNG, UNCAPPED = range(5)
PLACE_COLUMNS: Final = 5
# What a check finds.
CLEAR: Final = 0
REFUSED: Final = 1
BY_HAND: Final = 2

_WORD_BITS: Final = 64
_TOTAL_BITS: Final = TOTAL_BOUND.bit_length() - 1
_ACCOUNT_FROZEN: Final = int(refusals.REFUSAL_ACCOUNT_FROZEN)
_BEING_LIQUIDATED: Final = int(refusals.REFUSAL_BEING_LIQUIDATED)
_TOO_MANY_ORDERS: Final = int(refusals.REFUSAL_TOO_MANY_ORDERS)
_CLIENT_ORDER_ID_USED: Final = int(refusals.REFUSAL_CLIENT_ORDER_ID_USED)
_OVERFLOW: Final = int(refusals.REFUSAL_OVERFLOW)
_MIN_NOTIONAL: Final = int(refusals.REFUSAL_MIN_NOTIONAL)
_TOO_FAR_FROM_ORACLE: Final = int(refusals.REFUSAL_TOO_FAR_FROM_ORACLE)
_MARKET_REDUCE_ONLY: Final = int(refusals.REFUSAL_MARKET_REDUCE_ONLY)
_REDUCE_ONLY: Final = int(refusals.REFUSAL_REDUCE_ONLY)


def rule_cells(rules: MarketRules, usable: bool, taker_fee_e9: int) -> list[int]:
    """A market's row of `rules`; `usable`: its mark may be acted on."""
    refused = rules.refused or (0, 0, 0)
    per_lot = rules.mark_ticks * rules.k
    most_lots = (TOTAL_BOUND - 1) // per_lot if per_lot else TOTAL_BOUND
    edges = (rules.lowest_ticks, min(rules.highest_ticks, INT64_MAX))
    words = (int(rules.reduces_only), rules.age_ms, *edges, rules.min_notional_atoms, most_lots)
    worst = (rules.buy_protection_ticks, rules.sell_protection_ticks)
    return [rules.mark_ticks, rules.k, *refused, *words, *worst, int(usable), taker_fee_e9]


@inlined
def refuse(why: np.ndarray, at: np.int64, refusal: np.int64, required: np.int64, actual: np.int64) -> np.int64:
    """Writes why the order may not happen."""
    why[at, WHY] = refusal
    why[at, WHY_REQUIRED] = required
    why[at, WHY_ACTUAL] = actual
    return np.int64(REFUSED)


@inlined
def bits(number: np.int64) -> np.int64:
    """How long a number that is not negative is."""
    return np.int64(_WORD_BITS) - np.int64(leading_zeros(np.int64(number)))


@inlined
def fits(lots: np.int64, ticks: np.int64, k: np.int64) -> np.bool_:
    """Lots at a price are surely worth less than TOTAL_BOUND: all three are in their bounds and not negative."""
    return bits(lots) + bits(ticks) + bits(k) <= _TOTAL_BITS


@inlined
def why_not_new(
    orders: np.ndarray,
    at: np.int64,
    places: np.ndarray,
    rules: np.ndarray,
    max_orders: np.int64,
    rows: np.ndarray,
    heads: np.ndarray,
    maps: np.ndarray,
    why: np.ndarray,
) -> np.int64:
    """`OrderChecks.why_not_new`."""
    account, market, client = orders[at, ACCOUNT], orders[at, MARKET], orders[at, CLIENT]
    if places[at, FROZEN] == 1:
        return refuse(why, at, _ACCOUNT_FROZEN, 0, account)
    if places[at, RUNG] != 0:
        return refuse(why, at, _BEING_LIQUIDATED, 0, places[at, RUNG])
    if rules[market, REFUSAL] != 0:
        return refuse(why, at, rules[market, REFUSAL], rules[market, REQUIRED], rules[market, ACTUAL])
    live = count_of(heads, maps, account)
    if live >= max_orders:
        return refuse(why, at, _TOO_MANY_ORDERS, max_orders, live)
    if client != 0:
        slot = find_client(rows, maps, account, client)
        if slot >= 0:
            return refuse(why, at, _CLIENT_ORDER_ID_USED, 0, rows[slot, NUMBER])
    return np.int64(CLEAR)


@inlined
def why_not_numbers(
    orders: np.ndarray,
    at: np.int64,
    rules: np.ndarray,
    share_atoms: np.int64,
    held: np.int64,
    resting_lots: np.int64,
    resting_value: np.int64,
    why: np.ndarray,
) -> np.int64:
    """`OrderChecks.why_not_numbers`; held, resting_lots, resting_value: lots of the position, sums of both sides.

    An account that might be worth more than its share of TOTAL_BOUND in the market is looked at by hand.
    """
    market, lots, limit, flags = orders[at, MARKET], orders[at, REMAINING], orders[at, LIMIT], orders[at, FLAGS]
    mark, k = rules[market, MARK], rules[market, K]
    if not (0 < lots < ORDER_LOTS_BOUND and 0 <= limit < PRICE_BOUND and 0 <= resting_value < TOTAL_BOUND):
        return np.int64(BY_HAND)
    all_lots = abs(held) + resting_lots + lots
    if all_lots >= POSITION_LOTS_BOUND:
        return refuse(why, at, _OVERFLOW, POSITION_LOTS_BOUND, all_lots)
    if all_lots > rules[market, MOST_LOTS] or not fits(lots, limit, k):
        return np.int64(BY_HAND)
    per_lot = mark * k
    if all_lots * per_lot >= share_atoms or abs(held) * per_lot + resting_value + lots * limit * k >= share_atoms:
        return np.int64(BY_HAND)
    is_market = flags & MARKET_ORDER != 0
    price = mark if is_market else limit
    notional = lots * price * k
    if notional < rules[market, MIN_NOTIONAL] and flags & REDUCE_ONLY == 0:
        return refuse(why, at, _MIN_NOTIONAL, rules[market, MIN_NOTIONAL], notional)
    if is_market or rules[market, LOWEST] <= price <= rules[market, HIGHEST]:
        return np.int64(CLEAR)
    edge = rules[market, HIGHEST] if price > rules[market, HIGHEST] else rules[market, LOWEST]
    return refuse(why, at, _TOO_FAR_FROM_ORACLE, edge, price)


@inlined
def only_reduces(orders: np.ndarray, at: np.int64, held: np.int64, resting_lots: np.int64) -> np.bool_:
    """`checks.only_reduces`; resting_lots is the sum of the order's own side."""
    if orders[at, FLAGS] & REDUCE_ONLY != 0:
        return np.bool_(True)
    return resting_lots + orders[at, REMAINING] <= max(np.int64(0), -orders[at, SIDE] * held)


@inlined
def why_not_reducing(
    orders: np.ndarray, at: np.int64, rules: np.ndarray, held: np.int64, reduces: np.bool_, why: np.ndarray
) -> np.int64:
    """`OrderChecks.why_not_reducing`, then `why_not_reduce_only`; `reduces` is what `only_reduces` said."""
    market = orders[at, MARKET]
    if rules[market, REDUCES_ONLY] != 0 and not reduces:
        return refuse(why, at, _MARKET_REDUCE_ONLY, 0, rules[market, AGE_MS])
    if orders[at, FLAGS] & REDUCE_ONLY != 0:
        may_reduce = max(np.int64(0), -orders[at, SIDE] * held)
        if orders[at, REMAINING] > may_reduce:
            return refuse(why, at, _REDUCE_ONLY, may_reduce, orders[at, REMAINING])
    return np.int64(CLEAR)


@inlined
def reduces(
    orders: np.ndarray, at: np.int64, slot: np.int64, positions: np.ndarray, buys: np.int64, sells: np.int64
) -> np.bool_:
    """Whether the order only reduces the position in `slot`; buys and sells: columns of the lots of each side."""
    resting = positions[buys if orders[at, SIDE] > 0 else sells, slot]
    return only_reduces(orders, at, positions[LOTS, slot], resting)


@inlined
def why_not_row(
    orders: np.ndarray,
    at: np.int64,
    slot: np.int64,
    rules: np.ndarray,
    share_atoms: np.int64,
    positions: np.ndarray,
    buys: np.int64,
    sells: np.int64,
    why: np.ndarray,
) -> np.int64:
    """What lots and price are asked beside the position and the orders that rest; a side's value follows its lots."""
    held = positions[LOTS, slot]
    lots, value = positions[buys, slot] + positions[sells, slot], positions[buys + 1, slot] + positions[sells + 1, slot]
    found = why_not_numbers(orders, at, rules, share_atoms, held, lots, value, why)
    if found != CLEAR:
        return found
    return why_not_reducing(orders, at, rules, held, reduces(orders, at, slot, positions, buys, sells), why)
