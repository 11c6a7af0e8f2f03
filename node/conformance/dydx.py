"""dYdX: bankruptcy prices, insurance deltas, thresholds, margins and funding indices against Margin Trade's rules."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil, trunc
from typing import Any

from actors.risk import bankruptcy
from actors.rulebooks import margin_trade, margin_trade_exact
from node.conformance.case import CaseResult, Checks, MalformedCase, Outcome, Row, guarded, not_applicable
from node.conformance.dydx_accounts import account_of, bankruptcy_quote_of_part, health, markets_of

PPM_IN_E9 = 1_000
FUNDING_PERIOD_SECONDS = 3_600
LARGEST_EXPONENT = 100

FILLABLE = "dYdX fillable prices: a liquidation order here is limited at the bankruptcy price (MT-12)"
FINAL_SETTLEMENT = "dYdX final settlement of a market at the oracle price"
OPEN_INTEREST = "dYdX margins that rise with open interest"
BOUNDS = "dYdX margins without a leverage, or beyond our bounds"
# The initial margin is never below twice the maintenance margin, whatever leverage was chosen.
INITIAL_TAG = "MT-02"

Check = Callable[[Any, Row, Checks], None]


def bankruptcy_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per position to be closed at its bankruptcy price (MT-15)."""
    return _each(document, _check_bankruptcy)


def insurance_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per liquidation fill (MT-16a)."""
    return _each(document, _check_insurance)


def threshold_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """Who is liquidatable, who is bankrupt, what the fund may pay (MT-11, MT-16a)."""
    return _each(document, _check_threshold, _threshold_reason)


def margin_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per position and pair of margin fractions (MT-02, MT-03)."""
    return _each(document, _check_margin, _margin_reason)


def funding_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per change of a funding index (MT-10)."""
    return _each(document, _check_funding)


def fillable_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """All listed as not applicable."""
    return _each(document, _check_bankruptcy, lambda row: FILLABLE)


def _each(document: Any, check: Check, reason: Callable[[Row], str | None] = lambda row: None) -> Iterator[CaseResult]:
    for index, case in enumerate(document["cases"]):
        name = case_name(case, index)
        try:
            why = reason(Row(case))
        except MalformedCase as error:
            yield CaseResult(name, Outcome.FAILED, details=(str(error),))
            continue
        yield (
            not_applicable(name, why) if why else guarded(name, case, lambda row, checks: check(document, row, checks))
        )


def case_name(case: Any, index: int) -> str:
    """The case's number and its own name."""
    return f"{index} {case.get('name', '')}" if isinstance(case, dict) else str(index)


def refused(row: Row) -> bool:
    """Whether the file expects a refusal; which, is its own affair."""
    return "expect_error" in row.content


def _check_bankruptcy(document: Any, row: Row, checks: Checks) -> None:
    markets, market = markets_of(document), row.integer("perpetual")
    account = account_of(row.row("subaccount"), markets)
    quote = bankruptcy_quote_of_part(account, markets, market, row.integer("delta_quantums"))
    checks.equal("refused", quote is None, refused(row))
    if quote is not None and not refused(row):
        checks.equal("bankruptcy price", quote, row.integer("expect_bankruptcy_price_quote_quantums"))


def _check_insurance(document: Any, row: Row, checks: Checks) -> None:
    side = 1 if row.flag("is_buy") else -1
    markets, market = markets_of(document), row.integer("perpetual")
    account, delta = account_of(row.row("subaccount"), markets), side * row.integer("fill_quantums")
    quote = bankruptcy_quote_of_part(account, markets, market, delta)
    checks.equal("refused", quote is None, refused(row))
    if quote is None or refused(row):
        return
    received = -side * row.integer("quote_quantums_of_fill")
    rate_e9 = row.integer("max_liquidation_fee_ppm") * PPM_IN_E9
    moved = margin_trade.insurance_delta_atoms(received, quote, rate_e9)
    checks.equal("insurance fund delta", moved, row.integer("expect_insurance_fund_delta_quote_quantums"))


