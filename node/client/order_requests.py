"""Requests of a Margin Trade venue from plain numbers and words, for both clients; prices and sizes are text."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Final, Literal

from breakwater.v1 import commands_pb2, common_pb2, history_pb2, orders_pb2
from node.client.requests import SIDES, SideWord, new_key

MARGIN_TRADE_VENUE: Final = 2

TimeInForceWord = Literal["gtc", "ioc", "fok"]
TriggerWord = Literal["stop", "take-profit"]
SelfTradeWord = Literal["expire-maker", "expire-taker", "expire-both"]
HistoryWord = Literal["fill", "funding", "transfer", "pnl"]

TIMES_IN_FORCE: Final = {
    "gtc": common_pb2.TIME_IN_FORCE_GTC,
    "ioc": common_pb2.TIME_IN_FORCE_IOC,
    "fok": common_pb2.TIME_IN_FORCE_FOK,
}
TRIGGERS: Final = {"stop": common_pb2.TRIGGER_KIND_STOP, "take-profit": common_pb2.TRIGGER_KIND_TAKE_PROFIT}
SELF_TRADES: Final = {
    "expire-maker": common_pb2.SELF_TRADE_PREVENTION_EXPIRE_MAKER,
    "expire-taker": common_pb2.SELF_TRADE_PREVENTION_EXPIRE_TAKER,
    "expire-both": common_pb2.SELF_TRADE_PREVENTION_EXPIRE_BOTH,
}
HISTORY_KINDS: Final = {
    "fill": history_pb2.HISTORY_KIND_FILL,
    "funding": history_pb2.HISTORY_KIND_FUNDING,
    "transfer": history_pb2.HISTORY_KIND_TRANSFER,
    "pnl": history_pb2.HISTORY_KIND_PNL,
}


def place_order(
    venue: int,
    account: int,
    market: int,
    side: SideWord,
    size: str,
    limit_price: str | None,
    time_in_force: TimeInForceWord,
    post_only: bool,
    reduce_only: bool,
    trigger: TriggerWord | None,
    trigger_price: str | None,
    self_trade: SelfTradeWord,
    client_order_id: int,
    key: bytes | None,
) -> orders_pb2.PlaceOrderRequest:
    """A market order, or a limit where a price is given; with a trigger it waits for the mark."""
    return orders_pb2.PlaceOrderRequest(
        request_key=new_key(key),
        venue=venue,
        account=account,
        market=market,
        side=SIDES[side],
        kind=common_pb2.ORDER_KIND_MARKET if limit_price is None else common_pb2.ORDER_KIND_LIMIT,
        size=size,
        limit_price=limit_price or "",
        time_in_force=TIMES_IN_FORCE[time_in_force],
        post_only=post_only,
        reduce_only=reduce_only,
        trigger=TRIGGERS[trigger] if trigger is not None else common_pb2.TRIGGER_KIND_UNSPECIFIED,
        trigger_price=trigger_price or "",
        self_trade=SELF_TRADES[self_trade],
        client_order_id=client_order_id,
    )


def amend_order(
    venue: int,
    account: int,
    order: int,
    client_order_id: int,
    size: str | None,
    limit_price: str | None,
    key: bytes | None,
) -> orders_pb2.AmendOrderRequest:
    """New total size, new price, or both; the order is named by number or by client id."""
    return orders_pb2.AmendOrderRequest(
        request_key=new_key(key),
        venue=venue,
        account=account,
        order=order,
        client_order_id=client_order_id,
        size=size or "",
        limit_price=limit_price or "",
    )


def cancel_orders(
    venue: int, account: int, order: int, client_order_id: int, market: int, key: bytes | None
) -> orders_pb2.CancelOrdersRequest:
    """One order, or with neither number all of them, in a market or in every one (0)."""
    return orders_pb2.CancelOrdersRequest(
        request_key=new_key(key),
        venue=venue,
        account=account,
        order=order,
        client_order_id=client_order_id,
        market=market,
    )


def set_leverage(
    venue: int, account: int, market: int, leverage: int, key: bytes | None
) -> orders_pb2.SetLeverageRequest:
    """The leverage of an account in a market."""
    return orders_pb2.SetLeverageRequest(
        request_key=new_key(key), venue=venue, account=account, market=market, leverage=leverage
    )


def estimate_position(
    venue: int,
    account: int,
    market: int,
    side: SideWord,
    size: str,
    price: str | None,
    leverage: int,
    reduce_only: bool,
) -> orders_pb2.EstimatePositionRequest:
    """An order in question, at a price or at the book's depth."""
    return orders_pb2.EstimatePositionRequest(
        venue=venue,
        account=account,
        market=market,
        side=SIDES[side],
        size=size,
        price=price or "",
        leverage=leverage,
        reduce_only=reduce_only,
    )


def history(
    venue: int, account: int, kinds: Iterable[HistoryWord], from_height: int, to_height: int, page_size: int
) -> history_pb2.ListHistoryRequest:
    """The first page of an account's rows, of these kinds or of all."""
    return history_pb2.ListHistoryRequest(
        venue=venue,
        account=account,
        kinds=[HISTORY_KINDS[kind] for kind in kinds],
        from_height=from_height,
        to_height=to_height,
        page_size=page_size,
    )


def order_stream_start(venue: int, cancel_on_disconnect: Iterable[int]) -> orders_pb2.StreamOrdersRequest:
    """The first message of a stream that cancels the orders of these accounts when it ends."""
    start = orders_pb2.StreamOrdersStart(venue=venue, cancel_on_disconnect=list(cancel_on_disconnect))
    return orders_pb2.StreamOrdersRequest(start=start)


def order_stream_batch(batch: commands_pb2.CommandBatch) -> orders_pb2.StreamOrdersRequest:
    """A batch of a stream, with a key of its own where it has none."""
    request = orders_pb2.StreamOrdersRequest(batch=batch)
    if not request.batch.request_key:
        request.batch.request_key = uuid.uuid4().bytes
    return request
