"""Who of those with resting orders is below a margin ratio of 1, what fills would lose taken off (SP-04), by columns.

The columns are exact but for orders that reduce in part: there they give bounds, and who is between them is asked by
the scalar rulebook.
"""

import numpy as np

from actors.columns import RowGatherer
from actors.orders import caps as caps_of
from actors.ratio.book import RatioBook
from actors.ratio.health import Terms
from actors.ratio.losses import is_failing
from actors.units import E9, INT64_MAX
from actors.ways import Way, in_turn
from breakwater.v1 import batches_pb2 as batches


def scan_caps(book: RatioBook, caps: RowGatherer[batches.PositionCaps]) -> None:
    """One row for every market in which a failing account has orders resting, or anybody reduce-only ones."""
    caps_of.scan_caps(book, caps, lambda owners: failing_of(book, owners))


def failing_of(book: RatioBook, owners: np.ndarray) -> np.ndarray:
    """By slot of an account, Mr < 1 with its increasing orders and what its live orders would lose against the mark;
    asked only of these slots.
    """
    accounts = book.accounts.table
    failing = np.zeros(accounts.slots_made, dtype=np.bool_)
    unsure = owners
    if not book.way.trades_by_row:
        equity, least, most = _bounds(book)
        # Who needs nothing has no ratio to fail, whatever it owes.
        failing[owners] = (equity[owners] < least[owners]) & (most[owners] > 0)
        unsure = owners[(equity[owners] >= least[owners]) & (equity[owners] < most[owners])]
    terms = Terms(book)
    for slot in unsure.tolist():
        failing[slot] = is_failing(book, accounts.key_at(slot), terms)
    if book.way is Way.LIQUIDATIONS_BY_ROW:
        _judge(book, owners, failing, terms)
    return failing


def _judge(book: RatioBook, owners: np.ndarray, failing: np.ndarray, terms: Terms) -> None:
    """The scalar rulebook on everybody who fails, and on a part of the others in every block; a difference stops it."""
    accounts = book.accounts.table
    looked_at = owners[failing[owners] | in_turn(accounts.column("account")[owners], book.height)]
    for slot in looked_at.tolist():
        account, by_columns = accounts.key_at(slot), bool(failing[slot])
        fails = is_failing(book, account, terms)
        assert fails == by_columns, f"account {account}: fails margin {fails} by row, {by_columns} by columns"


def _accrued_ceil_atoms(owed: np.ndarray, per_tick: np.ndarray) -> np.ndarray:
    """What positions accrued: growth of their index in 1e-9 ticks times what they are worth at a tick, rounded up.

    In 64 bits where all fit in them, else in Python integers.
    """
    whole, rest = owed // E9, owed % E9
    largest = int(np.abs(per_tick).max(initial=0))
    if largest * max(int(np.abs(whole).max(initial=0)), E9) > INT64_MAX // 2:
        whole, rest, per_tick = (column.astype(object) for column in (whole, rest, per_tick))
    accrued = per_tick * whole - (-(per_tick * rest) // E9)
    return accrued.astype(np.int64)


def _bounds(book: RatioBook) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By slot of an account: equity, and the least and the most it needs, rounded up, atoms."""
    positions, accounts = book.positions.table, book.accounts.table
    made = positions.slots_made
    columns = {name: positions.column(name)[:made] for name in positions.columns}
    by_market = _by_market(book)
    per_lot, k, index, gains, collateral_e9 = (column[columns["market"]] for column in by_market)
    lots = columns["lots"]
    upnl = lots * per_lot - columns["cost"]
    accrued = _accrued_ceil_atoms(np.where(lots == 0, 0, index - columns["paid_e9"]), lots * k)
    owner = columns["owner_slot"]
    equity = accounts.column("free")[: accounts.slots_made].copy()
    np.add.at(equity, owner, np.where(gains | (upnl < 0), upnl, 0) - accrued)
    equity = equity - book.adverse_atoms()
    least = most = (np.abs(lots) + columns["reserved"]) * per_lot
    for side, name in ((1, "buy"), (-1, "sell")):
        opposite = np.maximum(-side * lots, 0)
        increases, value = columns[f"{name}_lots"] > opposite, columns[f"{name}_value"]
        least = least + np.where(increases & (opposite == 0), value, 0)
        most = most + np.where(increases, value, 0)
    owners = accounts.slots_made
    return equity, _required(least, collateral_e9, owner, owners), _required(most, collateral_e9, owner, owners)


def _required(value: np.ndarray, collateral_e9: np.ndarray, owner: np.ndarray, accounts: int) -> np.ndarray:
    """Collateral by account, rounded up: whole atoms and 1e-9 atoms are summed apart, so that 64 bits are enough."""
    rest = (value % E9) * collateral_e9
    whole, rests = np.zeros(accounts, dtype=np.int64), np.zeros(accounts, dtype=np.int64)
    np.add.at(whole, owner, (value // E9) * collateral_e9 + rest // E9)
    np.add.at(rests, owner, rest % E9)
    return whole - (-rests // E9)


def _by_market(book: RatioBook) -> tuple[np.ndarray, ...]:
    """By market: worth of a lot at the mark and at a tick, funding index, whether gains count, collateral rate."""
    width = max(book.markets, default=0) + 1
    per_lot, k, index, collateral_e9 = (np.zeros(width, dtype=np.int64) for _ in range(4))
    gains = np.zeros(width, dtype=np.bool_)
    terms = Terms(book)
    for market in book.markets:
        mark, worth, rate, *_, index_e9, usable = terms[market]
        per_lot[market], k[market], index[market] = mark * worth, worth, index_e9
        gains[market], collateral_e9[market] = usable, rate
    return per_lot, k, index, gains, collateral_e9
