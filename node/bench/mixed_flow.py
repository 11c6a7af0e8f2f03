"""The mixed flow on Margin Trade, as columns: 60% passive limit orders, 30% cancels, 10% that cross.

Half of the passive orders lie near the mark and are eaten by the crossing ones, which are as large as three of them;
the other half lie deeper and are cancelled some steps later. So books neither grow nor shrink, every cancel finds its
order, and of a hundred crossing orders a few find nothing near any more and are refused. The orders are drawn from a
seed before anything is timed; of a cancel only the order's number comes from answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from google.protobuf.message import Message

from actors.column_bytes import columns_bytes, field_bytes
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2, orders_pb2
from node.margin_presets import MARGIN_TRADE_VENUE

MARK_TICKS: Final = 1_000_000  # 100,000 USDC for the preset of BTC, where a lot is then worth 1 USDC
STEP_ROWS: Final = 10_000
# Steps from an order to its cancel: more than any feeder has on their way. So deep is the book that rests.
LAG: Final = 16
CASH_ATOMS: Final = 10**12  # of an account: a million of them stay within the bound of a venue
_TEMPLATES: Final = 32
_PASSIVE_PPM, _CROSSING_PPM = 600_000, 100_000
_NEAR_TICKS: Final = 100  # on average
_EDGE_TICKS: Final = 1_000  # near ends here, and so far a crossing order goes
_DEEP_TICKS: Final = (2_000, 20_000)
_LOTS: Final = (1_000, 4_000)
_CROSSING_LOTS: Final = (1_000, 14_000)
_GTC, _IOC = common_pb2.TIME_IN_FORCE_GTC, common_pb2.TIME_IN_FORCE_IOC
# More refusals than this, in parts of all commands, are another flow than the one that is meant.
REFUSED_MAX: Final = 0.05
_LIMIT: Final = common_pb2.ORDER_KIND_LIMIT

Int64Array = np.ndarray


class _Template(NamedTuple):
    """A step's orders as the matrix of PlaceOrders, and the rows that are cancelled later."""

    orders: Int64Array
    deep: Int64Array


class MixedFlow:
    """Steps of STEP_ROWS commands each. Their orders repeat after a while; numbers and keys do not."""

    def __init__(self, accounts: Sequence[int], markets: Sequence[int] = (1,), rows: int = STEP_ROWS, seed: int = 5):
        """`accounts` are funded with CASH_ATOMS, the mark of every market is MARK_TICKS."""
        draw = np.random.default_rng(seed)
        owners, listed = np.asarray(accounts, dtype=np.int64), np.asarray(markets, dtype=np.int64)
        self.rows = rows
        self._templates = [_drawn(draw, owners, listed, rows) for _ in range(_TEMPLATES)]

    def orders(self, step: int) -> Int64Array:
        """The matrix of the PlaceOrders of a step."""
        return self._templates[step % _TEMPLATES].orders

    def cancels(self, step: int, references: Int64Array) -> Int64Array:
        """The matrix of the CancelBookOrders of a step that is not among the first LAG.

        `references`: numbers of the orders of step `step - LAG`, as they were answered.
        """
        orders, deep = self._templates[(step - LAG) % _TEMPLATES]
        numbers = np.maximum(references[deep], 1)  # 0, of an order that was refused, would mean all of the account's
        return np.stack([orders[0, deep], orders[1, deep], numbers, np.zeros_like(numbers)])


def _drawn(draw: np.random.Generator, accounts: Int64Array, markets: Int64Array, rows: int) -> _Template:
    crossing, passive = rows * _CROSSING_PPM // 10**6, rows * _PASSIVE_PPM // 10**6
    count = crossing + passive
    kind = draw.permutation(np.repeat([0, 1, 2], [crossing, passive // 2, passive - passive // 2]))
    side = draw.choice((-1, 1), count)
    near = np.minimum(draw.geometric(1 / _NEAR_TICKS, count), _EDGE_TICKS)
    away = np.select([kind == 0, kind == 1], [-_EDGE_TICKS, near], draw.integers(*_DEEP_TICKS, count))
    lots = np.where(kind == 0, draw.integers(*_CROSSING_LOTS, count), draw.integers(*_LOTS, count))
    nothing = np.zeros(count, dtype=np.int64)
    columns = [
        draw.choice(accounts, count),
        draw.choice(markets, count),
        side,
        nothing + _LIMIT,
        lots,
        MARK_TICKS - side * away,
        np.where(kind == 0, _IOC, _GTC),
        *[nothing] * 5,  # flags, self_trade, trigger, trigger_ticks, client_order_id
    ]
    return _Template(np.stack(columns).astype(np.int64), np.flatnonzero(kind == 2))


class Wire:
    """The same steps as serialised StreamOrdersRequest, ready but for their keys."""

    def __init__(self, flow: MixedFlow, venue: int = MARGIN_TRADE_VENUE) -> None:
        """`venue` is where the orders go."""
        self._flow = flow
        self._venue = cmd.CommandBatch(venue=venue).SerializeToString()
        self._placed = [self._body("place_orders", cmd.PlaceOrders, flow.orders(step)) for step in range(_TEMPLATES)]

    def place_orders(self, step: int) -> bytes:
        """The request that places the orders of a step."""
        return _request(b"place/%010d" % step, self._placed[step % _TEMPLATES])

    def cancels(self, step: int, references: Int64Array) -> bytes:
        """The request that cancels deep orders of step `step - LAG`."""
        body = self._body("cancel_book_orders", cmd.CancelBookOrders, self._flow.cancels(step, references))
        return _request(b"cancel/%09d" % step, body)

    def _body(self, name: str, kind: type[Message], matrix: Int64Array) -> bytes:
        return self._venue + field_bytes(cmd.CommandBatch, name, columns_bytes(kind, matrix))


def _request(key: bytes, rest: bytes) -> bytes:
    """StreamOrdersRequest.batch, whose first field is the key."""
    keyed = cmd.CommandBatch(request_key=key).SerializeToString()
    return field_bytes(orders_pb2.StreamOrdersRequest, "batch", keyed + rest)
