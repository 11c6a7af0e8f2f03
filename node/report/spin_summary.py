"""What a replay of a Spin venue adds to the summary: volume, takeovers by tier, the fund, bots, bad debt."""

from typing import Any

from node.load.result import VenueResult
from node.load.spin.tally import COMPLETE, FUND, PARTIAL, SpinTally
from node.report.amounts import count, usdc, words
from node.report.bot_summary import bot_facts, bot_lines, breach_facts, breach_words
from node.report.market_summary import (
    bad_debt_words,
    market_facts,
    moved_words,
    rung_facts,
    rung_lines,
    trade_facts,
)

_RUNG_WORDS = {PARTIAL: "partial takeovers", COMPLETE: "complete takeovers", FUND: "deficits paid by the fund"}


def spin_facts(result: VenueResult, tally: SpinTally) -> dict[str, Any]:
    """Amounts in atoms, times in ms."""
    fund = result.views.insurance
    explained = fund.deposited_atoms + tally.shares_atoms - tally.fund_rewards_atoms - _deficits(tally)
    return {
        **market_facts(result),
        **trade_facts(tally),
        **rung_facts(tally),
        **bot_facts(result),
        "breach_to_closed": breach_facts(tally),
        "rewards_atoms": tally.rewards_atoms,
        "fund_rewards_atoms": tally.fund_rewards_atoms,
        "unpaid_rewards_atoms": tally.unpaid_rewards_atoms,
        "insurance_by_reason": tally.insurance(),
        "fund_atoms": fund.fund_atoms,
        "fund_unexplained_atoms": fund.fund_atoms - explained,
        "fees_atoms": fund.fees_atoms,
        "funding_atoms": tally.funding_atoms,
        "funding_applied": tally.funding_moves,
        "funding_skipped": tally.funding_skipped,
        "shortfall_atoms": fund.shortfall_atoms,
        "shortfall_recorded_atoms": tally.shortfall_atoms,
        "unexplained_bad_debt_atoms": abs(fund.shortfall_atoms - tally.shortfall_atoms)
        + abs(fund.fund_atoms - explained)
        + result.conservation.debt_atoms,
        "subaccounts": len(tally.owners),
        "transfers": tally.transfers,
    }


def _deficits(tally: SpinTally) -> int:
    return -tally.insurance().get("DEFICIT", 0)


def spin_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Labels and sentences for people."""
    return [
        ("Volume", f"{usdc(facts['volume_atoms'])} in {count(facts['trades'])} trades"),
        ("Orders", f"{count(facts['orders_rested'])} rested, {count(facts['triggered'])} triggers fired"),
        ("", f"ended unfilled: {words(facts['orders_done'])}"),
        *rung_lines(facts, "Liquidations", _RUNG_WORDS),
        ("Breach", breach_words(facts["breach_to_closed"])),
        *bot_lines(facts),
        (
            "Rewards",
            f"{usdc(facts['rewards_atoms'])} by the liquidated, {usdc(facts['fund_rewards_atoms'])} by the fund",
        ),
        ("", f"{usdc(facts['unpaid_rewards_atoms'])} by nobody"),
        ("Insurance", f"{usdc(facts['fund_atoms'])} now; {moved_words(facts['insurance_by_reason'])}"),
        ("Fees", usdc(facts["fees_atoms"])),
        ("Subaccounts", f"{count(facts['subaccounts'])}, {count(facts['transfers'])} transfers"),
        ("Funding", f"{count(facts['funding_applied'])} applied, {count(facts['funding_skipped'])} skipped"),
        ("Bad debt", bad_debt_words(facts["shortfall_atoms"], facts["unexplained_bad_debt_atoms"])),
    ]
