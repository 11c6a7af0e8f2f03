"""Parameters of a Perennial venue and its markets as the rules read them (PE-16); every field, nothing decided."""

from actors.rulebooks.perennial import ControllerRules, MarketRules, ProtocolRules, RiskRules, UtilisationCurve
from breakwater.v1 import parameters_pb2 as parameters


def protocol_rules(terms: parameters.PerennialParameters) -> ProtocolRules:
    """The protocol's share and the bounds of its operators; atoms and ppm."""
    return ProtocolRules(
        protocol_fee_ppm=terms.protocol_fee_ppm,
        max_fee_ppm=terms.max_fee_ppm,
        max_fee_atoms=terms.max_fee_absolute_atoms,
        max_cut_ppm=terms.max_cut_ppm,
        max_rate_ppm=terms.max_rate_ppm,
        min_maintenance_ppm=terms.min_maintenance_ppm,
        min_efficiency_ppm=terms.min_efficiency_ppm,
    )


def risk_rules(market: parameters.PerennialMarket) -> RiskRules:
    """What the operator set about risk; k is seconds in 1e-6, which are the microseconds of the rules."""
    return RiskRules(
        maintenance_ppm=market.maintenance_ppm,
        min_maintenance_atoms=market.min_maintenance_atoms,
        liquidation_fee_ppm=market.liquidation_fee_ppm,
        min_liquidation_fee_atoms=market.min_liquidation_fee_atoms,
        max_liquidation_fee_atoms=market.max_liquidation_fee_atoms,
        maker_fee_ppm=market.maker_fee_ppm,
        maker_impact_ppm=market.maker_impact_ppm,
        taker_fee_ppm=market.taker_fee_ppm,
        taker_skew_ppm=market.taker_skew_ppm,
        taker_impact_ppm=market.taker_impact_ppm,
        maker_limit_lots=market.maker_limit_lots,
        efficiency_limit_ppm=market.efficiency_limit_ppm,
        curve=UtilisationCurve(
            min_rate_ppm=market.min_rate_ppm,
            target_rate_ppm=market.target_rate_ppm,
            max_rate_ppm=market.max_rate_ppm,
            target_utilisation_ppm=market.target_utilisation_ppm,
        ),
        controller=ControllerRules(k_us=market.controller_k_e6, max_rate_ppm=market.controller_max_ppm),
        virtual_taker_lots=market.virtual_taker_lots,
        stale_after_ms=market.stale_after_ms,
        maker_receive_only=market.maker_receive_only,
    )


def market_rules(market: parameters.PerennialMarket) -> MarketRules:
    """What the operator set about fees and who may still trade."""
    return MarketRules(
        settlement_fee_atoms=market.settlement_fee_atoms,
        funding_fee_ppm=market.funding_fee_ppm,
        interest_fee_ppm=market.interest_fee_ppm,
        position_fee_ppm=market.position_fee_ppm,
        oracle_fee_ppm=market.oracle_fee_ppm,
        risk_fee_ppm=market.risk_fee_ppm,
        max_pending=market.max_pending,
        taker_close_always=market.taker_close_always,
        maker_close_always=market.maker_close_always,
        closed=market.closed,
    )
