"""A Perennial book as readers and bots see it: accounts, and rows as they stand."""

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np

from actors.columns import RowGatherer, array, from_matrix, sorted_columns
from actors.ledger.account_marks import Int64Array
from actors.ledger.account_views import balances_view, cash_columns
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
    accounts = book.positions.accounts_with_lots()
    held = [(account, market) for account in accounts for market in book.positions.of_account(account)]
    return from_matrix(batches.StandingRows, _told(book, accounts, held))


def changed_standings(book: VersionedBook, listed: RowGatherer[batches.StandingRows]) -> None:
    """The rows the block changed so far as they stand, by (account, market); lots and collateral 0 where one is gone.

    What a call changed and a later one undid is among them, as it was before.
    """
    if book.changed:
        keys = np.sort(np.fromiter(book.changed, dtype=np.int64, count=len(book.changed)))
        accounts, markets = keys >> MARKET_BITS, keys & _MARKET_MASK
        held = markets != CASH
        rows = zip(accounts[held].tolist(), markets[held].tolist(), strict=True)
        listed.add_columns(_told(book, accounts[~held], rows))


def _told(book: VersionedBook, accounts: Sequence[int] | Int64Array, held: Iterable[tuple[int, int]]) -> Int64Array:
    """Columns of `StandingRows`: cash of these accounts and these rows (account, market), by (account, market)."""
    told = RowGatherer(batches.StandingRows)
    told.add_columns(cash_columns(book, array(accounts)))
    for account, market in held:
        if account in book.accounts:  # opened while staging, and dropped
            row = book.positions.read(account, market)
            told.add(book.venue, account, market, row.kind, row.lots, row.collateral, row.basis)
    return sorted_columns(batches.StandingRows, told.matrix(), "account", "market")
