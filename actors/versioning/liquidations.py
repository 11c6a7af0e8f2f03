"""Liquidations: anybody closes an account below its requirement, whole, at the next version, for a reward (PE-07).

Nothing that closing costs can stand in its way: fees are charged when the version settles, whatever is left then.
"""

from typing import NamedTuple

from actors.rulebooks import perennial, perennial_orders
from actors.rulebooks.perennial import NOTHING
from actors.sinks import Refused
from actors.versioning.desk import Op, Standing, VersionWork, kind_of, why_not_priced
from actors.versioning.pending import Order
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

ALL_IT_MAY = -1


class Closing(NamedTuple):
    """What a liquidation comes to; collateral_left_atoms is after all pending fees and those of the close (PE-02).

    reward_asked_atoms is above 0 where more was asked for than the limit and the limit is paid.
    """

    fee_atoms: int
    settlement_fee_atoms: int
    collateral_left_atoms: int
    requirement_atoms: int
    reward_limit_atoms: int
    reward_atoms: int
    reward_asked_atoms: int


def liquidate(work: VersionWork, op: Op) -> None:
    """Pins the close, locks the account and pays the reward, or says why not."""
    standing = work.standing(op)
    locked_ms = work.book.pending.locked_ms(op.account)
    if locked_ms:
        refused = Refused(refusals.REFUSAL_LIQUIDATION_PENDING, locked_ms, work.now_ms)
        work.refuse(op, refused, op.counterparty, 0)
        return
    closing = _closing(work, op, standing)
    unpriced = why_not_priced(work, needs_price=True)
    if refused_or_not := unpriced or _why_not(closing):
        work.refuse(op, refused_or_not, op.counterparty, 0)
        return
    _pay_reward(work, op, closing.reward_atoms)
    standing.collateral_atoms -= closing.reward_atoms
    _lock(work, op, standing, closing)
    work.wait(op.command, work.book.next_ms, closing.reward_atoms)


def _closing(work: VersionWork, op: Op, standing: Standing) -> Closing:
    book = work.book
    pending, risk, market, exact = book.pending, book.terms.risk, book.terms.market, book.terms.exact
    current = pending.target(op.account, standing.settled)
    effect = perennial_orders.order_effect(pending.totals, current, NOTHING, risk.virtual_taker_lots)
    fee_atoms = perennial_orders.position_fee_floor_atoms(effect, book.price_ticks, risk, market.closed)
    settlement_fee_atoms = perennial_orders.settlement_fee_atoms(effect, market)
    fees_atoms = pending.fees_atoms(op.account) + fee_atoms + settlement_fee_atoms
    requirement_atoms = work.requirement_atoms(standing.settled)
    full_atoms = perennial.liquidation_fee_floor_atoms(
        requirement_atoms,
        risk.liquidation_fee_ppm,
        risk.min_liquidation_fee_atoms,
        risk.max_liquidation_fee_atoms,
        exact,
    )
    limit_atoms = perennial.reward_limit_atoms(full_atoms, standing.collateral_atoms, fees_atoms, exact)
    limit_atoms = min(limit_atoms, book.balance_atoms)
    asked_atoms = limit_atoms if op.reward_atoms == ALL_IT_MAY else op.reward_atoms
    is_cut = asked_atoms > limit_atoms and book.terms.reward_is_cut
    return Closing(
        fee_atoms=fee_atoms,
        settlement_fee_atoms=settlement_fee_atoms,
        collateral_left_atoms=standing.collateral_atoms - fees_atoms,
        requirement_atoms=requirement_atoms,
        reward_limit_atoms=limit_atoms,
        reward_atoms=limit_atoms if is_cut else asked_atoms,
        reward_asked_atoms=asked_atoms if is_cut else 0,
    )


def _why_not(closing: Closing) -> Refused | None:
    left_atoms, requirement_atoms = closing.collateral_left_atoms, closing.requirement_atoms
    if not perennial.is_liquidatable(left_atoms, requirement_atoms):
        return Refused(refusals.REFUSAL_NOT_LIQUIDATABLE, requirement_atoms, left_atoms)
    if closing.reward_atoms > closing.reward_limit_atoms:
        return Refused(refusals.REFUSAL_REWARD_ABOVE_LIMIT, closing.reward_limit_atoms, closing.reward_atoms)
    return None


def _pay_reward(work: VersionWork, op: Op, reward_atoms: int) -> None:
    """From the collateral to the liquidator's balance; who liquidates itself gets it too (PE-09)."""
    work.book.balance_atoms -= reward_atoms
    kind, liquidator = batches.VERSION_LEG_KIND_REWARD, op.counterparty
    work.leg(op.command, 0, op.account, kind, collateral_atoms=-reward_atoms, counterparty=liquidator)
    work.leg(op.command, 1, liquidator, kind, free_atoms=reward_atoms, counterparty=op.account)


def _lock(work: VersionWork, op: Op, standing: Standing, closing: Closing) -> None:
    book = work.book
    work.touch(op.account)
    order = Order(NOTHING, closing.fee_atoms, closing.settlement_fee_atoms, is_liquidation=True)
    book.pending.pin(op.account, standing.settled, book.next_ms, order)
    body = events.PositionLocked(
        liquidator=op.counterparty,
        version_ms=book.next_ms,
        kind=kind_of(standing.settled),
        lots=standing.settled.magnitude_lots,
        price_ticks=book.price_ticks,
        price_version_ms=book.valid_ms,
        collateral_atoms=closing.collateral_left_atoms,
        requirement_atoms=closing.requirement_atoms,
        reward_limit_atoms=closing.reward_limit_atoms,
        reward_atoms=closing.reward_atoms,
        fee_atoms=closing.fee_atoms,
        settlement_fee_atoms=closing.settlement_fee_atoms,
        reward_asked_atoms=closing.reward_asked_atoms,
    )
    work.emit(op.account, position_locked=body)
