"""Changes of positions and collateral: what one comes to, why it may not happen, and how it is pinned (PE-03 to PE-14).

What moves no size and takes nothing out can only help, so no requirement stands in its way (PE-08); it pins nothing and
requests nothing.
"""

from typing import NamedTuple

from actors.rulebooks import perennial_orders as orders
from actors.rulebooks.perennial import Totals, is_collateralised, notional_floor_atoms
from actors.sinks import Refused
from actors.versioning.debts import lower_debt
from actors.versioning.desk import Op, Standing, VersionWork, why_not_priced
from actors.versioning.pending import Order
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

KEPT = -1
EVERYTHING = -(1 << 63)
# Atoms: what a side may be worth after an order, and what a market may be owed where it still grows.
SIDE_BOUND = 1 << 56
SHORTFALL_BOUND = 1 << 58


class Plan(NamedTuple):
    """What a change would come to; collateral_left_atoms is after all pending fees and its own (PE-03)."""

    collateral_atoms: int
    names_sizes: bool
    target: Totals
    effect: orders.OrderEffect
    after: Totals
    fee_atoms: int
    settlement_fee_atoms: int
    collateral_left_atoms: int
    requirement_atoms: int


def change(work: VersionWork, op: Op) -> None:
    """Takes a change, or gives back what was held for it."""
    standing = work.standing(op)
    plan = _plan(work, op, standing)
    refused = _why_not_frozen(op, plan) or _why_not(work, op.account, plan)
    if refused:
        work.refuse(op, refused, op.account, op.collateral_atoms)
        return
    book, moved_atoms = work.book, plan.collateral_atoms
    standing.collateral_atoms += moved_atoms
    book.balance_atoms += moved_atoms
    free_atoms, held_atoms = max(-moved_atoms, 0), -max(moved_atoms, 0)
    work.leg(op.command, 0, op.account, batches.VERSION_LEG_KIND_MOVED, moved_atoms, free_atoms, held_atoms)
    if plan.effect.is_empty:
        work.done(op.command, moved_atoms)
    else:
        _pin(work, op, standing, plan)
    lower_debt(work, op.account, op.account, max(-standing.collateral_atoms, 0))


def _plan(work: VersionWork, op: Op, standing: Standing) -> Plan:
    book = work.book
    pending, risk, market = book.pending, book.terms.risk, book.terms.market
    current = pending.target(op.account, standing.settled)
    asked = (op.maker_lots, op.long_lots, op.short_lots)
    target = Totals(*(old if lots == KEPT else lots for old, lots in zip(current, asked, strict=True)))
    effect = orders.order_effect(pending.totals, current, target, risk.virtual_taker_lots)
    fee_atoms = orders.position_fee_floor_atoms(effect, book.price_ticks, risk, market.closed)
    settlement_fee_atoms = orders.settlement_fee_atoms(effect, market)
    everything = op.collateral_atoms == EVERYTHING
    moved_atoms = -max(standing.collateral_atoms, 0) if everything else op.collateral_atoms
    fees_atoms = pending.fees_atoms(op.account) + fee_atoms + settlement_fee_atoms
    # An order of the same version gives its sizes up; an empty change has them for a target.
    positions = pending.positions(op.account, standing.settled, book.next_ms)
    return Plan(
        collateral_atoms=moved_atoms,
        names_sizes=asked != (KEPT, KEPT, KEPT),
        target=target,
        effect=effect,
        after=orders.totals_after(pending.totals, current, target),
        fee_atoms=fee_atoms,
        settlement_fee_atoms=settlement_fee_atoms,
        collateral_left_atoms=standing.collateral_atoms + moved_atoms - fees_atoms,
        requirement_atoms=work.requirement_atoms(*positions, target),
    )


def _why_not_frozen(op: Op, plan: Plan) -> Refused | None:
    """Of a frozen account no side grows over what it pinned last."""
    if op.only_reduces and plan.effect.increases_position:
        return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, op.account)
    return None


def _why_not(work: VersionWork, account: int, plan: Plan) -> Refused | None:
    """The first refusal in the order of docs/perennial.md.

    What moves no size and takes nothing out meets the price and the lock only; the contracts asked for all of it.
    """
    unpriced = why_not_priced(work, needs_price=not plan.effect.is_empty)
    only_helps = plan.effect.is_empty and plan.collateral_atoms >= 0
    if only_helps and not work.book.terms.exact:
        return unpriced or _why_not_locked(work, account, plan)
    return (
        unpriced
        or _why_not_sizes(work, plan)
        or _why_not_pinned(work, account, plan)
        or _why_not_locked(work, account, plan)
        or _why_not_covered(plan)
        or _why_not_liquid(work, plan)
        or _why_not_funded(work, plan)
        or _why_not_in_range(work, plan)
    )


def _why_not_sizes(work: VersionWork, plan: Plan) -> Refused | None:
    """A closed market grows nowhere, makers have a limit whoever moves, a position has one side (PE-01, PE-13)."""
    risk, market = work.book.terms.risk, work.book.terms.market
    effect, target = plan.effect, plan.target
    if orders.is_refused_as_closed(effect, market):
        added_lots = sum(max(lots, 0) for lots in (effect.maker_lots, effect.long_lots, effect.short_lots))
        return Refused(refusals.REFUSAL_MARKET_CLOSED, 0, added_lots)
    if orders.is_over_maker_limit(plan.after, risk):
        return Refused(refusals.REFUSAL_MAKER_LIMIT, risk.maker_limit_lots, plan.after.maker_lots)
    if not target.is_single_sided:
        return Refused(refusals.REFUSAL_NOT_SINGLE_SIDED, 1, sum(lots > 0 for lots in target))
    return None


