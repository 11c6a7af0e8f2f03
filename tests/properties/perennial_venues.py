"""Perennial venues, markets and moods for streams: small numbers, so that every limit is near."""

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from actors.rulebooks.versions import newest
from breakwater.v1 import common_pb2 as common
from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.parameters_pb2 import (
    MarketParameters,
    OracleParameters,
    OracleSource,
    PerennialMarket,
    PerennialParameters,
    VenueParameters,
)
from tests.properties.venues import Batches

PERENNIAL_VENUE = 11
NEWEST = newest(common.RULEBOOK_PERENNIAL)
USDC = 10**6
UNIT = 10**6
SECONDS = 10**6
PUBLISHERS = ((1, 1), (2, 2), (3, 2))


@dataclass(frozen=True)
class PerennialMood:
    """Choices that a stream draws from."""

    name: str
    markets: tuple[int, ...] = (1, 2)
    accounts: int = 10
    deposits_atoms: tuple[int, ...] = (3, 20 * USDC, 500 * USDC, 5_000 * USDC, 50_000 * USDC)
    makers_atoms: int = 40_000 * USDC
    steps_ms: tuple[int, ...] = (0, 1, 250, 500, 1_000, 1_001, 2_500)
    versions_ms: tuple[int, ...] = (1_000, 2_000, 10_000)
    graces_ms: tuple[int, ...] = (500, 2_500, 12_000)
    jumps_permille: tuple[int, ...] = (10, 30, 80)
    maintenances_ppm: tuple[int, ...] = (10_000, 50_000, 200_000)
    # Part of what its collateral carries that a taker asks for, in percent.
    spends_percent: tuple[int, ...] = (5, 30, 80, 99, 100, 101)
    # Chance that the next price is aimed at an account's requirement, and that a market's sources stop for a while.
    aim: float = 0.3
    stalls: float = 0.05
    max_pending: tuple[int, ...] = (1, 2, 4)
    # Prices are so many times what is usual; makers' limits other than the usual ones.
    price_scale: int = 1
    maker_limits_lots: tuple[int, ...] = ()
    exact: bool = False
    appetite: dict[str, float] = field(default_factory=dict)


