"""Reading blocks and proving what happened in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from actors.chain.receipt import make_receipt
from breakwater.v1 import (
    block_service_pb2,
    block_service_pb2_grpc,
    blocks_pb2,
    events_pb2,
    parameters_pb2,
    refusals_pb2,
)
from cluster.archive import Archive, Cursor
from node.guards import numbers
from node.guards.refusals import Refused
from node.services.door import Door

_VENUE_CHANGED = events_pb2.Event.VENUE_CHANGED_FIELD_NUMBER
_MARKET_CHANGED = events_pb2.Event.MARKET_CHANGED_FIELD_NUMBER
_PAGE_EVENTS = 1_000


class BlockService(block_service_pb2_grpc.BlockServiceServicer):
    """See block_service.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def GetHeader(
        self, request: block_service_pb2.GetHeaderRequest, context: Any
    ) -> block_service_pb2.GetHeaderResponse:
        """A header, signed if the validator has come so far; raises NOT_FOUND."""
        height = await self._archived(request.height or self._door.feed.latest)
        return block_service_pb2.GetHeaderResponse(header=await asyncio.to_thread(self._header, height))

    async def StreamHeaders(
        self, request: block_service_pb2.StreamHeadersRequest, context: Any
    ) -> AsyncIterator[block_service_pb2.StreamHeadersResponse]:
        """Every header from a height on; with `signed_only` each waits for its signature."""
        key = self._door.host.validator_public_key
        async for block in self._door.feed.blocks(request.from_height):
            if request.signed_only:
                signature = await self._door.feed.signature(block.height)
            else:
                signature = self._door.feed.known_signature(block.height)
            header = blocks_pb2.SignedHeader(
                header=block.header, signature=signature, validator_key=key if signature else b""
            )
            yield block_service_pb2.StreamHeadersResponse(header=header)

    async def ListEvents(
        self, request: block_service_pb2.ListEventsRequest, context: Any
    ) -> block_service_pb2.ListEventsResponse:
        """All events of a block; raises NOT_FOUND."""
        height = await self._archived(request.height)
        await asyncio.to_thread(self._header, height)
        events = await asyncio.to_thread(self._door.host.archive.block_events, height)
        return block_service_pb2.ListEventsResponse(events=[events_pb2.Event.FromString(event) for event in events])

    async def StreamEvents(
        self, request: block_service_pb2.StreamEventsRequest, context: Any
    ) -> AsyncIterator[block_service_pb2.StreamEventsResponse]:
        """Every event from a height on, a message a block; blocks without events are left out."""
        async for block in self._door.feed.blocks(request.from_height):
            if block.raw_events:
                yield block_service_pb2.StreamEventsResponse(height=block.height, events=block.events)

    async def GetReceipt(
        self, request: block_service_pb2.GetReceiptRequest, context: Any
    ) -> block_service_pb2.GetReceiptResponse:
        """A proof of one event; raises NOT_FOUND, or NOT_VALIDATED until its block is signed."""
        height = await self._archived(request.height)
        return block_service_pb2.GetReceiptResponse(
            receipt=await asyncio.to_thread(self._receipt, height, request.index)
        )

    async def GetValidatorKey(
        self, request: block_service_pb2.GetValidatorKeyRequest, context: Any
    ) -> block_service_pb2.GetValidatorKeyResponse:
        """The Ed25519 public key headers are signed with. Who verifies should have it from elsewhere, too."""
        return block_service_pb2.GetValidatorKeyResponse(public_key=self._door.host.validator_public_key)

    async def _archived(self, height: int) -> int:
        """The height, once the archive has its block; one that is not committed is looked for all the same."""
        await self._door.feed.reach(numbers.identity(height, "height"))
        return height

    def _header(self, height: int) -> blocks_pb2.SignedHeader:
        found = self._door.host.archive.header(height)
        if found is None:
            raise Refused(refusals_pb2.REFUSAL_NOT_FOUND, self._door.host.height(), height, "height")
        signed = found.signature is not None
        return blocks_pb2.SignedHeader(
            header=found.header,
            signature=found.signature or b"",
            validator_key=self._door.host.validator_public_key if signed else b"",
        )

    def _receipt(self, height: int, index: int) -> blocks_pb2.Receipt:
        header = self._header(height)
        archive = self._door.host.archive
        events = archive.block_events(height)
        if index >= len(events):
            raise Refused(refusals_pb2.REFUSAL_NOT_FOUND, len(events), index, "index")
        if not header.signature:
            raise Refused(refusals_pb2.REFUSAL_NOT_VALIDATED, height, self._door.host.status().validated_height)
        event = events_pb2.Event.FromString(events[index])
        parameters = _parameters_at(archive, event.venue, height)
        return make_receipt(events, index, header, parameters, _market_at(archive, event, height))


def _parameters_at(archive: Archive, venue: int, height: int) -> parameters_pb2.VenueParameters:
    """Parameters of a venue as its last change up to a height left them; empty for an event of no venue."""
    found = parameters_pb2.VenueParameters()
    for event in _changes(archive, _VENUE_CHANGED, height):
        if event.venue == venue:
            found = event.venue_changed.parameters
    return found


def _market_at(archive: Archive, about: events_pb2.Event, height: int) -> parameters_pb2.MarketParameters | None:
    """The same of the market an event is about; None where it is about none."""
    found = None
    for event in _changes(archive, _MARKET_CHANGED, height) if about.market else ():
        if (event.venue, event.market) == (about.venue, about.market):
            found = event.market_changed.parameters
    return found


def _changes(archive: Archive, kind: int, height: int) -> Iterator[events_pb2.Event]:
    """Events of one kind up to a height, page by page."""
    after: Cursor | None = None
    while rows := archive.events_by_kind([kind], 0, _PAGE_EVENTS, after):
        for row in rows:
            if row.height > height:
                return
            yield events_pb2.Event.FromString(row.bytes)
        after = Cursor(rows[-1].height, rows[-1].idx)
