"""Twilight positions: one position's whole life, field by field, against the rational rulebook (TW-02 to TW-15).

The file was written by functions that charge maintenance with the raw signed rate, decide liquidations on the initial
margin and, at a funding boundary, without the uPnL. Those decisions are recomputed as the file makes them, so that a
wrong number in it is found, and ours are set against them as the deviations TW-04/TW-10 and TW-12.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Any

from actors.rulebooks import twilight_exact as exact_rules
from actors.units import LONG, SHORT
from node.conformance.case import CaseResult, Checks, MalformedCase, Row, guarded

SIDES = {"LONG": LONG, "SHORT": SHORT}
DECISION_TAG = "TW-04/TW-10"
CLOSE_TAG = "TW-12"
DRAINED_TAG = "TW-08"


@dataclass(frozen=True, slots=True)
class Position:
    """A position as the file knows it, in rationals; `margin_held` is ours, `margin_reported` never below zero."""

    side: int
    leverage: Fraction
    initial_margin: Fraction
    entry_price: Fraction
    fee_percent: Fraction
    entry_value: Fraction
    size: Fraction
    bankruptcy_value: Fraction
    open_fee: Fraction
    margin_held: Fraction
    margin_reported: Fraction
    rate_percent: Fraction
    maintenance: Fraction
    liquidation_price: Fraction | None
    payments: tuple[Fraction, ...] = ()

    def maintenance_paid(self) -> Fraction:
        """MM with the rate this side pays: what TW-04 has decisions use."""
        paid = exact_rules.funding_paid_percent(self.side, self.rate_percent)
        return exact_rules.maintenance_margin(self.entry_value, self.bankruptcy_value, self.fee_percent, paid)

    def upnl(self, mark: Fraction) -> Fraction:
        """uPnL at a mark, sats (TW-05)."""
        return exact_rules.upnl(self.side, self.size, self.entry_price, mark)

    def is_liquidatable(self, mark: Fraction) -> bool:
        """Our decision at a mark: margin held + uPnL <= MM (TW-10)."""
        return exact_rules.is_liquidatable(self.margin_held, self.upnl(mark), self.maintenance_paid())


def cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per position."""
    for index, vector in enumerate(document["vectors"]):
        identity = vector.get("id", index) if isinstance(vector, dict) else index
        yield guarded(f"position {identity}", vector, _check_position)


def _check_position(row: Row, checks: Checks) -> None:
    inputs = row.row("inputs")
    position, rested = _open(inputs)
    _check_opening(checks, row.row("on_create"), "on_create", position, filled=not rested)
    if rested:
        position = _filled(inputs, position)
        _check_opening(checks, row.row("on_fill"), "on_fill", position, filled=True)
    checks.equal("fee_pct_open", position.fee_percent, row.number("fee_pct_open"))
    mark = inputs.positive("mark_price")
    _check_exact(checks, row.row("exact"), position, mark)
    position, liquidated = _check_funding_steps(checks, inputs, row.rows("funding_steps"), position)
    _check_at_mark(checks, row.row("at_mark"), position, mark, liquidated)
    opening = row.row("on_fill" if rested else "on_create")
    _check_close(checks, row.row("close"), inputs, position, mark)
    _check_residue(checks, row.row("close"), opening, position, mark)
    _check_liquidation(checks, row.row("liquidation"), position)


def _open(inputs: Row) -> tuple[Position, bool]:
    """The position on creation, and whether it rests: a crossing limit fills at once as taker (TW-14)."""
    side = SIDES[inputs.choice("side", tuple(SIDES))]
    limit = inputs.positive("limit_price")
    current = Fraction(exact_rules.half_away(inputs.positive("current_price")))
    rests = inputs.choice("order_type", ("MARKET", "LIMIT")) == "LIMIT" and not exact_rules.limit_opens(
        side, limit, current
    )
    if rests:
        return _position(inputs, side, limit, exact_rules.MAKER_FEE_PERCENT), True
    return _position(inputs, side, current, exact_rules.TAKER_FEE_PERCENT), False


def _filled(inputs: Row, resting: Position) -> Position:
    """A rested limit fills at the mark of its moment as maker (TW-07, TW-14)."""
    return _position(inputs, resting.side, inputs.positive("fill_price"), exact_rules.MAKER_FEE_PERCENT)


