"""Spin: accounts with positions and orders against the integer rules, on a scale on which every decimal is whole."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from actors.rulebooks import spin, spin_exact
from actors.units import E9, LONG, SHORT
from node.conformance.case import CaseResult, Checks, MalformedCase, Row, guarded
from node.conformance.spin_decimals import compare, decimal, only, places, positive_decimal, rate_e9, scaled

TIERS = {
    "ok": spin.Tier.OPEN,
    "no_open": spin.Tier.REDUCE_ONLY,
    "partial": spin.Tier.PARTIAL,
    "full": spin.Tier.COMPLETE,
}
SIDES = {"bid": LONG, "ask": SHORT}
# A lower bound is part of its tier, an upper one is not.
TIER_TEXT = re.compile(r"(?:(?P<least>[\d.]+)<=)?Mr(?:>=(?P<from>[\d.]+)|<(?P<below>[\d.]+))?")
# So many atoms more than ticks * lots needs that a rate of 1e-9 is exact too: nothing is ever rounded here.
RATE_PLACES = 9

SUMS = ("equity", "position_collateral", "order_collateral", "margin_ratio", "margin_ratio_without_orders")
ACCOUNT = ("margin", "markets", *SUMS, "tier", "tier_without_orders")
FIGURES = ("upnl", "position_collateral", "order_collateral", "liquidation")
MARKET = ("id", "mark", "entry", "position", "collateral_ratio", "step_size", "funding_due", "orders", *FIGURES)
ORDER = ("id", "side", "price", "qty", "market", "increasing_qty")
TAKEN = ("allowed_max_qty", "formula_amount", "liquidatable_qty")
LIQUIDATION = (*TAKEN, "liquidator_reward", "insurance_fee", "margin_ratio_after", "equity_after")


@dataclass(frozen=True, slots=True)
class _Market:
    """One market of an account, on the account's scale of atoms and a scale of its own for ticks and lots."""

    row: Row
    lots_per_unit: int
    position: spin.PositionAtMark
    orders: list[spin.Order]
    step_lots: int

    @property
    def collateral_atoms_e9(self) -> int:
        return spin.position_collateral_atoms_e9([self.position])

    @property
    def order_collateral_atoms_e9(self) -> int:
        k, rate = self.position.quote_atoms_per_tick_lot, self.position.collateral_e9
        return spin.order_collateral_atoms_e9(self.position.lots, self.orders, k, rate)


@dataclass(frozen=True, slots=True)
class _Account:
    """An account's sums; `atoms_per_unit` brings them back to what the file prints."""

    atoms_per_unit: int
    equity_atoms: int
    position_collateral_atoms_e9: int
    order_collateral_atoms_e9: int
    reward_e9: int
    fund_share_e9: int

    def units(self, atoms: int) -> Fraction:
        return Fraction(atoms, self.atoms_per_unit)

    def units_e9(self, atoms_e9: int) -> Fraction:
        return Fraction(atoms_e9, self.atoms_per_unit * E9)


def account_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case for the file's constants, where it has them, and one per account (SP-02 to SP-08)."""
    if "constants" in document:
        yield guarded("constants", document["constants"], _check_constants)
    for index, case in enumerate(document["rows"]):
        yield guarded(f"account {index}", case, lambda row, checks: _check_account(document, row, checks))


def _check_constants(row: Row, checks: Checks) -> None:
    only(row, "liquidator_reward", "insurance_fee", "target", "tiers")
    checks.equal("target", spin_exact.TARGET, decimal(row, "target"))
    # The rates are parameters: the accounts are worked with the file's own.
    _penalty_of(row)
    tiers = row.row("tiers")
    only(tiers, *TIERS)
    for name in tiers.content:
        _check_tier_text(tiers, name, checks)


def _check_tier_text(tiers: Row, name: str, checks: Checks) -> None:
    """A tier begins at its lower bound and ends just before its upper one."""
    found = TIER_TEXT.fullmatch(tiers.text(name).replace(" ", ""))
    if found is None:
        raise MalformedCase(f"{tiers.name}.{name}: not bounds of Mr")
    least, below = found["least"] or found["from"], found["below"]
    if least is not None:
        ratio = Fraction(least)
        checks.equal(f"tier at {least}", spin.tier_of(ratio.numerator, ratio.denominator * E9), TIERS[name])
    if below is not None:
        ratio = Fraction(below)
        above = spin.tier_of(ratio.numerator, ratio.denominator * E9)
        just_below = spin.tier_of(ratio.numerator * E9 - 1, ratio.denominator * E9 * E9)
        checks.equal(f"tiers around {below}", (just_below, above), (TIERS[name], TIERS[name] - 1))


