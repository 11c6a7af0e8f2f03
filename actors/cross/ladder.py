"""Phase 7: what the coordinator ordered, carried out here after a second look (MT-11 to MT-16).

Nothing here moves a position: orders go to the books, accounts are offered to the backstop, and what comes of it
settles in the same block. Cancels of this phase are classed with the users', behind all of theirs.
"""

from typing import NamedTuple

import numpy as np

from actors.columns import RowGatherer, matrix
from actors.cross.book import VAULT, CrossBook
from actors.cross.ladder_rows import LadderRow, read_rows, write_rows
from actors.cross.scan import rung_of
from actors.cross.settle import LADDER_NUMBER, PARTIAL_SENT
from actors.cross.standings import Holding, Standing, standings
from actors.ledger.book_orders import LADDER_ORDER, REDUCE_ONLY, BookOrder
from actors.orders.cancels import CANCEL_CLASS, cancel_orders, tell_done
from actors.risk.bankruptcy import (
    bankruptcy_limit_ticks,
    bankruptcy_quote_atoms,
    equity_shares_atoms,
    quote_part_ceil_atoms,
)
from actors.risk.ladder import WRITE_OFF_RUNG, Action
from actors.rulebooks import margin_trade
from actors.rulebooks.margin_trade import MarginTradeParameters, Rung
from actors.sinks import LADDER, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

LADDER_CLASS = 2
_HEIGHT_SHIFT, _ROUND_SHIFT, _ROUND_MASK, _SEQUENCE_MASK = 20, 16, 7, (1 << 16) - 1


class _Case(NamedTuple):
    """One account the coordinator named, as the second look sees it."""

    sequence: int
    account: int
    standing: Standing
    rung: int


class _Target(NamedTuple):
    """The position a rung-1 order closes: how much of it, its limit, and the quotes at bankruptcy, whole and part."""

    holding: Holding
    lots: int
    limit_ticks: int
    quote_atoms: int


def carry_out(
    book: CrossBook,
    orders: batches.LadderOrders,
    ops: RowGatherer[batches.OrderOps],
    offers: RowGatherer[batches.Offers],
    offer_positions: RowGatherer[batches.OfferPositions],
    dues: RowGatherer[batches.CrossDues],
    sink: EventSink,
    ladder_round: int,
) -> None:
    """Carries out the orders of one round for this book's accounts; who recovered meanwhile is left alone."""
    sequences, _, venues, _, accounts, _, actions = matrix(orders)
    here = np.flatnonzero((venues == book.venue) & (book.accounts.slots_of(accounts) >= 0))
    listed: list[int] = accounts[here].tolist()
    ladder = _Ladder(book, ops, offers, offer_positions, dues, sink, ladder_round)
    for sequence, account, action, standing in zip(
        sequences[here].tolist(), listed, actions[here].tolist(), standings(book, listed), strict=True
    ):
        rung = rung_of(book, account, standing.equity_atoms, standing.maintenance_atoms)
        case = _Case(sequence, account, standing, rung)
        if action == Action.REDUCE_INTO_BOOK:
            ladder.reduce(case)
        elif action in (Action.TAKEOVER_BY_VAULT, Action.DELEVERAGE):
            ladder.offer(case)
        elif action == Action.WRITE_OFF:
            ladder.write_off(case)
    ladder.finish()


