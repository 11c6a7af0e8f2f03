"""What a test of a Perennial venue needs before its own first step: a node that lists it, versions, accounts."""

import time
from pathlib import Path

from breakwater.v1 import batches_pb2, versions_pb2
from node.client import Client
from node.config import NodeConfig
from node.perennial_presets import PERENNIAL_VENUE, perennial_market, perennial_venue
from node.presets import VenueWithMarkets
from tests.api.conftest import LIMITS, calm_venues
from tests.api.scene import now_ms

VENUE = PERENNIAL_VENUE
USDC = 10**6
LOTS = 10**6
PRICE_TICKS = 1_000 * 10**6
FUNDS = 100_000 * USDC
# Slots as short as the tick interval allows: tests do not wait long. A busy machine may publish late, no slot is void.
SLOT_MS = 600
PATIENT_MS = 10_000
_SOURCES = (1, 2, 3)
_HOUR_MS = 3_600_000


def listing() -> VenueWithMarkets:
    """The seed's market (20% maintenance, at least 50 USDC), no dearer for who trades first, in short slots."""
    market = perennial_market(1, "ETH", maintenance="seed")
    market.perennial.version_ms, market.perennial.grace_ms = SLOT_MS, PATIENT_MS
    market.perennial.stale_after_ms = _HOUR_MS
    return perennial_venue(), [market]


def config_of(data_dir: Path, **settings: object) -> NodeConfig:
    """A node that lists a Perennial venue beside those of every node."""
    others = [venue for venue in calm_venues() if venue[0].venue != VENUE]
    settings = {
        "transport": "inline",
        "validator_process": False,
        "dev": True,
        "limits": LIMITS,
        "heartbeat_ms": 100,
        **settings,
    }
    return NodeConfig(data_dir=data_dir, venues=[*others, listing()], **settings)


def publish(client: Client, ticks: int) -> None:
    """One price by every source."""
    client.publish([(1, source, ticks, now_ms()) for source in _SOURCES], VENUE)


def settle_at(client: Client, ticks: int) -> batches_pb2.VersionRecord:
    """Publishes a price until a version settles at it with nothing left to settle; that version."""
    deadline = time.monotonic() + 60
    begun = now_ms()
    while time.monotonic() < deadline:
        publish(client, ticks)
        status = client.version_status(venue=VENUE)
        record = status.record
        if record.version_ms > begun and record.price_ticks == ticks and not status.requested_ms:
            return record
        time.sleep(SLOT_MS / 6_000)
    raise AssertionError(f"no version settled at {ticks}")


def funded(client: Client, atoms: int = FUNDS) -> int:
    """A new account of the venue with that much free."""
    account = client.open_account(VENUE)
    client.faucet(account, atoms, VENUE)
    return account


def versioned(client: Client, account: int) -> batches_pb2.VersionedView:
    """The account's only market, with what is pending."""
    (view,) = client.margin(account, VENUE).account.versioned
    return view


def next_version(client: Client, from_height: int) -> versions_pb2.StreamVersionsResponse:
    """The first version settled from a height on."""
    return next(iter(client.stream_versions(1, from_height, VENUE)))