def _why_not_pinned(work: VersionWork, account: int, plan: Plan) -> Refused | None:
    """The market and the account may only wait for so many versions (PE-04); an empty change waits for none."""
    if plan.effect.is_empty:
        return None
    terms, pending, version_ms = work.book.terms, work.book.pending, work.book.next_ms
    versions = pending.count_with(version_ms)
    if versions > terms.max_pending_versions:
        return Refused(refusals.REFUSAL_TOO_MANY_PENDING_VERSIONS, terms.max_pending_versions, versions)
    own = pending.count_of_account_with(account, version_ms)
    if own > terms.market.max_pending:
        return Refused(refusals.REFUSAL_TOO_MANY_PENDING, terms.market.max_pending, own)
    return None


def _why_not_locked(work: VersionWork, account: int, plan: Plan) -> Refused | None:
    """While a liquidation waits for its version nobody names a size, and no collateral leaves (PE-08).

    A close is refused too, though zero be what is pinned. The contracts refused only what moves a size.
    """
    locked_ms, exact = work.book.pending.locked_ms(account), work.book.terms.exact
    if locked_ms and (not plan.effect.is_empty if exact else plan.names_sizes):
        return Refused(refusals.REFUSAL_POSITION_LOCKED, locked_ms, work.now_ms)
    if locked_ms and plan.collateral_atoms < 0 and not exact:
        return Refused(refusals.REFUSAL_COLLATERAL_LOCKED, locked_ms, work.now_ms)
    return None


def _why_not_covered(plan: Plan) -> Refused | None:
    """PE-03; and nothing leaves an account that is below zero after it, though nothing be required of it."""
    left_atoms, requirement_atoms = plan.collateral_left_atoms, plan.requirement_atoms
    overdrawn = plan.collateral_atoms < 0 and left_atoms < 0
    if overdrawn or not is_collateralised(left_atoms, requirement_atoms):
        return Refused(refusals.REFUSAL_BELOW_REQUIREMENT, requirement_atoms, left_atoms)
    return None


def _why_not_liquid(work: VersionWork, plan: Plan) -> Refused | None:
    """PE-13: takers keep an answering side."""
    risk, market = work.book.terms.risk, work.book.terms.market
    effect, after = plan.effect, plan.after
    if orders.is_below_efficiency(effect, after, risk, market):
        return Refused(refusals.REFUSAL_EFFICIENCY_LIMIT, risk.efficiency_limit_ppm, after.efficiency_floor_ppm)
    if orders.leaves_socialised(effect, after, market):
        return Refused(refusals.REFUSAL_MARKET_SOCIALISED, after.net_lots, after.maker_lots)
    return None


def _why_not_funded(work: VersionWork, plan: Plan) -> Refused | None:
    """Winners take out what is there, the first come first (PE-17)."""
    wanted_atoms = -plan.collateral_atoms
    if wanted_atoms > 0 and wanted_atoms > work.book.balance_atoms:
        return Refused(refusals.REFUSAL_INSUFFICIENT_MARKET_FUNDS, wanted_atoms, work.book.balance_atoms)
    return None


def _why_not_in_range(work: VersionWork, plan: Plan) -> Refused | None:
    """Nothing grows where a side would be worth too much, or where too much is owed already.

    Deposits, debts and what the sides can win then stay far from 64 bits together, whatever a market asks of its users.
    """
    if not plan.effect.increases_position:
        return None
    worth_atoms = notional_floor_atoms(max(plan.after), work.book.price_ticks)
    if worth_atoms >= SIDE_BOUND:
        return Refused(refusals.REFUSAL_OVERFLOW, SIDE_BOUND, worth_atoms)
    if work.book.shortfall_atoms >= SHORTFALL_BOUND:
        return Refused(refusals.REFUSAL_OVERFLOW, SHORTFALL_BOUND, work.book.shortfall_atoms)
    return None


def _pin(work: VersionWork, op: Op, standing: Standing, plan: Plan) -> None:
    book = work.book
    work.touch(op.account)
    order = Order(plan.target, plan.fee_atoms, plan.settlement_fee_atoms, is_liquidation=False)
    book.pending.pin(op.account, standing.settled, book.next_ms, order)
    body = events.PositionPinned(
        version_ms=book.next_ms,
        maker_lots=plan.target.maker_lots,
        long_lots=plan.target.long_lots,
        short_lots=plan.target.short_lots,
        fee_atoms=plan.fee_atoms,
        settlement_fee_atoms=plan.settlement_fee_atoms,
        collateral_atoms=plan.collateral_left_atoms,
        requirement_atoms=plan.requirement_atoms,
        price_ticks=book.price_ticks,
    )
    work.emit(op.account, position_pinned=body)
    work.wait(op.command, book.next_ms, plan.fee_atoms + plan.settlement_fee_atoms)
