"""What a replay of a Margin Trade venue adds to the summary: volume, rungs, the vault's way, deleveraging, bad debt."""

from typing import Any

from node.load.margin_trade.tally import DELEVERAGED, PARTIAL, TAKEOVER, WHOLE, BookTally, VaultPoint
from node.load.result import VenueResult
from node.report.amounts import count, usdc, words
from node.report.market_summary import (
    bad_debt_words,
    market_facts,
    moved_words,
    rung_facts,
    rung_lines,
    trade_facts,
)

_RUNG_WORDS = {
    PARTIAL: "partial orders",
    WHOLE: "whole orders",
    TAKEOVER: "vault takeovers",
    DELEVERAGED: "counterparties deleveraged",
}


def book_facts(result: VenueResult, tally: BookTally, final_height: int) -> dict[str, Any]:
    """Amounts in atoms, times in ms."""
    sums = result.backstop.sums
    return {
        **market_facts(result),
        **trade_facts(tally),
        "liquidated_atoms": tally.liquidated_atoms,
        "unwound_atoms": tally.unwound_atoms,
        **rung_facts(tally),
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
        "vault": _vault(result, tally, final_height),
    }


def _vault(result: VenueResult, tally: BookTally, final_height: int) -> dict[str, dict[str, int]]:
    """The vault before the first price, where it was lowest, where it carried most, and at the end."""
    end = VaultPoint(
        final_height,
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
    rungs = rung_lines(facts, "Ladder", _RUNG_WORDS)
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
        ("Insurance", f"{usdc(facts['fund_atoms'])} now; {moved_words(facts['insurance_by_reason'])}"),
        ("Fees", usdc(facts["fees_atoms"])),
        ("Funding", f"{count(facts['funding_applied'])} applied, {count(facts['funding_skipped'])} skipped"),
        ("Bad debt", bad_debt_words(facts["shortfall_atoms"], facts["unexplained_bad_debt_atoms"])),
    ]


def _most(vault: dict[str, dict[str, int]]) -> str:
    return usdc(vault["largest"]["gross_notional_atoms"])
