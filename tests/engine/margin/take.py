"""Cancels of orders and triggers on a book (docs/margin-trade.md, take)."""

from breakwater.v1 import events_pb2
from tests.engine.book import side_name
from tests.engine.margin.books import cancel_op
from tests.engine.margin.state import BookOrder, Sight, sights
from tests.engine.spin.state import spin_sights
from tests.engine.state import DONE, Block, Command, R, Refusal, State

TAKE = 6


def cancel(state: State, block: Block) -> None:
    """The dead man's switch, then commands in their order."""
    for sight in [*sights(state, block), *spin_sights(state, block)]:
        for venue, account in block.cancel_all:
            if venue == sight.venue:
                for order in sight.own.orders_of(account):
                    _cancel(sight, order, -1)
        for command in block.of("cancel_book_orders"):
            if command.venue == sight.venue:
                _command(sight, command)


def _command(sight: Sight, command: Command) -> None:
    account, number, client = command.account, command["order"], command["client_order_id"]
    mine = sight.own.orders_of(account)
    if not number and not client:
        for order in mine:
            if command["market"] in (0, order.market):
                _cancel(sight, order, command.index)
        sight.block.answer(command, DONE, reference=account)
        return
    named = [order for order in mine if (order.number == number if number else order.client_id == client)]
    if not named:
        why = Refusal(R.REFUSAL_UNKNOWN_ORDER, 1, number or client)
        sight.block.refuse((TAKE, 4, command.index, 0), command, why)
        return
    (order,) = named
    _cancel(sight, order, command.index)
    filled = order.size - order.remaining
    sight.block.answer(
        command, DONE, reference=order.number, price_ticks=order.limit, filled=filled, remaining=order.remaining
    )


def _cancel(sight: Sight, order: BookOrder, index: int) -> None:
    """The row leaves at once; the book is told."""
    del sight.own.orders[order.number]
    if order.rests:
        sight.own.ops.append(cancel_op(order, index))
    order_done(sight, (TAKE, 4, index, order.number), order, None)


def order_done(sight: Sight, key: tuple[int, int, int, int], order: BookOrder, why: Refusal | None) -> None:
    """The order left without being filled whole; without a reason its owner cancelled it."""
    body = events_pb2.OrderDone(
        order=order.number,
        side=side_name(order.side),
        price_ticks=order.limit,
        remaining_lots=order.remaining,
        was_resting=order.rests,
        was_armed=not order.rests,
        refusal=why.code if why else 0,
        required=why.required if why else 0,
        actual=why.actual if why else 0,
    )
    sight.say(key, order.account, order.market, order_done=body)
