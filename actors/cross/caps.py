"""What the books must know of accounts: who fails margin, and where those with reduce-only orders stand (MT-02).

A resting order is held again at every mark. The book never fills what an account here may not trade: of an account that
fails margin only what reduces its position, of the others that much for their reduce-only orders.
"""

from functools import cache

import numpy as np

from actors.columns import RowGatherer
from actors.cross.book import CrossBook
from actors.cross.holds import free_margin_atoms, margin_terms
from actors.orders import caps as caps_of
from actors.units import E9
from breakwater.v1 import batches_pb2 as batches

_FEE_STEP_ATOMS = 10**7


def scan_caps(book: CrossBook, caps: RowGatherer[batches.PositionCaps]) -> None:
    """Of who fails margin (free margin below 0) and of reduce-only orders."""
    caps_of.scan_caps(book, caps, lambda owners: _failing(book, owners))


def _failing(book: CrossBook, owners: np.ndarray) -> np.ndarray:
    """By slot of an account: its free margin is below 0. Asked only of these, and only where a rough bound may fail."""
    accounts = book.accounts.table
    failing = np.zeros(accounts.slots_made, dtype=np.bool_)
    if not book.scalar:
        owners = owners[_surely_free_atoms(book)[owners] < 0]
    terms_of = cache(lambda market: margin_terms(book, market))
    for slot in owners.tolist():
        account = accounts.key_at(slot)
        free = book.health(account).free_margin if book.scalar else free_margin_atoms(book, account, terms_of)
        failing[slot] = free < 0
    return failing


def _surely_free_atoms(book: CrossBook) -> np.ndarray:
    """By slot of an account, a free margin that it has at least: requirements are overstated, in 64 bits.

    IM(position + increase) is at most (notional + increase) / slowest leverage + 2, and both sides are counted.
    """
    positions, accounts = book.positions.table, book.accounts.table
    made = positions.slots_made
    market = positions.column("market")[:made]
    per_lot, gains, first, slowest, fee_e9 = _by_market(book)
    lots, cost = positions.column("lots")[:made], positions.column("cost")[:made]
    leverage = positions.column("leverage")[:made]
    leverage = np.minimum(np.where(leverage == 0, first[market], leverage), slowest[market])
    upnl = lots * per_lot[market] - cost
    most = np.abs(lots)
    taken = np.zeros(made, dtype=np.int64)
    for side in ("buy", "sell"):
        most = most + positions.column(f"{side}_lots")[:made]
        value = positions.column(f"{side}_value")[:made]
        # The fee in steps of 10^7 atoms of value: value * fee would leave 64 bits.
        fee = -(-(-(-value // _FEE_STEP_ATOMS) * fee_e9[market]) // (E9 // _FEE_STEP_ATOMS))
        taken += fee + positions.column(f"{side}_adverse")[:made]
    taken += most * per_lot[market] // leverage + 3
    taken -= np.where(gains[market] | (upnl < 0), upnl, 0)
    free = accounts.column("free")[: accounts.slots_made].copy()
    np.subtract.at(free, positions.column("owner_slot")[:made], taken)
    return free


def _by_market(book: CrossBook) -> tuple[np.ndarray, ...]:
    """Columns indexed by market: worth of a lot at the mark, whether gains count, leverages, taker fee."""
    width = max(book.markets, default=0) + 1
    per_lot, first, slowest, fee_e9 = (np.ones(width, dtype=np.int64) for _ in range(4))
    gains = np.zeros(width, dtype=np.bool_)
    for market in book.markets:
        terms = margin_terms(book, market)
        per_lot[market], gains[market] = terms.mark_ticks * terms.k, terms.usable
        first[market], slowest[market] = terms.first_leverage, terms.tiers.max_leverages[-1]
        fee_e9[market] = terms.taker_fee_e9
    return per_lot, gains, first, slowest, fee_e9
