"""Venues and markets for streams: the presets `seed`, `safe` and `halting`, the breaker, several publishers."""

import random
from typing import Protocol

from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.common_pb2 import RULEBOOK_TWILIGHT
from breakwater.v1.parameters_pb2 import (
    MarketParameters,
    OracleParameters,
    OracleSource,
    TwilightParameters,
    VenueParameters,
)
from tests.properties.moods import HOUR_MS, Mood

START_MS = 1_760_000_399_000


class Batches(Protocol):
    """Who makes batches under new keys."""

    def batch(self, venue: int, body: str, /, **columns: object) -> CommandBatch: ...


def venue_parameters(venue: int, safe: bool, cap_ppm: int = 900_000) -> VenueParameters:
    """A Twilight venue with the preset `safe` or `seed`."""
    return VenueParameters(
        venue=venue,
        name=f"twilight-{venue}",
        rulebook=RULEBOOK_TWILIGHT,
        asset="BTC",
        asset_decimals=8,
        twilight=TwilightParameters(
            maintenance_ratio_e9=4_000_000,
            taker_fee_e9=400_000,
            maker_fee_e9=200_000,
            psi=1,
            min_leverage_hundredths=100,
            max_leverage_hundredths=5_000,
            margin_cap_atoms=10_000_000,
            utilisation_cap_ppm=cap_ppm,
            price_shares_marked=safe,
            limits_on=safe,
            max_oi_ppm=4_000_000,
            max_net_ppm=800_000,
            max_position_ppm=20_000,
            notice_ms=2_000,
        ),
    )


def market_parameters(
    venue: int, market: int, halting: bool = False, breaker_ppm: int = 0, weights: tuple[int, ...] = (1, 1, 1)
) -> MarketParameters:
    """A market with publishers 1, 2, ... of the given weights."""
    return MarketParameters(
        venue=venue,
        market=market,
        symbol=f"BTC-PERP-{market}",
        tick_size_e9=10**9,
        oracle=OracleParameters(
            sources=[OracleSource(publisher=place, weight=weight) for place, weight in enumerate(weights, 1)],
            tick_interval_ms=500,
            source_fresh_ms=5_000,
            warn_age_ms=10_000,
            halt_age_ms=30_000 if halting else 0,
            future_tolerance_ms=1_000,
            breaker_move_ppm=breaker_ppm,
            breaker_window_ms=3_000,
            breaker_hold_ms=2_000,
            funding_interval_ms=HOUR_MS,
        ),
    )


def genesis(draw: random.Random, maker: Batches, mood: Mood) -> list[CommandBatch]:
    """Two venues, three markets, a dozen accounts each."""
    batches = []
    for venue in (1, 2):
        safe = mood.preset == "safe" or (not mood.preset and draw.random() < 0.5)
        parameters = venue_parameters(venue, safe, draw.choice((900_000, 900_000, 10**6)))
        if mood.preset or (safe and draw.random() < 0.5):
            parameters.twilight.max_position_ppm = 500_000
        batches.append(maker.batch(venue, "create_venue", parameters=parameters))
        for market in (1, 2) if venue == 1 else (1,):
            weights = draw.choice(((1, 1, 1), (1, 2, 1), (3, 1, 1), (1, 1), (2, 5, 4)))
            breaker = draw.choice((0, 0, 50_000)) if not mood.preset else 0
            halting = draw.random() < 0.4 and not mood.preset
            created = market_parameters(venue, market, halting, breaker, weights)
            created.oracle.funding_interval_ms = mood.funding_interval_ms
            batches.append(maker.batch(venue, "create_market", parameters=created))
        batches.append(maker.batch(venue, "open_accounts", count=draw.choice((5, 12))))
    return batches
