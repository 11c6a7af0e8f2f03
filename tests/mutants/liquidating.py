"""Mutants of what decides about positions: ladder, deleveraging, versions, locks, debts."""

from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

import actors.cross.ladder as cross_ladder
import actors.cross.scan as cross_scan
import actors.risk.adl_kernels as adl
import actors.versioned.settle as versioned_settle
import actors.versioning.changes as version_changes
import actors.versioning.liquidations as version_liquidations
from actors import version_desk
from actors.columns import RowGatherer
from actors.isolated.book import IsolatedBook
from actors.risk.ladder import LADDER, Action, Step, Verdict
from actors.rulebooks import margin_trade, spin
from actors.rulebooks.margin_trade import Rung
from actors.versioning import settling
from actors.versioning.desk import VersionWork
from actors.versioning.pending import Order, PendingOrders
from actors.versioning.slots import Due
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from cluster.block_run import BlockRun
from tests.mutants.mutant import MARGIN_TRADE, PERENNIAL, SPIN, TWILIGHT, Mutant, constant, in_row, instead

_TW11 = (common.RULEBOOK_TWILIGHT, 1, Verdict.BELOW)


def _backstop_at_once(rung_of: Any) -> Any:
    def mutated(*standing: Any) -> int:
        rung: int = rung_of(*standing)
        return int(Rung.BACKSTOP) if rung == Rung.LIQUIDATABLE else rung

    return mutated


@contextmanager
def _rung_skipped() -> Any:
    with ExitStack() as stack:
        for module in (cross_scan, cross_ladder):
            stack.enter_context(instead(module, "rung_of", _backstop_at_once)())
        yield


def _a_twentieth_more(maintenance_e9: Any) -> Any:
    return lambda *standing: maintenance_e9(*standing) * 21 // 20


def _nothing_is_enough(why_not: Any) -> Any:
    def mutated(closing: Any) -> Any:
        return why_not(closing._replace(collateral_left_atoms=min(closing.collateral_left_atoms, 0)))

    return mutated


def _always_asked(is_quiet: Any) -> Any:
    return lambda book, row, *standing: is_quiet(book, row._replace(cooldown_until_ms=0), *standing)


def _no_memory(rung_one_lots_ceil: Any) -> Any:
    return lambda *standing: rung_one_lots_ceil(*standing[:5], None, *standing[6:])


@contextmanager
def _no_cooldown() -> Any:
    """Who is in a cooldown is a candidate, and the second look does not remember it either."""
    with ExitStack() as stack:
        stack.enter_context(instead(cross_scan, "_is_quiet", _always_asked)())
        stack.enter_context(instead(margin_trade, "rung_one_lots_ceil", _no_memory)())
        yield


def _a_step_more(closable_lots: Any) -> Any:
    def mutated(*standing: int) -> int:
        lots, step = abs(standing[2]), standing[-1]
        closable: int = closable_lots(*standing)
        return min(lots, closable + step) if closable else 0

    return mutated


def _without_caps(take_shards: Any) -> Any:
    """Books are not told what accounts that fail margin may still trade."""

    def mutated(run: BlockRun, replies: Any, scanned: bool) -> None:
        take_shards(run, replies, scanned)
        run.caps = RowGatherer(batches.PositionCaps)

    return mutated


def _last_first(side: Any) -> Any:
    def mutated(*standing: Any) -> Any:
        made = side(*standing)
        rank = np.empty(made.order.size, dtype=np.int64)
        rank[made.order[::-1]] = np.arange(made.order.size)
        return made._replace(order=np.ascontiguousarray(made.order[::-1]), rank=rank)

    return mutated


def _other_side(side: Any) -> Any:
    return lambda candidates, allowed, wanted, lot_value: side(candidates, allowed, -wanted, lot_value)


def _a_lot_more(answers: Any) -> Any:
    def mutated(*demands: Any) -> Any:
        for made in answers(*demands):
            if made.lots.size:
                made.lots[0] += 1 if made.lots[0] > 0 else -1
            yield made

    return mutated


def _always_valid(due_slots: Any) -> Any:
    """A slot without a price settles at whatever price there is."""
    return lambda *times: [Due(slot.version_ms, True) for slot in due_slots(*times)]


def _twice(settled_leg: Any) -> Any:
    def mutated(work: VersionWork, *leg: Any) -> None:
        settled_leg(work, *leg)
        settled_leg(work, *leg)

    return mutated


def _a_slot_later(first_slot_after_ms: Any) -> Any:
    return lambda time_ms, width_ms: first_slot_after_ms(time_ms, width_ms) + width_ms


def _values_of_before(settle: Any) -> Any:
    """Accounts settle at the values of the version before, the market at this one's."""

    def mutated(work: VersionWork, number: int, version_ms: int, price_ticks: int | None) -> None:
        before, told = work.book.values, work.settled_leg
        work.settled_leg = lambda *leg: told(*leg[:5], before, *leg[6:])  # type: ignore[method-assign]
        try:
            settle(work, number, version_ms, price_ticks)
        finally:
            del work.settled_leg

    return mutated


def _void_too(void: Any) -> Any:
    def mutated(*version: Any) -> Any:
        with constant(PendingOrders, "locked_ms", lambda orders, account: 0)():
            return void(*version)

    return mutated


def _ordinary(target: Any, fee_atoms: int, settlement_fee_atoms: int, is_liquidation: bool) -> Order:
    return Order(target, fee_atoms, settlement_fee_atoms, is_liquidation=False)


