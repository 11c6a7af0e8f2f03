"""Presets of a Perennial venue and its markets: `perennial`, of low maintenance, and `seed`, the documentation's 20%.

What the two do not differ in: takers pay 0.05% and makers 0.02%, about what an order on a book costs; whoever moves the
skew from 0 to 1 pays 0.05% more, and who brings it back pays that much less. The P-controller is that of the protocol's
own deployments: full skew moves the yearly rate by 100% in 40,000 s, up to 120%. Interest is 5% a year at 80% of the
makers used, then rises to 100%, so that full use pays for new makers. The market keeps 20% of position fees and 10% of
interest; funding is between its users.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.rulebooks.perennial import UNIT_LOTS, USDC_ATOMS
from actors.units import POSITION_LOTS_BOUND, PPM
from breakwater.v1 import common_pb2, parameters_pb2
from node.margin_presets import SCALES, SPOT_SOURCES, Scale

PERENNIAL_VENUE: Final = 4
PERENNIAL_LISTED: Final = ("BTC", "ETH")
DEFAULT_MAINTENANCE: Final = "perennial"

_TICK_SIZE_E9: Final = 1_000
_USDC_DECIMALS: Final = 6
_VERSION_MS: Final = 10_000


class Maintenance(NamedTuple):
    """What a position needs, and what closing one earns (PE-01, PE-09)."""

    maintenance_ppm: int
    min_maintenance_atoms: int
    liquidation_fee_ppm: int
    min_liquidation_fee_atoms: int
    max_liquidation_fee_atoms: int


# PE-16: 125 times, a reward of 5% of the requirement; and 5 times with a reward of 20%, never less than the smallest
# requirement (PE-09), which pays 3,000 for a requirement of 15,000 and 6,400 for one of 32,000.
MAINTENANCE: Final = {
    "perennial": Maintenance(8_000, 10 * USDC_ATOMS, 50_000, 5 * USDC_ATOMS, 1_000 * USDC_ATOMS),
    "seed": Maintenance(200_000, 50 * USDC_ATOMS, 200_000, 50 * USDC_ATOMS, 10_000 * USDC_ATOMS),
}


def perennial_venue(number: int = PERENNIAL_VENUE, name: str = "perennial") -> parameters_pb2.VenueParameters:
    """USDC; the protocol takes a tenth of what markets keep, and lets operators go down to 0.5% maintenance (PE-16)."""
    return parameters_pb2.VenueParameters(
        venue=number,
        name=name,
        rulebook=common_pb2.RULEBOOK_PERENNIAL,
        asset="USDC",
        asset_decimals=_USDC_DECIMALS,
        perennial=parameters_pb2.PerennialParameters(
            protocol_fee_ppm=PPM // 10,
            max_fee_ppm=PPM // 100,
            max_fee_absolute_atoms=10_000 * USDC_ATOMS,
            max_cut_ppm=PPM // 2,
            max_rate_ppm=10 * PPM,
            min_maintenance_ppm=5_000,
            min_efficiency_ppm=PPM // 5,
            notice_ms=60_000,
        ),
    )


def perennial_market(
    number: int,
    asset: str,
    venue: int = PERENNIAL_VENUE,
    maintenance: str = DEFAULT_MAINTENANCE,
    scale: Scale | None = None,
) -> parameters_pb2.MarketParameters:
    """The market `asset`-PERP of a preset; an asset that is not in SCALES needs its scale. Raises KeyError without."""
    return parameters_pb2.MarketParameters(
        venue=venue,
        market=number,
        symbol=f"{asset}-PERP",
        tick_size_e9=_TICK_SIZE_E9,
        oracle=_oracle(),
        perennial=_rules(MAINTENANCE[maintenance], (scale or SCALES[asset]).price_usdc),
    )


def _rules(maintenance: Maintenance, price_usdc: float) -> parameters_pb2.PerennialMarket:
    """Makers for 100 million USDC; until takers are worth some millions the skew counts as if 1 million more were."""
    maker_limit_lots = min(int(100_000_000 / price_usdc * UNIT_LOTS), POSITION_LOTS_BOUND - 1)
    return parameters_pb2.PerennialMarket(
        **maintenance._asdict(),
        maker_fee_ppm=200,
        maker_impact_ppm=100,
        taker_fee_ppm=500,
        taker_skew_ppm=0,
        taker_impact_ppm=500,
        maker_limit_lots=maker_limit_lots,
        efficiency_limit_ppm=PPM // 2,
        min_rate_ppm=0,
        target_rate_ppm=PPM // 20,
        max_rate_ppm=PPM,
        target_utilisation_ppm=800_000,
        controller_k_e6=40_000 * 10**6,
        controller_max_ppm=1_200_000,
        virtual_taker_lots=maker_limit_lots // 100,
        stale_after_ms=60_000,
        funding_fee_ppm=0,
        interest_fee_ppm=PPM // 10,
        position_fee_ppm=PPM // 5,
        oracle_fee_ppm=PPM // 10,
        risk_fee_ppm=PPM // 10,
        settlement_fee_atoms=USDC_ATOMS // 20,
        max_pending=4,
        max_pending_versions=8,
        # The last maker does not walk away from takers, whoever closes leaves them an answering side (PE-13).
        taker_close_always=False,
        version_ms=_VERSION_MS,
        grace_ms=_VERSION_MS // 2,
    )


def _oracle() -> parameters_pb2.OracleParameters:
    """Two of three spot sources, the mark is the index, no funding boundaries. Versions say what is stale (PE-04)."""
    return parameters_pb2.OracleParameters(
        sources=[
            parameters_pb2.OracleSource(publisher=publisher, weight=weight, kind=common_pb2.SOURCE_KIND_SPOT)
            for publisher, weight in SPOT_SOURCES
        ],
        tick_interval_ms=500,
        source_fresh_ms=_VERSION_MS,
        warn_age_ms=_VERSION_MS,
        future_tolerance_ms=1_000,
        min_fresh_sources=2,
        mark_rule=common_pb2.MARK_RULE_INDEX,
    )
