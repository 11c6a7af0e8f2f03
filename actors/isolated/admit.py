"""Phase 9: triggers, then the block's commands in their order; refusals here."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from actors.columns import RowGatherer, matrix, row_count, rows
from actors.isolated.book import IsolatedBook
from actors.isolated.runs import FEW_ROWS, closes_by_columns, has_narrow_rates, opens_by_columns, run_closes, run_opens
from actors.isolated.triggers import (
    COMMAND,
    close_position,
    is_crossing_close,
    trigger_exits,
    trigger_opens,
    why_not_open,
)
from actors.ledger.isolated_positions import RestingOpen
from actors.ledger.payout import why_not_spend
from actors.risk.tradable import is_usable
from actors.rulebooks import twilight
from actors.sinks import ADMIT, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

DEPOSIT = 1


def order_number(height: int, command: int) -> int:
    """Numbers the order, position or withdrawal a command makes."""
    return height << 20 | command


class Admission:
    """One block's triggers and commands on a shard; what goes on to the desks gathers in its three messages."""

    def __init__(self, books: dict[int, IsolatedBook], height: int, sink: EventSink, answers: AnswerSink) -> None:
        self._books = books
        self._height = height
        self._sink = sink
        self._answers = answers
        self.closes = RowGatherer(batches.CloseOps)
        self.opens = RowGatherer(batches.OpenOps)
        self.liquidity = RowGatherer(batches.LiquidityOps)

    def trigger(self) -> None:
        """TW-13: exits and resting opens whose level the mark meets, before any command."""
        for venue in sorted(self._books):
            trigger_exits(self._books[venue], self.closes, self._sink)
            trigger_opens(self._books[venue], self.opens, self._sink)

    def run(self, commands: batches.ShardCommands) -> None:
        """TW-13: opens, closes and LP moves by command."""
        opens: Iterable[Sequence[Any]]
        closes: Iterable[Sequence[Any]]
        if row_count(commands.opens) + row_count(commands.closes) >= FEW_ROWS:
            opens, closes = self._run_columns(commands)
        else:
            opens, closes = rows(commands.opens), rows(commands.closes)
        queue: list[tuple[int, Callable[..., Refused | None], Sequence[Any]]] = []
        queue += [(row[0], self._open, row) for row in opens]
        queue += [(row[0], self._close, row) for row in closes]
        queue += [(row[0], self._move_liquidity, row) for row in rows(commands.liquidity)]
        for command, admit, row in sorted(queue, key=lambda entry: entry[0]):
            refused = admit(*row)
            if refused:
                _, venue, account, *_ = row
                self._answers.refuse((ADMIT, command, 0, 0), command, refused, venue, account=account)

    def _run_columns(self, commands: batches.ShardCommands) -> tuple[list[list[int]], list[list[int]]]:
        """Carries out what columns can do; returns the opens and closes that are left."""
        opens, closes, moves = matrix(commands.opens), matrix(commands.closes), matrix(commands.liquidity)
        open_left, close_left = (np.ones(kind.shape[1], dtype=np.bool_) for kind in (opens, closes))
        for venue, book in sorted(self._books.items()):
            if book.way.trades_by_row or not has_narrow_rates(book):
                continue
            at = np.flatnonzero(opens[1] == venue)
            at = at[opens_by_columns(opens[:, at], moves[2, moves[1] == venue])]
            if at.size:
                run_opens(book, self._height, opens[:, at], self.opens, self._answers)
                open_left[at] = False
            at = np.flatnonzero(closes[1] == venue)
            at = at[closes_by_columns(closes[:, at])]
            if at.size:
                close_left[at] = run_closes(book, closes[:, at], self.closes, self._answers)
        return opens[:, open_left].T.tolist(), closes[:, close_left].T.tolist()

    def _open(
        self,
        command: int,
        venue: int,
        account: int,
        market: int,
        side: int,
        kind: int,
        margin: int,
        leverage: int,
        limit_ticks: int,
    ) -> Refused | None:
        book = self._books[venue]
        if book.accounts.is_frozen(account):
            return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
        refused = book.why_not_tradable(market) or why_not_spend(book.accounts, account, margin)
        if refused:
            return refused
        mark = book.marks[market].mark_ticks
        rests = kind == common.ORDER_KIND_LIMIT and not twilight.open_limit_fills(side, limit_ticks, mark)
        fee_rate = book.rules.maker_fee_e9 if rests else book.rules.taker_fee_e9
        refused = why_not_open(book, market, side, margin, leverage, fee_rate)
        if refused:
            return refused
        order = order_number(self._height, command)
        book.accounts.hold(account, margin)
        if rests:
            self._rest(book, command, order, RestingOpen(account, market, side, limit_ticks, margin, leverage))
        else:
            self.opens.add(COMMAND, 0, order, command, venue, market, account, side, kind, margin, leverage, fee_rate)
        return None

    def _rest(self, book: IsolatedBook, command: int, order: int, row: RestingOpen) -> None:
        book.orders.insert(order, row)
        body = events.OrderRested(
            order=order,
            side=common.SIDE_LONG if row.side > 0 else common.SIDE_SHORT,
            limit_ticks=row.limit_ticks,
            margin_atoms=row.margin_atoms,
            leverage_hundredths=row.leverage_hundredths,
        )
        event = events.Event(venue=book.venue, market=row.market, account=row.account, order_rested=body)
        self._sink.emit((ADMIT, command, 0, 0), event)
        self._answers.answer(
            command, common.OUTCOME_STATUS_RESTING, order, row.limit_ticks, amount_atoms=row.margin_atoms
        )

    def _close(
        self, command: int, venue: int, account: int, position: int, kind: "common.OrderKind", level_ticks: int
    ) -> Refused | None:
        book = self._books[venue]
        if position not in book.positions or book.positions.read(position).account != account:
            return Refused(refusals.REFUSAL_UNKNOWN_POSITION, 1, position)
        row = book.positions.read(position)
        mark = book.marks[row.market]
        crossing = is_usable(mark) and is_crossing_close(row, kind, level_ticks, mark.mark_ticks)
        if kind == common.ORDER_KIND_MARKET or crossing:
            refused = book.why_not_tradable(row.market)
            if refused is None:
                close_position(book, position, kind, (COMMAND, 0, command), self.closes, self._sink)
            return refused
        book.positions.set_level(position, kind, level_ticks)
        body = events.LevelSet(position=position, kind=kind, level_ticks=level_ticks)
        event = events.Event(venue=venue, market=row.market, account=account, level_set=body)
        self._sink.emit((ADMIT, command, 0, 0), event)
        self._answers.answer(command, common.OUTCOME_STATUS_DONE, position, level_ticks)
        return None

    def _move_liquidity(self, command: int, venue: int, account: int, direction: int, amount: int) -> Refused | None:
        book = self._books[venue]
        if direction == DEPOSIT:
            refused = why_not_spend(book.accounts, account, amount)
            if refused:
                return refused
            book.accounts.hold(account, amount)
        elif book.accounts.is_frozen(account):
            return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
        self.liquidity.add(command, venue, account, direction, amount)
        return None
