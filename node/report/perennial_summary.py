"""What a replay of a Perennial venue adds to the summary: versions, volume, liquidations, keepers, debts."""

from typing import Any

from node.load.perennial.tally import CLOSED, VersionedTally
from node.load.result import VenueResult
from node.report.amounts import count, usdc
from node.report.bot_summary import bot_facts, bot_lines, breach_facts, breach_words
from node.report.market_summary import market_facts, rung_facts, rung_lines

_RUNG_WORDS = {CLOSED: "positions closed by keepers"}


def perennial_facts(result: VenueResult, tally: VersionedTally) -> dict[str, Any]:
    """Amounts in atoms, times in ms."""
    views = result.views.versions
    shortfall = sum(view.sums.shortfall_atoms for view in views)
    recorded = tally.shortfall_atoms - tally.repaid_atoms
    return {
        **market_facts(result),
        **rung_facts(tally),
        **bot_facts(result),
        "breach_to_closed": breach_facts(tally),
        "volume_atoms": tally.volume_atoms,
        "maker_volume_atoms": tally.maker_volume_atoms,
        "versions_valid": tally.versions_valid,
        "versions_invalid": tally.versions_invalid,
        "pinned": tally.pinned,
        "settled": tally.settled,
        "voided": tally.voided,
        "repinned": tally.repinned,
        "position_fees_atoms": tally.position_fees_atoms,
        "settlement_fees_atoms": tally.settlement_fees_atoms,
        "rewards_atoms": tally.rewards_atoms,
        "fees_atoms": sum(view.sums.fees_atoms for view in views),
        "market_sides": [_sides(view.market, tally) for view in views],
        "shortfall_atoms": shortfall,
        "shortfall_recorded_atoms": tally.shortfall_atoms,
        "shortfall_repaid_atoms": tally.repaid_atoms,
        "unexplained_bad_debt_atoms": abs(shortfall - recorded),
        "rounding_atoms": result.conservation.rounding_atoms,
    }


def _sides(market: int, tally: VersionedTally) -> dict[str, int]:
    """The most that makers, longs and shorts ever held, atoms of notional at the version's price."""
    points = tally.points.get(market, [])
    sides = ("maker_atoms", "long_atoms", "short_atoms")
    return {side: max((getattr(point, side) for point in points), default=0) for side in sides}


def perennial_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Labels and sentences for people."""
    return [
        ("Volume", f"{usdc(facts['volume_atoms'])} of takers, {usdc(facts['maker_volume_atoms'])} of makers"),
        ("Versions", f"{count(facts['versions_valid'])} valid, {count(facts['versions_invalid'])} invalid"),
        ("Orders", f"{count(facts['settled'])} settled, {count(facts['voided'])} of them void"),
        *[("Most held", _most_words(sides)) for sides in facts["market_sides"]],
        *rung_lines(facts, "Liquidations", _RUNG_WORDS),
        ("Breach", breach_words(facts["breach_to_closed"])),
        *bot_lines(facts),
        ("Rewards", usdc(facts["rewards_atoms"])),
        (
            "Fees",
            f"{usdc(facts['fees_atoms'])} with the markets, of {usdc(facts['position_fees_atoms'])} position fees",
        ),
        ("Bad debt", _debt_words(facts)),
    ]


def _most_words(sides: dict[str, int]) -> str:
    maker, long, short = (usdc(sides[side]) for side in ("maker_atoms", "long_atoms", "short_atoms"))
    return f"{maker} makers, {long} longs, {short} shorts"


def _debt_words(facts: dict[str, Any]) -> str:
    if facts["unexplained_bad_debt_atoms"]:
        return f"UNEXPLAINED: {usdc(facts['unexplained_bad_debt_atoms'])}"
    if not facts["shortfall_recorded_atoms"]:
        return "none"
    return (
        f"{usdc(facts['shortfall_atoms'])} owed to the markets; {usdc(facts['shortfall_recorded_atoms'])} recorded, "
        f"{usdc(facts['shortfall_repaid_atoms'])} repaid"
    )
