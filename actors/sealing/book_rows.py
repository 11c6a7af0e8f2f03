"""Rows of orders on a book: everything a place, amend, cancel or leverage can be refused for without its account."""

import numpy as np

from actors.columns import among, array, matrix, row_count
from actors.risk.mark_price import price_bound_ticks
from actors.sealing.directory import MAX_VALIDATOR_LAG, Venue
from actors.sealing.rows import RowChecks, market_numbers
from actors.sealing.sound_orders import POST_ONLY, REDUCE_ONLY, are_sound_orders, max_order_lots, step_lots
from actors.units import ORDER_LOTS_BOUND, PRICE_BOUND
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals

_MARKET, _LIMIT = common.ORDER_KIND_MARKET, common.ORDER_KIND_LIMIT
_GTC, _IOC, _FOK = common.TIME_IN_FORCE_GTC, common.TIME_IN_FORCE_IOC, common.TIME_IN_FORCE_FOK
_TIMES = (common.TIME_IN_FORCE_UNSPECIFIED, _GTC, _IOC, _FOK)
_FLAGS = (0, POST_ONLY, REDUCE_ONLY, POST_ONLY | REDUCE_ONLY)


def check_place_orders(body: commands.PlaceOrders, venue: Venue, lag: int) -> RowChecks:
    """MT-05, MT-06, SP-10: names, words, words that do not go together, numbers, whole steps; then the validator's lag,
    unless reduce-only."""
    if lag <= MAX_VALIDATOR_LAG and are_sound_orders(matrix(body), venue):
        return RowChecks(row_count(body))
    return name_unsound_orders(body, venue, lag)


def name_unsound_orders(body: commands.PlaceOrders, venue: Venue, lag: int) -> RowChecks:
    """`check_place_orders`, column by column."""
    size, limit, trigger_price = array(body.size_lots), array(body.limit_ticks), array(body.trigger_ticks)
    flags, market = array(body.flags), array(body.market)
    is_limit, is_trigger = array(body.kind) == _LIMIT, array(body.trigger) != 0
    checks = RowChecks(len(size))
    checks.known_account(array(body.account), venue)
    checks.known_market(market, venue)
    side = array(body.side)
    checks.refuse_where(np.abs(side) != 1, refusals.REFUSAL_BAD_SIDE, 1, side)
    _check_words(checks, body)
    checks.positive(size)
    checks.positive(limit, is_limit)
    checks.positive(trigger_price, is_trigger)
    checks.not_negative(array(body.client_order_id))
    checks.below(size, ORDER_LOTS_BOUND)
    largest = market_numbers(market, venue, max_order_lots)
    checks.refuse_where(size > largest, refusals.REFUSAL_OVERFLOW, largest, size)
    bound = market_numbers(market, venue, price_bound_ticks)
    for price, where in ((limit, is_limit), (trigger_price, is_trigger)):
        checks.below(price, PRICE_BOUND, where)
        checks.below(price, bound, where)
    # SP-10: positions are whole steps, so that a takeover in whole steps can close any of them.
    step = market_numbers(market, venue, step_lots)
    checks.refuse_where(size % np.maximum(step, 1) != 0, refusals.REFUSAL_BELOW_STEP, step, size)
    checks.validator_keeps_up(lag, (flags & REDUCE_ONLY) == 0)
    return checks


def _check_words(checks: RowChecks, body: commands.PlaceOrders) -> None:
    """BAD_ORDER_KIND for words that do not exist or do not go together, naming the highest that would do.

    A market order has no price, does not rest and is filled as far as it goes (IOC, also where GTC is written).
    """
    kind, time, flags = array(body.kind), array(body.time_in_force), array(body.flags)
    bad = refusals.REFUSAL_BAD_ORDER_KIND
    checks.one_of(kind, (_MARKET, _LIMIT), bad)
    checks.one_of(time, _TIMES, bad)
    checks.one_of(flags, _FLAGS, bad)
    checks.one_of(array(body.self_trade), tuple(common.SelfTradePrevention.values()), bad)
    checks.one_of(array(body.trigger), tuple(common.TriggerKind.values()), bad)
    post_only, is_market = (flags & POST_ONLY) != 0, kind == _MARKET
    checks.refuse_where(post_only & is_market, bad, _LIMIT, kind)
    checks.refuse_where(post_only & among(time, (_IOC, _FOK)), bad, _GTC, time)
    checks.refuse_where(is_market & (time == _FOK), bad, _IOC, time)
    checks.refuse_where(is_market & (array(body.limit_ticks) != 0), bad, _LIMIT, kind)
    stray_trigger = (array(body.trigger) == 0) & (array(body.trigger_ticks) != 0)
    checks.refuse_where(stray_trigger, refusals.REFUSAL_MALFORMED, 0, 0)


def check_amend_orders(body: commands.AmendOrders, venue: Venue, lag: int) -> RowChecks:
    """A name, a size, a price or none. What the order's market allows and whether it only reduces the shard knows."""
    size, limit = array(body.size_lots), array(body.limit_ticks)
    order, client = array(body.order), array(body.client_order_id)
    checks = RowChecks(len(size))
    checks.known_account(array(body.account), venue)
    checks.refuse_where((order == 0) & (client == 0), refusals.REFUSAL_MALFORMED, 0, 0)
    checks.positive(size)
    for value in (limit, order, client):
        checks.not_negative(value)
    checks.below(size, ORDER_LOTS_BOUND)
    checks.below(limit, PRICE_BOUND)
    checks.validator_keeps_up(lag)
    return checks


def check_cancel_book_orders(body: commands.CancelBookOrders, venue: Venue, _lag: int) -> RowChecks:
    """Names only: what there is to cancel the shard knows. Market 0 is all of them."""
    market = array(body.market)
    checks = RowChecks(len(market))
    checks.known_account(array(body.account), venue)
    checks.known_market(market, venue, market != 0)
    checks.not_negative(array(body.order))
    checks.not_negative(array(body.client_order_id))
    return checks


def check_set_leverage(body: commands.SetLeverage, venue: Venue, _lag: int) -> RowChecks:
    """Names only: the range is the shard's to refuse (MT-02)."""
    checks = RowChecks(len(body.account))
    checks.known_account(array(body.account), venue)
    checks.known_market(array(body.market), venue)
    return checks
