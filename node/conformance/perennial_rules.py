"""Perennial's vector files: their decimal texts as millionths, and their parameters as our rules."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from actors.rulebooks.perennial import ControllerRules, MarketRules, ProtocolRules, RiskRules, UtilisationCurve
from actors.units import PPM
from node.conformance.case import MalformedCase, Row

MS = 1_000


class Rules(NamedTuple):
    """The three groups of parameters a scenario names, and how many versions the market may wait for."""

    risk: RiskRules
    market: MarketRules
    protocol: ProtocolRules
    max_pending_versions: int


def millionths(row: Row, key: str) -> int:
    """A decimal text of up to six places as a whole number of millionths; raises MalformedCase for anything else."""
    scaled = row.ratio(key) * PPM
    if scaled.denominator != 1:
        raise MalformedCase(f"{row.name}.{key}: more than six decimals")
    return scaled.numerator


def rounded_millionths(row: Row, key: str) -> int:
    """A decimal text of any number of places at six, half up."""
    return (row.ratio(key) * PPM + Fraction(1, 2)).__floor__()


def unsigned_millionths(row: Row, key: str) -> int:
    """The same for what cannot be below zero."""
    number = millionths(row, key)
    if number < 0:
        raise MalformedCase(f"{row.name}.{key}: below zero")
    return number


def atoms(text: str) -> int:
    """A decimal text as millionths, where the file is known to be well formed."""
    return (Fraction(text) * PPM).__floor__()


def rules_of(scenario: Mapping[str, Any]) -> Rules:
    """The parameters at the start of a scenario; raises MalformedCase where one is missing or is no number."""
    row = Row(scenario, "scenario")
    return Rules(
        risk_rules(row.row("risk_parameter")),
        market_rules(row.row("market_parameter")),
        protocol_rules(row.row("protocol_parameter")),
        row.row("market_parameter").integer("maxPendingGlobal"),
    )


def risk_rules(row: Row) -> RiskRules:
    """The contract's risk parameter; its seconds become milliseconds."""
    curve, controller = row.row("utilizationCurve"), row.row("pController")
    return RiskRules(
        maintenance_ppm=unsigned_millionths(row, "maintenance"),
        min_maintenance_atoms=unsigned_millionths(row, "minMaintenance"),
        liquidation_fee_ppm=unsigned_millionths(row, "liquidationFee"),
        min_liquidation_fee_atoms=unsigned_millionths(row, "minLiquidationFee"),
        max_liquidation_fee_atoms=unsigned_millionths(row, "maxLiquidationFee"),
        maker_fee_ppm=unsigned_millionths(row, "makerFee"),
        maker_impact_ppm=unsigned_millionths(row, "makerImpactFee"),
        taker_fee_ppm=unsigned_millionths(row, "takerFee"),
        taker_skew_ppm=unsigned_millionths(row, "takerSkewFee"),
        taker_impact_ppm=unsigned_millionths(row, "takerImpactFee"),
        maker_limit_lots=unsigned_millionths(row, "makerLimit"),
        efficiency_limit_ppm=unsigned_millionths(row, "efficiencyLimit"),
        curve=UtilisationCurve(
            min_rate_ppm=unsigned_millionths(curve, "minRate"),
            target_rate_ppm=unsigned_millionths(curve, "targetRate"),
            max_rate_ppm=unsigned_millionths(curve, "maxRate"),
            target_utilisation_ppm=unsigned_millionths(curve, "targetUtilization"),
        ),
        controller=ControllerRules(
            k_us=unsigned_millionths(controller, "k"), max_rate_ppm=unsigned_millionths(controller, "max")
        ),
        virtual_taker_lots=unsigned_millionths(row, "virtualTaker"),
        stale_after_ms=row.integer("staleAfter") * MS,
        maker_receive_only=row.flag("makerReceiveOnly"),
    )


def market_rules(row: Row) -> MarketRules:
    """The contract's market parameter; there are no reward tokens here."""
    return MarketRules(
        settlement_fee_atoms=unsigned_millionths(row, "settlementFee"),
        funding_fee_ppm=unsigned_millionths(row, "fundingFee"),
        interest_fee_ppm=unsigned_millionths(row, "interestFee"),
        position_fee_ppm=unsigned_millionths(row, "positionFee"),
        oracle_fee_ppm=unsigned_millionths(row, "oracleFee"),
        risk_fee_ppm=unsigned_millionths(row, "riskFee"),
        max_pending=row.integer("maxPendingLocal"),
        taker_close_always=row.flag("takerCloseAlways"),
        maker_close_always=row.flag("makerCloseAlways"),
        closed=row.flag("closed"),
    )


def protocol_rules(row: Row) -> ProtocolRules:
    """The contract's protocol parameter."""
    return ProtocolRules(
        protocol_fee_ppm=unsigned_millionths(row, "protocolFee"),
        max_fee_ppm=unsigned_millionths(row, "maxFee"),
        max_fee_atoms=unsigned_millionths(row, "maxFeeAbsolute"),
        max_cut_ppm=unsigned_millionths(row, "maxCut"),
        max_rate_ppm=unsigned_millionths(row, "maxRate"),
        min_maintenance_ppm=unsigned_millionths(row, "minMaintenance"),
        min_efficiency_ppm=unsigned_millionths(row, "minEfficiency"),
    )
