"""Bots are told the same whether a stream carries on or is lost with the node and everybody is listed anew."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc
import pytest

from actors.columns import add_row
from breakwater.v1 import batches_pb2, events_pb2, liquidation_pb2
from node.bots.standing_table import StandingTable
from node.load.driver import ReplayError
from node.load.standing_stream import StandingStream

VENUE = 4
MAKER, LONG, SHORT, DESK, CASH = (
    events_pb2.POSITION_KIND_MAKER,
    events_pb2.POSITION_KIND_LONG,
    events_pb2.POSITION_KIND_SHORT,
    -1,
    0,
)

Row = tuple[int, int, int, int, int, int]
Block = liquidation_pb2.StreamStandingsResponse
# account, market, kind, lots, cost, basis
FIRST: Sequence[Row] = (
    (1, 0, CASH, 0, 500, 0),
    (1, 1, LONG, 10, 100, 7),
    (2, 1, SHORT, 4, 40, 7),
    (2, 1, DESK, 0, 3, 90),
    (3, 1, MAKER, 9, 90, 7),
)
# One turned around, one is gone with the desk's word about it, and the first is flat with more cash.
SECOND: Sequence[Row] = (
    (1, 0, CASH, 0, 650, 0),
    (1, 1, 0, 0, 0, 0),
    (2, 1, LONG, 2, 20, 9),
    (2, 1, DESK, 0, 0, 0),
    (3, 1, 0, 0, 0, 0),
)
LISTED: Sequence[Row] = ((2, 1, LONG, 2, 20, 9),)


def _rows(rows: Sequence[Row]) -> batches_pb2.StandingRows:
    message = batches_pb2.StandingRows()
    for row in rows:
        add_row(message, VENUE, *row)
    return message


class Lost(grpc.RpcError):
    """What reading a broken stream raises."""


class FakeClient:
    """Streams these blocks, then breaks; lists what there is at a height."""

    def __init__(self, blocks: Sequence[Block], listed_height: int = 0) -> None:
        self._blocks, self._listed_height = blocks, listed_height
        self.listings = 0

    def stream_standings(self, from_height: int, venue: int) -> Iterator[Block]:
        yield from (block for block in self._blocks if block.height >= from_height)
        raise Lost

    def standings(self, venue: int) -> liquidation_pb2.ListStandingsResponse:
        self.listings += 1
        return liquidation_pb2.ListStandingsResponse(height=self._listed_height, rows=_rows(LISTED))

    def account(self, account: int, venue: int) -> batches_pb2.AccountView:
        return batches_pb2.AccountView(ratio=batches_pb2.RatioView(cash_atoms={1: 650}[account]))


def _stream(client: Any) -> StandingStream:
    def insist(what: str, call: Callable[[Any], Any]) -> Any:
        return call(client)

    return StandingStream(VENUE, insist)


def _table(*blocks: Any) -> dict[tuple[int, int], tuple[int, ...]]:
    table = StandingTable()
    for block in blocks:
        table.take(block)
    accounts = (1, 2, 3)
    return {(account, row.market): tuple(row[1:]) for account in accounts for row in table.rows_of(account)}


def test_a_stream_that_carries_on_is_read_in_order() -> None:
    blocks = [Block(height=height, rows=_rows(rows)) for height, rows in ((8, FIRST), (9, SECOND))]
    client = FakeClient(blocks)
    stream = _stream(client)
    assert [stream.block(height, client) for height in (8, 9)] == blocks  # type: ignore[arg-type]  # stands in
    assert client.listings == 0


def test_what_a_listing_leaves_out_is_told_as_gone() -> None:
    first, second = (Block(height=height, rows=_rows(rows)) for height, rows in ((8, FIRST), (9, SECOND)))
    client = FakeClient([first], listed_height=9)
    stream = _stream(client)
    told = [stream.block(height, client) for height in (8, 9)]  # type: ignore[arg-type]  # stands in for a client
    assert client.listings == 1
    assert _table(*told) == _table(first, second)


def test_a_node_that_is_further_cannot_tell() -> None:
    client = FakeClient([], listed_height=12)
    with pytest.raises(ReplayError, match="begins on a data directory of its own"):
        _stream(client).block(9, client)  # type: ignore[arg-type]  # stands in for a client
