"""The summary of a replay: one object for programs, one page for people. Keys are documented in docs/commands.md."""

from typing import Any

from node.load.margin_trade.tally import BookTally
from node.load.options import ALL
from node.load.perennial.tally import VersionedTally
from node.load.result import ReplayResult, VenueResult
from node.load.spin.tally import SpinTally
from node.load.tally import Tally
from node.report.amounts import count, percent_ppm, utc, words
from node.report.book_summary import book_facts, book_lines
from node.report.comparison import comparison, comparison_lines
from node.report.market_summary import market_lines
from node.report.perennial_summary import perennial_facts, perennial_lines
from node.report.pool_summary import pool_facts, pool_lines
from node.report.spin_summary import spin_facts, spin_lines

SYNTHETIC = "synthetic crash after published figures of 2020-03-12"


def summary(result: ReplayResult) -> dict[str, Any]:
    """The summary as JSON can hold it; amounts in atoms, times in ms, prices in ticks."""
    options = result.options
    facts = {
        "venue": options.venue,
        "prices": str(options.prices) if options.prices is not None else SYNTHETIC,
        "synthetic": options.prices is None,
        "seed": options.seed,
        "traders": options.traders,
        "shards": options.shards,
        "transport": options.transport,
        "ticks_per_bar": options.ticks_per_bar,
        "blocks": result.tally.blocks,
        "conserved": result.conserved,
        "final_height": result.final_height,
        "final_state_root": result.state_root.hex(),
        "validator_key": result.validator_key.hex(),
        "restarts": result.restarts,
        "wall_s": round(result.wall_s, 3),
        "sealing_s": round(result.sealing_s, 3),
        "blocks_per_s": round(result.tally.blocks / max(result.sealing_s, 1e-9), 1),
        "data_dir": str(result.data_dir),
    }
    if options.venue != ALL:
        (venue,) = result.venues
        return facts | venue_facts(venue, result.final_height)
    rulebooks = {venue.name: venue_facts(venue, result.final_height) for venue in result.venues}
    return facts | {
        "price": rulebooks[result.venues[0].name]["price"],
        "rulebooks": rulebooks,
        "table": comparison(result.venues),
        "unexplained_bad_debt_atoms": sum(one.get("unexplained_bad_debt_atoms", 0) for one in rulebooks.values()),
    }


def venue_facts(result: VenueResult, final_height: int) -> dict[str, Any]:
    """What is said of one venue."""
    tally, groups = result.tally, result.groups
    return _rulebook_facts(result, final_height) | {
        "providers": len(groups.backers or groups.liquidity),
        "commands": tally.commands,
        "accepted": tally.commands - tally.refused,
        "refused": tally.refused,
        "refused_by_reason": tally.refusals(),
        "price": _price(result),
        **_conservation(result),
    }


def _rulebook_facts(result: VenueResult, final_height: int) -> dict[str, Any]:
    tally = result.tally
    if isinstance(tally, BookTally):
        return book_facts(result, tally, final_height)
    if isinstance(tally, SpinTally):
        return spin_facts(result, tally)
    if isinstance(tally, VersionedTally):
        return perennial_facts(result, tally)
    assert isinstance(tally, Tally), "every rulebook has its tally"
    return pool_facts(result, tally, final_height)


def _price(result: VenueResult) -> dict[str, int]:
    prices = [point.price_ticks for point in result.plan.points]
    return {
        "start_ticks": prices[0],
        "low_ticks": min(prices),
        "high_ticks": max(prices),
        "end_ticks": prices[-1],
        "start_ms": result.plan.points[0].time_ms,
        "end_ms": result.plan.points[-1].time_ms,
    }


def _conservation(result: VenueResult) -> dict[str, Any]:
    found = result.conservation
    return {
        "conserved": found.conserved,
        "conservation": {
            "accounts_atoms": found.accounts_atoms,
            "nav_realised_atoms": found.nav_realised_atoms,
            "shortfall_atoms": found.shortfall_atoms,
            "deposited_atoms": found.custody_deposited_atoms,
            "withdrawn_atoms": found.custody_withdrawn_atoms,
            "difference_atoms": found.difference_atoms,
        },
    }


def summary_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary as labels and sentences for people, from the object that `summary` made."""
    price = facts["price"]
    return [
        ("Prices", f"{facts['prices']}, {utc(price['start_ms'])} to {utc(price['end_ms'])}"),
        *_people_lines(facts),
        ("Node", f"{facts['shards']} shards on {facts['transport']}, {_restarts(facts['restarts'])}"),
        ("Blocks", f"{count(facts['blocks'])} in {facts['sealing_s']:.1f} s, {facts['blocks_per_s']:.1f} a second"),
        *(comparison_lines(facts) if "table" in facts else _venue_lines(facts)),
        ("Final height", count(facts["final_height"])),
        ("State root", facts["final_state_root"]),
        ("Wall time", f"{facts['wall_s']:.1f} s"),
    ]


def _people_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    if "rulebooks" in facts:
        prices = [
            ("", f"{name}: {market_lines(one)[0][1]}") for name, one in facts["rulebooks"].items() if "markets" in one
        ]
        people = f"{count(facts['traders'])} traders, the same on every venue, seed {facts['seed']}"
        return [*prices[:1], ("People", people)]
    people = f"{count(facts['traders'])} traders, {facts['providers']} {_provider_words(facts)}, seed {facts['seed']}"
    return [*(market_lines(facts) if "markets" in facts else [("", _price_words(facts["price"]))]), ("People", people)]


def _provider_words(facts: dict[str, Any]) -> str:
    return "LPs" if facts["venue"] in ("twilight", "margin-trade") else "makers"


def _venue_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    lines = {"margin-trade": book_lines, "spin": spin_lines, "perennial": perennial_lines}.get(
        facts["venue"], pool_lines
    )
    return [
        ("Commands", f"{count(facts['commands'])}, {count(facts['accepted'])} of them accepted"),
        ("", f"{count(facts['refused'])} refused: {words(facts['refused_by_reason'])}"),
        *lines(facts),
        ("Conservation", conservation_words(facts, facts["venue"])),
    ]


def summary_text(facts: dict[str, Any]) -> str:
    """The page for people as plain text."""
    lines = [f"{label:<13} {words_}".rstrip() for label, words_ in summary_lines(facts)]
    title = "Replay of all venues" if facts["venue"] == ALL else f"Replay of venue {facts['venue']}"
    return "\n".join([title, "", *lines]) + "\n"


def _price_words(price: dict[str, int]) -> str:
    fall = percent_ppm(price["low_ticks"], price["start_ticks"])
    return f"{count(price['start_ticks'])} to {count(price['low_ticks'])} ({fall}), end {count(price['end_ticks'])}"


def _restarts(restarts: int) -> str:
    return "started once" if restarts == 0 else f"died and started again {restarts} times"


_HELD = {
    "twilight": "accounts + NAV - shortfall",
    "margin-trade": "cash - cost + funds - shortfall",
    "spin": "cash - cost + fees + fund + funding - shortfall",
    "perennial": "balances + what the markets hold",
}


def conservation_words(facts: dict[str, Any], venue: str) -> str:
    """Whether a venue is conserved, and what that means there."""
    if facts["conserved"]:
        return f"{_HELD[venue]} = deposits - withdrawals, to the atom"
    difference = count(facts["conservation"]["difference_atoms"])
    return f"NOT CONSERVED: off by {difference} atoms, or the books of node and custodian differ"
