"""The first half of phase 9: levels the mark meets, before any command (TW-13, TW-14)."""

from actors.columns import RowGatherer
from actors.isolated.book import IsolatedBook
from actors.isolated.ladder import liquidated_event
from actors.ledger.isolated_positions import LEVELS, Position, RestingOpen
from actors.rulebooks import twilight
from actors.sinks import ADMIT, NO_COMMAND, EventSink, Refused
from actors.units import E9, INT64_MAX, div_ceil
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

TRIGGER, COMMAND = 0, 1


def trigger_exits(book: IsolatedBook, closes: RowGatherer[batches.CloseOps], sink: EventSink) -> None:
    """Every position with a level met closes once, by its smallest (level, kind)."""
    if not len(book.positions):
        return
    for market in book.usable_markets():
        mark = book.marks[market].mark_ticks
        met: dict[int, tuple[int, common.OrderKind]] = {}
        for kind in sorted(LEVELS):
            for position in book.positions.triggered(market, kind, mark):
                level = book.positions.table.get(position, LEVELS[kind][0])
                met[position] = min(met.get(position, (level, kind)), (level, kind))
        for level, position, kind in sorted((level, position, kind) for position, (level, kind) in met.items()):
            close_position(book, position, kind, (TRIGGER, level, NO_COMMAND), closes, sink)


def close_position(
    book: IsolatedBook,
    position: int,
    kind: "common.OrderKind",
    order_of_work: tuple[int, int, int],
    closes: RowGatherer[batches.CloseOps],
    sink: EventSink,
) -> int:
    """Takes the position off the columns at the mark and sends the settlement to the desk; returns its status.

    `order_of_work` is (class, level, command). A payout below zero is a liquidation (TW-12).
    """
    row = book.positions.remove(position)
    mark = book.marks[row.market].mark_ticks
    rested = kind == common.ORDER_KIND_LIMIT and order_of_work[0] == TRIGGER
    fee_rate = book.rules.maker_fee_e9 if rested else book.rules.taker_fee_e9
    terms = twilight.close_terms(
        row.side,
        row.position_size,
        row.entry_value_atoms,
        row.initial_margin_atoms,
        row.margin_held_atoms,
        mark,
        fee_rate,
    )
    status, deficit, payout, fee = common.OUTCOME_STATUS_FILLED, 0, terms.payout_atoms, terms.fee_atoms
    if terms.is_liquidation:
        event = liquidated_event(book, position, row, 0)
        _, level, command = order_of_work
        # A command's key is its index alone; a trigger has none, so its level and position order it.
        key = (ADMIT, command, 0, 0) if command != NO_COMMAND else (ADMIT, NO_COMMAND, level, position)
        sink.emit(key, event)
        status, deficit = common.OUTCOME_STATUS_LIQUIDATED, event.position_liquidated.deficit_atoms
        payout, fee = 0, 0
    work_class, level, command = order_of_work
    closes.add(
        work_class,
        level,
        position,
        command,
        book.venue,
        row.market,
        row.account,
        row.side,
        kind,
        status,
        row.entry_ticks,
        row.entry_value_atoms,
        row.position_size,
        row.initial_margin_atoms,
        row.margin_held_atoms,
        terms.upnl_atoms,
        fee,
        payout,
        deficit,
    )
    return status


def trigger_opens(book: IsolatedBook, opens: RowGatherer[batches.OpenOps], sink: EventSink) -> None:
    """Resting opens whose limit the mark meets go to the desk as makers; those of frozen accounts stay."""
    if not len(book.orders.table):
        return
    for market in book.usable_markets():
        for order in book.orders.triggered(market, book.marks[market].mark_ticks):
            row = book.orders.read(order)
            if book.accounts.is_frozen(row.account):
                continue
            book.orders.remove(order)
            fee_rate = book.rules.maker_fee_e9
            refused = why_not_open(book, market, row.side, row.margin_atoms, row.leverage_hundredths, fee_rate)
            if refused:
                _cancel_at_trigger(book, order, row, refused, sink)
                continue
            opens.add(
                TRIGGER,
                row.limit_ticks,
                order,
                NO_COMMAND,
                book.venue,
                market,
                row.account,
                row.side,
                common.ORDER_KIND_LIMIT,
                row.margin_atoms,
                row.leverage_hundredths,
                fee_rate,
            )


def why_not_open(
    book: IsolatedBook, market: int, side: int, margin: int, leverage: int, fee_rate_e9: int
) -> Refused | None:
    """Why a fill at the mark may not be: its size leaves the exact range, or it would be liquidatable at once."""
    mark = book.marks[market].mark_ticks
    entry_value = twilight.entry_value_floor_atoms(margin, leverage)
    size = twilight.position_size(entry_value, mark)
    if size >= twilight.POSITION_SIZE_BOUND:
        return Refused(refusals.REFUSAL_OVERFLOW, twilight.POSITION_SIZE_BOUND, min(size, INT64_MAX))
    held = margin - twilight.fee_ceil_atoms(size, mark, fee_rate_e9)
    maintenance = book.maintenance_e9(side, entry_value, margin, market)
    if twilight.is_liquidatable(side, mark, size, entry_value, held, maintenance):
        return Refused(refusals.REFUSAL_BELOW_MAINTENANCE_MARGIN, div_ceil(maintenance, E9), held)
    return None


def _cancel_at_trigger(book: IsolatedBook, order: int, row: RestingOpen, refused: Refused, sink: EventSink) -> None:
    book.accounts.release(row.account, row.margin_atoms)
    body = events.OrderCancelled(
        order=order,
        released_atoms=row.margin_atoms,
        refusal=refused.refusal,
        required=refused.required,
        actual=refused.actual,
    )
    event = events.Event(venue=book.venue, market=row.market, account=row.account, order_cancelled=body)
    sink.emit((ADMIT, NO_COMMAND, row.limit_ticks, order), event)


def is_crossing_close(row: Position, kind: int, level_ticks: int, mark_ticks: int) -> bool:
    """A close limit that the mark already meets closes at once, as taker (TW-07, TW-14)."""
    return kind == common.ORDER_KIND_LIMIT and twilight.close_limit_triggers(row.side, level_ticks, mark_ticks)
