"""The peers of the door, a gRPC server without risk, book and journal.

Its one unary method answers the bytes it was sent. Its stream of columns reads every column into NumPy and answers as
many columns as a node does.

`python -m node.bench.echo` says its address as one JSON object on standard output, then serves until standard input
is closed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from itertools import count
from typing import Any, Final

import grpc
import numpy as np
import orjson

from actors.column_bytes import field_bytes
from actors.columns import field_names, matrix
from breakwater.v1 import answers_pb2, commands_pb2, common_pb2, orders_pb2
from cluster.garbage import collect_rarely
from node.client.channel import OPTIONS

METHOD: Final = "/breakwater.bench.Echo/Say"
STREAM: Final = "/breakwater.v1.OrderService/StreamOrders"
_OUTCOME: Final = answers_pb2.BatchOutcome
_NAMES: Final = field_names(_OUTCOME)[1:]  # behind the height
_STATUS, _REFERENCE = 1, 5


async def serve() -> None:
    """Serves on a free port of loopback."""

    async def say(request: bytes, context: Any) -> bytes:
        return request

    async def stream(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[orders_pb2.StreamOrdersResponse]:
        heights = count(1)
        async for request in requests:
            yield _answer(next(heights), orders_pb2.StreamOrdersRequest.FromString(request).batch)

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *OPTIONS])
    serialize = orders_pb2.StreamOrdersResponse.SerializeToString
    for path, handler in (
        (METHOD, grpc.unary_unary_rpc_method_handler(say)),
        (STREAM, grpc.stream_stream_rpc_method_handler(stream, response_serializer=serialize)),
    ):
        service, name = path[1:].split("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(orjson.dumps({"address": f"127.0.0.1:{port}"}).decode() + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


def _answer(height: int, batch: commands_pb2.CommandBatch) -> orders_pb2.StreamOrdersResponse:
    """Every command rests, under a number as a node gives it."""
    read = matrix(batch.place_orders if batch.HasField("place_orders") else batch.cancel_book_orders)
    columns = np.zeros((len(_NAMES), read.shape[1]), dtype=np.int64)
    columns[_STATUS] = common_pb2.OUTCOME_STATUS_RESTING
    columns[_REFERENCE] = height << 20 | np.arange(read.shape[1])
    parts = [field_bytes(_OUTCOME, name, column.tobytes()) for name, column in zip(_NAMES, columns, strict=True)]
    outcome = _OUTCOME.FromString(b"".join(parts))
    outcome.height = height
    return orders_pb2.StreamOrdersResponse(sequence=height, outcome=outcome)


if __name__ == "__main__":
    collect_rarely()  # as a node does
    asyncio.run(serve())
