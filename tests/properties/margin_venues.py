"""Margin Trade venues and markets for streams: small numbers, so that every limit is near."""

import random
from typing import NamedTuple

from breakwater.v1 import common_pb2 as common
from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.parameters_pb2 import (
    MarginTier,
    MarginTradeMarket,
    MarginTradeParameters,
    MarketParameters,
    OracleParameters,
    OracleSource,
    VenueParameters,
)
from tests.properties.margin_moods import MarginMood
from tests.properties.moods import HOUR_MS
from tests.properties.venues import Batches

MARGIN_VENUE = 7
USDC = 10**6
MAX_ORDER_LOTS = 5 * 10**7
SPOT = ((1, 4), (2, 3), (3, 3))
PERP = ((11, 4), (12, 3), (13, 3))


class Asset(NamedTuple):
    """A market's scale: tick and lot in 1e-9, what a lot at a tick is worth, about what a lot costs in ticks, tiers."""

    name: str
    tick_size_e9: int
    lot_size_e9: int
    k: int
    price_ticks: int
    tiers: tuple[tuple[int, int], ...]


# Three scales; the second tier of the first is reached by accounts of the streams.
ASSETS = (
    Asset("BTC", 10**9, 10**6, 1_000, 50_000, ((0, 40), (200_000 * USDC, 20))),
    Asset("ETH", 10**8, 10**4, 1, 30_000, ((0, 25),)),
    Asset("SOL", 10**7, 10**9, 10_000, 700, ((0, 20), (3_000 * USDC, 10), (50_000 * USDC, 4))),
)


def margin_venue(draw: random.Random, mood: MarginMood, venue: int = MARGIN_VENUE) -> VenueParameters:
    """A venue with small thresholds."""
    return VenueParameters(
        venue=venue,
        name=f"margin-{venue}",
        rulebook=common.RULEBOOK_MARGIN_TRADE,
        asset="USDC",
        asset_decimals=6,
        margin_trade=MarginTradeParameters(
            partial_threshold_atoms=draw.choice((1_000, 20_000, 100_000)) * USDC,
            partial_fraction_ppm=200_000,
            cooldown_ms=draw.choice((0, 1_000, 30_000)),
            partial_liquidation=draw.random() < 0.8,
            backstop_numerator=draw.choice((2, 2, 2, 0, 1)),
            backstop_denominator=draw.choice((3, 3, 3, 2)),
            ladder_rounds=draw.choice(mood.rounds),
            deleverage_policy=draw.choice((1, 1, 2, 3)),  # type: ignore[arg-type]
            deleverage_price=draw.choice((1, 1, 1, 2)),  # type: ignore[arg-type]
            vault_lock_ms=draw.choice((0, 2_000, 4 * 24 * HOUR_MS)),
            vault_max_leverage_hundredths=draw.choice(mood.vault_leverages),
            vault_loss_limit_ppm=draw.choice((50_000, 250_000, 10**6)),
            notice_ms=draw.choice((0, 2_000)),
            max_orders_per_account=draw.choice((15, 100, 1_000)),
        ),
    )


def margin_market(draw: random.Random, mood: MarginMood, market: int, venue: int = MARGIN_VENUE) -> MarketParameters:
    """Market 1 is a BTC, 2 an ETH, 3 a SOL; the fourth a BTC again."""
    asset = ASSETS[(market - 1) % len(ASSETS)]
    spot = SPOT[: draw.choice((2, 3, 3))]
    cap_lots = draw.choice(mood.caps_lots)
    perp = PERP[: draw.choice((0, 1, 3, 3))]
    sources = [OracleSource(publisher=number, weight=weight, kind=1) for number, weight in spot]
    sources += [OracleSource(publisher=number, weight=weight, kind=2) for number, weight in perp]
    return MarketParameters(
        venue=venue,
        market=market,
        symbol=f"{asset.name}-{market}",
        tick_size_e9=asset.tick_size_e9,
        oracle=OracleParameters(
            sources=sources,
            tick_interval_ms=draw.choice((1, 500, 1_000)),
            source_fresh_ms=10_000,
            warn_age_ms=10_000,
            halt_age_ms=draw.choice((0, 0, 60_000)),
            future_tolerance_ms=1_000,
            breaker_move_ppm=draw.choice(mood.breakers_ppm),
            breaker_window_ms=3_000,
            breaker_hold_ms=2_000,
            funding_interval_ms=draw.choice((60_000, HOUR_MS)),
            min_fresh_sources=draw.choice((0, 1, 2)),
            mark_rule=draw.choice(mood.mark_rules),  # type: ignore[arg-type]
            reduce_only_age_ms=draw.choice((0, 15_000)),
        ),
        margin_trade=MarginTradeMarket(
            lot_size_e9=asset.lot_size_e9,
            quote_atoms_per_tick_lot=asset.k,
            tiers=[MarginTier(lower_notional_atoms=lower, max_leverage=most) for lower, most in asset.tiers],
            maker_fee_e9=draw.choice((0, 150_000)),
            taker_fee_e9=draw.choice((0, 450_000, 10**7)),
            liquidation_fee_e9=draw.choice((0, 5_000_000, 5_000_000)),
            min_notional_atoms=draw.choice((0, 10 * USDC)),
            max_order_lots=min(cap_lots, MAX_ORDER_LOTS),
            open_interest_cap_lots=cap_lots,
            price_band_ppm=draw.choice((100_000, 950_000)),
            market_protection_ppm=draw.choice((5_000, 50_000)),
            impact_notional_atoms=draw.choice((100, 6_000)) * USDC,
            interest_rate_e9=100_000,
            interest_clamp_e9=500_000,
            funding_cap_e9=draw.choice((40_000_000, 100_000_000)),
            unwind_step_ms=draw.choice((1, 1_000, 10_000)),
            unwind_fraction_ppm=draw.choice((50_000, 300_000)),
            unwind_full_lots=draw.choice((0, 20)),
            unwind_depth_ppm=draw.choice((100_000, 10**6)),
            unwind_slippage_ppm=draw.choice((0, 10_000, 50_000)),
        ),
    )


def margin_genesis(
    draw: random.Random, maker: Batches, mood: MarginMood, venue: int = MARGIN_VENUE
) -> list[CommandBatch]:
    """The venue, its markets, its accounts."""
    batches = [maker.batch(venue, "create_venue", parameters=margin_venue(draw, mood, venue))]
    listed = [margin_market(draw, mood, market, venue) for market in range(1, draw.choice(mood.markets) + 1)]
    batches += [maker.batch(venue, "create_market", parameters=market) for market in listed]
    batches.append(maker.batch(venue, "open_accounts", count=mood.accounts))
    return batches
