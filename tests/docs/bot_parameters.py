"""Parameters of Spin and Perennial as the documentation shows them: numbers from the code, meanings from here.

Bounds of a Perennial market depend on its venue's and on each other. They are found by asking the check of new markets,
beginning with a number that is beyond any bound; where a bound is another parameter it is shown as the preset has that.
"""

from copy import deepcopy

from google.protobuf.descriptor import FieldDescriptor

from actors.sealing.perennial_bounds import PERENNIAL, check_perennial_market
from actors.sealing.spin_bounds import SPIN, SPIN_MARKET
from node.perennial_presets import perennial_market, perennial_venue
from node.spin_presets import spin_market, spin_venue
from tests.docs.parameters import shown, switch, table

OF_SPIN_VENUE = {
    "liquidator_reward_e9": "of what is taken over, to the liquidator (SP-08)",
    "insurance_share_e9": "the same, to the insurance fund",
    "fund_target_ppm": "of the average open interest; published, not enforced (SP-09)",
    "fund_target_min_atoms": "the least the fund should have; published, not enforced",
    "max_orders_per_account": "live orders and triggers",
    "notice_ms": "a higher collateral ratio waits so long",
}
OF_SPIN_MARKET = {
    "lot_size_e9": "a lot, in 1e-9 of the base unit; never changes",
    "quote_atoms_per_tick_lot": "what a lot at a tick is worth; must fit tick and lot size exactly",
    "collateral_ratio_e9": "Cc: what a position needs of its value (SP-02)",
    "maker_fee_e9": "of the quote; below 0 a rebate, at most the taker's fee (SP-10)",
    "taker_fee_e9": "of the quote",
    "step_lots": "sizes of orders and takeovers are whole steps (SP-07); never changes",
    "min_notional_atoms": "smallest order, reduce-only ones aside",
    "max_order_lots": "largest order; at most the open interest cap",
    "max_position_lots": "largest position, with orders and reservations (SP-10); at most the open interest cap",
    "open_interest_cap_lots": "longs of the market; bounds its prices too",
    "price_band_ppm": "limits farther from the oracle price are refused",
    "market_protection_ppm": "worst price of a market order, from the mark",
    "funding_cap_e9": "highest rate an epoch, either way (SP-11); the epoch is the oracle's `funding_interval_ms`",
}
OF_PERENNIAL_VENUE = {
    "protocol_fee_ppm": "of what markets keep, first (PE-13a); at most `max_cut_ppm`",
    "max_fee_ppm": "bounds fees of makers and takers, impact and skew (PE-16)",
    "max_fee_absolute_atoms": "bounds `min_maintenance_atoms`, both ends of the liquidation fee, the settlement fee",
    "max_cut_ppm": "bounds the liquidation fee and the shares of funding, interest and position fees",
    "max_rate_ppm": "bounds the rates of curve and controller, a year",
    "min_maintenance_ppm": "no market may ask for less",
    "min_efficiency_ppm": "no market's limit may be lower",
    "notice_ms": "higher maintenance waits so long",
}
OF_PERENNIAL_MARKET = {
    "maintenance_ppm": "of the notional (PE-01); at least the venue's least",
    "min_maintenance_atoms": "the least a position needs; at least `min_liquidation_fee_atoms`",
    "liquidation_fee_ppm": "of the requirement, to the liquidator (PE-09)",
    "min_liquidation_fee_atoms": "at least; at most `min_maintenance_atoms` and the cap",
    "max_liquidation_fee_atoms": "at most; at least the floor",
    "maker_fee_ppm": "of the notional a maker moves (PE-14)",
    "maker_impact_ppm": "the same, times the move of the utilisation",
    "taker_fee_ppm": "of the notional a taker moves",
    "taker_skew_ppm": "the same, times the move of the skew, whichever way",
    "taker_impact_ppm": "the same, times what the skew grows; less where it shrinks",
    "maker_limit_lots": "all makers together (PE-13)",
    "efficiency_limit_ppm": "makers over the larger side of takers (PE-13)",
    "min_rate_ppm": "interest at no utilisation, a year (PE-15)",
    "max_rate_ppm": "at full utilisation",
    "target_rate_ppm": "at the target",
    "target_utilisation_ppm": "where the curve bends",
    "controller_k_e6": "full skew moves the rate by one in so many seconds, in 1e-6 s (PE-15)",
    "controller_max_ppm": "highest funding rate a year, either way",
    "virtual_taker_lots": "takers the skew counts with, beside those there are",
    "stale_after_ms": "a price older than this takes no order and no liquidation (PE-04)",
    "funding_fee_ppm": "of funding, to the market (PE-13a)",
    "interest_fee_ppm": "of interest, to the market",
    "position_fee_ppm": "of position fees, to the market; the makers have the rest",
    "oracle_fee_ppm": "of what the protocol leaves, to the oracle",
    "risk_fee_ppm": "the same, to risk; at most what the oracle's leaves",
    "settlement_fee_atoms": "an order that moves something",
    "max_pending": "versions an account may wait for (PE-04)",
    "max_pending_versions": "versions the market may wait for",
    "version_ms": "a version is a slot so wide (PE-04); never changes",
    "grace_ms": "how long after its time a slot's price may come",
}
PERENNIAL_SWITCHES = {
    "maker_receive_only": "makers never pay funding",
    "taker_close_always": "whoever does not increase a taker may always change (PE-13)",
    "maker_close_always": "efficiency and socialisation stop nobody (PE-13)",
    "closed": "takes only what reduces; funding, interest and profit stand still; no fees",
}
# Larger than any bound, and smaller.
_FAR = 1 << 62