def _threshold_reason(row: Row) -> str | None:
    return FINAL_SETTLEMENT if row.content.get("final_settlement") is True else None


def _check_threshold(document: Any, row: Row, checks: Checks) -> None:
    test = row.choice("test", ("CanDeleverageSubaccount", "IsLiquidatable", "IsValidInsuranceFundDelta"))
    if test == "IsValidInsuranceFundDelta":
        pays = bankruptcy.fund_can_pay(row.integer("balance"), bankruptcy.deficit_atoms(row.integer("delta")))
        checks.equal("the fund can pay", pays, row.flag("expect_valid"))
        return
    oracle = row.number("btc_oracle_usd") if test == "CanDeleverageSubaccount" else None
    markets = markets_of(document, oracle)
    account = account_of(row.row("subaccount"), markets)
    sums = health(account, markets)
    if test == "CanDeleverageSubaccount":
        bankrupt = bankruptcy.deficit_atoms(sums.equity_atoms) > 0
        checks.equal("bankrupt", bankrupt, row.flag("expect_at_bankruptcy_price"))
        return
    # The ladder reduces positions: it has no rung for an account without any.
    rung = margin_trade.rung_due(sums.equity_atoms, sums.maintenance_atoms, 2, 3)
    ladder = bool(account.quantums) and rung is not margin_trade.Rung.HEALTHY
    checks.equal("liquidatable", ladder, row.flag("expect_liquidatable"))


def _margin_reason(row: Row) -> str | None:
    if row.integer("oi_upper_cap"):
        return OPEN_INTEREST
    beyond = row.integer("price") >= 1 << 40 or abs(row.integer("base_quantums")) >= 1 << 44
    fractions = (row.integer("initial_margin_ppm"), row.integer("maintenance_fraction_ppm"))
    return BOUNDS if beyond or min(fractions) <= 0 else None


def _check_margin(document: Any, row: Row, checks: Checks) -> None:
    notional = _quote_per_quantum(row) * abs(row.integer("base_quantums"))
    fraction = Fraction(row.integer("initial_margin_ppm"), 10**6)
    rate = fraction * Fraction(row.integer("maintenance_fraction_ppm"), 10**6)
    tiers = [(Fraction(0), Fraction(1, 2 * rate))]
    initial, theirs = (
        ceil(margin_trade_exact.initial_margin(notional, 1 / fraction, tiers)),
        row.integer("expect_initial"),
    )
    checks.equal(
        "maintenance", ceil(margin_trade_exact.maintenance_margin(notional, tiers)), row.integer("expect_maintenance")
    )
    if 2 * rate > fraction:
        checks.equal("notional / leverage", ceil(notional * fraction), theirs)
        checks.deviates(INITIAL_TAG, "initial", initial, theirs)
    else:
        checks.equal("initial", initial, theirs)


def _check_funding(document: Any, row: Row, checks: Checks) -> None:
    rate_8h = Fraction(row.integer("funding_8h_ppm"), 10**6)
    hours = Fraction(row.integer("seconds"), FUNDING_PERIOD_SECONDS)
    # The index is in millionths of a quote quantum for one base quantum.
    payment = margin_trade_exact.funding_payment(Fraction(1), _quote_per_quantum(row), rate_8h, hours)
    checks.equal("index delta", trunc(payment * 10**6), row.integer("expect_index_delta"))


def _quote_per_quantum(row: Row) -> Fraction:
    """price * 10^exponent USD a unit, as quote quantums of 1e-6 USD for one base quantum of 10^atomic_resolution."""
    exponent = row.integer("exponent") + row.integer("atomic_resolution") + 6
    if abs(exponent) > LARGEST_EXPONENT:
        raise MalformedCase(f"{row.name}.exponent: no power of ten of any market")
    return row.integer("price") * Fraction(10) ** exponent