def _check_account(document: Any, row: Row, checks: Checks) -> None:
    only(row, *ACCOUNT)
    rows = row.rows("markets")
    for market_row in rows:
        _known_fields(market_row)
    atoms_per_unit = 10 ** (_atom_places(row, rows) + RATE_PLACES)
    markets = [_market_of(market_row, atoms_per_unit) for market_row in rows]
    positions = [market.position for market in markets]
    account = _Account(
        atoms_per_unit,
        spin.equity_atoms(scaled(decimal(row, "margin"), atoms_per_unit), positions),
        spin.position_collateral_atoms_e9(positions),
        sum(market.order_collateral_atoms_e9 for market in markets),
        *_penalty_of(Row(document.get("constants", {}), "constants")),
    )
    for market in markets:
        _check_market(account, market, checks)
        _check_liquidation(account, market, checks)
    _check_sums(account, row, checks)


def _penalty_of(constants: Row) -> tuple[int, int]:
    """Reward and fund share in 1e-9: the file's, or the published ones where it names none."""
    ours = spin.SpinParameters()
    has = constants.content
    reward = rate_e9(constants, "liquidator_reward") if "liquidator_reward" in has else ours.reward_e9
    return reward, rate_e9(constants, "insurance_fee") if "insurance_fee" in has else ours.fund_share_e9


def _known_fields(market: Row) -> None:
    only(market, *MARKET)
    for order in market.rows("orders"):
        only(order, *ORDER)
    if "liquidation" in market.content:
        only(market.row("liquidation"), *LIQUIDATION)


def _price_places(market: Row) -> int:
    prices = [positive_decimal(market, "mark"), decimal(market, "entry")]
    return places(prices + [positive_decimal(order, "price") for order in market.rows("orders")])


def _size_places(market: Row) -> int:
    sizes = [decimal(market, "position"), positive_decimal(market, "step_size")]
    return places(sizes + [positive_decimal(order, "qty") for order in market.rows("orders")])


def _atom_places(account: Row, markets: list[Row]) -> int:
    money = places([decimal(account, "margin"), *(decimal(market, "funding_due") for market in markets)])
    return max([money, *(_price_places(market) + _size_places(market) for market in markets)])


def _market_of(row: Row, atoms_per_unit: int) -> _Market:
    ticks_per_unit, lots_per_unit = 10 ** _price_places(row), 10 ** _size_places(row)
    k = atoms_per_unit // (ticks_per_unit * lots_per_unit)
    lots = scaled(decimal(row, "position"), lots_per_unit)
    mark_ticks = scaled(decimal(row, "mark"), ticks_per_unit)
    cost_atoms = spin.value_atoms(lots, scaled(decimal(row, "entry"), ticks_per_unit), k)
    funding_atoms = scaled(decimal(row, "funding_due"), atoms_per_unit)
    rate = rate_e9(row, "collateral_ratio")
    if rate <= 0:
        raise MalformedCase(f"{row.name}.collateral_ratio: must be positive")
    orders = [
        spin.Order(
            order.integer("id"),
            SIDES[order.choice("side", tuple(SIDES))],
            scaled(decimal(order, "qty"), lots_per_unit),
            mark_ticks if order.flag("market") else scaled(decimal(order, "price"), ticks_per_unit),
        )
        for order in row.rows("orders")
    ]
    position = spin.PositionAtMark(lots, cost_atoms, mark_ticks, k, rate, funding_atoms)
    return _Market(row, lots_per_unit, position, orders, scaled(decimal(row, "step_size"), lots_per_unit))


def _check_market(account: _Account, market: _Market, checks: Checks) -> None:
    row, position = market.row, market.position
    upnl = spin.upnl_atoms(position.lots, position.cost_atoms, position.mark_ticks, position.quote_atoms_per_tick_lot)
    compare(checks, f"{row.name}.upnl", account.units(upnl), row, "upnl")
    collateral = account.units_e9(market.collateral_atoms_e9)
    compare(checks, f"{row.name}.position_collateral", collateral, row, "position_collateral")
    held = account.units_e9(market.order_collateral_atoms_e9)
    compare(checks, f"{row.name}.order_collateral", held, row, "order_collateral")
    parts = spin.increasing_lots(position.lots, market.orders)
    for order, lots in zip(row.rows("orders"), parts, strict=True):
        ours = Fraction(lots, market.lots_per_unit)
        compare(checks, f"{order.name}.increasing_qty", ours, order, "increasing_qty")


