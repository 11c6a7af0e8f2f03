"""What a replay of a Margin Trade venue adds to the summary: volume, rungs, the vault's way, deleveraging, bad debt."""

from typing import Any

from node.load.margin_trade.tally import DELEVERAGED, PARTIAL, TAKEOVER, WHOLE, BookTally, VaultPoint
from node.load.price_path import quoted
from node.load.replay import ReplayResult
from node.report.amounts import count, percent_ppm, usdc, words

_RUNG_WORDS = {
    PARTIAL: "partial orders",
    WHOLE: "whole orders",
    TAKEOVER: "vault takeovers",
    DELEVERAGED: "counterparties deleveraged",
}


def book_facts(result: ReplayResult, tally: BookTally) -> dict[str, Any]:
    """Amounts in atoms, times in ms."""
    sums = result.backstop.sums
    return {
        "markets": [market.symbol for market in result.plan.markets],
        "market_prices": [_path(result, place) for place in range(len(result.plan.markets))],
        "trades": tally.trades,
        "volume_atoms": tally.volume_atoms,
        "liquidated_atoms": tally.liquidated_atoms,
        "unwound_atoms": tally.unwound_atoms,
        "orders_rested": tally.orders_rested,
        "orders_done": tally.order_ends(),
        "triggered": tally.triggered,
        "rungs": tally.rung_counts(),
        "rung_accounts": tally.rung_accounts(),
        "rung_notional_atoms": {
            rung: sum(point.notional_atoms for point in tally.rungs if point.rung == rung) for rung in _RUNG_WORDS
        },
        "takeovers_refused": tally.takeover_limits(),
        "queued": tally.queue_reasons(),
        "deleverage": {
            "runs": tally.deleverage_runs,
            "needed_lots": tally.needed_lots,
            "taken_lots": tally.taken_lots,
            "needed_atoms": tally.needed_atoms,
            "overshoot_atoms": tally.overshoot_atoms,
            "quote_atoms": tally.deleveraged_atoms,
            "haircut_atoms": tally.haircut_atoms,
            "largest_haircut_ppm": tally.largest_haircut_ppm,
        },
        "insurance_by_reason": tally.insurance(),
        "fund_atoms": sums.fund_atoms,
        "fees_atoms": sums.fees_atoms,
        "shortfall_atoms": sums.shortfall_atoms,
        "shortfall_recorded_atoms": tally.shortfall_atoms,
        "unexplained_bad_debt_atoms": abs(sums.shortfall_atoms - tally.shortfall_atoms)
        + result.conservation.debt_atoms,
        "funding_applied": tally.funding_applied,
        "funding_skipped": tally.funding_skipped,
        "shares_minted": tally.shares_minted,
        "shares_redeemed": tally.shares_redeemed,
        "vault": _vault(result, tally),
    }


def _path(result: ReplayResult, place: int) -> dict[str, int]:
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


def _vault(result: ReplayResult, tally: BookTally) -> dict[str, dict[str, int]]:
    """The vault before the first price, where it was lowest, where it carried most, and at the end."""
    end = VaultPoint(
        result.final_height,
        result.plan.points[-1].time_ms,
        result.backstop.nav_marked_atoms,
        result.backstop.vault.gross_notional_atoms,
        result.backstop.sums.fund_atoms,
        result.backstop.sums.shortfall_atoms,
    )
    before = [point for point in tally.vault if point.time_ms < result.plan.points[0].time_ms]
    start = before[-1] if before else end
    after = [point for point in tally.vault if point.height >= start.height] or [end]
    return {
        "start": start._asdict(),
        "low": min(after, key=lambda point: point.nav_marked_atoms)._asdict(),
        "largest": max(after, key=lambda point: point.gross_notional_atoms)._asdict(),
        "end": end._asdict(),
    }


def book_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Labels and sentences for people."""
    vault, adl = facts["vault"], facts["deleverage"]
    needed, taken = count(adl["needed_lots"]), count(adl["taken_lots"])
    rungs = [
        (
            "Ladder" if place == 0 else "",
            f"{count(facts['rungs'][rung])} {name}, {count(facts['rung_accounts'][rung])} accounts, "
            f"{usdc(facts['rung_notional_atoms'][rung])}",
        )
        for place, (rung, name) in enumerate(_RUNG_WORDS.items())
    ]
    return [
        ("Volume", f"{usdc(facts['volume_atoms'])} in {count(facts['trades'])} trades"),
        ("", f"{usdc(facts['liquidated_atoms'])} by the ladder, {usdc(facts['unwound_atoms'])} by the vault"),
        ("Orders", f"{count(facts['orders_rested'])} rested, {count(facts['triggered'])} triggers fired"),
        ("", f"ended unfilled: {words(facts['orders_done'])}"),
        *rungs,
        ("", f"takeovers refused: {words(facts['takeovers_refused'])}; waited: {words(facts['queued'])}"),
        (
            "ADL",
            f"{count(adl['runs'])} runs: {needed} lots needed, {taken} taken",
        ),
        (
            "",
            f"deficits {usdc(adl['needed_atoms'])}, overshoot {usdc(adl['overshoot_atoms'])}, the largest haircut "
            f"{adl['largest_haircut_ppm'] / 10_000:.2f}% of an equity",
        ),
        ("Vault NAV", " -> ".join(usdc(vault[at]["nav_marked_atoms"]) for at in ("start", "low", "end"))),
        ("", f"marked: at the start, at its lowest, at the end; it carried up to {_most(vault)}"),
        ("Insurance", f"{usdc(facts['fund_atoms'])} now; {_moved(facts['insurance_by_reason'])}"),
        ("Fees", usdc(facts["fees_atoms"])),
        ("Funding", f"{count(facts['funding_applied'])} applied, {count(facts['funding_skipped'])} skipped"),
        ("Bad debt", _bad_debt(facts["shortfall_atoms"], facts["unexplained_bad_debt_atoms"])),
    ]


def _most(vault: dict[str, dict[str, int]]) -> str:
    return usdc(vault["largest"]["gross_notional_atoms"])


def _moved(by_reason: dict[str, int]) -> str:
    parts = [f"{name.lower().replace('_', ' ')} {usdc(amount)}" for name, amount in by_reason.items()]
    return ", ".join(parts) or "nothing moved it"


def _bad_debt(shortfall_atoms: int, unexplained_atoms: int) -> str:
    """There is none, or it stands in the shortfall ledger with an event for each atom; anything else is a fault."""
    if unexplained_atoms:
        return f"{usdc(shortfall_atoms)} in the shortfall ledger, UNEXPLAINED: {usdc(unexplained_atoms)}"
    return f"{usdc(shortfall_atoms)} in the shortfall ledger, each atom with its event" if shortfall_atoms else "none"
