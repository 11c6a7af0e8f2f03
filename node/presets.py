"""Presets of a venue's rules and of its oracle, by name: what `up`, `replay` and a configuration file may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from actors.rulebooks import twilight
from breakwater.v1 import common_pb2, parameters_pb2
from node.margin_presets import LISTED, margin_trade_market, margin_trade_venue
from node.perennial_presets import DEFAULT_MAINTENANCE, PERENNIAL_LISTED, perennial_market, perennial_venue
from node.spin_presets import SPIN_LISTED, spin_market, spin_venue

VenueWithMarkets = tuple[parameters_pb2.VenueParameters, list[parameters_pb2.MarketParameters]]

TWILIGHT_VENUE: Final = 1
USD_E9: Final = 1_000_000_000
DEFAULT_RULES: Final = "safe"
DEFAULT_ORACLE: Final = "last-valid"

# `seed` is the documentation's, `safe` ours: shares priced on the cautious side and the limits of TW-19 on (TW-17).
RULES: Final = {"seed": twilight.seed, "safe": twilight.safe}
# TW-20: the last valid tick for as long as a stall lasts, or a halt when it lasts 30 s. 0 = never.
HALT_AGE_MS: Final = {"last-valid": 0, "halting": 30_000}

_TICK_INTERVAL_MS: Final = 500
_WARN_AGE_MS: Final = 10_000
_NOTICE_MS: Final = 60_000


def default_venues(
    rules: str = DEFAULT_RULES,
    oracle: str = DEFAULT_ORACLE,
    margin_trade: Sequence[str] = LISTED,
    spin: Sequence[str] = SPIN_LISTED,
    perennial: Sequence[str] = PERENNIAL_LISTED,
) -> list[VenueWithMarkets]:
    """What `up` lists: Twilight by these presets, then Margin Trade, Spin and Perennial with a market for each of their
    assets; a venue without assets is left out. Raises KeyError for a preset or an asset there is not."""
    listings = (
        (margin_trade_listing, margin_trade),
        (spin_listing, spin),
        (perennial_listing, perennial),
    )
    return [twilight_venue(rules, oracle), *(listing(assets) for listing, assets in listings if assets)]


def margin_trade_listing(assets: Sequence[str] = LISTED) -> VenueWithMarkets:
    """Margin Trade as venue 2 with a market for each asset, numbered from 1. Raises KeyError for an unknown asset."""
    return margin_trade_venue(), [margin_trade_market(number, asset) for number, asset in enumerate(assets, 1)]


def spin_listing(assets: Sequence[str] = SPIN_LISTED) -> VenueWithMarkets:
    """Spin as venue 3 with a market for each asset, numbered from 1. Raises KeyError for an unknown asset."""
    return spin_venue(), [spin_market(number, asset) for number, asset in enumerate(assets, 1)]


def perennial_listing(
    assets: Sequence[str] = PERENNIAL_LISTED, maintenance: str = DEFAULT_MAINTENANCE
) -> VenueWithMarkets:
    """Perennial as venue 4 with a market for each asset, numbered from 1. Raises KeyError for a preset or an asset."""
    markets = [perennial_market(number, asset, maintenance=maintenance) for number, asset in enumerate(assets, 1)]
    return perennial_venue(), markets


def twilight_venue(rules: str = DEFAULT_RULES, oracle: str = DEFAULT_ORACLE) -> VenueWithMarkets:
    """Twilight as venue 1, its market BTC-PERP in ticks of 1 USD, publishers 1 to 3. Raises KeyError for a preset."""
    preset = RULES[rules]()
    venue = parameters_pb2.VenueParameters(
        venue=TWILIGHT_VENUE,
        name="twilight",
        rulebook=common_pb2.RULEBOOK_TWILIGHT,
        asset="BTC",
        asset_decimals=8,
        twilight=parameters_pb2.TwilightParameters(
            maintenance_ratio_e9=preset.maintenance_ratio_e9,
            taker_fee_e9=preset.taker_fee_e9,
            maker_fee_e9=preset.maker_fee_e9,
            psi=preset.psi,
            min_leverage_hundredths=preset.min_leverage_hundredths,
            max_leverage_hundredths=preset.max_leverage_hundredths,
            margin_cap_atoms=preset.margin_cap_atoms,
            utilisation_cap_ppm=preset.utilisation_cap_ppm,
            price_shares_marked=preset.price_pool_shares_marked,
            limits_on=preset.limits_on,
            max_oi_ppm=preset.max_oi_ppm,
            max_net_ppm=preset.max_net_ppm,
            max_position_ppm=preset.max_position_ppm,
            notice_ms=_NOTICE_MS,
        ),
    )
    market = parameters_pb2.MarketParameters(
        venue=TWILIGHT_VENUE,
        market=1,
        symbol="BTC-PERP",
        tick_size_e9=USD_E9,
        oracle=parameters_pb2.OracleParameters(
            sources=[parameters_pb2.OracleSource(publisher=number, weight=1) for number in (1, 2, 3)],
            tick_interval_ms=_TICK_INTERVAL_MS,
            source_fresh_ms=_WARN_AGE_MS,
            warn_age_ms=_WARN_AGE_MS,
            halt_age_ms=HALT_AGE_MS[oracle],
            future_tolerance_ms=1_000,
            funding_interval_ms=preset.funding_interval_ms,
        ),
    )
    return venue, [market]
