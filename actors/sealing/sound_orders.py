"""Whether every row of a run of orders is sound: one look at each, where the checks look at every column of all.

Rows that are not sound are rare and have to be named, which the checks of `book_rows` do.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from actors.compiling import inlined, kernel
from actors.risk.mark_price import price_bound_ticks
from actors.sealing.directory import FIRST_ACCOUNT, Venue
from actors.units import ORDER_LOTS_BOUND, PRICE_BOUND
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

POST_ONLY, REDUCE_ONLY = 1, 2

_MARKET: Final = int(common.ORDER_KIND_MARKET)
_LIMIT: Final = int(common.ORDER_KIND_LIMIT)
_IOC: Final = int(common.TIME_IN_FORCE_IOC)
_FOK: Final = int(common.TIME_IN_FORCE_FOK)
_POST_ONLY: Final = POST_ONLY
_FIRST_ACCOUNT: Final = FIRST_ACCOUNT
_LOTS_BOUND: Final = ORDER_LOTS_BOUND
_PRICE_BOUND: Final = PRICE_BOUND


def _bits(words: Iterable[int]) -> int:
    return sum(1 << word for word in words)


# A bit for every word there is.
_TIMES: Final = _bits((common.TIME_IN_FORCE_UNSPECIFIED, common.TIME_IN_FORCE_GTC, _IOC, _FOK))
_FLAGS: Final = _bits((0, POST_ONLY, REDUCE_ONLY, POST_ONLY | REDUCE_ONLY))
_PREVENTIONS: Final = _bits(common.SelfTradePrevention.values())
_TRIGGERS: Final = _bits(common.TriggerKind.values())
_WORD_BITS: Final = 63
# Columns of `PlaceOrders`.
_COLUMNS = [field.name for field in commands.PlaceOrders.DESCRIPTOR.fields]
_ACCOUNT: Final = _COLUMNS.index("account")
_MARKET_NUMBER: Final = _COLUMNS.index("market")
_SIDE: Final = _COLUMNS.index("side")
_KIND: Final = _COLUMNS.index("kind")
_SIZE: Final = _COLUMNS.index("size_lots")
_LIMIT_TICKS: Final = _COLUMNS.index("limit_ticks")
_TIME: Final = _COLUMNS.index("time_in_force")
_FLAG: Final = _COLUMNS.index("flags")
_PREVENTION: Final = _COLUMNS.index("self_trade")
_TRIGGER: Final = _COLUMNS.index("trigger")
_TRIGGER_TICKS: Final = _COLUMNS.index("trigger_ticks")
_CLIENT_ORDER: Final = _COLUMNS.index("client_order_id")
# What is known of a market: its number, the largest order, the bound of prices, the step of sizes.
_NUMBER, _LARGEST, _BOUND, _STEP = range(4)


def are_sound_orders(orders: np.ndarray, venue: Venue) -> bool:
    """Whether `check_place_orders` refuses none of the rows for what it says; `orders` are columns of `PlaceOrders`."""
    numbers = sorted(venue.markets)
    if orders.shape[1] < len(numbers):
        # A market nobody names limits nothing.
        numbers = sorted(venue.markets.keys() & set(orders[_MARKET_NUMBER].tolist()))
    listed = [venue.markets[number] for number in numbers]
    limits = [
        (market.market, max_order_lots(market), price_bound_ticks(market), max(1, step_lots(market)))
        for market in listed
    ]
    known = np.array(limits, dtype=np.int64).reshape(-1, 4)
    return bool(_are_sound(orders, venue.next_account, known))


def max_order_lots(market: parameters.MarketParameters) -> int:
    """The largest order its market takes."""
    return market.spin.max_order_lots if market.HasField("spin") else market.margin_trade.max_order_lots


def step_lots(market: parameters.MarketParameters) -> int:
    """What sizes are multiples of."""
    return market.spin.step_lots if market.HasField("spin") else 1


@kernel
def _are_sound(orders: np.ndarray, next_account: np.int64, known: np.ndarray) -> bool:
    place = np.int64(0)
    for row in range(orders.shape[1]):
        place = _place_of(known, orders[_MARKET_NUMBER, row], place)
        account, size = orders[_ACCOUNT, row], orders[_SIZE, row]
        if place < 0 or account < _FIRST_ACCOUNT or account >= next_account:
            return False
        if size <= 0 or size >= _LOTS_BOUND or size > known[place, _LARGEST] or size % known[place, _STEP] != 0:
            return False
        if orders[_CLIENT_ORDER, row] < 0 or not _are_words(orders, row):
            return False
        bound = min(np.int64(_PRICE_BOUND), known[place, _BOUND])
        is_limit, is_trigger = orders[_KIND, row] == _LIMIT, orders[_TRIGGER, row] != 0
        if not (_is_price(orders[_LIMIT_TICKS, row], bound) if is_limit else orders[_LIMIT_TICKS, row] == 0):
            return False
        if not (_is_price(orders[_TRIGGER_TICKS, row], bound) if is_trigger else orders[_TRIGGER_TICKS, row] == 0):
            return False
    return True


@inlined
def _place_of(known: np.ndarray, market: np.int64, before: np.int64) -> np.int64:
    """Where a market stands, -1 where it is not known; looked for first where the one before was."""
    if before < known.shape[0] and known[before, _NUMBER] == market:
        return before
    low, high = np.int64(0), np.int64(known.shape[0])
    while low < high:
        middle = (low + high) >> 1
        if known[middle, _NUMBER] < market:
            low = middle + 1
        else:
            high = middle
    return low if low < known.shape[0] and known[low, _NUMBER] == market else np.int64(-1)


@inlined
def _is_price(ticks: np.int64, bound: np.int64) -> bool:
    return bool(ticks > 0) and bool(ticks < bound)


@inlined
def _is_among(word: np.int64, words: np.int64) -> bool:
    return bool(word >= 0) and bool(word < _WORD_BITS) and bool(words >> word & 1)


@inlined
def _are_words(orders: np.ndarray, row: np.int64) -> bool:
    """Words there are, that go together."""
    side, kind, time, flags = orders[_SIDE, row], orders[_KIND, row], orders[_TIME, row], orders[_FLAG, row]
    if abs(side) != 1 or (kind not in (_MARKET, _LIMIT)):
        return False
    if not (_is_among(time, np.int64(_TIMES)) and _is_among(flags, np.int64(_FLAGS))):
        return False
    prevention, trigger = orders[_PREVENTION, row], orders[_TRIGGER, row]
    if not (_is_among(prevention, np.int64(_PREVENTIONS)) and _is_among(trigger, np.int64(_TRIGGERS))):
        return False
    if flags & _POST_ONLY and (kind == _MARKET or time in (_IOC, _FOK)):
        return False
    return not (kind == _MARKET and time == _FOK)