def _for_ever(locked_ms: Any) -> Any:
    """Who was locked once stays so."""

    def mutated(orders: PendingOrders, account: int) -> int:
        once = orders.__dict__.setdefault("locked_once", {})
        found: int = locked_ms(orders, account) or once.get(account, 0)
        if found:
            once[account] = found
        return found

    return mutated


def _no_debts(settle: Any) -> Any:
    class Nowhere:
        def add(self, *debt: int) -> None:
            """Nobody is told."""

    return lambda book, leg, debts, sink: settle(book, leg, Nowhere(), sink)


LIQUIDATING = (
    Mutant(
        "ladder",
        "nobody is liquidated",
        "actors/risk/ladder.py: LADDER",
        "Twilight's only rung does nothing",
        in_row(LADDER, _TW11, Step(Action.NONE, 0, "TW-11")),
        (TWILIGHT,),
    ),
    Mutant(
        "ladder",
        "rung skipped",
        "actors/cross/scan.py: rung_of",
        "who should be reduced into the book goes to the vault at once",
        _rung_skipped,
        (MARGIN_TRADE,),
    ),
    Mutant(
        "ladder",
        "healthy position liquidated",
        "actors/isolated/book.py: IsolatedBook.maintenance_e9",
        "maintenance is a twentieth too high",
        instead(IsolatedBook, "maintenance_e9", _a_twentieth_more),
        (TWILIGHT,),
    ),
    Mutant(
        "ladder",
        "healthy account closed by a bot",
        "actors/versioning/liquidations.py: _why_not",
        "a liquidation passes however much collateral there is",
        instead(version_liquidations, "_why_not", _nothing_is_enough),
        (PERENNIAL,),
    ),
    Mutant(
        "ladder",
        "cooldown ignored",
        "actors/cross/scan.py: _is_quiet, actors/rulebooks/margin_trade.py: rung_one_lots_ceil",
        "after a partial liquidation the next follows at once",
        _no_cooldown,
        (MARGIN_TRADE,),
    ),
    Mutant(
        "ladder",
        "a step too much taken over",
        "actors/rulebooks/spin.py: closable_lots",
        "liquidators may take a step more than the calculator says",
        instead(spin, "closable_lots", _a_step_more),
        (SPIN,),
    ),
    Mutant(
        "ladder",
        "caps not sent",
        "cluster/block_run.py: BlockRun.take_shards",
        "books do not know whose orders may not fill any more",
        instead(BlockRun, "take_shards", _without_caps),
        (MARGIN_TRADE, SPIN),
    ),
    Mutant(
        "ADL",
        "wrong ranking",
        "actors/risk/adl_kernels.py: _side",
        "the lowest score is deleveraged first",
        instead(adl, "_side", _last_first),
        (MARGIN_TRADE,),
    ),
    Mutant(
        "ADL",
        "wrong side",
        "actors/risk/adl_kernels.py: _side",
        "positions of the demand's own side are deleveraged",
        instead(adl, "_side", _other_side),
        (MARGIN_TRADE,),
    ),
    Mutant(
        "ADL",
        "one lot too many",
        "actors/risk/adl_kernels.py: _answers_by_rank",
        "the first counterparty loses a lot more than is needed",
        instead(adl, "_answers_by_rank", _a_lot_more),
        (MARGIN_TRADE,),
    ),
    Mutant(
        "versions",
        "invalid version settled at a price",
        "actors/versioning/settling.py: settle_versions",
        "a version nobody priced settles at the price there is",
        instead(settling, "due_slots", _always_valid),
        (PERENNIAL,),
    ),
    Mutant(
        "versions",
        "settled twice",
        "actors/versioning/desk.py: VersionWork.settled_leg",
        "an order settles twice at its version",
        instead(VersionWork, "settled_leg", _twice),
        (PERENNIAL,),
    ),
    Mutant(
        "versions",
        "wrong version",
        "actors/version_desk.py: VersionDesk._next_slot_ms",
        "orders are pinned one slot late",
        instead(version_desk, "first_slot_after_ms", _a_slot_later),
        (PERENNIAL,),
    ),
    Mutant(
        "versions",
        "accounts at the version before",
        "actors/versioning/settling.py: _settle",
        "accounts settle at the values of the version before the market's",
        instead(settling, "_settle", _values_of_before),
        (PERENNIAL,),
    ),
    Mutant(
        "lock",
        "lock not set",
        "actors/versioning/liquidations.py: _lock",
        "the close is pinned like an ordinary order",
        constant(version_liquidations, "Order", _ordinary),
        (PERENNIAL,),
    ),
    Mutant(
        "lock",
        "lock not asked about",
        "actors/versioning/changes.py: _why_not_locked",
        "a locked account changes its position and takes collateral out",
        constant(version_changes, "_why_not_locked", lambda *plan: None),
        (PERENNIAL,),
    ),
    Mutant(
        "lock",
        "lock kept",
        "actors/versioning/pending.py: PendingOrders.locked_ms",
        "an account stays locked after its close has settled",
        instead(PendingOrders, "locked_ms", _for_ever),
        (PERENNIAL,),
    ),
    Mutant(
        "lock",
        "lock void with its version",
        "actors/versioning/settling.py: _void",
        "a liquidation pinned to an invalid version is void",
        instead(settling, "_void", _void_too),
        (PERENNIAL,),
    ),
    Mutant(
        "debts",
        "debt not told",
        "actors/versioned/settle.py: _settle",
        "what an account is below zero after its close is in no ledger",
        instead(versioned_settle, "_settle", _no_debts),
        (PERENNIAL,),
    ),
)