MIXED = PerennialMood("mixed")
# Takers at the edge, jumps beyond their collateral, many liquidators: rewards cut, debts, repayments.
CRASH = PerennialMood(
    "crash",
    deposits_atoms=(20 * USDC, 200 * USDC, 2_000 * USDC),
    makers_atoms=60_000 * USDC,
    jumps_permille=(30, 80, 200, 400),
    maintenances_ppm=(10_000, 20_000, 50_000),
    spends_percent=(80, 95, 99),
    aim=0.4,
    appetite={"takers": 1.0, "makers": 1.0, "jumps": 1.0, "liquidators": 1.0, "parameters": 0.0, "operators": 0.2},
)
# Sources that stop: orders and liquidations pinned to versions that never come, beside each other.
GAPS = PerennialMood(
    "gaps",
    steps_ms=(250, 500, 1_000, 2_500),
    versions_ms=(1_000, 2_000),
    graces_ms=(0, 250, 500),
    stalls=0.25,
    max_pending=(2, 4, 16),
    spends_percent=(50, 90, 99),
    appetite={"takers": 1.0, "makers": 1.0, "liquidators": 1.0, "jumps": 1.0, "parameters": 0.0},
)
# Long steps: funding at its cap, interest, fees that eat collateral up.
SLOW = PerennialMood(
    "slow",
    steps_ms=(10_000, 600_000, 3_600_000, 24 * 3_600_000),
    versions_ms=(10_000, 60_000),
    graces_ms=(12_000, 60_000),
    jumps_permille=(1, 5),
    aim=0.2,
    appetite={"takers": 1.0, "makers": 1.0, "liquidators": 1.0, "gaps": 0.0},
)
# As the contracts did (`v2_exact`), money leaving locked accounts, floors above caps.
EXACT = PerennialMood(
    "exact",
    deposits_atoms=(20 * USDC, 200 * USDC, 2_000 * USDC),
    jumps_permille=(30, 80, 200),
    maintenances_ppm=(10_000, 50_000),
    spends_percent=(80, 95, 99),
    exact=True,
    appetite={"takers": 1.0, "makers": 1.0, "liquidators": 1.0, "collateral": 1.0},
)
# Numbers at the edge of their exact range: sizes near 2^40, prices near their bound, all the money a venue takes.
HUGE = PerennialMood(
    "huge",
    markets=(3,),
    deposits_atoms=(10**16, 10**17),
    makers_atoms=3 * 10**17,
    steps_ms=(500, 1_000, 3_600_000),
    jumps_permille=(30, 200, 900),
    maintenances_ppm=(10_000, 1_000_000),
    spends_percent=(50, 99),
    price_scale=20,
    maker_limits_lots=((1 << 40) - 1, (1 << 44) - 1),
    appetite={"takers": 1.0, "makers": 1.0, "liquidators": 1.0, "jumps": 1.0, "malformed": 0.3},
)
# Few accounts, prices that jump beyond what losers have; winners leave with all they have, as long as it lasts.
RUN = PerennialMood(
    "run",
    markets=(1,),
    accounts=5,
    deposits_atoms=(200 * USDC, 2_000 * USDC),
    makers_atoms=2_000 * USDC,
    steps_ms=(500, 1_000, 1_001),
    versions_ms=(1_000,),
    graces_ms=(2_500,),
    jumps_permille=(200, 400, 700),
    maintenances_ppm=(20_000, 50_000),
    spends_percent=(80, 95),
    aim=0.1,
    appetite={"takers": 1.0, "makers": 0.3, "collateral": 1.0, "liquidators": 0.6, "jumps": 1.0, "parameters": 0.0},
)
PERENNIAL_MOODS = (MIXED, CRASH, GAPS, MIXED, SLOW, EXACT, HUGE, CRASH, GAPS, RUN)


class Coin(NamedTuple):
    """A market and about what a unit of it costs in ticks."""

    name: str
    price_ticks: int


COINS = (Coin("ETH", 1_800 * USDC), Coin("DOGE", 60_000), Coin("BTC", 50_000 * USDC))


def perennial_venue(draw: random.Random, mood: PerennialMood, venue: int = PERENNIAL_VENUE) -> VenueParameters:
    """A venue whose bounds are far apart."""
    return VenueParameters(
        venue=venue,
        name=f"perennial-{venue}",
        rulebook=common.RULEBOOK_PERENNIAL,
        asset="USDC",
        asset_decimals=6,
        perennial=PerennialParameters(
            protocol_fee_ppm=draw.choice((0, 50_000, 333_333)),
            max_fee_ppm=500_000,
            max_fee_absolute_atoms=1_000 * USDC,
            max_cut_ppm=500_000,
            max_rate_ppm=10 * 10**6,
            min_maintenance_ppm=5_000,
            min_efficiency_ppm=100_000,
            v2_exact=mood.exact,
            notice_ms=draw.choice((0, 2_000)),
        ),
        logic_version=draw.choice((0, 1, NEWEST, NEWEST)),
    )


def perennial_market(
    draw: random.Random, mood: PerennialMood, market: int, venue: int = PERENNIAL_VENUE
) -> MarketParameters:
    """Market 1 is an ETH, 2 a DOGE, 3 a BTC, then again."""
    coin = COINS[(market - 1) % len(COINS)]
    listed = PUBLISHERS[: draw.choice((1, 2, 3))]
    return MarketParameters(
        venue=venue,
        market=market,
        symbol=f"{coin.name}-{market}",
        tick_size_e9=1_000,
        oracle=OracleParameters(
            sources=[OracleSource(publisher=number, weight=weight, kind=1) for number, weight in listed],
            tick_interval_ms=draw.choice((1, 1, 500)),
            source_fresh_ms=10_000,
            warn_age_ms=10_000,
            halt_age_ms=draw.choice((0, 0, 60_000)),
            future_tolerance_ms=1_000,
            breaker_move_ppm=draw.choice((0, 0, 0, 100_000)),
            breaker_window_ms=3_000,
            breaker_hold_ms=2_000,
            min_fresh_sources=draw.choice((0, 1)),
        ),
        perennial=perennial_rules(draw, mood, coin),
    )


