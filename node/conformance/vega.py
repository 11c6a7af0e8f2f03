"""Vega's scenarios, replayed on our order book: positions and profits, trades, orders and books, row by row.

Every row of an expectation is a case. Those of margins, fees, balances, pegged orders and whole files about them are
listed as not applicable, by their kind.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import floor
from typing import Any

from actors.matching.words import BUY, MARKET, POST_ONLY, PRICE_TICKS_MAX, REDUCE_ONLY, SELL
from actors.rulebooks import margin_trade_exact
from actors.units import ORDER_LOTS_BOUND
from node.conformance.case import CaseResult, Checks, MalformedCase, Outcome, Row, guarded, not_applicable
from node.conformance.vega_market import TIMES_IN_FORCE, Peg, VegaMarket

REPLAYED_GROUPS = ("pnl", "order_book", "order_book_amend")
EXPECTATION = "expect_"
PEGGED = "vega expect_book: pegged orders"
# An amend to no more than what is filled is refused here, with its numbers; there it cancels the order.
AMEND_TAG = "MT-06"

SIDES = {"buy": BUY, "sell": SELL}
ONLY = {"post": POST_ONLY, "reduce": REDUCE_ONLY}


class Scenario:
    """The markets of one scenario while its steps are done."""

    def __init__(self) -> None:
        self.markets: dict[str, VegaMarket] = {}
        self.refused_amends: set[tuple[str, str]] = set()

    def market(self, row: Row) -> VegaMarket:
        """The market a row names, else the only one there is."""
        if "market id" in row.content:
            return self.named(row.text("market id"))
        return next(iter(self.markets.values()), VegaMarket())

    def named(self, name: str) -> VegaMarket:
        """The market of this name, new where it was not met before."""
        return self.markets.setdefault(name, VegaMarket())


def cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per expected row of every scenario in the file."""
    group = str(document.get("group", ""))
    for index, case in enumerate(document["cases"]):
        name = str(case.get("id", index)) if isinstance(case, dict) else str(index)
        try:
            steps = Row(case).rows("steps")
            yield from _replay(name, steps) if group in REPLAYED_GROUPS else _listed(name, group, steps)
        except MalformedCase as error:
            yield CaseResult(name, Outcome.FAILED, details=(str(error),))


def _listed(name: str, group: str, steps: list[Row]) -> Iterator[CaseResult]:
    """Every expected row of a file we do not replay."""
    for at, step in enumerate(steps):
        kind = step.text("do")
        if kind.startswith(EXPECTATION):
            for row in range(_row_count(step)):
                yield not_applicable(f"{name} {at}.{row} {kind}", f"vega {group}: {kind}")


def _row_count(step: Row) -> int:
    """Rows of an expectation; one that says all in its text is a row of its own."""
    rows = step.content.get("rows")
    return len(rows) if isinstance(rows, list) else 1


def _replay(name: str, steps: list[Row]) -> Iterator[CaseResult]:
    scenario = Scenario()
    for at, step in enumerate(steps):
        kind = step.text("do")
        if not kind.startswith(EXPECTATION):
            _do(scenario, kind, step)
        elif kind in CHECKS:
            for index, row in enumerate(step.items("rows")):
                yield _expectation(f"{name} {at}.{index} {kind}", scenario, kind, step, row)
        else:
            for index in range(_row_count(step)):
                yield not_applicable(f"{name} {at}.{index} {kind}", f"vega {kind}")


def _expectation(name: str, scenario: Scenario, kind: str, step: Row, content: Any) -> CaseResult:
    row = Row(content, name)
    arguments = step.content.get("args") or []
    market = scenario.named(str(arguments[0])) if arguments else scenario.market(row)
    if kind == "expect_book" and market.is_pegged(_side(row), row.integer("price")):
        return not_applicable(name, PEGGED)
    return guarded(name, content, lambda row, checks: CHECKS[kind](scenario, market, row, checks))


def _do(scenario: Scenario, kind: str, step: Row) -> None:
    """One step that changes something; what we do not have (deposits, fees, risk models) changes nothing."""
    if kind == "end_opening_auction":
        scenario.named(str(step.items("args")[0])).end_auction()
    elif kind in STEPS:
        for row in step.rows("rows"):
            STEPS[kind](scenario, row)


