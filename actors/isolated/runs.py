"""Twilight's opens and closes at market, and the legs the pool owes, as runs over columns.

`admit`, `triggers` and `settle` say what each row does; what is rare or too wide for 64 bits goes their way.
"""

import numpy as np
from numpy.typing import NDArray

from actors.columns import RowGatherer, among
from actors.event_rows import body_number
from actors.isolated import kernels
from actors.isolated.book import IsolatedBook
from actors.isolated.triggers import COMMAND
from actors.ledger.isolated_positions import Position
from actors.risk.funding import NARROW_VALUE_ATOMS, RATE_SUM_BOUND_E9
from actors.sinks import ADMIT, SETTLE, AnswerSink, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

# Fewer rows than these are not worth the columns.
FEW_ROWS = 8
CREDITED = (events.LEG_KIND_PAYOUT, events.LEG_KIND_CLAIM, events.LEG_KIND_REDEMPTION, events.LEG_KIND_RELEASE)
COMMAND_BITS = 20
_CREDITED_BODY = body_number("credited")

Int64Array = NDArray[np.int64]


def has_narrow_rates(book: IsolatedBook) -> bool:
    """Rates leave 64 bits room for what is charged by them."""
    rules, rates = book.rules, book.rates_e9.values()
    highest = rules.taker_fee_e9 + max(map(abs, rates), default=0)
    return rules.maintenance_ratio_e9 + 2 * highest < RATE_SUM_BOUND_E9


def _markets(book: IsolatedBook) -> Int64Array:
    known = np.zeros((kernels.MARKET_ROWS, max(book.marks, default=0) + 1), dtype=np.int64)
    for market, mark in book.marks.items():
        why = book.why_not_tradable(market) or (0, 0, 0)
        known[:, market] = (mark.mark_ticks, book.rates_e9.get(market, 0), *why)
    return known


def settle_run(book: IsolatedBook, legs: Int64Array, sink: EventSink) -> None:
    """The legs of one venue: balances, new positions, what is told of credits. Never while staging."""
    leg_class, command, leg, _, account, kind, free, held, margin, reference, *_ = legs
    accounts, places = np.unique(account, return_inverse=True)
    totals = np.zeros((2, accounts.size), dtype=np.int64)
    np.add.at(totals[0], places, free)
    np.add.at(totals[1], places, held)
    book.accounts.post_bulk(accounts, *totals)
    at = np.flatnonzero(kind == events.LEG_KIND_OPENED)
    if at.size:
        _insert_opened(book, reference[at], account[at], margin[at], legs[10:, at])
    at = np.flatnonzero(among(kind, CREDITED))
    keys = np.stack((np.full_like(at, SETTLE), book.venue << 8 | leg_class[at], command[at], leg[at]))
    fields = np.column_stack((kind[at], free[at], reference[at]))
    sink.emit_rows(keys, _CREDITED_BODY, book.venue, np.zeros_like(at), account[at], fields)


def _insert_opened(
    book: IsolatedBook, numbers: Int64Array, accounts: Int64Array, margins: Int64Array, opened: Int64Array
) -> None:
    rates = np.zeros(max(int(opened[0].max()), *book.rates_e9, 0) + 1, dtype=np.int64)
    for market, rate in book.rates_e9.items():
        rates[market] = rate
    rules = book.rules
    cells, wide = kernels.opened_cells(accounts, margins, opened, rates, rules.maintenance_ratio_e9, rules.taker_fee_e9)
    for place in np.flatnonzero(wide).tolist():
        cells[:, place] = book.with_maintenance(Position._make(cells[:, place].tolist()))
    book.positions.insert_bulk(numbers, cells)


