"""Operators: which shard owns which buckets, moved between two blocks of a running node."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from breakwater.v1 import admin_pb2, refusals_pb2
from cluster.placement import PlacementError
from cluster.topology import shard_name
from node.guards.auth import current_caller
from node.guards.refusals import Refused
from node.logs import logger
from node.services.door import Door

T = TypeVar("T")

_log = logger("shards")


class ShardAdministration:
    """The part of the admin service that is about shards; see admin.proto."""

    _door: Door

    async def ListShards(self, request: admin_pb2.ListShardsRequest, context: Any) -> admin_pb2.ListShardsResponse:
        """Every shard: its buckets, its process, how much it holds."""
        host = self._door.host
        held = await asyncio.wrap_future(host.shards())
        places = await asyncio.to_thread(host.shard_places)
        response = admin_pb2.ListShardsResponse(height=host.height())
        for size in held:
            pid, node = places.get(shard_name(size.shard), (0, ""))
            response.shards.add(
                shard=size.shard,
                buckets=size.buckets,
                pid=pid,
                node=node,
                state_bytes=size.row_bytes,
                accounts=size.accounts,
            )
        return response

    async def MoveBuckets(self, request: admin_pb2.MoveBucketsRequest, context: Any) -> admin_pb2.MoveBucketsResponse:
        """Gives buckets to another shard."""
        moving = self._door.host.move_buckets(request.buckets, request.to_shard)
        done = await _placed(asyncio.wrap_future(moving))
        _log.warning("moved", buckets=done.buckets, to=request.to_shard, pause_us=done.pause_us, by=_caller())
        return admin_pb2.MoveBucketsResponse(height=done.height, moved=done.buckets, pause_us=done.pause_us)

    async def AddShards(self, request: admin_pb2.AddShardsRequest, context: Any) -> admin_pb2.AddShardsResponse:
        """Starts more shards."""
        done = await _placed(asyncio.to_thread(self._door.host.add_shards, request.count, request.empty))
        _log.warning("added", shards=request.count, buckets=done.buckets, pause_us=done.pause_us, by=_caller())
        return admin_pb2.AddShardsResponse(height=done.height, shards=done.shards, pause_us=done.pause_us)


def _caller() -> str:
    return current_caller().name


async def _placed(change: Awaitable[T]) -> T:
    """Its result, or the refusal that says why the placement cannot be so."""
    try:
        return await change
    except PlacementError as error:
        raise Refused(error.refusal, error.required, error.actual, error.field) from error
    except OSError as error:
        _log.error("placement cannot be saved", error=str(error))
        raise Refused(refusals_pb2.REFUSAL_READ_ONLY, field="placement.json") from error
