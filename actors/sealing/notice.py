"""What asks accounts for more margin waits for its notice time: which parameters of a market those are."""

from copy import deepcopy

from actors.sealing.margin_bounds import raises_margin, tiers_in_force
from actors.sealing.rulebooks import PARTS
from breakwater.v1 import parameters_pb2 as parameters


def notice_of(terms: parameters.VenueParameters) -> int:
    """The notice time of the venue's rulebook, in ms."""
    return int(getattr(terms, PARTS[terms.rulebook]).notice_ms)


def held_back(
    current: parameters.MarketParameters, wanted: parameters.MarketParameters
) -> parameters.MarketParameters | None:
    """The wanted market with every margin that is higher than now as it is now; None where none is.

    MT-03: tiers wait as one. SP-02: the collateral ratio. PE-16: each of the two numbers of a requirement.
    """
    market = deepcopy(wanted)
    if current.HasField("margin_trade"):
        if raises_margin(tiers_in_force(current), tiers_in_force(wanted)):
            take_margins(market, current)
    elif current.HasField("spin"):
        rules, now = market.spin, current.spin
        rules.collateral_ratio_e9 = min(rules.collateral_ratio_e9, now.collateral_ratio_e9)
    elif current.HasField("perennial"):
        terms, before = market.perennial, current.perennial
        terms.maintenance_ppm = min(terms.maintenance_ppm, before.maintenance_ppm)
        terms.min_maintenance_atoms = min(terms.min_maintenance_atoms, before.min_maintenance_atoms)
    return None if market == wanted else market


def margins_alone(market: parameters.MarketParameters) -> parameters.MarketParameters:
    """A market that says nothing but whose margins these are."""
    made = parameters.MarketParameters(venue=market.venue, market=market.market)
    take_margins(made, market)
    return made


def take_margins(market: parameters.MarketParameters, source: parameters.MarketParameters) -> None:
    """Puts the source's margins into the market; both are of one rulebook."""
    if source.HasField("margin_trade"):
        del market.margin_trade.tiers[:]
        market.margin_trade.tiers.extend(source.margin_trade.tiers)
    elif source.HasField("spin"):
        market.spin.collateral_ratio_e9 = source.spin.collateral_ratio_e9
    elif source.HasField("perennial"):
        market.perennial.maintenance_ppm = source.perennial.maintenance_ppm
        market.perennial.min_maintenance_atoms = source.perennial.min_maintenance_atoms
