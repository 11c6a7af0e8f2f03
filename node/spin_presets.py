"""Presets of a Spin venue and its markets: the rules as published (SP-02, SP-08 to SP-11), a market by its asset."""

from __future__ import annotations

from typing import Final

from actors.rulebooks import margin_trade, spin
from actors.rulebooks.spin import USDC_ATOMS
from actors.units import E9, PPM
from breakwater.v1 import common_pb2, parameters_pb2
from node.margin_presets import SCALES, Scale, oracle_with_books

SPIN_VENUE: Final = 3
SPIN_LISTED: Final = ("BTC", "NEAR")

# SP-02: 10% on all markets, so positions of ten times the equity.
COLLATERAL_RATIO_E9: Final = E9 // 10
# A lot at a tick is ten atoms: tick and lot decimals are five together.
QUOTE_ATOMS_PER_TICK_LOT: Final = 10
_TICK_AND_LOT_DECIMALS: Final = 5
_USDC_DECIMALS: Final = 6
# Decimals of a price tick where the venue publishes others than Margin Trade has, and largest positions in units of the
# asset where it publishes them (SP-10): NEAR in ticks of 0.001, steps of 0.01, up to 10,000.
_PRICE_DECIMALS: Final = {"NEAR": 3}
_MAX_POSITIONS: Final = {"NEAR": 10_000}


def spin_venue(number: int = SPIN_VENUE, name: str = "spin") -> parameters_pb2.VenueParameters:
    """USDC; 1.5% of what is taken over to the liquidator, 1% to the fund (SP-08)."""
    rules = spin.SpinParameters()
    return parameters_pb2.VenueParameters(
        venue=number,
        name=name,
        rulebook=common_pb2.RULEBOOK_SPIN,
        asset="USDC",
        asset_decimals=_USDC_DECIMALS,
        spin=parameters_pb2.SpinParameters(
            liquidator_reward_e9=rules.reward_e9,
            insurance_share_e9=rules.fund_share_e9,
            fund_target_ppm=rules.fund_target_e9 * PPM // E9,
            fund_target_min_atoms=rules.fund_target_least_atoms,
            max_orders_per_account=1_000,
            notice_ms=60_000,
        ),
    )


def spin_market(
    number: int, asset: str, venue: int = SPIN_VENUE, scale: Scale | None = None
) -> parameters_pb2.MarketParameters:
    """The market `asset`-PERP; an asset that is not in SCALES needs its scale. Raises KeyError without one.

    A lot is a step, so that every position can be taken over to its last lot. At the scale's price the open interest
    may be worth 10 billion USDC, a position 100 million where the venue publishes no limit; the largest order turns a
    full position around.
    """
    found = SCALES[asset] if scale is None else scale
    price_decimals = min(_PRICE_DECIMALS.get(asset, found.price_decimals), _TICK_AND_LOT_DECIMALS)
    lot_decimals = _TICK_AND_LOT_DECIMALS - price_decimals
    lots_of_usdc = USDC_ATOMS / (found.price_usdc * 10**price_decimals * QUOTE_ATOMS_PER_TICK_LOT)
    published = _MAX_POSITIONS.get(asset)
    max_position_lots = published * 10**lot_decimals if published else int(100_000_000 * lots_of_usdc)
    rules, of_books = spin.SpinParameters(), margin_trade.MarginTradeParameters()
    return parameters_pb2.MarketParameters(
        venue=venue,
        market=number,
        symbol=f"{asset}-PERP",
        tick_size_e9=E9 // 10**price_decimals,
        oracle=oracle_with_books(),
        spin=parameters_pb2.SpinMarket(
            lot_size_e9=E9 // 10**lot_decimals,
            quote_atoms_per_tick_lot=QUOTE_ATOMS_PER_TICK_LOT,
            collateral_ratio_e9=COLLATERAL_RATIO_E9,
            maker_fee_e9=rules.maker_fee_e9,
            taker_fee_e9=rules.taker_fee_e9,
            step_lots=1,
            min_notional_atoms=5 * USDC_ATOMS,
            max_order_lots=2 * max_position_lots,
            max_position_lots=max_position_lots,
            open_interest_cap_lots=int(10_000_000_000 * lots_of_usdc),
            price_band_ppm=of_books.price_band_ppm,
            market_protection_ppm=of_books.protection_ppm,
            funding_cap_e9=rules.funding_clamp_e9,
        ),
    )