def of_spin_venue() -> str:
    """`spin` of a venue."""
    return table(SPIN, spin_venue().spin, OF_SPIN_VENUE)


def of_spin_market() -> str:
    """`spin` of a market, beside BTC's preset."""
    return table(SPIN_MARKET, spin_market(1, "BTC").spin, OF_SPIN_MARKET)


def of_perennial_venue() -> str:
    """`perennial` of a venue. The switch for conformance has no bounds and stands last."""
    rules = perennial_venue().perennial
    exact = f"| `v2_exact` | off, on | {switch(rules.v2_exact)} | as the contracts did; for conformance only |"
    return f"{table(PERENNIAL, rules, OF_PERENNIAL_VENUE)}\n{exact}"


def of_perennial_market() -> str:
    """`perennial` of a market with both presets of BTC; switches last."""
    rules, seed = (perennial_market(1, "BTC", maintenance=name).perennial for name in ("perennial", "seed"))
    named = {field.name for field in rules.DESCRIPTOR.fields}
    assert named == {*OF_PERENNIAL_MARKET, *PERENNIAL_SWITCHES}, named ^ {*OF_PERENNIAL_MARKET, *PERENNIAL_SWITCHES}
    lines = ["| parameter | bounds | preset | `seed` | meaning |", "|---|---|---|---|---|"]
    for name, meaning in OF_PERENNIAL_MARKET.items():
        within = f"{shown(name, bound_of(name, -_FAR))} to {shown(name, bound_of(name, _FAR))}"
        values = f"{shown(name, getattr(rules, name))} | {shown(name, getattr(seed, name))}"
        lines.append(f"| `{name}` | {within} | {values} | {meaning} |")
    for name, meaning in PERENNIAL_SWITCHES.items():
        values = f"{switch(getattr(rules, name))} | {switch(getattr(seed, name))}"
        lines.append(f"| `{name}` | off, on | {values} | {meaning} |")
    return "\n".join(lines)


def bound_of(name: str, beyond: int) -> int:
    """What a new market is told where its number is beyond any bound; and where it then has that, until it may."""
    venue, market = perennial_venue(), perennial_market(1, "BTC")
    wide = market.perennial.DESCRIPTOR.fields_by_name[name].cpp_type == FieldDescriptor.CPPTYPE_INT64
    asked = beyond if wide else max(0, min(beyond, (1 << 32) - 1))
    while True:
        wanted = deepcopy(market)
        setattr(wanted.perennial, name, asked)
        refused = check_perennial_market(wanted, venue)
        if refused is None or refused.actual != asked:
            return asked
        asked = refused.required