def opens_by_columns(opens: Int64Array, rare: Int64Array) -> NDArray[np.bool_]:
    """Which opens of a venue may go by columns: at market and narrow, as all others of their account.

    rare: accounts that move liquidity in this block.
    """
    account, kind, margin, leverage = opens[2], opens[5], opens[6], opens[7]
    fits = (margin > 0) & (margin < NARROW_VALUE_ATOMS >> 1) & (leverage < NARROW_VALUE_ATOMS >> 1)
    margin, leverage = np.where(fits, margin, 0), np.where(fits, leverage, 0)
    fits &= 2 * (margin * leverage // 100) + margin < NARROW_VALUE_ATOMS
    by_rows = account[~fits | (kind != common.ORDER_KIND_MARKET)]
    return ~np.isin(account, np.concatenate((by_rows, rare)))


def run_opens(
    book: IsolatedBook, height: int, opens: Int64Array, sent: RowGatherer[batches.OpenOps], answers: AnswerSink
) -> None:
    """Admits opens at market in command order: margin is held, the pool decides the rest."""
    command, _, account, market, side, kind, margin, leverage, _ = opens
    accounts, places = np.unique(account, return_inverse=True)
    slots, cells, rules = book.accounts.slots_of(accounts), book.accounts.table.column, book.rules
    free, fee = cells("free")[slots], rules.taker_fee_e9
    left = free.copy()
    why = kernels.admit_opens(
        opens, places, cells("frozen")[slots] == 1, left, _markets(book), rules.maintenance_ratio_e9, fee
    )
    holds = np.flatnonzero(left != free)
    held = (free - left)[holds]
    book.accounts.post_bulk(accounts[holds], -held, held)
    at = np.flatnonzero(why[0] == 0)
    rows = (COMMAND, 0, height << COMMAND_BITS | command, command, book.venue, market, account)
    sent.add_columns(_columns(at, *rows, side, kind, margin, leverage, fee))
    _refuse(book, opens, why, answers)


def closes_by_columns(closes: Int64Array) -> NDArray[np.bool_]:
    """Which closes of a venue may go by columns: at market, as all others of their account, of positions named once."""
    account, number, kind = closes[2], closes[3], closes[4]
    _, places, times = np.unique(number, return_inverse=True, return_counts=True)
    return (times[places] == 1) & ~np.isin(account, account[kind != common.ORDER_KIND_MARKET])


def run_closes(
    book: IsolatedBook, closes: Int64Array, sent: RowGatherer[batches.CloseOps], answers: AnswerSink
) -> NDArray[np.bool_]:
    """Closes positions at the mark as taker. Says which closes are left to the rulebook."""
    command, _, account, number, kind, _ = closes
    slots, markets, done = book.positions.table.slots_of(number), _markets(book), int(common.OUTCOME_STATUS_FILLED)
    cells = book.positions.table.whole()[:, slots]
    why = np.zeros((3, number.size), dtype=np.int64)
    known = (slots >= 0) & (cells[0] == account)
    why[:, known] = markets[kernels.REFUSAL :, cells[1, known]]
    why[0, ~known], why[1, ~known], why[2, ~known] = refusals.REFUSAL_UNKNOWN_POSITION, 1, number[~known]
    at = np.flatnonzero(why[0] == 0)
    terms, is_left = kernels.close_terms(cells[:, at], markets[kernels.MARK], book.rules.taker_fee_e9)
    left = np.zeros(number.size, dtype=np.bool_)
    left[at[is_left]] = True
    at, (upnl, fee, payout) = at[~is_left], terms[:, ~is_left]
    sent.add_columns(
        np.stack(
            (
                *_columns(at, COMMAND, 0, number, command, book.venue, cells[1], account, cells[2], kind, done),
                *cells[3:8, at],
                upnl,
                fee,
                payout,
                np.zeros_like(at),
            )
        )
    )
    if at.size:
        book.positions.remove_bulk(number[at])
    _refuse(book, closes, why, answers)
    return left


def _columns(at: Int64Array, *rows: Int64Array | int) -> Int64Array:
    """These places of the rows of a matrix; a number stands for a row of it."""
    made = np.empty((len(rows), at.size), dtype=np.int64)
    for place, row in enumerate(rows):
        made[place] = row if isinstance(row, int) else row[at]
    return made


def _refuse(book: IsolatedBook, commands: Int64Array, why: Int64Array, answers: AnswerSink) -> None:
    at = np.flatnonzero(why[0])
    if at.size:
        refusal, required, actual = why[:, at]
        command, account, keys = commands[0, at], commands[2, at], _columns(at, ADMIT, commands[0], 0, 0)
        answers.refuse_rows(keys, command, refusal, required, actual, book.venue, np.zeros_like(at), account)
