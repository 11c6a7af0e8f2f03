"""Stops and take-profits: armed when they come, sent to the book as orders when the mark meets them (MT-05)."""

from actors.ledger.book_orders import MARKET_ORDER, REDUCE_ONLY, BookOrder
from actors.orders.checks import TRIGGER, OrderChecks
from actors.rulebooks import margin_trade
from actors.sinks import ADMIT, NO_COMMAND, AnswerSink, EventSink, Refused
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals


def arm(
    entry: OrderChecks, command: int, number: int, order: BookOrder, sink: EventSink, answers: AnswerSink
) -> Refused | None:
    """Takes a trigger in, or says why not. It holds nothing; whether it may reduce or has margin is asked at firing."""
    refused = entry.why_not_new(order) or why_not_armed(entry, order) or _why_fires_at_once(entry, order)
    refused = refused or entry.why_not_reducing(order, entry.book.positions.read(order.account, order.market))
    if refused:
        return refused
    entry.book.add_order(number, order)
    body = events.OrderArmed(
        order=number,
        client_order_id=order.client_id,
        side=side_of(order),
        trigger=order.trigger,  # type: ignore[arg-type]
        trigger_ticks=order.trigger_ticks,
        limit_ticks=order.limit,
        size_lots=order.size,
        flags=order.flags,
    )
    event = events.Event(venue=entry.book.venue, market=order.market, account=order.account, order_armed=body)
    sink.emit((ADMIT, command, 0, number), event)
    status = common.OUTCOME_STATUS_ARMED
    answers.answer(command, status, number, order.trigger_ticks, remaining_lots=order.remaining)
    return None


def why_not_armed(entry: OrderChecks, order: BookOrder) -> Refused | None:
    """What the numbers of a trigger are refused for while it waits."""
    return entry.why_not_numbers(order, entry.book.positions.read(order.account, order.market))


def _why_fires_at_once(entry: OrderChecks, order: BookOrder) -> Refused | None:
    mark = entry.rules(order.market).mark_ticks
    is_stop = order.trigger == common.TRIGGER_KIND_STOP
    fires = margin_trade.stop_fires if is_stop else margin_trade.take_profit_fires
    if order.trigger_ticks > 0 and not fires(order.side, order.trigger_ticks, mark):
        return None
    return Refused(refusals.REFUSAL_BAD_TRIGGER_PRICE, mark, order.trigger_ticks)


def fire_triggers(entry: OrderChecks, sink: EventSink) -> None:
    """Every trigger the mark of a usable market meets becomes an order, by number; what refuses it ends it."""
    book = entry.book
    met = [
        order
        for market in book.orders.trigger_markets()
        if book.is_usable(market)
        for order in book.orders.triggered(market, book.mark_ticks(market))
    ]
    for number in sorted(met):
        _fire(entry, number, sink)


def _fire(entry: OrderChecks, number: int, sink: EventSink) -> None:
    book = entry.book
    armed = book.remove_order(number)
    body = events.OrderTriggered(
        order=number, trigger_ticks=armed.trigger_ticks, mark_ticks=entry.rules(armed.market).mark_ticks
    )
    # Two keys an order: that it fired, and why it came to nothing.
    event = events.Event(venue=book.venue, market=armed.market, account=armed.account, order_triggered=body)
    sink.emit((ADMIT, NO_COMMAND, 0, 2 * number), event)
    order = _as_order(entry, armed)
    refused = entry.why_not_trader(order.account) or entry.enter(TRIGGER, NO_COMMAND, number, order)
    if refused is None:
        return
    done = events.OrderDone(
        order=number,
        side=side_of(order),
        price_ticks=order.limit,
        remaining_lots=order.remaining,
        refusal=refused.refusal,
        required=refused.required,
        actual=refused.actual,
    )
    event = events.Event(venue=book.venue, market=armed.market, account=armed.account, order_done=done)
    sink.emit((ADMIT, NO_COMMAND, 0, 2 * number + 1), event)


def _as_order(entry: OrderChecks, armed: BookOrder) -> BookOrder:
    """The order a trigger becomes: market orders get their protection price now, reduce-only is cut to the position."""
    order = armed._replace(trigger=0, trigger_ticks=0)
    if order.flags & MARKET_ORDER:
        order = order._replace(limit=entry.rules(order.market).protection_ticks(order.side))
    reducible = -order.side * entry.book.positions.lots(order.account, order.market)
    if order.flags & REDUCE_ONLY and 0 < reducible < order.remaining:
        order = order._replace(size=reducible, remaining=reducible)
    return order


def side_of(order: BookOrder) -> "common.Side":
    """The order's side as events name it."""
    return common.SIDE_LONG if order.side > 0 else common.SIDE_SHORT
