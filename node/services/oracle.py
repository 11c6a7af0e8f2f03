"""Publishers of prices: a stream of batches of ticks in, a stream of answers out, in the same order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from actors.column_bytes import field_bytes
from breakwater.v1 import commands_pb2, oracle_pb2, oracle_pb2_grpc
from cluster.answer import Answer
from node.services.batch_stream import BatchStream, answer_of
from node.services.door import Door


class OracleService(oracle_pb2_grpc.OracleServiceServicer):
    """See oracle.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def PublishTicks(
        self, request_iterator: AsyncIterator[oracle_pb2.PublishTicksRequest], context: Any
    ) -> AsyncIterator[bytes]:
        """Sequences batches as they come. A batch that reached no block is answered with height 0 in every row.

        The responses are serialised.
        """
        stream = BatchStream(self._door, self._publish, self._door.config.limits.tick_batches_in_flight)
        async with aclosing(stream.answers(request_iterator)) as answers:
            async for answer in answers:
                yield field_bytes(oracle_pb2.PublishTicksResponse, "outcome", answer.serialised)

    async def _publish(self, request: oracle_pb2.PublishTicksRequest) -> Answer:
        key = request.request_key
        batch = commands_pb2.CommandBatch(
            request_key=key.key, expires_ms=key.expires_ms, venue=request.venue, ticks=request.ticks
        )
        return await answer_of(self._door, batch)
