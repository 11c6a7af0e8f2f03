"""The first commands of a node: the venues and markets of its configuration, listed where they are missing."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Final

from actors.rulebooks.versions import name_newest
from breakwater.v1 import commands_pb2, common_pb2
from cluster.answer import Answer
from cluster.host import Host, Refused
from node.client.errors import refusal_name
from node.config import VenueWithMarkets

NODE_PRINCIPAL: Final = 0
# The first blocks of a node whose kernels are not compiled wait for the compiler.
_ANSWER_TIMEOUT_S: Final = 120.0


class GenesisRefused(Exception):
    """A venue or market of the configuration was refused; the message names it and the numbers that decided."""


def genesis_batches(venues: list[VenueWithMarkets], expires_ms: int) -> list[commands_pb2.CommandBatch]:
    """One batch a venue and one a market, each venue before its markets; the keys are always the same.

    A venue that names no version of its rulebook's logic lives under the newest.
    """
    batches = []
    for venue, markets in venues:
        listing = commands_pb2.CreateVenue(parameters=venue)
        name_newest(listing.parameters)
        batches.append(_batch(f"genesis/{venue.venue}", venue.venue, expires_ms, create_venue=listing))
        for market in markets:
            name = f"genesis/{venue.venue}/{market.market}"
            opening = commands_pb2.CreateMarket(parameters=market)
            batches.append(_batch(name, venue.venue, expires_ms, create_market=opening))
    return batches


def _batch(name: str, venue: int, expires_ms: int, **body: Any) -> commands_pb2.CommandBatch:
    return commands_pb2.CommandBatch(
        request_key=name.encode(), expires_ms=expires_ms, venue=venue, principal=NODE_PRINCIPAL, **body
    )


def create_venues(host: Host, venues: list[VenueWithMarkets], expires_ms: int) -> None:
    """Lists what is missing, also what a crash in the middle left out. Raises GenesisRefused.

    Everything is sent before the first answer is waited for: one block lists it, and the desks start side by side.
    """
    known_venues = {venue.venue for venue in host.venues()}
    known_markets = {(venue, market.market) for venue in known_venues for market in host.markets(venue)}
    sent = []
    for batch in genesis_batches(venues, expires_ms):
        is_venue = batch.HasField("create_venue")
        if is_venue and batch.venue in known_venues:
            continue
        if not is_venue and (batch.venue, batch.create_market.parameters.market) in known_markets:
            continue
        sent.append((batch.request_key.decode(), host.submit(batch)))
    for subject, answer in sent:
        _wait(subject, answer)


def _wait(subject: str, answer: Future[Answer]) -> None:
    try:
        outcome = answer.result(_ANSWER_TIMEOUT_S).outcome()
    except Refused as refused:
        raise GenesisRefused(_complaint(subject, refused.refusal, refused.required, refused.actual)) from refused
    except TimeoutError:
        raise GenesisRefused(f"{subject}: not answered within {_ANSWER_TIMEOUT_S:g} s") from None
    if outcome.status[0] == common_pb2.OUTCOME_STATUS_REFUSED:
        raise GenesisRefused(_complaint(subject, outcome.refusal[0], outcome.required[0], outcome.actual[0]))


def _complaint(subject: str, refusal: int, required: int, actual: int) -> str:
    return f"{subject}: {refusal_name(refusal)}, required {required}, actual {actual}"
