"""The summary of a replay: one object for programs, one page for people. Keys are documented in docs/commands.md."""

from typing import Any

from node.load.margin_trade.tally import BookTally
from node.load.replay import ReplayResult
from node.report.amounts import count, percent_ppm, utc, words
from node.report.book_summary import book_facts, book_lines, market_lines
from node.report.pool_summary import pool_facts, pool_lines

SYNTHETIC = "synthetic crash after published figures of 2020-03-12"


def summary(result: ReplayResult) -> dict[str, Any]:
    """The summary as JSON can hold it; amounts in atoms, times in ms, prices in ticks."""
    options, tally = result.options, result.tally
    facts = book_facts(result, tally) if isinstance(tally, BookTally) else pool_facts(result, tally)
    return facts | {
        "venue": options.venue,
        "prices": str(options.prices) if options.prices is not None else SYNTHETIC,
        "synthetic": options.prices is None,
        "seed": options.seed,
        "traders": options.traders,
        "providers": result.providers,
        "shards": options.shards,
        "transport": options.transport,
        "ticks_per_bar": options.ticks_per_bar,
        "blocks": tally.blocks,
        "commands": tally.commands,
        "accepted": tally.commands - tally.refused,
        "refused": tally.refused,
        "refused_by_reason": tally.refusals(),
        "price": _price(result),
        **_conservation(result),
        "final_height": result.final_height,
        "final_state_root": result.state_root.hex(),
        "validator_key": result.validator_key.hex(),
        "restarts": result.restarts,
        "wall_s": round(result.wall_s, 3),
        "sealing_s": round(result.sealing_s, 3),
        "blocks_per_s": round(tally.blocks / max(result.sealing_s, 1e-9), 1),
        "data_dir": str(result.data_dir),
    }


def _price(result: ReplayResult) -> dict[str, int]:
    prices = [point.price_ticks for point in result.plan.points]
    return {
        "start_ticks": prices[0],
        "low_ticks": min(prices),
        "high_ticks": max(prices),
        "end_ticks": prices[-1],
        "start_ms": result.plan.points[0].time_ms,
        "end_ms": result.plan.points[-1].time_ms,
    }


def _conservation(result: ReplayResult) -> dict[str, Any]:
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
    price, balance = facts["price"], facts["conservation"]
    return [
        ("Prices", f"{facts['prices']}, {utc(price['start_ms'])} to {utc(price['end_ms'])}"),
        *(market_lines(facts) if "vault" in facts else [("", _price_words(facts["price"]))]),
        ("People", f"{count(facts['traders'])} traders, {facts['providers']} LPs, seed {facts['seed']}"),
        ("Node", f"{facts['shards']} shards on {facts['transport']}, {_restarts(facts['restarts'])}"),
        ("Blocks", f"{count(facts['blocks'])} in {facts['sealing_s']:.1f} s, {facts['blocks_per_s']:.1f} a second"),
        ("Commands", f"{count(facts['commands'])}, {count(facts['accepted'])} of them accepted"),
        ("", f"{count(facts['refused'])} refused: {words(facts['refused_by_reason'])}"),
        *(book_lines(facts) if "vault" in facts else pool_lines(facts)),
        ("Conservation", _conservation_words(facts, balance["difference_atoms"])),
        ("Final height", count(facts["final_height"])),
        ("State root", facts["final_state_root"]),
        ("Wall time", f"{facts['wall_s']:.1f} s"),
    ]


def summary_text(facts: dict[str, Any]) -> str:
    """The page for people as plain text."""
    lines = [f"{label:<13} {words_}".rstrip() for label, words_ in summary_lines(facts)]
    return "\n".join([f"Replay of venue {facts['venue']}", "", *lines]) + "\n"


def _price_words(price: dict[str, int]) -> str:
    fall = percent_ppm(price["low_ticks"], price["start_ticks"])
    return f"{count(price['start_ticks'])} to {count(price['low_ticks'])} ({fall}), end {count(price['end_ticks'])}"


def _restarts(restarts: int) -> str:
    return "started once" if restarts == 0 else f"died and started again {restarts} times"


def _conservation_words(facts: dict[str, Any], difference_atoms: int) -> str:
    held = "cash - cost + funds" if "vault" in facts else "accounts + NAV"
    if facts["conserved"]:
        return f"{held} - shortfall = deposits - withdrawals, to the atom"
    return f"NOT CONSERVED: off by {count(difference_atoms)} atoms, or the books of node and custodian differ"