def _position(inputs: Row, side: int, entry_price: Fraction, fee_percent: Fraction) -> Position:
    initial_margin = Fraction(inputs.integer("initial_margin"))
    leverage = inputs.positive("leverage")
    entry_value = exact_rules.entry_value(initial_margin, leverage)
    size = exact_rules.position_size(entry_value, entry_price)
    bankruptcy_value = exact_rules.bankruptcy_value(side, entry_value, initial_margin)
    rate = Fraction(exact_rules.half_away(inputs.number("funding_rate_local")))
    maintenance = exact_rules.maintenance_margin(entry_value, bankruptcy_value, fee_percent, rate)
    fee = exact_rules.fee(size, entry_price, fee_percent)
    return Position(
        side=side,
        leverage=leverage,
        initial_margin=initial_margin,
        entry_price=entry_price,
        fee_percent=fee_percent,
        entry_value=entry_value,
        size=size,
        bankruptcy_value=bankruptcy_value,
        open_fee=fee,
        margin_held=initial_margin - fee,
        margin_reported=initial_margin - fee,
        rate_percent=rate,
        maintenance=maintenance,
        liquidation_price=exact_rules.liquidation_price(side, entry_price, entry_value, initial_margin, maintenance),
    )


def _check_opening(checks: Checks, row: Row, name: str, position: Position, filled: bool) -> None:
    value = position.entry_value
    bankruptcy_price = exact_rules.bankruptcy_price(position.size, position.bankruptcy_value)
    fee = position.open_fee if filled else Fraction(0)
    checks.equal(f"{name}.status", "FILLED" if filled else "PENDING", row.text("status"))
    checks.equal(f"{name}.entry_price", position.entry_price, row.number("entry_price"))
    checks.equal(f"{name}.leverage", position.leverage, row.number("leverage"))
    checks.equal(f"{name}.initial_margin", position.initial_margin, row.number("initial_margin"))
    checks.near(f"{name}.position_size", position.size, row.number("position_size"))
    checks.near(f"{name}.bankruptcy_price", bankruptcy_price, row.number("bankruptcy_price"))
    checks.near(f"{name}.bankruptcy_value", position.bankruptcy_value, row.number("bankruptcy_value"), value)
    checks.near(f"{name}.maintenance_margin", position.maintenance, row.number("maintenance_margin"), value)
    checks.near(f"{name}.fee_filled", fee, row.number("fee_filled"))
    checks.near(f"{name}.available_margin", position.initial_margin - fee, row.number("available_margin"), value)
    _check_price(checks, f"{name}.liquidation_price", position.liquidation_price, row, "liquidation_price")
    if position.liquidation_price is not None:
        # The file's floats may put a price that lies on the 1e-4 grid just below its own level.
        exact_level = position.liquidation_price * exact_rules.LEVEL_SCALE
        noise = abs(exact_level) / 10**12
        levels = {floor(exact_level - noise), floor(exact_level + noise)}
        level = row.integer("liquidation_score")
        checks.equal(f"{name}.liquidation_score", level if level in levels else min(levels), level)


def _check_price(checks: Checks, name: str, ours: Fraction | None, row: Row, key: str) -> None:
    """A liquidation price, 1e-12 relative; null where there is none."""
    if ours is None:
        checks.equal(name, None, row.value(key))
    else:
        checks.near(name, ours, row.number(key))


def _check_exact(checks: Checks, row: Row, position: Position, mark: Fraction) -> None:
    """The rationals of the file, equal to ours without any tolerance."""
    ours = {
        "entry_value": position.entry_value,
        "position_size": position.size,
        "fee": position.open_fee,
        "bankruptcy_price": exact_rules.bankruptcy_price(position.size, position.bankruptcy_value),
        "bankruptcy_value": position.bankruptcy_value,
        "maintenance_margin": position.maintenance,
        "liquidation_price": position.liquidation_price,
        "unrealized_pnl": position.upnl(mark),
    }
    for field, value in ours.items():
        checks.equal(f"exact.{field}", value, None if row.value(field) is None else row.ratio(field))


