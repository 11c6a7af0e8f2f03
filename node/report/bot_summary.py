"""What summaries say of bots, and of how long it took until somebody below maintenance was closed."""

from collections import Counter
from typing import Any

from node.load.plan import AnyTally
from node.load.result import VenueResult
from node.report.amounts import count, usdc, words


def breach_facts(tally: AnyTally) -> dict[str, int]:
    """From the first block at whose mark or version somebody may be liquidated to the first one after which the
    position is gone or above its maintenance; block time in ms."""
    return tally.episodes.spread()._asdict()


def breach_words(facts: dict[str, int]) -> str:
    """The same as a sentence."""
    if not facts["times"]:
        return f"nobody fell below, {count(facts['open'])} are below now"
    median, ninth, worst = (f"{facts[name] / 1000:,.0f} s" for name in ("median_ms", "p90_ms", "worst_ms"))
    return (
        f"{count(facts['times'])} times below until closed or well: {median} median, {ninth} p90, {worst} at worst; "
        f"{count(facts['open'])} still below"
    )


def bot_facts(result: VenueResult) -> dict[str, Any]:
    """Every bot by itself, in their order; amounts in atoms."""
    named = zip(result.bot_accounts, result.bots, strict=True)
    return {"bots": [{"account": account, **facts} for account, facts in named]}


def bot_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """A line a bot, and what they were refused together."""
    refused = Counter[str]()
    lines = []
    for number, bot in enumerate(facts["bots"], 1):
        refused.update(bot["refusals"])
        lines.append(
            (
                "Bots" if number == 1 else "",
                f"account {bot['account']}: {count(bot['wins'])} of {count(bot['calls'])} calls won, "
                f"{usdc(bot['rewards_atoms'])}",
            )
        )
    return [*lines, ("", f"refused: {words(dict(refused.most_common()))}")]
