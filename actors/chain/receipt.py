"""Receipts: a proof of one event that needs no node, checked offline against the validator's public key alone.

The signature is checked through a callable the caller brings, because keys and their library live outside the actors.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError

from actors.chain import merkle
from actors.chain.bot_check import bot_liquidation_facts, bot_liquidation_fault
from actors.chain.liquidation_check import liquidation_fault
from actors.chain.margin_check import header_marks, ladder_facts, ladder_fault
from actors.chain.roots import header_hash
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters

ON_TRUST = (
    "the ticks: prices are what the oracle's publishers sent",
    "the deposits: the custodian says what came in",
    "that the validator re-executed the block before it signed; it proves validity by re-execution, not zero-knowledge",
)

VerifySignature = Callable[[bytes, bytes, bytes], bool]


class ReceiptVerdict(NamedTuple):
    """Whether the receipt holds, why not, and what it then proves."""

    ok: bool
    reason: str
    facts: list[str]


def make_receipt(
    numbered_events: Sequence[bytes],
    index: int,
    signed: blocks.SignedHeader,
    venue: parameters.VenueParameters,
    market: parameters.MarketParameters | None = None,
) -> blocks.Receipt:
    """The receipt of event `index` among all events of its block. Raises IndexError."""
    return blocks.Receipt(
        event=numbered_events[index],
        index=index,
        count=len(numbered_events),
        path=merkle.path(numbered_events, index),
        header=signed,
        on_trust=ON_TRUST,
        parameters=venue,
        market=market,
    )


def check_receipt(receipt: blocks.Receipt, public_key: bytes, verify: VerifySignature) -> ReceiptVerdict:
    """Checks signature, Merkle path, numbering, and a liquidation's own numbers. Never raises for a bad receipt.

    `verify(public_key, message, signature)` is Ed25519; the message is the hash of the header.
    """
    try:
        header = blocks.BlockHeader.FromString(receipt.header.header)
        event = events.Event.FromString(receipt.event)
    except DecodeError:
        return ReceiptVerdict(False, "the header or the event cannot be read", [])
    if not verify(public_key, header_hash(receipt.header.header), receipt.header.signature):
        return ReceiptVerdict(False, "the header is not signed by this validator", [])
    if (event.height, event.index, event.block_time_ms) != (header.height, receipt.index, header.block_time_ms):
        return ReceiptVerdict(False, "the event does not belong to this header", [])
    if receipt.count != header.event_count or not merkle.verify(
        header.events_root, receipt.event, receipt.index, header.event_count, list(receipt.path)
    ):
        return ReceiptVerdict(False, "the event is not under the header's events root", [])
    if event.HasField("position_liquidated"):
        fault = _mark_fault(event, header) or _rules_fault(event, receipt.parameters)
        if fault:
            return ReceiptVerdict(False, fault, [])
    marks = header_marks(header.marks)
    fault = ladder_fault(event, receipt.parameters, marks)
    fault = fault or bot_liquidation_fault(event, receipt.parameters, receipt.market, marks)
    if fault:
        return ReceiptVerdict(False, fault, [])
    return ReceiptVerdict(True, "", _facts(event, header) + ladder_facts(event) + bot_liquidation_facts(event))


def _mark_fault(event: events.Event, header: blocks.BlockHeader) -> str | None:
    used = event.position_liquidated.mark
    for mark in header.marks:
        if (mark.venue, mark.market) == (event.venue, event.market):
            if (mark.mark_ticks, mark.version) == (used.mark_ticks, used.version):
                return None
            return "the liquidation's mark is not the header's"
    return "the header has no mark for the market"


def _rules_fault(event: events.Event, venue: parameters.VenueParameters) -> str | None:
    if venue.version != event.position_liquidated.parameters_version:
        return "the parameters are not of the version the event names"
    return liquidation_fault(event, venue)


def _facts(event: events.Event, header: blocks.BlockHeader) -> list[str]:
    kind = event.WhichOneof("body")
    facts = [f"{kind} is event {event.index} of {header.event_count} in block {header.height}, signed"]
    if kind == "position_liquidated":
        body = event.position_liquidated
        facts += [
            f"position {body.position} of account {event.account} was liquidated at mark {body.mark.mark_ticks} "
            f"(version {body.mark.version}, {body.mark.age_ms} ms old)",
            f"equity {body.equity_atoms} atoms was at or below maintenance {body.maintenance_atoms} atoms (TW-10)",
            f"margin seized {body.margin_held_atoms} atoms, deficit {body.deficit_atoms} atoms (TW-11)",
        ]
    return facts