def _check_sums(account: _Account, row: Row, checks: Checks) -> None:
    equity = account.units(account.equity_atoms)
    alone = account.units_e9(account.position_collateral_atoms_e9)
    held = account.units_e9(account.order_collateral_atoms_e9)
    compare(checks, "equity", equity, row, "equity")
    compare(checks, "position_collateral", alone, row, "position_collateral")
    compare(checks, "order_collateral", held, row, "order_collateral")
    compare(checks, "margin_ratio", spin_exact.margin_ratio(equity, [alone, held]), row, "margin_ratio")
    without = spin_exact.margin_ratio(equity, [alone])
    compare(checks, "margin_ratio_without_orders", without, row, "margin_ratio_without_orders")
    total = account.position_collateral_atoms_e9 + account.order_collateral_atoms_e9
    names = tuple(TIERS)
    checks.equal("tier", spin.tier_of(account.equity_atoms, total), TIERS[row.choice("tier", names)])
    tier = spin.tier_of(account.equity_atoms, account.position_collateral_atoms_e9)
    checks.equal("tier_without_orders", tier, TIERS[row.choice("tier_without_orders", names)])


def _check_liquidation(account: _Account, market: _Market, checks: Checks) -> None:
    """What may be taken over, what the formula says, and the account after taking the formula's (SP-05 to SP-08)."""
    tier = spin.tier_of(account.equity_atoms, account.position_collateral_atoms_e9)
    due = tier >= spin.Tier.PARTIAL and market.position.lots != 0
    checks.equal(f"{market.row.name}.liquidation", due, "liquidation" in market.row.content)
    if not due or "liquidation" not in market.row.content:
        return
    row, position = market.row.row("liquidation"), market.position
    state = (account.equity_atoms, account.position_collateral_atoms_e9, position.lots, position.mark_ticks)
    terms = (position.quote_atoms_per_tick_lot, position.collateral_e9, account.reward_e9 + account.fund_share_e9)
    closable = Fraction(spin.closable_lots(*state, *terms, market.step_lots), market.lots_per_unit)
    compare(checks, f"{row.name}.allowed_max_qty", closable, row, "allowed_max_qty")
    lots = spin.calculated_lots_ceil(*state, *terms, market.step_lots)
    size = Fraction(lots if position.lots > 0 else -lots, market.lots_per_unit)
    compare(checks, f"{row.name}.liquidatable_qty", size, row, "liquidatable_qty")
    _check_formula(account, market, row, size, checks)
    _check_after(account, market, row, lots, checks)


def _check_formula(account: _Account, market: _Market, row: Row, size: Fraction, checks: Checks) -> None:
    held, mark = decimal(market.row, "position"), decimal(market.row, "mark")
    formula = spin_exact.calculated_size(
        account.units(account.equity_atoms),
        account.units_e9(account.position_collateral_atoms_e9),
        held,
        mark,
        decimal(market.row, "collateral_ratio"),
        Fraction(account.reward_e9 + account.fund_share_e9, E9),
    )
    compare(checks, f"{row.name}.formula_amount", formula, row, "formula_amount")
    stepped = spin_exact.closed_size_ceil(formula, held, decimal(market.row, "step_size"))
    checks.equal(f"{row.name}: the calculator is the formula rounded up to the step", size, stepped)


def _check_after(account: _Account, market: _Market, row: Row, lots: int, checks: Checks) -> None:
    position = market.position
    k, mark_ticks = position.quote_atoms_per_tick_lot, position.mark_ticks
    penalty = spin.penalty_atoms(spin.value_atoms(lots, mark_ticks, k), account.reward_e9, account.fund_share_e9)
    compare(checks, f"{row.name}.liquidator_reward", account.units(penalty.reward_atoms), row, "liquidator_reward")
    compare(checks, f"{row.name}.insurance_fee", account.units(penalty.fund_share_atoms), row, "insurance_fee")
    after = account.units(account.equity_atoms - penalty.reward_atoms - penalty.fund_share_atoms)
    compare(checks, f"{row.name}.equity_after", after, row, "equity_after")
    freed = spin.collateral_atoms_e9(lots, mark_ticks, k, position.collateral_e9)
    left = account.units_e9(account.position_collateral_atoms_e9 - freed)
    ratio = spin_exact.margin_ratio(after, [left])
    compare(checks, f"{row.name}.margin_ratio_after", ratio, row, "margin_ratio_after")
