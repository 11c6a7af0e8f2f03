"""Phases 3 and 4 of a cross book: the legs the desks owe, then marks and funding."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from actors.columns import RowGatherer, add_row, matrix, row_count, rows
from actors.cross.book import VAULT, CrossBook
from actors.event_rows import body_number
from actors.legs import kernel
from actors.legs.runs import FEW_LEGS, Int64Array, Run, assert_known, run, split_legs
from actors.orders.moves import Moves, key_columns
from actors.risk.cross_funding import funding_payments_ceil_atoms
from actors.rulebooks import margin_trade
from actors.sinks import FUND, LADDER, LADDER_SETTLE, SETTLE, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

# Ladder orders have this bit in their number and no row here (docs/margin-trade.md).
LADDER_NUMBER = 1 << 19
_FUNDED_BODY = body_number("funding_paid")
# Kinds of legs that columns can do; the first two also where liquidations go by row.
_TRADED_KINDS = (events.CROSS_LEG_KIND_FILL, events.CROSS_LEG_KIND_GONE)
_RUN_KINDS = (
    *_TRADED_KINDS,
    events.CROSS_LEG_KIND_TAKEOVER,
    events.CROSS_LEG_KIND_DELEVERAGED,
)
# `partial_pending` of the ladder's row: a partial was sent; the book filled something of it.
PARTIAL_SENT, PARTIAL_FILLED = 1, 2
_TOLD_AS_CREDITED = {
    events.CROSS_LEG_KIND_RELEASE: events.LEG_KIND_RELEASE,
    events.CROSS_LEG_KIND_REDEMPTION: events.LEG_KIND_REDEMPTION,
}


class _Settling(Moves):
    """One call's legs on one book; `ladder_round` is 0 outside the ladder."""

    book: CrossBook

    def __init__(self, book: CrossBook, sink: EventSink, ladder_round: int) -> None:
        super().__init__(book, sink)
        self._round = ladder_round

    def fill_without_row(self, account: int) -> None:
        """A ladder order was filled; the book's own orders are not counted outside the ladder."""
        if self._round:
            self._note_partial(account)

    def _note_partial(self, account: int) -> None:
        """The book filled something of the ladder's order: a partial starts its cooldown (MT-12)."""
        ladder = self.book.ladder
        if account in ladder and ladder.get(account, "partial_pending") == PARTIAL_SENT:
            ladder.put(account, "partial_pending", PARTIAL_FILLED)
            self.book.touch(account)

    def gone_without_row(self, account: int, market: int) -> None:
        """A ladder order is gone: its market is tried in this block (MT-12)."""
        if self._round and self.book.positions.has(account, market):
            self.book.positions.put(account, market, "tried_height", self.book.height)

    def taken(self, account: int) -> None:
        """TAKEN: every position leaves at the mark, then all cash (MT-13)."""
        book = self.book
        for market in book.positions.of_account(account):
            lots = book.positions.lots(account, market)
            if lots:
                value = margin_trade.value_atoms(lots, book.mark_ticks(market), book.k(market))
                self.move(account, market, -lots, -value)
        self.post_cash()
        book.accounts.post(account, free=-book.accounts.free(account))

    def move_money(
        self, account: int, kind: "events.CrossLegKind", amount: int, reference: int, key: tuple[int, int, int]
    ) -> None:
        """CASH, MINTED, RELEASE, REDEMPTION; `key` is (class, command, leg)."""
        book = self.book
        self.post_cash()
        held = amount if kind in (events.CROSS_LEG_KIND_MINTED, events.CROSS_LEG_KIND_RELEASE) else 0
        free = 0 if kind == events.CROSS_LEG_KIND_MINTED else amount
        book.accounts.post(account, free=free, held=-held)
        if kind in _TOLD_AS_CREDITED:
            body = events.Credited(kind=_TOLD_AS_CREDITED[kind], amount_atoms=amount, reference=reference)
            leg_class, command, leg = key
            event = events.Event(venue=book.venue, account=account, credited=body)
            self._sink.emit((SETTLE, book.venue << 8 | leg_class, command, leg), event)

    def has_row(self, account: int, order: int) -> bool:
        """The ladder's and the vault's orders have no row."""
        is_desks = order == 0 or order & LADDER_NUMBER != 0 or account == VAULT
        return order in self.book.orders if is_desks else super().has_row(account, order)

    def told_under(self, account: int, market: int) -> tuple[int, int, int, int]:
        """Inside the ladder, under its round."""
        if self._round:
            return (LADDER, self._round, LADDER_SETTLE + account, market)
        return super().told_under(account, market)

    def told_under_many(self, accounts: Int64Array, markets: Int64Array) -> Int64Array:
        """See `told_under`."""
        if self._round:
            return key_columns(LADDER, self._round, LADDER_SETTLE + accounts, markets)
        return super().told_under_many(accounts, markets)

    def run(self, legs: Int64Array) -> Run:
        """Legs of the kinds columns can do."""
        orders, accounts = legs[kernel.LEG_ORDER], legs[kernel.LEG_ACCOUNT]
        is_desks = (orders == 0) | (orders & LADDER_NUMBER != 0) | (accounts == VAULT)
        assert_known(self.book, legs, ~is_desks)
        done = run(self.book, legs, self.book.height if self._round else 0)
        if self._round:
            for account in np.unique(done.missing).tolist():
                self._note_partial(account)
        self.tell_run(done)
        return done


