"""What was derived from Vega's scenarios: profit by average entry price, and losses shared pro rata by floor."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from actors.risk.bankruptcy import split_by_cumulative_floor
from actors.rulebooks import margin_trade_exact
from actors.rulebooks.margin_trade_exact import Position
from node.conformance.case import CaseResult, Checks, MalformedCase, Row, as_number, guarded


def pnl_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per sequence of trades; the mark is the last trade (MT-01)."""
    return _each(document, _check_pnl)


def loss_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per shortage: what was collected is shared by gain, cumulative floor, nothing left over (MT-15)."""
    return _each(document, _check_losses)


def _each(document: Any, check: Any) -> Iterator[CaseResult]:
    for index, case in enumerate(document["cases"]):
        name = str(case.get("id", index)) if isinstance(case, dict) else str(index)
        yield guarded(name, case, check)


def _check_pnl(row: Row, checks: Checks) -> None:
    trades, expected = row.rows("trades"), row.rows("expect_after_each")
    checks.equal("trades", len(trades), len(expected))
    held: dict[str, Position] = {}
    for trade, after in zip(trades, expected, strict=False):
        price, size = trade.positive("price"), trade.positive("size")
        for party, signed in ((trade.text("buyer"), size), (trade.text("seller"), -size)):
            held[party] = margin_trade_exact.after_fill(held.get(party, Position()), signed, price)
        for party in after.content:
            numbers = [as_number(value, f"{after.name}.{party}") for value in after.items(party)]
            position = held.get(party, Position())
            unrealised = margin_trade_exact.upnl(position.size, position.cost, price)
            checks.equal(f"{after.name}.{party}", [position.size, unrealised, position.realised], numbers)


def _check_losses(row: Row, checks: Checks) -> None:
    gains = {winner.text("party"): winner.integer("gain") for winner in row.rows("winners")}
    paid = sum(loser.integer("can_pay") for loser in row.rows("losers"))
    owed = sum(loser.integer("owed") for loser in row.rows("losers"))
    total, slack = sum(gains.values()), row.integer("remainder_units")
    if min(gains.values(), default=0) <= 0 or row.integer("insurance_fund") < 0 or owed < paid:
        raise MalformedCase("case: winners gain, losers pay at most what they owe, a fund is not below zero")
    insurance = min(row.integer("insurance_fund"), owed - paid)
    payouts = dict(
        zip(gains, split_by_cumulative_floor(min(total, paid + insurance), list(gains.values())), strict=True)
    )
    floors = {party: gain * min(total, paid + insurance) // total for party, gain in gains.items()}
    checks.equal("remainder_units", min(total, paid + insurance) - sum(floors.values()), slack)
    for name, ours in (("collected", paid), ("insurance_used", insurance), ("total_gain", total)):
        if name in row.content:
            checks.equal(name, ours, row.integer(name))
    _check_payouts(checks, row, gains, payouts, floors)
    _check_amounts(checks, row, gains, payouts, insurance)


def _check_payouts(
    checks: Checks, row: Row, gains: dict[str, int], payouts: dict[str, int], floors: dict[str, int]
) -> None:
    """Ours give every unit away; which winner gets the odd ones is each one's own choice."""
    slack = row.integer("remainder_units")
    if "floor_payout_each" in row.content:
        checks.equal("floor_payout_each", set(floors.values()), {row.integer("floor_payout_each")})
    if "floor_payout" in row.content:
        theirs = row.row("floor_payout")
        checks.equal("floor_payout", floors, {party: theirs.integer(party) for party in theirs.content})
    if "expect_payouts" in row.content:
        theirs_sorted = sorted(as_number(value, "expect_payouts") for value in row.items("expect_payouts"))
        checks.equal("expect_payouts", sorted(payouts.values()), theirs_sorted)
    for party, payout in payouts.items():
        checks.within(f"payout of {party}", payout, floors[party], slack)
    if "check" in row.content:
        pairs = row.row("check")
        for party in pairs.content:
            checks.equal(f"check.{party}", [gains.get(party, 0) - floors.get(party, 0)], pairs.items(party)[:1])


def _check_amounts(checks: Checks, row: Row, gains: dict[str, int], payouts: dict[str, int], insurance: int) -> None:
    slack = row.integer("remainder_units")
    short = {loser.text("party"): loser.integer("owed") - loser.integer("can_pay") for loser in row.rows("losers")}
    for key in ("expect_haircut_of", "expect_loss_amounts"):
        expected = row.row(key) if key in row.content else Row({})
        for party in expected.content:
            ours = gains[party] - payouts[party] if party in gains else short.get(party, 0) - insurance
            checks.within(f"{key}.{party}", Fraction(ours), expected.number(party), slack if party in gains else 0)