def _check_funding_steps(checks: Checks, inputs: Row, steps: list[Row], position: Position) -> tuple[Position, bool]:
    """Applies the steps the file has, raw signed rates; the file stops at the first that liquidates."""
    funding = inputs.items("funding")
    liquidated = False
    for index, step in enumerate(steps):
        checks.equal(f"funding_steps[{index}] follows a liquidation", False, liquidated)
        rate, mark = _funding_pair(funding, index)
        position, liquidated = _check_funding_step(checks, step, rate, mark, position)
    if not liquidated:
        checks.equal("funding_steps length", len(funding), len(steps))
    return position, liquidated


def _funding_pair(funding: list[Any], index: int) -> tuple[Fraction, Fraction]:
    """The rate in percent and the mark of one step; raises MalformedCase."""
    pair = funding[index] if index < len(funding) else None
    if not isinstance(pair, list) or len(pair) != 2:
        raise MalformedCase(f"inputs.funding[{index}]: a rate and a mark were expected")
    row = Row({"rate": pair[0], "mark": pair[1]}, f"inputs.funding[{index}]")
    return row.number("rate"), row.positive("mark")


def _check_funding_step(
    checks: Checks, step: Row, rate: Fraction, mark: Fraction, before: Position
) -> tuple[Position, bool]:
    name = step.name.removeprefix("case.")
    position = _after_funding(before, rate, mark)
    reported = position.margin_reported
    # The file's own rule at a boundary: margin alone against maintenance. Ours counts the uPnL (TW-10).
    liquidated = reported <= position.maintenance
    if liquidated:
        position = replace(position, liquidation_price=before.liquidation_price)
    scale = position.entry_value
    signed = exact_rules.funding_payment(LONG, position.size, mark, rate)
    checks.near(f"{name}.funding_payment", signed, step.number("funding_payment"))
    checks.near(f"{name}.available_margin", reported, step.number("available_margin"), scale)
    checks.deviates(DRAINED_TAG, f"{name}.available_margin", position.margin_held, reported)
    checks.near(f"{name}.maintenance_margin", position.maintenance, step.number("maintenance_margin"), scale)
    _check_price(checks, f"{name}.liquidation_price", position.liquidation_price, step, "liquidation_price")
    flag = step.flag("liquidated_in_funding_cycle")
    checks.equal(f"{name}.liquidated_in_funding_cycle", liquidated, flag)
    checks.deviates(DECISION_TAG, f"{name}.liquidated_in_funding_cycle", position.is_liquidatable(mark), flag)
    return position, liquidated


def _after_funding(position: Position, rate: Fraction, mark: Fraction) -> Position:
    """Margin and maintenance after one funding step; the liquidation price still from the initial margin."""
    payment = exact_rules.funding_payment(position.side, position.size, mark, rate)
    maintenance = exact_rules.maintenance_margin(
        position.entry_value, position.bankruptcy_value, position.fee_percent, rate
    )
    return replace(
        position,
        margin_held=position.margin_held - payment,
        margin_reported=max(Fraction(0), position.margin_reported - payment),
        rate_percent=rate,
        maintenance=maintenance,
        liquidation_price=exact_rules.liquidation_price(
            position.side, position.entry_price, position.entry_value, position.initial_margin, maintenance
        ),
        payments=(*position.payments, payment),
    )


def _check_at_mark(checks: Checks, row: Row, position: Position, mark: Fraction, liquidated: bool) -> None:
    checks.near("at_mark.unrealized_pnl", position.upnl(mark), row.number("unrealized_pnl"))
    checks.equal("at_mark.funding_liquidated", liquidated, row.flag("funding_liquidated"))
    flag = row.flag("tick_liquidation")
    checks.equal("at_mark.tick_liquidation", not liquidated and _crosses_reported_level(position, mark), flag)
    if not liquidated:
        checks.deviates(DECISION_TAG, "at_mark.tick_liquidation", position.is_liquidatable(mark), flag)


def _crosses_reported_level(position: Position, mark: Fraction) -> bool:
    """The file's rule for a tick: the level of its liquidation price against the level of the mark, inclusive."""
    if position.liquidation_price is None:
        return False
    search = exact_rules.triggered_above if position.side == LONG else exact_rules.triggered_below
    return bool(search([position.liquidation_price], mark))


