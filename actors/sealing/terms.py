"""Whether a venue or a market may be as it is wanted, by the rulebook it is of, and what no change may touch."""

from collections.abc import Callable

from actors.sealing.bounds import ORACLE, ORACLE_WITHOUT_FUNDING, check_market, check_twilight, refused_bound
from actors.sealing.margin_bounds import MAX_ASSET_DECIMALS, check_margin_market, check_margin_trade
from actors.sealing.perennial_bounds import check_perennial, check_perennial_market
from actors.sealing.rulebooks import WITH_BOOKS, stray_part_of_market, stray_part_of_venue
from actors.sealing.spin_bounds import check_spin, check_spin_market
from actors.sinks import Refused
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals

VenueCheck = Callable[[parameters.VenueParameters], Refused | None]
MarketCheck = Callable[[parameters.MarketParameters, parameters.VenueParameters], Refused | None]


def check_venue_terms(terms: parameters.VenueParameters) -> Refused | None:
    """The bounds of the venue's rulebook, of which it must have the rules."""
    stray = stray_part_of_venue(terms)
    if stray is not None:
        return Refused(refusals.REFUSAL_WRONG_RULEBOOK, stray, terms.rulebook)
    return _VENUES[terms.rulebook](terms)


def check_market_terms(market: parameters.MarketParameters, terms: parameters.VenueParameters) -> Refused | None:
    """The market's own bounds, then those of its venue's rulebook, of whose kind it must be."""
    stray = stray_part_of_market(market, terms.rulebook)
    if stray is not None:
        return Refused(refusals.REFUSAL_WRONG_RULEBOOK, stray, terms.rulebook)
    bounds = ORACLE_WITHOUT_FUNDING if terms.rulebook == common.RULEBOOK_PERENNIAL else ORACLE
    refused = check_market(market, bounds)
    if refused is None and terms.rulebook not in WITH_BOOKS:
        refused = _check_without_book(market.oracle)
    return refused or _MARKETS[terms.rulebook](market, terms)


def other_units(current: parameters.MarketParameters, wanted: parameters.MarketParameters) -> Refused | None:
    """What a lot and a step are stays, as positions and orders are counted in them; so do the slots of versions."""
    for part, name in (
        ("margin_trade", "lot_size_e9"),
        ("spin", "lot_size_e9"),
        ("spin", "step_lots"),
        ("perennial", "version_ms"),
    ):
        now, then = getattr(getattr(current, part), name), getattr(getattr(wanted, part), name)
        if now != then:
            return refused_bound(now, then)
    return None


def _check_twilight_venue(terms: parameters.VenueParameters) -> Refused | None:
    return check_twilight(terms.twilight)


def _check_margin_venue(terms: parameters.VenueParameters) -> Refused | None:
    if terms.asset_decimals > MAX_ASSET_DECIMALS:
        return refused_bound(MAX_ASSET_DECIMALS, terms.asset_decimals)
    return check_margin_trade(terms.margin_trade)


def _check_without_book(oracle: parameters.OracleParameters) -> Refused | None:
    """Only a venue with books has a median of three (MT-09) and orders that only reduce (MT-08)."""
    for highest, value in ((common.MARK_RULE_INDEX, oracle.mark_rule), (0, oracle.reduce_only_age_ms)):
        if value > highest:
            return refused_bound(highest, value)
    return None


def _check_twilight_market(_market: parameters.MarketParameters, _terms: parameters.VenueParameters) -> Refused | None:
    return None


def _check_margin_market(market: parameters.MarketParameters, terms: parameters.VenueParameters) -> Refused | None:
    return check_margin_market(market, terms.asset_decimals)


_VENUES: dict["common.Rulebook", VenueCheck] = {
    common.RULEBOOK_TWILIGHT: _check_twilight_venue,
    common.RULEBOOK_MARGIN_TRADE: _check_margin_venue,
    common.RULEBOOK_PERENNIAL: check_perennial,
    common.RULEBOOK_SPIN: check_spin,
}
_MARKETS: dict["common.Rulebook", MarketCheck] = {
    common.RULEBOOK_TWILIGHT: _check_twilight_market,
    common.RULEBOOK_MARGIN_TRADE: _check_margin_market,
    common.RULEBOOK_PERENNIAL: check_perennial_market,
    common.RULEBOOK_SPIN: check_spin_market,
}
