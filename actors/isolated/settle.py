"""Phases 3 and 4: the legs the desks owe, then marks, parameters and funding."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from actors.columns import add_row, matrix, row_count, rows
from actors.isolated.book import IsolatedBook
from actors.isolated.runs import CREDITED, FEW_ROWS, has_narrow_rates, settle_run
from actors.ledger.isolated_positions import Position
from actors.risk.funding import apply_funding_step
from actors.rulebooks import twilight
from actors.sinks import FUND, SETTLE, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events


def settle_legs(books: dict[int, IsolatedBook], legs: batches.Legs, sink: EventSink) -> None:
    """Applies the legs in their order (venue, class, command, leg). Total: it cannot refuse."""
    left: Iterable[Sequence[Any]]
    if row_count(legs) >= FEW_ROWS:
        columns = matrix(legs)
        by_rows = np.ones(columns.shape[1], dtype=np.bool_)
        for venue in np.unique(columns[3]).tolist():
            if not books[venue].way.trades_by_row and has_narrow_rates(books[venue]):
                mine = columns[3] == venue
                settle_run(books[venue], columns[:, mine], sink)
                by_rows &= ~mine
        left = columns[:, by_rows].T.tolist()
    else:
        left = rows(legs)
    for row in left:
        leg_class, command, leg, venue, account, kind, free, held, margin, reference, *opened = row
        book = books[venue]
        book.accounts.post(account, free=free, held=held)
        if kind == events.LEG_KIND_OPENED:
            _open_position(book, account, reference, margin, opened)
        elif kind in CREDITED:
            body = events.Credited(kind=kind, amount_atoms=free, reference=reference)
            sink.emit(
                (SETTLE, venue << 8 | leg_class, command, leg),
                events.Event(venue=venue, account=account, credited=body),
            )


def _open_position(book: IsolatedBook, account: int, position: int, margin_held: int, opened: list[int]) -> None:
    market, side, entry_ticks, initial_margin, leverage = opened
    entry_value = twilight.entry_value_floor_atoms(initial_margin, leverage)
    row = Position(
        account=account,
        market=market,
        side=side,
        entry_ticks=entry_ticks,
        entry_value_atoms=entry_value,
        position_size=twilight.position_size(entry_value, entry_ticks),
        initial_margin_atoms=initial_margin,
        margin_held_atoms=margin_held,
        leverage_hundredths=leverage,
        maintenance_e9=0,
        threshold_ticks=0,
        stop_loss=0,
        take_profit=0,
        close_limit=0,
    )
    book.positions.insert(position, book.with_maintenance(row))


def recharge_maintenance(book: IsolatedBook) -> None:
    """Parameters changed: maintenance and threshold of every position anew (TW-04)."""
    for position in book.positions.numbers():
        row = book.with_maintenance(book.positions.remove(position))
        book.positions.insert(position, row)


def take_marks(book: IsolatedBook, marks: Iterable[common.Mark]) -> None:
    """The marks of the block."""
    for mark in marks:
        if mark.venue == book.venue:
            book.marks[mark.market] = mark


def fund(
    book: IsolatedBook, totals: Iterable[batches.MarketTotals], nets: batches.FundingNets, sink: EventSink
) -> None:
    """TW-08 at every boundary the block passed: payments, maintenance and thresholds; the net goes to the pool."""
    due = [market for market in sorted(book.marks) if book.marks[market].funding_boundary_ms]
    if not due:
        return
    sizes = {total.market: (total.long_size, total.short_size) for total in totals if total.venue == book.venue}
    for market in due:
        long_size, short_size = sizes.get(market, (0, 0))
        rate = twilight.funding_rate_e9(long_size, short_size, book.rules.psi)
        book.rates_e9[market] = rate
        net = _fund_market(book, market, rate, sink)
        add_row(nets, book.venue, market, net, rate, book.marks[market].funding_boundary_ms)


def _fund_market(book: IsolatedBook, market: int, rate_e9: int, sink: EventSink) -> int:
    """Funds the positions of one market and returns what the pool receives, net."""
    keys, slots = book.positions.of_market(market)
    if not keys:
        return 0
    column = book.positions.table.column
    margins = column("margin_held_atoms")[slots].copy()
    mark = book.marks[market].mark_ticks
    side, size, value, initial = (
        column(name)[slots] for name in ("side", "position_size", "entry_value_atoms", "initial_margin_atoms")
    )
    step = _scalar_step if book.way.liquidates_by_row else apply_funding_step
    payments, maintenance, thresholds = step(
        side,
        size,
        value,
        initial,
        margins,
        mark,
        rate_e9,
        book.rules.maintenance_ratio_e9,
        book.rules.taker_fee_e9,
    )
    book.positions.rewrite(market, slots, margins, maintenance, thresholds)
    accounts = column("account")[slots].tolist()
    market_key = book.venue << 32 | market
    for position, account, payment, margin in zip(keys, accounts, payments.tolist(), margins.tolist(), strict=True):
        body = events.FundingPaid(position=position, payment_atoms=payment, margin_held_atoms=margin)
        event = events.Event(venue=book.venue, market=market, account=account, funding_paid=body)
        sink.emit((FUND, market_key, position, 0), event)
    return int(payments.sum())


def _scalar_step(
    side: np.ndarray,
    size: np.ndarray,
    entry_value: np.ndarray,
    initial_margin: np.ndarray,
    margins: np.ndarray,
    mark_ticks: int,
    rate_e9: int,
    maintenance_ratio_e9: int,
    fee_rate_e9: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`apply_funding_step` by the scalar rulebook: what a validator runs."""
    result = []
    columns = zip(side.tolist(), size.tolist(), entry_value.tolist(), initial_margin.tolist(), strict=True)
    for index, (one_side, one_size, value, margin) in enumerate(columns):
        payment = twilight.funding_payment_atoms(one_side, one_size, mark_ticks, rate_e9)
        margins[index] -= payment
        paid = twilight.funding_paid_e9(one_side, rate_e9)
        requirement = twilight.maintenance_margin_e9(one_side, value, margin, maintenance_ratio_e9, fee_rate_e9, paid)
        held = int(margins[index])
        threshold = twilight.liquidation_threshold_ticks(one_side, one_size, value, held, requirement)
        result.append((payment, requirement, threshold))
    payments, maintenance, thresholds = (np.array(column, dtype=np.int64) for column in zip(*result, strict=True))
    return payments, maintenance, thresholds