def _place(scenario: Scenario, row: Row) -> None:
    side, size = _side(row), _bounded(row, "volume")
    flags = ONLY[row.choice("only", tuple(ONLY))] if "only" in row.content else 0
    if row.choice("type", ("TYPE_LIMIT", "TYPE_MARKET")) == "TYPE_MARKET":
        flags |= MARKET
        price = PRICE_TICKS_MAX if side == BUY else 1
    else:
        price = _bounded(row, "price")
    kind = row.choice("tif", tuple(TIMES_IN_FORCE))
    reference = str(row.content.get("reference", ""))
    scenario.market(row).place(row.text("party"), side, price, size, kind, flags, reference)


def _peg(scenario: Scenario, row: Row) -> None:
    peg = Peg(_side(row), row.choice("pegged reference", ("BID", "ASK")), row.integer("offset"))
    scenario.market(row).pegs.append(peg)


def _cancel(scenario: Scenario, row: Row) -> None:
    scenario.market(row).cancel(row.text("party"), row.text("reference"))


def _amend(scenario: Scenario, row: Row) -> None:
    party, reference = row.text("party"), row.text("reference")
    order = scenario.market(row).order(party, reference)
    if order is None or row.choice("tif", tuple(TIMES_IN_FORCE)) in ("TIF_IOC", "TIF_FOK"):
        return
    size = row.integer("size") if "size" in row.content else order.size + row.integer("size delta")
    price = _bounded(row, "price", lowest=0) if "price" in row.content else 0
    refused = not scenario.market(row).amend(party, reference, price, size)
    if refused and order.status == "STATUS_ACTIVE":
        scenario.refused_amends.add((party, reference))


def _settle(scenario: Scenario, row: Row) -> None:
    if row.text("name").startswith("prices."):
        for market in scenario.markets.values():
            market.settle(row.integer("value"))


def _side(row: Row) -> int:
    return SIDES[row.choice("side", tuple(SIDES))]


def _bounded(row: Row, key: str, lowest: int = 1) -> int:
    """A number an order of ours may have."""
    number = row.integer(key)
    if not lowest <= number < ORDER_LOTS_BOUND:
        raise MalformedCase(f"{row.name}.{key}: beyond our bounds")
    return number


def _half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def _check_pnl(scenario: Scenario, market: VegaMarket, row: Row, checks: Checks) -> None:
    held = market.position(row.text("party"))
    unrealised = margin_trade_exact.upnl(held.size, held.cost, Fraction(market.mark))
    checks.equal("volume", held.size, row.number("volume"))
    checks.equal("unrealised pnl", _half_up(unrealised), row.integer("unrealised pnl"))
    checks.equal("realised pnl", _half_up(held.realised), row.integer("realised pnl"))


def _check_trade(scenario: Scenario, market: VegaMarket, row: Row, checks: Checks) -> None:
    """The trade happened; each one answers one row."""
    wanted = (row.text("buyer"), row.text("seller"), row.integer("price"), row.integer("size"))
    found = next((trade for trade in market.trades if trade == wanted), None)
    checks.equal("trade", found, wanted)
    if found is not None:
        market.trades.remove(found)


def _check_book(scenario: Scenario, market: VegaMarket, row: Row, checks: Checks) -> None:
    checks.equal("volume", market.depth(_side(row)).get(row.integer("price"), 0), row.integer("volume"))


def _check_status(scenario: Scenario, market: VegaMarket, row: Row, checks: Checks) -> None:
    key = (row.text("party"), row.text("reference"))
    order = market.order(*key)
    if order is None:
        raise MalformedCase(f"no order {key[1]} of {key[0]}")
    status = row.text("status")
    if key in scenario.refused_amends and status == "STATUS_CANCELLED":
        checks.deviates(AMEND_TAG, "status", order.status, status)
        return
    checks.equal("status", order.status, status)
    numbers = {"volume": order.size, "remaining": order.size - order.filled, "price": order.price}
    for field, ours in numbers.items():
        if field in row.content:
            checks.equal(field, ours, row.integer(field))
    if "side" in row.content:
        checks.equal("side", order.side, _side(row))


CHECKS: dict[str, Callable[[Scenario, VegaMarket, Row, Checks], None]] = {
    "expect_pnl": _check_pnl,
    "expect_trades": _check_trade,
    "expect_book": _check_book,
    "expect_order_status": _check_status,
}
STEPS: dict[str, Callable[[Scenario, Row], None]] = {
    "orders": _place,
    "pegged_iceberg_orders": _peg,
    "cancel": _cancel,
    "amend": _amend,
    "oracle": _settle,
}