class _Ladder:
    """One round of the ladder on one book."""

    def __init__(
        self,
        book: CrossBook,
        ops: RowGatherer[batches.OrderOps],
        offers: RowGatherer[batches.Offers],
        offer_positions: RowGatherer[batches.OfferPositions],
        dues: RowGatherer[batches.CrossDues],
        sink: EventSink,
        ladder_round: int,
    ) -> None:
        self._book = book
        self._ops = ops
        self._offers = offers
        self._offer_positions = offer_positions
        self._dues = dues
        self._sink = sink
        self._round = ladder_round
        rules = book.rules
        self._rules = MarginTradeParameters(
            partial_liquidation=rules.partial_liquidation,
            partial_threshold_atoms=rules.partial_threshold_atoms,
            partial_ppm=rules.partial_fraction_ppm,
            partial_cooldown_ms=rules.cooldown_ms,
        )
        self._stamps = {market: book.mark_stamp(market) for market in book.marks}
        self._marks = {market: (mark.mark_ticks, book.k(market)) for market, mark in book.marks.items()}
        self._usable = {market for market in book.markets if book.is_usable(market)}
        self._rows = read_rows(book)
        self._acts: list[LadderRow] = []

    def finish(self) -> None:
        """What the round did is remembered."""
        write_rows(self._book, self._acts)

    def _row(self, account: int) -> LadderRow:
        return self._rows.get(account) or LadderRow(account)

    def reduce(self, case: _Case) -> None:
        """Rung 1: increasing orders leave, and one order goes to the book of the largest requirement (MT-12)."""
        if case.rung != Rung.LIQUIDATABLE:
            return
        row = self._row(case.account)
        target = self._target(case, row)
        if target is None:
            return
        cancelled = self._cancel(case, self._increasing_orders(case))
        is_partial = target.lots < abs(target.holding.lots)
        number = (
            self._book.height << _HEIGHT_SHIFT
            | LADDER_NUMBER
            | (self._round & _ROUND_MASK) << _ROUND_SHIFT
            | case.sequence & _SEQUENCE_MASK
        )
        self._send(case, target, number)
        self._tell_ordered(case, target, number, is_partial, cancelled)
        self._note_act(row._replace(partial_pending=PARTIAL_SENT if is_partial else 0), Rung.LIQUIDATABLE)

    def offer(self, case: _Case) -> None:
        """Rungs 2 and 3: all orders and triggers leave, and the account goes to the backstop whole (MT-13, MT-15)."""
        markets = [holding.market for holding in case.standing.holdings]
        if case.rung < Rung.BACKSTOP or not self._usable.issuperset(markets):
            return
        book, standing, sequence, account = self._book, case.standing, case.sequence, case.account
        self._cancel(case, book.orders.of_account(account))
        is_direct = int(account == VAULT)
        equity, maintenance = standing.equity_atoms, standing.maintenance_atoms
        self._offers.add(sequence, book.venue, account, equity, maintenance, is_direct)
        for market, lots, notional, required in standing.holdings:
            quote = notional if lots > 0 else -notional
            mark, _ = self._marks[market]
            self._offer_positions.add(sequence, book.venue, market, account, lots, quote, required, mark)
        self._note_act(self._row(account), case.rung)

    def write_off(self, case: _Case) -> None:
        """Rung 4: a loss nobody can carry; cash rises until equity is 0, and the ledger keeps the shortfall (MT-16)."""
        loss = -case.standing.equity_atoms
        if loss <= 0:
            return
        self._book.accounts.post(case.account, free=loss)
        self._dues.add(self._book.venue, batches.CROSS_DUE_KIND_WRITE_OFF, loss)
        self._note_act(self._row(case.account), WRITE_OFF_RUNG)

    def _target(self, case: _Case, row: LadderRow) -> _Target | None:
        """The usable, untried market of the largest requirement, the lowest of equals; None where nothing is due."""
        book, standing = self._book, case.standing
        open_to_it = [
            holding
            for holding in standing.holdings
            if holding.market in self._usable and not self._was_tried(row, holding.market)
        ]
        if not open_to_it:
            return None
        chosen = max(open_to_it, key=lambda holding: holding.maintenance_atoms)
        lots = margin_trade.rung_one_lots_ceil(
            chosen.lots,
            chosen.notional_atoms,
            standing.equity_atoms,
            standing.maintenance_atoms,
            book.block_time_ms,
            row.partial,
            self._rules,
        )
        if lots == 0:
            return None
        share = _equity_share_atoms(standing, chosen)
        mark, k = self._marks[chosen.market]
        whole = bankruptcy_quote_atoms(chosen.lots, mark, k, share)
        limit = bankruptcy_limit_ticks(chosen.lots, whole, k)
        # On rung 1 equity is not below zero, so at the mark itself the position is worth its share or more.
        assert limit is not None, f"account {case.account} has no bankruptcy price in market {chosen.market}"
        return _Target(chosen, lots, limit, quote_part_ceil_atoms(whole, 0, lots, abs(chosen.lots)))

    def _was_tried(self, row: LadderRow, market: int) -> bool:
        """The book did not fill the ladder's order here whole, in an earlier round of this block."""
        if row.acted_height != self._book.height:
            return False
        return self._book.positions.get(row.account, market, "tried_height") == self._book.height

    def _increasing_orders(self, case: _Case) -> list[int]:
        """Orders that would raise the position, all in markets without one, and triggers that may open (MT-12)."""
        sides = {holding.market: 1 if holding.lots > 0 else -1 for holding in case.standing.holdings}
        return [
            number
            for number in self._book.orders.of_account(case.account)
            if _may_increase(self._book.orders.read(number), sides)
        ]

    def _cancel(self, case: _Case, numbers: list[int]) -> int:
        """Takes the orders out, tells it, and answers how many they were."""
        why = Refused(refusals.REFUSAL_BEING_LIQUIDATED, 0, case.rung)
        command = LADDER_NUMBER | case.sequence
        cancelled = cancel_orders(self._book, case.account, numbers, CANCEL_CLASS, command, self._ops)
        for count, (number, order) in enumerate(zip(numbers, cancelled, strict=True), 1):
            tell_done(self._book, self._sink, (LADDER, self._round, case.sequence, count), number, order, why)
        return len(numbers)

    def _send(self, case: _Case, target: _Target, number: int) -> None:
        side = -1 if target.holding.lots > 0 else 1
        self._ops.add(
            LADDER_CLASS,
            case.sequence,
            number,
            self._book.venue,
            target.holding.market,
            case.account,
            batches.ORDER_OP_KIND_PLACE,
            side,
            target.limit_ticks,
            target.lots,
            0,
            common.TIME_IN_FORCE_IOC,
            REDUCE_ONLY | LADDER_ORDER,
            common.SELF_TRADE_PREVENTION_EXPIRE_MAKER,
            0,
            target.quote_atoms,
        )

    def _tell_ordered(self, case: _Case, target: _Target, number: int, is_partial: bool, cancelled: int) -> None:
        body = events.LiquidationOrdered(
            order=number,
            equity_atoms=case.standing.equity_atoms,
            maintenance_atoms=case.standing.maintenance_atoms,
            mark=self._stamps[target.holding.market],
            position_lots=target.holding.lots,
            lots=target.lots,
            limit_ticks=target.limit_ticks,
            bankruptcy_quote_atoms=target.quote_atoms,
            is_partial=is_partial,
            cooldown_until_ms=self._book.block_time_ms + self._rules.partial_cooldown_ms if is_partial else 0,
            round=self._round,
            cancelled_orders=cancelled,
        )
        event = events.Event(
            venue=self._book.venue, market=target.holding.market, account=case.account, liquidation_ordered=body
        )
        self._sink.emit((LADDER, self._round, case.sequence, 0), event)

    def _note_act(self, row: LadderRow, rung: int) -> None:
        """Until the block is over nothing the account places is taken (MT-12)."""
        self._acts.append(row._replace(acted_height=self._book.height, acted_rung=rung))


def _may_increase(order: BookOrder, sides: dict[int, int]) -> bool:
    """`sides` is +1 or -1 for every market with a position."""
    if not order.is_resting:
        return not order.is_reduce_only
    side = sides.get(order.market)
    return side is None or (side == order.side and not order.is_reduce_only)


def _equity_share_atoms(standing: Standing, holding: Holding) -> int:
    """The part of the account's equity that its position in one market may use up (MT-12, MT-15)."""
    if len(standing.holdings) == 1:
        return standing.equity_atoms
    required = [one.maintenance_atoms for one in standing.holdings]
    return equity_shares_atoms(standing.equity_atoms, required)[standing.holdings.index(holding)]