def settle_cross_legs(
    book: CrossBook, legs: batches.CrossLegs, dues: RowGatherer[batches.CrossDues], sink: EventSink, ladder_round: int
) -> None:
    """Applies the venue's legs in their order (class, command, market, leg); fees become dues. It cannot refuse."""
    settling = _Settling(book, sink, ladder_round)
    fees, liquidation_fees = 0, 0
    by_row = book.way.trades_by_row or (ladder_round and book.way.liquidates_by_row)
    if not by_row and row_count(legs) >= FEW_LEGS:
        columns = matrix(legs)
        by_columns, by_rows = split_legs(columns, _TRADED_KINDS if book.way.liquidates_by_row else _RUN_KINDS)
        done = settling.run(columns[:, by_columns])
        fees, liquidation_fees = done.total(kernel.FEE), done.total(kernel.LIQUIDATION_FEE)
        left = columns[:, by_rows].T.tolist()
    else:
        left = rows(legs)
    _settle_rows(settling, left)
    moves = settling.moves.values()
    _owe(book, dues, batches.CROSS_DUE_KIND_TRADING_FEES, fees + sum(move.fee for move in moves))
    liquidation_fees += sum(move.liquidation_fee for move in moves)
    _owe(book, dues, batches.CROSS_DUE_KIND_LIQUIDATION_FEES, liquidation_fees)


def _settle_rows(settling: _Settling, legs: Iterable[Sequence[Any]]) -> None:
    for row in legs:
        leg_class, command, market, leg, _, account, kind, order, lots, quote, fee, liquidation_fee, *money = row
        if kind == events.CROSS_LEG_KIND_FILL:
            settling.fill(account, market, order, lots, quote, (fee, liquidation_fee))
        elif kind == events.CROSS_LEG_KIND_GONE:
            settling.gone(account, market, order)
        elif kind in (events.CROSS_LEG_KIND_TAKEOVER, events.CROSS_LEG_KIND_DELEVERAGED):
            settling.move(account, market, lots, quote)
        elif kind == events.CROSS_LEG_KIND_TAKEN:
            settling.taken(account)
        else:
            amount, reference = money
            settling.move_money(account, kind, amount, reference, (leg_class, command, leg))
    settling.post_cash()
    settling.tell()


def _owe(book: CrossBook, dues: RowGatherer[batches.CrossDues], kind: "batches.CrossDueKind", amount: int) -> None:
    if amount:
        dues.add(book.venue, kind, amount)


def take_marks(book: CrossBook, marks: Iterable[common.Mark]) -> None:
    """The marks of the block; where one moved, what resting orders would lose against it is taken anew (MT-02)."""
    before = {}
    for mark in marks:
        if mark.venue == book.venue:
            ticks = book.mark_ticks(mark.market)
            if mark.mark_ticks != ticks:
                before[mark.market] = ticks
            book.marks[mark.market] = mark
    if before:
        book.retake_adverse(before)


def fund(book: CrossBook, nets: batches.FundingNets, dues: RowGatherer[batches.CrossDues], sink: EventSink) -> None:
    """MT-10 in every market whose mark passed a boundary: positions pay from cash; the net is the fund's."""
    for market in sorted(book.marks):
        mark = book.marks[market]
        if not mark.funding_boundary_ms:
            continue
        net = _fund_market(book, mark, sink)
        add_row(nets, book.venue, market, net, mark.funding_rate_e9, mark.funding_boundary_ms)
        _owe(book, dues, batches.CROSS_DUE_KIND_FUNDING, net)
        if book.owns_vault:
            body = events.FundingApplied(
                rate_e9=mark.funding_rate_e9, boundary_ms=mark.funding_boundary_ms, mark=book.mark_stamp(market)
            )
            event = events.Event(venue=book.venue, market=market, funding_applied=body)
            sink.emit((FUND, book.venue << 32 | market, -1, 0), event)


def _fund_market(book: CrossBook, mark: common.Mark, sink: EventSink) -> int:
    """Funds the positions of one market and returns what they paid together, atoms."""
    market, table = mark.market, book.positions.table
    made = table.slots_made
    slots = np.flatnonzero((table.column("market")[:made] == market) & (table.column("lots")[:made] != 0))
    if not slots.size:
        return 0
    slots = slots[np.argsort(table.column("account")[slots])]
    lots = table.column("lots")[slots]
    by_row = book.way.liquidates_by_row
    payments = funding_payments_ceil_atoms(lots, mark.index_ticks, book.k(market), mark.funding_rate_e9, by_row)
    after = book.accounts.charge(table.column("owner_slot")[slots], payments)
    accounts = table.column("account")[slots]
    keys = np.zeros((4, slots.size), dtype=np.int64)
    keys[0], keys[1], keys[2] = FUND, book.venue << 32 | market, accounts
    markets = np.full(slots.size, market)
    sink.emit_rows(keys, _FUNDED_BODY, book.venue, markets, accounts, np.stack([markets, payments, after], axis=1))
    return sum(payments.tolist())
