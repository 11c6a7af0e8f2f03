"""A scenario's parameters as a venue and a market of ours, slots as wide as its times are apart."""

from actors.sealing.bounds import DAY_MS
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from node.conformance.perennial_rules import Rules

VENUE, MARKET, PUBLISHER = 1, 1, 1
_TICK_SIZE_E9 = 1_000
_ASSET_DECIMALS = 6


def venue_parameters(rules: Rules, exact: bool) -> parameters.VenueParameters:
    """A venue whose bounds are the scenario's, and which gives no notice."""
    protocol = rules.protocol
    return parameters.VenueParameters(
        venue=VENUE,
        name="vectors",
        rulebook=common.RULEBOOK_PERENNIAL,
        asset="USDC",
        asset_decimals=_ASSET_DECIMALS,
        perennial=parameters.PerennialParameters(
            protocol_fee_ppm=protocol.protocol_fee_ppm,
            max_fee_ppm=protocol.max_fee_ppm,
            max_fee_absolute_atoms=protocol.max_fee_atoms,
            max_cut_ppm=protocol.max_cut_ppm,
            max_rate_ppm=protocol.max_rate_ppm,
            min_maintenance_ppm=protocol.min_maintenance_ppm,
            min_efficiency_ppm=protocol.min_efficiency_ppm,
            v2_exact=exact,
        ),
    )


def market_parameters(rules: Rules, width_ms: int, grace_ms: int) -> parameters.MarketParameters:
    """A market of one publisher whose price is the mark, at once and for as long as a day."""
    return parameters.MarketParameters(
        venue=VENUE,
        market=MARKET,
        symbol="VECTORS-PERP",
        tick_size_e9=_TICK_SIZE_E9,
        oracle=_oracle(),
        perennial=_market_rules(rules, width_ms, grace_ms),
    )


def _oracle() -> parameters.OracleParameters:
    source = parameters.OracleSource(publisher=PUBLISHER, weight=1, kind=common.SOURCE_KIND_SPOT)
    return parameters.OracleParameters(
        sources=[source],
        tick_interval_ms=1,
        source_fresh_ms=DAY_MS,
        warn_age_ms=DAY_MS,
        min_fresh_sources=1,
        mark_rule=common.MARK_RULE_INDEX,
    )


def _market_rules(rules: Rules, width_ms: int, grace_ms: int) -> parameters.PerennialMarket:
    risk, market = rules.risk, rules.market
    return parameters.PerennialMarket(
        maintenance_ppm=risk.maintenance_ppm,
        min_maintenance_atoms=risk.min_maintenance_atoms,
        liquidation_fee_ppm=risk.liquidation_fee_ppm,
        min_liquidation_fee_atoms=risk.min_liquidation_fee_atoms,
        max_liquidation_fee_atoms=risk.max_liquidation_fee_atoms,
        maker_fee_ppm=risk.maker_fee_ppm,
        maker_impact_ppm=risk.maker_impact_ppm,
        taker_fee_ppm=risk.taker_fee_ppm,
        taker_skew_ppm=risk.taker_skew_ppm,
        taker_impact_ppm=risk.taker_impact_ppm,
        maker_limit_lots=risk.maker_limit_lots,
        efficiency_limit_ppm=risk.efficiency_limit_ppm,
        min_rate_ppm=risk.curve.min_rate_ppm,
        max_rate_ppm=risk.curve.max_rate_ppm,
        target_rate_ppm=risk.curve.target_rate_ppm,
        target_utilisation_ppm=risk.curve.target_utilisation_ppm,
        controller_k_e6=risk.controller.k_us,
        controller_max_ppm=risk.controller.max_rate_ppm,
        virtual_taker_lots=risk.virtual_taker_lots,
        stale_after_ms=risk.stale_after_ms,
        maker_receive_only=risk.maker_receive_only,
        funding_fee_ppm=market.funding_fee_ppm,
        interest_fee_ppm=market.interest_fee_ppm,
        position_fee_ppm=market.position_fee_ppm,
        oracle_fee_ppm=market.oracle_fee_ppm,
        risk_fee_ppm=market.risk_fee_ppm,
        settlement_fee_atoms=market.settlement_fee_atoms,
        max_pending=market.max_pending,
        max_pending_versions=rules.max_pending_versions,
        taker_close_always=market.taker_close_always,
        maker_close_always=market.maker_close_always,
        closed=market.closed,
        version_ms=width_ms,
        grace_ms=grace_ms,
    )
