"""Phases 4 and 5 of a Spin venue: what books, takeovers, transfers and the insurance desk owe; then the marks."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from actors.columns import RowGatherer, matrix, row_count, rows
from actors.event_rows import body_number
from actors.ledger.position_rows import MARKET_BITS
from actors.legs import kernel
from actors.legs.runs import FEW_LEGS, Int64Array, Run, assert_known, free_of, market_columns, run, split_legs
from actors.orders.moves import Move, Moves, key_columns
from actors.ratio.book import RatioBook
from actors.rulebooks import spin
from actors.sinks import NO_COMMAND, SETTLE, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

# The class under which funding is told: before positions, after every class of a desk.
FUNDING_CLASS = 14
# Kinds of legs that columns can do.
_RUN_KINDS = (events.CROSS_LEG_KIND_FILL, events.CROSS_LEG_KIND_GONE)
_SETTLED_BODY = body_number("funding_settled")
_CREDITED_BODY = body_number("credited")


class _Settling(Moves):
    """One call's legs on one book."""

    book: RatioBook

    def __init__(self, book: RatioBook, sink: EventSink) -> None:
        super().__init__(book, sink)
        self.funding: dict[tuple[int, int], int] = {}
        # Whoever may owe something after the legs.
        self.accounts: set[int] = set()

    def move(self, account: int, market: int, lots: int, quote: int) -> Move:
        """What the position accrued is paid before its lots change (SP-11)."""
        payment = accrued_of(self.book, account, market)
        if payment:
            self._cash[account] = self._cash.get(account, 0) - payment
            self.funding[account, market] = payment
        return super().move(account, market, lots, quote)

    def liquidated(
        self, account: int, market: int, lots: int, quote: int, reward: int, reservation: int, command: int
    ) -> None:
        """LIQUIDATED: the reservation becomes a position at the mark of the takeover, the reward is cash (SP-07)."""
        self.book.reservations.end(reservation)
        self.move(account, market, lots, quote)
        self._cash[account] += reward
        if reward:
            fields = (events.LEG_KIND_PAYOUT, reward, reservation)
            key = (SETTLE, self.book.venue << 8, command, 0)
            self._sink.emit_row(key, _CREDITED_BODY, self.book.venue, market, account, fields)

    def move_cash(self, account: int, amount: int) -> None:
        """CASH: from the insurance desk."""
        self.post_cash()
        self.book.accounts.post(account, free=amount)

    def transferred(self, account: int, amount: int, sender: int, key: tuple[int, int, int]) -> None:
        """TRANSFER: collateral of the same owner arrives; `key` is (class, command, leg)."""
        self.move_cash(account, amount)
        leg_class, command, leg = key
        cash = self.book.accounts.free(account)
        body = events.Transferred(counterparty=sender, amount_atoms=amount, cash_atoms=cash)
        event = events.Event(venue=self.book.venue, account=account, transferred=body)
        self._sink.emit((SETTLE, self.book.venue << 8 | leg_class, command, leg), event)

    def tell(self) -> None:
        """Funding paid, then the positions, both with the cash after all legs."""
        venue, accounts = self.book.venue, self.book.accounts
        for (account, market), payment in sorted(self.funding.items()):
            fields = (payment, self.book.index_e9(market), accounts.free(account))
            key = (SETTLE, venue << 8 | FUNDING_CLASS, account, market)
            self._sink.emit_row(key, _SETTLED_BODY, venue, market, account, fields)
        super().tell()

    def run(self, legs: Int64Array) -> Run:
        """Legs of the kinds columns can do."""
        book = self.book
        assert_known(book, legs)
        done = run(book, legs)
        book.positions.moved.update((done.accounts << MARKET_BITS | done.markets).tolist())
        self._tell_funding(done)
        self.tell_run(done)
        met = np.unique(legs[kernel.LEG_ACCOUNT])
        self.accounts.update(met[free_of(book, met) < 0].tolist())
        return done

    def _tell_funding(self, done: Run) -> None:
        """What positions of a run paid."""
        book, paid = self.book, np.flatnonzero(done.done[:, kernel.ACCRUED])
        accounts, markets = done.accounts[paid], done.markets[paid]
        index_e9 = market_columns(book)[kernel.INDEX_E9, markets]
        fields = np.column_stack((done.done[paid, kernel.ACCRUED], index_e9, free_of(book, accounts)))
        keys = key_columns(SETTLE, book.venue << 8 | FUNDING_CLASS, accounts, markets)
        self._sink.emit_rows(keys, _SETTLED_BODY, book.venue, markets, accounts, fields)


