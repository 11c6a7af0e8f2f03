"""Phases 6 and 7: who is below maintenance on the new mark, and the full close that follows (TW-10, TW-11)."""

from actors.columns import RowGatherer, rows
from actors.isolated.book import IsolatedBook
from actors.ledger.isolated_positions import Position
from actors.risk.ladder import liquidation_outcome
from actors.rulebooks import twilight
from actors.sinks import LADDER, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

FULL_CLOSE_RUNG = 1


def scan(book: IsolatedBook, candidates: RowGatherer[batches.Candidates]) -> None:
    """Adds everybody whose threshold the mark meets, in markets whose mark may be acted on."""
    if not len(book.positions):
        return
    for market in book.usable_markets():
        for position in book.positions.liquidatable(market, book.marks[market].mark_ticks):
            row = book.positions.read(position)
            candidates.add(book.venue, market, row.account, position, FULL_CLOSE_RUNG, row.threshold_ticks, 0, 0, 0)


def carry_out(
    books: dict[int, IsolatedBook],
    orders: batches.LadderOrders,
    seizures: RowGatherer[batches.Seizures],
    sink: EventSink,
) -> None:
    """Carries out the coordinator's orders; each position is checked again by the scalar rulebook first."""
    for sequence, ladder_round, venue, market, account, position, _ in rows(orders):
        book = books[venue]
        if position not in book.positions:
            continue
        row = book.positions.read(position)
        mark = book.marks[market].mark_ticks
        # The owner decides: the coordinator only proposes (TW-10, inclusive).
        if not twilight.is_liquidatable(
            row.side, mark, row.position_size, row.entry_value_atoms, row.margin_held_atoms, row.maintenance_e9
        ):
            continue
        book.positions.remove(position)
        event = liquidated_event(book, position, row, ladder_round)
        sink.emit((LADDER, ladder_round, sequence, 0), event)
        seizures.add(
            sequence,
            venue,
            market,
            account,
            position,
            row.side,
            row.position_size,
            row.entry_value_atoms,
            row.margin_held_atoms,
            event.position_liquidated.deficit_atoms,
        )


def liquidated_event(book: IsolatedBook, position: int, row: Position, ladder_round: int) -> events.Event:
    """TW-11 with every number that decided; round 0 is a close that turned out negative (TW-12)."""
    mark = book.marks[row.market].mark_ticks
    terms = twilight.liquidation_terms(
        row.side, row.position_size, row.entry_value_atoms, row.margin_held_atoms, mark, row.maintenance_e9
    )
    body = events.PositionLiquidated(
        position=position,
        side=common.SIDE_LONG if row.side > 0 else common.SIDE_SHORT,
        mark=book.mark_stamp(row.market),
        entry_ticks=row.entry_ticks,
        entry_value_atoms=row.entry_value_atoms,
        position_size=row.position_size,
        initial_margin_atoms=row.initial_margin_atoms,
        margin_held_atoms=row.margin_held_atoms,
        equity_atoms=terms.equity_atoms,
        maintenance_atoms=terms.maintenance_atoms,
        deficit_atoms=terms.deficit_atoms,
        threshold_ticks=row.threshold_ticks,
        funding_rate_e9=book.rates_e9.get(row.market, 0),
        rung=FULL_CLOSE_RUNG,
        round=ladder_round,
        outcome=liquidation_outcome(terms.equity_atoms, row.margin_held_atoms),
        parameters_version=book.terms.version,
    )
    return events.Event(venue=book.venue, market=row.market, account=row.account, position_liquidated=body)
