"""Presets of a Margin Trade venue and its markets: its rules (MT-03 to MT-16a), and a market by its asset."""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.risk.tiers import BTC_TIER_ROWS, ETH_TIER_ROWS, OTHER_TIER_ROWS, SOL_TIER_ROWS
from actors.rulebooks import margin_trade
from actors.rulebooks.margin_trade import USDC_ATOMS
from breakwater.v1 import common_pb2, parameters_pb2

MARGIN_TRADE_VENUE: Final = 2
# The source's number and weight: Binance, OKX, Bybit (MT-08, MT-09).
SPOT_SOURCES: Final = ((1, 4), (2, 3), (3, 3))
PERP_SOURCES: Final = ((11, 4), (12, 3), (13, 3))
LISTED: Final = ("BTC", "ETH", "SOL")

_DAY_MS: Final = 24 * 3_600_000
_E9: Final = 10**9
_USDC_DECIMALS: Final = 6


class Scale(NamedTuple):
    """Decimals of a price tick, and about what the asset costs in USDC: what the sizes of its limits follow from."""

    price_decimals: int
    price_usdc: float
    tiers: tuple[tuple[int, int], ...] = OTHER_TIER_ROWS


SCALES: Final = {
    "BTC": Scale(1, 100_000, BTC_TIER_ROWS),
    "ETH": Scale(2, 4_000, ETH_TIER_ROWS),
    "SOL": Scale(3, 200, SOL_TIER_ROWS),
    "ALGO": Scale(5, 0.25),
    "AVAX": Scale(3, 25),
    "DOT": Scale(4, 5),
    "FIL": Scale(4, 5),
    "LINK": Scale(3, 20),
    "LTC": Scale(3, 100),
    "NEAR": Scale(4, 5),
    "XRP": Scale(5, 1),
}


def margin_trade_venue(number: int = MARGIN_TRADE_VENUE, name: str = "margin-trade") -> parameters_pb2.VenueParameters:
    """USDC, partial liquidation above 100,000 USDC, backstop below 2/3, ADL by queue at the bankruptcy price."""
    rules = margin_trade.MarginTradeParameters()
    return parameters_pb2.VenueParameters(
        venue=number,
        name=name,
        rulebook=common_pb2.RULEBOOK_MARGIN_TRADE,
        asset="USDC",
        asset_decimals=_USDC_DECIMALS,
        margin_trade=parameters_pb2.MarginTradeParameters(
            partial_threshold_atoms=rules.partial_threshold_atoms,
            partial_fraction_ppm=rules.partial_ppm,
            cooldown_ms=rules.partial_cooldown_ms,
            partial_liquidation=rules.partial_liquidation,
            backstop_numerator=rules.backstop_numerator,
            backstop_denominator=rules.backstop_denominator,
            ladder_rounds=6,
            deleverage_policy=common_pb2.DELEVERAGE_POLICY_QUEUE,
            deleverage_price=common_pb2.DELEVERAGE_PRICE_BANKRUPTCY,
            vault_lock_ms=4 * _DAY_MS,
            vault_max_leverage_hundredths=500,
            vault_loss_limit_ppm=250_000,
            notice_ms=60_000,
            max_orders_per_account=1_000,
        ),
    )


def margin_trade_market(
    number: int, asset: str, venue: int = MARGIN_TRADE_VENUE, scale: Scale | None = None
) -> parameters_pb2.MarketParameters:
    """The market `asset`-PERP; an asset that is not in SCALES needs its scale. Raises KeyError without one.

    A lot at a tick is one atom: tick and lot decimals are six together. The open interest may be worth 10 billion USDC,
    an order 100 million and what the vault sells in one step 1,000, all at the scale's price.
    """
    found = SCALES[asset] if scale is None else scale
    tick_size_e9 = _E9 // 10**found.price_decimals
    price_ticks = round(found.price_usdc * 10**found.price_decimals)
    return parameters_pb2.MarketParameters(
        venue=venue,
        market=number,
        symbol=f"{asset}-PERP",
        tick_size_e9=tick_size_e9,
        oracle=oracle_with_books(),
        margin_trade=_rules(found, price_ticks),
    )


def _rules(scale: Scale, price_ticks: int) -> parameters_pb2.MarginTradeMarket:
    rules = margin_trade.MarginTradeParameters()
    return parameters_pb2.MarginTradeMarket(
        lot_size_e9=_E9 // 10 ** (_USDC_DECIMALS - scale.price_decimals),
        quote_atoms_per_tick_lot=1,
        tiers=[
            parameters_pb2.MarginTier(lower_notional_atoms=lower, max_leverage=leverage)
            for lower, leverage in scale.tiers
        ],
        maker_fee_e9=rules.maker_fee_e9,
        taker_fee_e9=rules.taker_fee_e9,
        liquidation_fee_e9=rules.liquidation_fee_e9,
        min_notional_atoms=rules.min_notional_atoms,
        max_order_lots=100_000_000 * USDC_ATOMS // price_ticks,
        open_interest_cap_lots=10_000_000_000 * USDC_ATOMS // price_ticks,
        price_band_ppm=rules.price_band_ppm,
        market_protection_ppm=rules.protection_ppm,
        impact_notional_atoms=20_000 * USDC_ATOMS,
        interest_rate_e9=rules.interest_8h_e9,
        interest_clamp_e9=rules.funding_clamp_e9,
        funding_cap_e9=rules.funding_cap_hourly_e9,
        unwind_step_ms=10_000,
        unwind_fraction_ppm=100_000,
        unwind_full_lots=1_000 * USDC_ATOMS // price_ticks,
        unwind_depth_ppm=100_000,
        unwind_slippage_ppm=20_000,
    )


def oracle_with_books() -> parameters_pb2.OracleParameters:
    """MT-08, MT-09: two of three spot sources; reduce-only when they have been away for half a minute."""
    spot, perp = common_pb2.SOURCE_KIND_SPOT, common_pb2.SOURCE_KIND_PERP
    return parameters_pb2.OracleParameters(
        sources=[
            parameters_pb2.OracleSource(publisher=publisher, weight=weight, kind=kind)
            for kind, sources in ((spot, SPOT_SOURCES), (perp, PERP_SOURCES))
            for publisher, weight in sources
        ],
        tick_interval_ms=500,
        source_fresh_ms=10_000,
        warn_age_ms=10_000,
        future_tolerance_ms=1_000,
        funding_interval_ms=3_600_000,
        min_fresh_sources=2,
        mark_rule=common_pb2.MARK_RULE_MEDIAN_OF_THREE,
        reduce_only_age_ms=30_000,
    )
