"""Spin venues, markets and moods for streams: small numbers, so that every limit is near."""

import random
from dataclasses import replace

from breakwater.v1 import common_pb2 as common
from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.parameters_pb2 import MarketParameters, SpinMarket, SpinParameters, VenueParameters
from tests.properties.margin_moods import BOOKISH, CRASH, CROWD, EDGE, HOURS, MIXED, STALLS, USDC, MarginMood
from tests.properties.margin_venues import ASSETS, MAX_ORDER_LOTS, margin_market
from tests.properties.venues import Batches

SPIN_VENUE = 21
# Wider steps than lots: sizes and takeovers in whole steps only.
STEPS = (1, 1, 5)

SPIN_MIXED = replace(MIXED, appetite={"liquidators": 1.0})
SPIN_CRASH = replace(
    CRASH,
    funds_atoms=(0, 0, 10 * USDC),
    jumps_permille=(20, 50, 100, 200),
    appetite={**CRASH.appetite, "liquidators": 1.0, "transfers": 0.3},
)
# Just below 0.7, one after the other: the calculator's quantities, an atom here and there.
SPIN_EDGE = replace(EDGE, jumps_permille=(5, 10, 30), appetite={**EDGE.appetite, "liquidators": 1.0})
SPIN_CROWD = replace(CROWD, appetite={**CROWD.appetite, "liquidators": 1.0})
SPIN_STALLS = replace(STALLS, appetite={**STALLS.appetite, "liquidators": 1.0})
SPIN_BOOKISH = replace(BOOKISH, appetite={**BOOKISH.appetite, "liquidators": 0.3})
SPIN_HOURS = replace(HOURS, appetite={**HOURS.appetite, "liquidators": 1.0, "liquidity": 0.0})
# Values near 2^60, and funding at its cap hour after hour.
SPIN_HUGE = replace(
    SPIN_CRASH,
    name="huge",
    deposits_atoms=(10**15, 10**16),
    makers_atoms=10**17,
    caps_lots=(10**9, 10**10),
    broke_atoms=10**12,
    steps_ms=(500, 1_000, 60_000, 3_600_000),
    appetite={**SPIN_CRASH.appetite, "deposits": 0.0},
)
SPIN_MOODS = (
    SPIN_MIXED,
    SPIN_CRASH,
    SPIN_EDGE,
    SPIN_BOOKISH,
    SPIN_CROWD,
    SPIN_STALLS,
    SPIN_HUGE,
    SPIN_HOURS,
    SPIN_CRASH,
)


def spin_venue(draw: random.Random, venue: int = SPIN_VENUE) -> VenueParameters:
    """A venue with rewards of any size."""
    return VenueParameters(
        venue=venue,
        name=f"spin-{venue}",
        rulebook=common.RULEBOOK_SPIN,
        asset="USDC",
        asset_decimals=6,
        spin=SpinParameters(
            liquidator_reward_e9=draw.choice((15_000_000, 15_000_000, 0, 33_333_333)),
            insurance_share_e9=draw.choice((10_000_000, 10_000_000, 0)),
            fund_target_ppm=50_000,
            fund_target_min_atoms=100_000 * USDC,
            max_orders_per_account=draw.choice((15, 100)),
            notice_ms=draw.choice((0, 2_000)),
        ),
    )


def spin_market(draw: random.Random, mood: MarginMood, market: int, venue: int = SPIN_VENUE) -> MarketParameters:
    """As the Margin Trade market of the number, by Spin's rules."""
    parameters = margin_market(draw, mood, market, venue)
    parameters.ClearField("margin_trade")
    parameters.spin.CopyFrom(spin_rules(draw, mood, market))
    return parameters


def spin_rules(draw: random.Random, mood: MarginMood, market: int) -> SpinMarket:
    """Fees of both signs, ratios above and below what the penalty takes; units as the asset's."""
    asset = ASSETS[(market - 1) % len(ASSETS)]
    cap_lots = draw.choice(mood.caps_lots)
    taker_fee = draw.choice((0, 800_000, 10**7))
    return SpinMarket(
        lot_size_e9=asset.lot_size_e9,
        quote_atoms_per_tick_lot=asset.k,
        collateral_ratio_e9=draw.choice((100_000_000, 100_000_000, 50_000_000, 30_000_000, 123_456_789)),
        maker_fee_e9=draw.choice((0, -min(400_000, taker_fee), 150_000)),
        taker_fee_e9=taker_fee,
        step_lots=STEPS[(market - 1) % len(STEPS)],
        min_notional_atoms=draw.choice((0, 10 * USDC)),
        max_order_lots=min(cap_lots, max(MAX_ORDER_LOTS, cap_lots // 10)),
        max_position_lots=draw.choice((cap_lots, cap_lots, max(5, cap_lots // 100))),
        open_interest_cap_lots=cap_lots,
        price_band_ppm=draw.choice((100_000, 950_000)),
        market_protection_ppm=draw.choice((5_000, 50_000)),
        funding_cap_e9=draw.choice((10_000_000, 10_000_000, 0, 100_000_000)),
    )


def spin_genesis(draw: random.Random, maker: Batches, mood: MarginMood, venue: int = SPIN_VENUE) -> list[CommandBatch]:
    """The venue, its markets, its accounts, subaccounts of some."""
    batches = [maker.batch(venue, "create_venue", parameters=spin_venue(draw, venue))]
    listed = [spin_market(draw, mood, market, venue) for market in range(1, draw.choice(mood.markets) + 1)]
    batches += [maker.batch(venue, "create_market", parameters=market) for market in listed]
    batches.append(maker.batch(venue, "open_accounts", count=mood.accounts))
    batches.append(maker.batch(venue, "open_subaccounts", owner=[3, 4, 4, mood.accounts + 1]))
    return batches