def accrued_of(book: RatioBook, account: int, market: int) -> int:
    """What a position has to pay before its lots change, atoms, rounded up; 0 without one (SP-11)."""
    row = book.positions.read(account, market)
    return spin.accrued_ceil_atoms(row.lots, row.paid_e9, book.index_e9(market), book.k(market)) if row.lots else 0


def settle_legs(
    book: RatioBook,
    legs: batches.CrossLegs,
    dues: RowGatherer[batches.CrossDues],
    claims: RowGatherer[batches.InsuranceClaims],
    sink: EventSink,
) -> None:
    """Applies the venue's legs in their order (class, command, market, leg). Fees and funding become dues, what an
    account without positions owes a claim (SP-09). It cannot refuse.
    """
    settling = _Settling(book, sink)
    fees, funding = 0, 0
    if not book.way.trades_by_row and row_count(legs) >= FEW_LEGS:
        columns = matrix(legs)
        by_columns, by_rows = split_legs(columns, _RUN_KINDS)
        done = settling.run(columns[:, by_columns])
        fees, funding = done.total(kernel.FEE), done.total(kernel.ACCRUED)
        left = columns[:, by_rows].T.tolist()
    else:
        left = rows(legs)
    _settle_rows(settling, left)
    owe(book, dues, batches.CROSS_DUE_KIND_TRADING_FEES, fees + sum(move.fee for move in settling.moves.values()))
    owe(book, dues, batches.CROSS_DUE_KIND_FUNDING, funding + sum(settling.funding.values()))
    for account in sorted(settling.accounts):
        claim_deficit(book, claims, NO_COMMAND, 0, account)


def _settle_rows(settling: _Settling, legs: Iterable[Sequence[Any]]) -> None:
    for row in legs:
        leg_class, command, market, leg, _, account, kind, order, lots, quote, fee, _, amount, reference = row
        settling.accounts.add(account)
        if kind == events.CROSS_LEG_KIND_FILL:
            settling.fill(account, market, order, lots, quote, (fee, 0))
        elif kind == events.CROSS_LEG_KIND_GONE:
            settling.gone(account, market, order)
        elif kind == events.CROSS_LEG_KIND_LIQUIDATED:
            settling.liquidated(account, market, lots, quote, amount, reference, command)
        elif kind == events.CROSS_LEG_KIND_UNRESERVED:
            settling.book.reservations.end(reference)
        elif kind == events.CROSS_LEG_KIND_TRANSFER:
            settling.transferred(account, amount, reference, (leg_class, command, leg))
        else:
            assert kind == events.CROSS_LEG_KIND_CASH, f"a leg of kind {kind} is not of a Spin venue"
            settling.move_cash(account, amount)
    settling.post_cash()
    settling.tell()


def owe(book: RatioBook, dues: RowGatherer[batches.CrossDues], kind: "batches.CrossDueKind", amount: int) -> None:
    """What accounts paid the desk, below zero what they got from it."""
    if amount:
        dues.add(book.venue, kind, amount)


def claim_deficit(
    book: RatioBook, claims: RowGatherer[batches.InsuranceClaims], command: int, sequence: int, account: int
) -> None:
    """DEFICIT: an account without positions is below zero (SP-09). The claim's CASH arrives with the next legs."""
    cash = book.accounts.free(account)
    if cash < 0 and book.positions.is_flat(account):
        kind = batches.INSURANCE_CLAIM_KIND_DEFICIT
        claims.add(command, sequence, book.venue, account, 0, kind, -cash, 0)


def take_marks(book: RatioBook, marks: Iterable[common.Mark]) -> None:
    """The marks of the block, with what funding has come to. Market orders are gone: no kept sum depends on a mark."""
    for mark in marks:
        if mark.venue == book.venue:
            book.set_mark(mark)
