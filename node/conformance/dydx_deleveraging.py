"""dYdX's deleveragings against ours: a position closed at its bankruptcy price against a given counterparty (MT-15)."""

from collections.abc import Iterator
from typing import Any

from actors.risk import adl, bankruptcy
from actors.risk.adl import Candidate, Demand, Policy
from node.conformance.case import CaseResult, Checks, Row, guarded, not_applicable
from node.conformance.dydx import case_name, refused
from node.conformance.dydx_accounts import (
    Account,
    Market,
    account_of,
    bankruptcy_quote_of_part,
    health,
    markets_of,
)

WALK = "dYdX deleveraging against counterparties drawn by chance: ours are ranked (MT-15)"
ORACLE = "dYdX deleveraging at the oracle price, which leaves bad debt: a market's final settlement"
# An account without equity is never a counterparty, even where the price would leave it some.
ELIGIBLE_TAG = "MT-15"

LIQUIDATED, OFFSETTING = 1, 2


def cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per liquidated account and counterparty."""
    for index, case in enumerate(document["cases"]):
        name = case_name(case, index)
        reason = _reason(case) if isinstance(case, dict) else None
        if reason:
            yield not_applicable(name, reason)
        else:
            yield guarded(name, case, lambda row, checks: _check(document, row, checks))


def _reason(case: dict[str, Any]) -> str | None:
    if case.get("price") == "oracle":
        return ORACLE
    return WALK if "subaccounts" in case else None


def _check(document: Any, row: Row, checks: Checks) -> None:
    markets, market, delta = markets_of(document), row.integer("perpetual"), row.integer("delta_quantums")
    liquidated = account_of(row.row("liquidated"), markets)
    offsetting = account_of(row.row("offsetting"), markets)
    quote = bankruptcy_quote_of_part(liquidated, markets, market, delta)
    answer = None if quote is None else _deleverage(markets, market, liquidated, offsetting, delta, quote)
    if quote is not None and health(offsetting, markets).equity_atoms <= 0:
        checks.equal("refused, counterparty without equity", answer is None, True)
        checks.deviates(ELIGIBLE_TAG, "refused, counterparty without equity", answer is None, refused(row))
        return
    checks.equal("refused", answer is None, refused(row))
    if answer is not None and not refused(row):
        _check_account(checks, row.row("expect_liquidated"), answer[0], markets)
        _check_account(checks, row.row("expect_offsetting"), answer[1], markets)


def _deleverage(
    markets: dict[int, Market], market: int, liquidated: Account, offsetting: Account, delta: int, quote: int
) -> tuple[Account, Account] | None:
    """Both accounts after it, or None where our rules do not close all these lots against this counterparty."""
    traded = markets[market]
    held = traded.lots(offsetting.quantums.get(market, 0))
    equity = health(offsetting, markets).equity_atoms
    deficit = bankruptcy.deficit_atoms(health(liquidated, markets).equity_atoms)
    demand = Demand(LIQUIDATED, -traded.lots(delta), quote, deficit)
    candidate = Candidate(OFFSETTING, held, 0, equity, equity)
    answer = adl.deleverage([demand], [candidate], traded.mark, 1, Policy.QUEUE)[0]
    if answer.figures.taken_lots != answer.figures.needed_lots:
        return None
    return (
        _moved(liquidated, market, delta, answer.quote_atoms),
        _moved(offsetting, market, -delta, -answer.quote_atoms),
    )


def _moved(account: Account, market: int, delta: int, received: int) -> Account:
    quantums = {**account.quantums, market: account.quantums[market] + delta}
    return Account(account.usdc + received, {name: held for name, held in quantums.items() if held})


def _check_account(checks: Checks, row: Row, ours: Account, markets: dict[int, Market]) -> None:
    theirs = account_of(row, markets)
    checks.equal(f"{row.name}.usdc_quantums", ours.usdc, theirs.usdc)
    checks.equal(f"{row.name}.positions", sorted(ours.quantums.items()), sorted(theirs.quantums.items()))