def perennial_rules(draw: random.Random, mood: PerennialMood, coin: Coin) -> PerennialMarket:
    """Fees, curve and controller of any size; the version's grid stays as it is drawn first."""
    least = draw.choice((0, 1, 5 * USDC))
    most = draw.choice((least, 10 * USDC, 100 * USDC))
    floor = draw.choice((0, least, most))
    usual = tuple(units * UNIT * 1_800 * USDC // coin.price_ticks for units in (5, 1_000, 10**6))
    return PerennialMarket(
        maintenance_ppm=draw.choice(mood.maintenances_ppm),
        min_maintenance_atoms=max(least, floor, draw.choice((0, 5 * USDC))),
        liquidation_fee_ppm=draw.choice((0, 50_000, 200_000)),
        min_liquidation_fee_atoms=floor,
        max_liquidation_fee_atoms=draw.choice((0, most)) if mood.exact else max(floor, most),
        maker_fee_ppm=draw.choice((0, 500)),
        maker_impact_ppm=draw.choice((0, 300, 5_000)),
        taker_fee_ppm=draw.choice((0, 1_000, 20_000)),
        taker_skew_ppm=draw.choice((0, 500)),
        taker_impact_ppm=draw.choice((0, 800)),
        maker_limit_lots=draw.choice(mood.maker_limits_lots or usual),
        efficiency_limit_ppm=draw.choice((100_000, 500_000, 10**6)),
        min_rate_ppm=draw.choice((0, 20_000)),
        target_rate_ppm=draw.choice((20_000, 300_000)),
        max_rate_ppm=draw.choice((20_000, 1_000_000)),
        target_utilisation_ppm=draw.choice((1, 800_000, 10**6)),
        controller_k_e6=draw.choice((60, 40_000, 10**6)) * SECONDS,
        controller_max_ppm=draw.choice((0, 1_200_000, 10**7)),
        virtual_taker_lots=draw.choice((0, 0, UNIT)),
        stale_after_ms=draw.choice((30_000, 14_400_000)),
        maker_receive_only=draw.random() < 0.2,
        funding_fee_ppm=draw.choice((0, 50_000, 333_333)),
        interest_fee_ppm=draw.choice((0, 100_000)),
        position_fee_ppm=draw.choice((0, 200_000, 500_000)),
        oracle_fee_ppm=draw.choice((0, 300_000)),
        risk_fee_ppm=draw.choice((0, 300_000)),
        settlement_fee_atoms=draw.choice((0, 1, USDC // 2)),
        max_pending=draw.choice(mood.max_pending),
        max_pending_versions=draw.choice((2, 8)),
        taker_close_always=draw.random() < 0.4,
        maker_close_always=draw.random() < 0.2,
        closed=False,
        version_ms=draw.choice(mood.versions_ms),
        grace_ms=draw.choice(mood.graces_ms),
    )


def perennial_genesis(
    draw: random.Random, maker: Batches, mood: PerennialMood, venue: int = PERENNIAL_VENUE
) -> list[CommandBatch]:
    """The venue, its markets, its accounts."""
    batches = [maker.batch(venue, "create_venue", parameters=perennial_venue(draw, mood, venue))]
    listed = [perennial_market(draw, mood, market, venue) for market in range(1, draw.choice(mood.markets) + 1)]
    batches += [maker.batch(venue, "create_market", parameters=market) for market in listed]
    batches.append(maker.batch(venue, "open_accounts", count=mood.accounts))
    return batches
