"""Publishers of prices: a stream of batches of ticks in, a stream of answers out, in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from breakwater.v1 import answers_pb2, commands_pb2, common_pb2, oracle_pb2, oracle_pb2_grpc
from cluster.host import Refused as HostRefused
from node.guards.batches import rows_of
from node.guards.refusals import clamped
from node.services.door import Door

_Answer = asyncio.Task[answers_pb2.BatchOutcome]


class OracleService(oracle_pb2_grpc.OracleServiceServicer):
    """See oracle.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def PublishTicks(
        self, request_iterator: AsyncIterator[oracle_pb2.PublishTicksRequest], context: Any
    ) -> AsyncIterator[oracle_pb2.PublishTicksResponse]:
        """Sequences batches as they come. A batch that reached no block is answered with height 0 in every row."""
        answers: asyncio.Queue[_Answer | None] = asyncio.Queue(self._door.config.limits.tick_batches_in_flight)
        reader = asyncio.create_task(self._read(request_iterator, answers))
        try:
            while (answer := await answers.get()) is not None:
                yield oracle_pb2.PublishTicksResponse(outcome=await answer)
            await reader
        finally:
            reader.cancel()

    async def _read(
        self, requests: AsyncIterator[oracle_pb2.PublishTicksRequest], answers: asyncio.Queue[_Answer | None]
    ) -> None:
        """Begins the work on each message; the queue's size holds back a publisher that is too fast."""
        try:
            async for request in requests:
                await answers.put(asyncio.create_task(self._publish(request)))
        except Exception:
            await answers.put(None)
            raise
        await answers.put(None)

    async def _publish(self, request: oracle_pb2.PublishTicksRequest) -> answers_pb2.BatchOutcome:
        key = request.request_key
        batch = commands_pb2.CommandBatch(
            request_key=key.key, expires_ms=key.expires_ms, venue=request.venue, ticks=request.ticks
        )
        try:
            return await self._door.submit(batch)
        except HostRefused as refused:
            return _unsequenced(max(1, rows_of(batch)), refused)


def _unsequenced(rows: int, refused: HostRefused) -> answers_pb2.BatchOutcome:
    nothing = [0] * rows
    return answers_pb2.BatchOutcome(
        height=0,
        command=nothing,
        status=[common_pb2.OUTCOME_STATUS_REFUSED] * rows,
        refusal=[refused.refusal] * rows,
        required=[clamped(refused.required)] * rows,
        actual=[clamped(refused.actual)] * rows,
        reference=nothing,
        price_ticks=nothing,
        amount_atoms=nothing,
    )
