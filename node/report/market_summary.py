"""What the summaries of several rulebooks have in common: markets and their prices, trades, steps of the ladder."""

from typing import Any

from node.load.books.trade_tally import TradeTally
from node.load.price_path import quoted
from node.load.result import VenueResult
from node.load.rung_tally import RungTally
from node.report.amounts import count, percent_ppm, usdc


def market_facts(result: VenueResult) -> dict[str, Any]:
    """Symbols by market number, and where each price began, how low it fell, where it ended."""
    places = range(len(result.plan.markets))
    return {
        "markets": [market.symbol for market in result.plan.markets],
        "market_prices": [_path(result, place) for place in places],
    }


def trade_facts(tally: TradeTally) -> dict[str, Any]:
    """Of a venue with order books; amounts in atoms."""
    return {
        "trades": tally.trades,
        "volume_atoms": tally.volume_atoms,
        "orders_rested": tally.orders_rested,
        "orders_done": tally.order_ends(),
        "triggered": tally.triggered,
    }


def rung_facts(tally: RungTally) -> dict[str, Any]:
    """By rung: how often, how many accounts, how much notional."""
    return {
        "rungs": tally.rung_counts(),
        "rung_accounts": tally.rung_accounts(),
        "rung_notional_atoms": tally.rung_notional_atoms(),
    }


def rung_lines(facts: dict[str, Any], label: str, words: dict[str, str]) -> list[tuple[str, str]]:
    """A line a rung."""
    return [
        (
            "" if place else label,
            f"{count(facts['rungs'][rung])} {name}, {count(facts['rung_accounts'][rung])} accounts, "
            f"{usdc(facts['rung_notional_atoms'][rung])}",
        )
        for place, (rung, name) in enumerate(words.items())
    ]


def _path(result: VenueResult, place: int) -> dict[str, int]:
    prices = [point.price_ticks for point in result.plan.paths[place]]
    tick_size_e9 = result.plan.markets[place].tick_size_e9
    return {"start_ticks": prices[0], "low_ticks": min(prices), "end_ticks": prices[-1], "tick_size_e9": tick_size_e9}


def market_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """A market a line: where its price began, how low it fell, where it ended."""
    return [("", _market_words(*market)) for market in zip(facts["markets"], facts["market_prices"], strict=True)]


def _market_words(symbol: str, path: dict[str, int]) -> str:
    start, low, end = (quoted(path[at], path["tick_size_e9"]) for at in ("start_ticks", "low_ticks", "end_ticks"))
    fall = percent_ppm(path["low_ticks"], path["start_ticks"])
    return f"{symbol} {start} to {low} ({fall}), end {end} USDC"


def moved_words(by_reason: dict[str, int]) -> str:
    """What moved the insurance fund."""
    parts = [f"{name.lower().replace('_', ' ')} {usdc(amount)}" for name, amount in by_reason.items()]
    return ", ".join(parts) or "nothing moved it"


def bad_debt_words(shortfall_atoms: int, unexplained_atoms: int) -> str:
    """There is none, or it stands in the shortfall ledger with an event for each atom; anything else is a fault."""
    if unexplained_atoms:
        return f"{usdc(shortfall_atoms)} in the shortfall ledger, UNEXPLAINED: {usdc(unexplained_atoms)}"
    return f"{usdc(shortfall_atoms)} in the shortfall ledger, each atom with its event" if shortfall_atoms else "none"
