"""Versions that settle at the end of a call: the interval before them, the orders pinned to them, their fees (PE-05).

The settled totals move by what the legs tell the accounts and by nothing else, so that a version can never mean one
thing for the market and another for an account. Nothing here can be refused.
"""

from typing import NamedTuple

from actors.risk.tradable import is_usable
from actors.rulebooks import perennial_versions
from actors.rulebooks.perennial import Totals
from actors.rulebooks.perennial_orders import totals_after
from actors.rulebooks.perennial_versions import Accumulators, FeeSplit, Interval, VersionStep
from actors.versioning.desk import VersionWork
from actors.versioning.slots import due_slots
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

VALID, LIQUIDATION, LAST = 1, 2, 4
VALUE_BOUND = 1 << 62


class _Settled(NamedTuple):
    """An order that a version takes out, and what becomes of its account; fee_atoms is 0 where it is void."""

    account: int
    sizes: Totals
    fee_atoms: int
    settlement_fee_atoms: int
    flags: int


def settle_versions(work: VersionWork, mark: common.Mark) -> bool:
    """Settles every slot whose time has come, in their order; whether there was one."""
    book, terms = work.book, work.book.terms
    published_ms = mark.published_ms if is_usable(mark) else -1
    due = due_slots(
        book.settled_ms,
        book.pending.versions_ms(),
        published_ms,
        work.now_ms,
        terms.version_ms,
        terms.grace_ms,
    )
    for number, slot in enumerate(due):
        _settle(work, number, slot.version_ms, mark.mark_ticks if slot.valid else None)
    return bool(due)


def _settle(work: VersionWork, number: int, version_ms: int, price_ticks: int | None) -> None:
    """One version; without a price it is an invalid one, at the price before."""
    book = work.book
    valid = price_ticks is not None
    to_ticks = book.price_ticks if price_ticks is None else price_ticks
    before = book.totals
    settled, moving = (_carry_out(work, version_ms), []) if valid else _void(work, version_ms)
    order_fees_atoms = sum(one.fee_atoms for one in settled)
    settlement_fees_atoms = sum(one.settlement_fee_atoms for one in settled)
    # The first version of a market has no interval before it, and nobody in it.
    first = book.settled_ms == 0
    from_ticks, elapsed_ms = (to_ticks, 0) if first else (book.price_ticks, version_ms - book.settled_ms)
    step = perennial_versions.accumulate(
        book.values,
        book.controller,
        before,
        book.totals,
        order_fees_atoms,
        Interval(from_ticks, to_ticks, elapsed_ms),
        book.terms.market,
        book.terms.risk,
    )
    fees = perennial_versions.split_fees(
        step.market_fee_atoms, settlement_fees_atoms, book.terms.market, book.terms.protocol
    )
    _take_values(work, before, step)
    book.controller = step.controller
    book.fees = FeeSplit(*(old + new for old, new in zip(book.fees, fees, strict=True)))
    book.settled_ms, book.price_ticks = version_ms, to_ticks
    if valid:
        book.valid_ms = version_ms
    for leg, one in enumerate(settled):
        fees_of_one = (one.fee_atoms, one.settlement_fee_atoms)
        work.settled_leg(number, leg, one.account, version_ms, one.sizes, book.values, *fees_of_one, one.flags)
    _say(work, valid, step, settlement_fees_atoms, len(settled))
    for account in moving:
        body = events.PositionRepinned(version_ms=version_ms, next_version_ms=book.next_ms)
        work.emit(account, position_repinned=body)


def _take_values(work: VersionWork, before: Totals, step: VersionStep) -> None:
    """The values after the step, and as dust what its lots are not granted of it.

    Fees of a great order on a maker of a lot could take a value out of its range; the market keeps what lies beyond.
    """
    book = work.book
    book.values = Accumulators(*(max(-VALUE_BOUND, min(value, VALUE_BOUND)) for value in step.accumulators))
    beyond = zip(step.accumulators, book.values, before, strict=True)
    book.dust_e6 += step.residue_e12 + sum((value - kept) * lots for value, kept, lots in beyond)


def _carry_out(work: VersionWork, version_ms: int) -> list[_Settled]:
    """Every order of a valid version, by account; the settled totals follow each of them."""
    book, settled = work.book, []
    for account in book.pending.accounts_at(version_ms):
        work.touch(account)
        before = book.pending.accounts[account].settled
        order, is_last = book.pending.settle(account, version_ms)
        book.totals = totals_after(book.totals, before, order.target)
        flags = VALID | LIQUIDATION * order.is_liquidation | LAST * is_last
        settled.append(_Settled(account, order.target, order.fee_atoms, order.settlement_fee_atoms, flags))
    return settled


def _void(work: VersionWork, version_ms: int) -> tuple[list[_Settled], list[int]]:
    """PE-06: ordinary orders are void at the cost of their settlement fee; liquidations move on, told apart."""
    book = work.book
    settled, moving = [], []
    for account in book.pending.accounts_at(version_ms):
        work.touch(account)
        if book.pending.locked_ms(account) == version_ms:
            book.pending.move(account, version_ms, book.next_ms)
            moving.append(account)
            continue
        order, sizes, is_last = book.pending.void(account, version_ms)
        settled.append(_Settled(account, sizes, 0, order.settlement_fee_atoms, LAST * is_last))
    return settled, moving


def _say(work: VersionWork, valid: bool, step: VersionStep, settlement_fees_atoms: int, settled: int) -> None:
    book, parts = work.book, step.breakdown
    body = events.VersionSettled(
        version_ms=book.settled_ms,
        valid=valid,
        price_ticks=book.price_ticks,
        maker_lots=book.totals.maker_lots,
        long_lots=book.totals.long_lots,
        short_lots=book.totals.short_lots,
        maker_value_e6=book.values.maker_atoms_per_unit,
        long_value_e6=book.values.long_atoms_per_unit,
        short_value_e6=book.values.short_atoms_per_unit,
        funding_rate_ppm=book.controller.rate_ppm,
        position_fee_atoms=parts.position_fee_atoms,
        funding_fee_atoms=parts.funding_fee_atoms,
        interest_fee_atoms=parts.interest_fee_atoms,
        settlement_fee_atoms=settlement_fees_atoms,
        maker_pnl_atoms=parts.pnl.maker_atoms,
        long_pnl_atoms=parts.pnl.long_atoms,
        short_pnl_atoms=parts.pnl.short_atoms,
        settled=settled,
    )
    work.emit(0, version_settled=body)
