"""Rung 3, first half: who stands on the other side of what has to be closed, and what each may lose there (MT-15).

Changes nothing. The book that closes the positions ranks the candidates, and leaves out whose own position is demanded.
"""

from collections.abc import Iterator

import numpy as np

from actors.columns import RowGatherer, array
from actors.cross.book import CrossBook
from actors.cross.standings import Standing, columns_of_markets, position_columns, standings
from actors.risk.cross_scan import Int64Array, maintenance_ceil_atoms, shares_floor_atoms, standing_of
from actors.units import mul_div_floor
from breakwater.v1 import batches_pb2 as batches

# market, account, lots, cost, equity, budget.
_Candidate = tuple[int, ...]


def rank(
    book: CrossBook, demands: batches.DeleverageDemands, candidates: RowGatherer[batches.DeleverageCandidates]
) -> None:
    """Adds the positions opposite to a demand whose account has equity above zero, by (market, account).

    The budget is the account's equity, shared by maintenance margin over the demanded markets it stands in, rounded
    down: what it loses in all of them together never exceeds what it has.
    """
    mine = array(demands.venue) == book.venue
    markets, lots = array(demands.market)[mine], array(demands.lots)[mine]
    wanted_long, wanted_short = set(markets[lots < 0].tolist()), set(markets[lots > 0].tolist())
    ranked = _scalar if book.way.liquidates_by_row else _columns
    found = ranked(book, wanted_long, wanted_short)
    for row in found:
        candidates.add(book.venue, *row)


def _columns(book: CrossBook, wanted_long: set[int], wanted_short: set[int]) -> Iterator[_Candidate]:
    """All candidates at once, by the kernel."""
    positions, markets = position_columns(book), columns_of_markets(book)
    longs, shorts = (np.isin(np.arange(markets.marks.size), sorted(side)) for side in (wanted_long, wanted_short))
    stands = np.where(positions.lots > 0, longs[positions.market], shorts[positions.market]) & (positions.lots != 0)
    rows = np.flatnonzero(stands)
    owners, place = np.unique(positions.owner[rows], return_inverse=True)
    equity = _equity_atoms(book, owners)[place]
    required = maintenance_ceil_atoms(positions.rows(rows), markets)
    demanded = np.zeros(owners.size, dtype=np.int64)
    np.add.at(demanded, place, required)
    budget = shares_floor_atoms(np.maximum(equity, 0), required, demanded[place])
    account = book.positions.table.column("account")[rows]
    table = (positions.market[rows], account, positions.lots[rows], positions.cost_atoms[rows], equity, budget)
    solvent = np.flatnonzero(equity > 0)
    order = solvent[np.lexsort((account[solvent], positions.market[rows][solvent]))]
    return zip(*(column[order].tolist() for column in table), strict=True)


def _equity_atoms(book: CrossBook, owners: Int64Array) -> Int64Array:
    """Equity of the accounts in these slots, ascending and each once."""
    positions = position_columns(book)
    index = np.full(book.accounts.table.slots_made, -1, dtype=np.int64)
    index[owners] = np.arange(owners.size)
    rows = np.flatnonzero((index[positions.owner] >= 0) & (positions.lots != 0))
    held = positions.rows(rows)
    held = held._replace(owner=index[held.owner])
    return standing_of(book.accounts.table.column("free")[owners], held, columns_of_markets(book)).equity_atoms


def _scalar(book: CrossBook, wanted_long: set[int], wanted_short: set[int]) -> list[_Candidate]:
    """The same, account by account, by the scalar rulebook."""
    everybody, found = book.accounts.table.keys(), []
    accounts = [account for account in everybody if book.positions.of_account(account)]
    for account, standing in zip(accounts, standings(book, accounts), strict=True):
        found += _of_account(book, account, standing, wanted_long, wanted_short)
    return sorted(found)


def _of_account(
    book: CrossBook, account: int, standing: Standing, wanted_long: set[int], wanted_short: set[int]
) -> list[_Candidate]:
    if standing.equity_atoms <= 0:
        return []
    stands = [row for row in standing.holdings if row.market in (wanted_long if row.lots > 0 else wanted_short)]
    demanded = sum(row.maintenance_atoms for row in stands)
    return [
        (
            row.market,
            account,
            row.lots,
            book.positions.get(account, row.market, "cost"),
            standing.equity_atoms,
            mul_div_floor(standing.equity_atoms, row.maintenance_atoms, demanded),
        )
        for row in stands
    ]