def _check_close(checks: Checks, row: Row, inputs: Row, position: Position, mark: Fraction) -> None:
    rested = inputs.choice("close_type", ("MARKET", "LIMIT")) == "LIMIT"
    fee_percent = exact_rules.MAKER_FEE_PERCENT if rested else exact_rules.TAKER_FEE_PERCENT
    upnl = position.upnl(mark)
    fee = exact_rules.fee(position.size, mark, fee_percent)
    settled = exact_rules.settlement(position.initial_margin, position.margin_reported, upnl, fee)
    scale = position.entry_value + abs(upnl)
    # The file's floats decide its ties, and its payment inherits the decision: one sat per tie met.
    ties = _ties(upnl, scale) + _ties(settled.margin_difference, scale)
    noise = scale / 10**12
    checks.near("close.margin_difference", settled.margin_difference, row.number("margin_difference"), scale)
    checks.near("close.fee_settled", fee, row.number("fee_settled"))
    checks.rounded("close.unrealized_pnl_rounded", upnl, row.number("unrealized_pnl_rounded"))
    payment = row.number("payment")
    checks.within("close.payment", settled.payment, payment, ties + noise)
    payout = row.number("available_margin")
    checks.rounded("close.available_margin", position.initial_margin + payment, payout, scale)
    checks.equal("close.payout_u64", max(Fraction(0), payout), row.number("payout_u64"))
    checks.rounded("close.pool_delta_rounded", -payment, row.number("pool_delta_rounded"), scale)
    if position.margin_held == position.margin_reported:
        _check_ledger(checks, row, position, mark, fee_percent)


def _ties(value: Fraction, scale: Fraction) -> int:
    """1 where a value lies so near a half that float arithmetic may round it either way."""
    return int(abs(abs(value) % 1 - Fraction(1, 2)) <= scale / 10**12)


def _check_residue(checks: Checks, close: Row, opening: Row, position: Position, mark: Fraction) -> None:
    """The rounding error the file publishes, from its own rounded uPnL and its position size as a 64-bit float."""
    residue = exact_rules.settlement_residue(
        position.side,
        close.integer("unrealized_pnl_rounded"),
        exact_rules.half_away(Fraction(float(opening.number("position_size")))),
        exact_rules.half_away(position.entry_price),
        exact_rules.half_away(mark),
    )
    checks.equal("close.lock_error", residue, close.integer("lock_error"))


def _check_ledger(checks: Checks, row: Row, position: Position, mark: Fraction, fee_percent: Fraction) -> None:
    """Our whole-sat ledger against the file: 2 sats of rounding, and one more for every funding step.

    The file keeps fractions of a sat of entry value, ours is floored: that moves the uPnL by |1 - entry / mark| sats.
    """
    entry_value = Fraction(floor(position.entry_value))
    slack = 2 + len(position.payments)
    if entry_value != position.entry_value:
        slack += ceil(abs(1 - position.entry_price / mark))
    size = exact_rules.position_size(entry_value, position.entry_price)
    book = exact_rules.ledger(
        int(position.initial_margin),
        exact_rules.fee(size, position.entry_price, position.fee_percent),
        [payment * size / position.size for payment in position.payments],
        exact_rules.upnl(position.side, size, position.entry_price, mark),
        exact_rules.fee(size, mark, fee_percent),
    )
    checks.within("ledger.margin_held", book.margin_held, position.margin_reported, slack)
    checks.within("ledger.payout", book.payout, row.number("payout_u64"), slack)
    pool_delta = row.number("pool_delta_rounded")
    if book.is_liquidation:
        checks.deviates(CLOSE_TAG, "close.pool_delta_rounded", book.pool_received, pool_delta)
    else:
        checks.within("ledger.pool_received", book.pool_received, pool_delta, slack)


def _check_liquidation(checks: Checks, row: Row, position: Position) -> None:
    """The trader gets nothing; fee, funding and the margin seized make up the whole initial margin (TW-11)."""
    checks.equal("liquidation.payment", -position.initial_margin, row.number("payment"))
    checks.equal("liquidation.trader_payout", Fraction(0), row.number("trader_payout"))
    moved = position.open_fee + sum(position.payments)
    checks.equal("liquidation.pool_delta", moved + position.margin_held, row.number("pool_delta"))
