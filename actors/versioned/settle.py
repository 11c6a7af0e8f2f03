"""Phase 4 of a Perennial book: what ops did, at the versions the shard has; the new versions; what they settled."""

from collections.abc import Iterable
from typing import NamedTuple

from actors.columns import RowGatherer, rows, sort_rows
from actors.event_rows import body_number
from actors.ledger.versioned_positions import NO_KIND, kind_and_lots
from actors.rulebooks.perennial import Totals
from actors.rulebooks.perennial_versions import Accumulators
from actors.sinks import SETTLE, EventSink
from actors.versioned.book import VersionedBook
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

VALID, WAS_LIQUIDATION, NOTHING_PENDING = 1, 2, 4
_OPS, _VERSIONS = 0, 1
_MOVED_BODY = body_number("collateral_moved")
_CREDITED_BODY = body_number("credited")
_TRANSFERRED_BODY = body_number("transferred")
_SETTLED_BODY = body_number("position_settled")
_CREDITED_AS: dict[int, int] = {
    batches.VERSION_LEG_KIND_RELEASE: events.LEG_KIND_RELEASE,
    batches.VERSION_LEG_KIND_REWARD: events.LEG_KIND_PAYOUT,
}


class _Leg(NamedTuple):
    """A row of `VersionLegs`; leg_class is its `class`."""

    leg_class: int
    command: int
    market: int
    leg: int
    venue: int
    account: int
    kind: int
    collateral_atoms: int
    free_atoms: int
    held_atoms: int
    version_ms: int
    maker_lots: int
    long_lots: int
    short_lots: int
    maker_value_e6: int
    long_value_e6: int
    short_value_e6: int
    fee_atoms: int
    settlement_fee_atoms: int
    flags: int
    counterparty: int


def settle_version_legs(
    book: VersionedBook,
    legs: batches.VersionLegs,
    records: Iterable[batches.VersionRecord],
    debts: RowGatherer[batches.VersionDebts],
    sink: EventSink,
) -> None:
    """The venue's legs of class 0, its new records, its legs of class 1. Nothing here can be refused (PE-05)."""
    ordered = [_Leg._make(row) for row in rows(sort_rows(legs, "class", "command", "market", "leg"))]
    for leg in ordered:
        if leg.leg_class == _OPS:
            _post(book, leg, sink)
    for record in records:
        if record.venue == book.venue:
            book.take_version(record)
    for leg in ordered:
        if leg.leg_class == _VERSIONS:
            _settle(book, leg, debts, sink)


def _post(book: VersionedBook, leg: _Leg, sink: EventSink) -> None:
    """What an op moved. A change realises even where it moves nothing; a reward or a repayment where it moves."""
    key = (SETTLE, book.venue << 8 | _OPS, leg.command, leg.market << 8 | leg.leg)
    if leg.free_atoms or leg.held_atoms:
        book.accounts.post(leg.account, free=leg.free_atoms, held=leg.held_atoms)
    if leg.kind == batches.VERSION_LEG_KIND_MOVED or leg.collateral_atoms:
        row, _ = book.realise(leg.account, leg.market, book.values(leg.market))
        row = row._replace(collateral=row.collateral + leg.collateral_atoms)
        book.positions.write(row)
        fields = (leg.collateral_atoms, row.collateral, leg.counterparty)
        sink.emit_row(key, _MOVED_BODY, book.venue, leg.market, leg.account, fields)
    elif leg.kind == batches.VERSION_LEG_KIND_REPAID:
        fields = (leg.counterparty, leg.held_atoms, book.accounts.free(leg.account))
        sink.emit_row(key, _TRANSFERRED_BODY, book.venue, leg.market, leg.account, fields)
    elif leg.free_atoms > 0:
        # The leg is of the block before, and so is the command it names.
        reference = (book.height - 1) << 20 | leg.command
        fields = (_CREDITED_AS[leg.kind], leg.free_atoms, reference)
        sink.emit_row(key, _CREDITED_BODY, book.venue, leg.market, leg.account, fields)


def _settle(book: VersionedBook, leg: _Leg, debts: RowGatherer[batches.VersionDebts], sink: EventSink) -> None:
    """An account's order at a version: realised at its values, fees charged, the sizes those of the leg.

    An account with nothing left to settle and no position that owes the market is told to the desk (PE-17).
    """
    values = Accumulators(leg.maker_value_e6, leg.long_value_e6, leg.short_value_e6)
    row, realised = book.realise(leg.account, leg.market, values)
    collateral = row.collateral - leg.fee_atoms - leg.settlement_fee_atoms
    kind, lots = kind_and_lots(Totals(leg.maker_lots, leg.long_lots, leg.short_lots))
    basis = 0 if kind == NO_KIND else values[kind - 1]
    book.positions.write(row._replace(collateral=collateral, kind=kind, lots=lots, basis=basis))
    if leg.flags & NOTHING_PENDING and not lots and collateral < 0:
        debts.add(book.venue, leg.market, leg.account, -collateral)
    fields = (
        leg.version_ms,
        int(leg.flags & VALID > 0),
        kind,
        lots,
        collateral,
        realised,
        leg.fee_atoms,
        leg.settlement_fee_atoms,
        int(leg.flags & WAS_LIQUIDATION > 0),
    )
    key = (SETTLE, book.venue << 8 | _VERSIONS, leg.account, leg.market << 32 | leg.command)
    sink.emit_row(key, _SETTLED_BODY, book.venue, leg.market, leg.account, fields)
