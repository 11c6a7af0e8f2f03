"""A Perennial book as readers and bots see it: accounts, and rows as they stand."""

from collections.abc import Iterable
from typing import cast

from actors.columns import RowGatherer
from actors.ledger.account_views import balances_view
from actors.ledger.versioned_positions import MARKET_BITS, VersionedPosition
from actors.rulebooks.perennial import requirement_floor_atoms
from actors.versioned.book import VersionedBook
from actors.versioned.liquidation_price import liquidation_ticks
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

_MARKET_MASK = (1 << MARKET_BITS) - 1
# The market of the row that tells an account's balance.
CASH = 0


def account_view(book: VersionedBook, account: int) -> batches.AccountView:
    """The account as a reader sees it; `exists` is false where there is none. What is pending is the desk's to add."""
    view = balances_view(book, account)
    if view.exists:
        for market in book.positions.of_account(account):
            view.versioned.append(_position_view(book, book.positions.read(account, market)))
    return view


def _position_view(book: VersionedBook, row: VersionedPosition) -> batches.VersionedView:
    """One row at the latest version; fees of pending orders are not deducted."""
    rules, record = book.markets[row.market].perennial, book.versions.get(row.market)
    view = batches.VersionedView(
        market=row.market,
        kind=cast("events.PositionKind", row.kind),
        lots=row.lots,
        collateral_atoms=book.standing_floor_atoms(row),
    )
    if record is None:
        return view
    view.price_ticks, view.version_ms = record.price_ticks, record.version_ms
    view.requirement_atoms = requirement_floor_atoms(
        row.lots, record.price_ticks, rules.maintenance_ppm, rules.min_maintenance_atoms
    )
    view.liquidation_ticks = liquidation_ticks(
        row, book.values(row.market), record.price_ticks, rules.maintenance_ppm, rules.min_maintenance_atoms
    )
    return view


def standings(book: VersionedBook) -> batches.StandingRows:
    """Every row of the accounts that have a position, and their balances."""
    gathered = RowGatherer(batches.StandingRows)
    for account in book.positions.accounts_with_lots():
        for market in (CASH, *book.positions.of_account(account)):
            gathered.add(*_standing_row(book, account, market))
    return gathered.message()


def changed_rows(book: VersionedBook) -> Iterable[tuple[int, ...]]:
    """The rows the block changed so far as they stand, by (account, market); lots and collateral 0 where one is gone.

    What a call changed and a later one undid is among them, as it was before.
    """
    for key in sorted(book.changed):
        account, market = key >> MARKET_BITS, key & _MARKET_MASK
        if account in book.accounts:
            yield _standing_row(book, account, market)


def _standing_row(book: VersionedBook, account: int, market: int) -> tuple[int, ...]:
    if market == CASH:
        return (book.venue, account, CASH, 0, 0, book.accounts.free(account), 0)
    row = book.positions.read(account, market)
    return (book.venue, account, market, row.kind, row.lots, row.collateral, row.basis)
