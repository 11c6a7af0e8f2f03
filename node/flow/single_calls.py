"""One command, one call: a row of a parcel as the request that a person's program would make."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias, cast

import numpy as np

from breakwater.v1 import answers_pb2, common_pb2, orders_pb2, trading_pb2, versions_pb2
from node.client import AsyncClient
from node.client.column_bytes import ColumnAnswer
from node.flow.settings import Market
from node.flow.stream import Parcel

_E9: Final = 10**9
_SIDES: Final = {1: common_pb2.SIDE_LONG, -1: common_pb2.SIDE_SHORT}
_COLUMNS: Final = tuple(field.name for field in answers_pb2.BatchOutcome.DESCRIPTOR.fields if field.is_repeated)


Head: TypeAlias = dict[str, Any]


class Terms(NamedTuple):
    """Where calls go, and what their decimal texts count in: markets by number, an atom in 1e-9 of the asset."""

    venue: int
    markets: dict[int, Market]
    atom_e9: int


def rows_of(parcel: Parcel) -> list[Parcel]:
    """The rows of a parcel, a parcel each."""
    has_ids = len(parcel.ids) > 0
    return [
        Parcel(
            parcel.body,
            parcel.columns[:, row : row + 1],
            parcel.ids[row : row + 1] if has_ids else parcel.ids,
            parcel.arrived_s[row : row + 1],
        )
        for row in range(parcel.rows)
    ]


async def call(client: AsyncClient, parcel: Parcel, key: bytes, terms: Terms, timeout_s: float) -> ColumnAnswer:
    """Makes the call of a parcel of one row and answers it as columns. Raises grpc.aio.AioRpcError."""
    row = parcel.columns[:, 0].tolist()
    head = {"request_key": answers_pb2.RequestKey(key=key), "venue": terms.venue, "account": row[0]}
    response = await _METHODS[parcel.body](client, head, row, terms, timeout_s)
    outcome = response.outcome
    columns = {name: np.array([getattr(outcome, name)], dtype=np.int64) for name in _COLUMNS}
    return ColumnAnswer(outcome.height, columns)


def _place(client: AsyncClient, head: Head, row: list[int], terms: Terms, wait_s: float) -> Any:
    market = terms.markets[row[1]]
    request = orders_pb2.PlaceOrderRequest(
        **head,
        market=row[1],
        side=_SIDES[row[2]],
        kind=common_pb2.ORDER_KIND_LIMIT,
        size=decimal_text(row[4], market.lot_size_e9),
        limit_price=decimal_text(row[5], market.tick_size_e9),
        time_in_force=cast(common_pb2.TimeInForce, row[6]),
        post_only=bool(row[7] & 1),
        client_order_id=row[11],
    )
    return client.orders.PlaceOrder(request, timeout=wait_s)


def _cancel(client: AsyncClient, head: Head, row: list[int], terms: Terms, wait_s: float) -> Any:
    request = orders_pb2.CancelOrdersRequest(**head, market=row[1], order=row[2], client_order_id=row[3])
    return client.orders.CancelOrders(request, timeout=wait_s)


def _open(client: AsyncClient, head: Head, row: list[int], terms: Terms, wait_s: float) -> Any:
    request = trading_pb2.OpenPositionRequest(
        **head,
        market=row[1],
        side=_SIDES[row[2]],
        kind=cast(common_pb2.OrderKind, row[3]),
        margin_atoms=row[4],
        leverage=f"{row[5] // 100}.{row[5] % 100:02}",
        limit_price=decimal_text(row[6], terms.markets[row[1]].tick_size_e9) if row[6] else "",
    )
    return client.trading.OpenPosition(request, timeout=wait_s)


def _close(client: AsyncClient, head: Head, row: list[int], terms: Terms, wait_s: float) -> Any:
    return client.trading.ClosePosition(trading_pb2.ClosePositionRequest(**head, position=row[1]), timeout=wait_s)


def _take_back(client: AsyncClient, head: Head, row: list[int], terms: Terms, wait_s: float) -> Any:
    return client.trading.CancelOrder(trading_pb2.CancelOrderRequest(**head, order=row[1]), timeout=wait_s)


def _change(client: AsyncClient, head: Head, row: list[int], terms: Terms, wait_s: float) -> Any:
    lot_e9 = terms.markets[row[1]].lot_size_e9
    maker, long, short = (decimal_text(lots, lot_e9) for lots in row[2:5])
    request = versions_pb2.ChangePositionRequest(
        **head,
        market=row[1],
        maker=maker,
        long=long,
        short=short,
        collateral=decimal_text(row[5], terms.atom_e9) if row[5] else "",
    )
    return client.versions.ChangePosition(request, timeout=wait_s)


def decimal_text(steps: int, step_e9: int) -> str:
    """Steps times their size (1e-9) as exact decimal text."""
    whole, rest = divmod(steps * step_e9, _E9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


_METHODS: Final = {
    "place_orders": _place,
    "cancel_book_orders": _cancel,
    "open_positions": _open,
    "close_positions": _close,
    "cancel_orders": _take_back,
    "change_positions": _change,
}
