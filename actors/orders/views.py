"""Live orders and triggers as readers see them, between blocks."""

from typing import cast

from actors.orders.book import OrderedBook
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common


def order_view(book: OrderedBook, order: int) -> batches.CrossOrderView:
    """One order by its number."""
    row = book.orders.read(order)
    return batches.CrossOrderView(
        order=order,
        client_order_id=row.client_id,
        market=row.market,
        side=common.SIDE_LONG if row.side > 0 else common.SIDE_SHORT,
        limit_ticks=row.limit,
        size_lots=row.size,
        remaining_lots=row.remaining,
        time_in_force=cast("common.TimeInForce", row.time_in_force),
        flags=row.flags,
        trigger=cast("common.TriggerKind", row.trigger),
        trigger_ticks=row.trigger_ticks,
    )
