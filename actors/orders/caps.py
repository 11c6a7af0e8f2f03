"""What the books must know of accounts: who fails margin, and where those with reduce-only orders stand.

The book never fills what an account told of here may not trade: of one that fails margin only what reduces its
position, of the others that much for their reduce-only orders.
"""

from collections.abc import Callable

import numpy as np

from actors.columns import RowGatherer
from actors.ledger.position_rows import MARKET_BITS
from actors.orders.book import OrderedBook
from breakwater.v1 import batches_pb2 as batches

_MARKET_MASK = (1 << MARKET_BITS) - 1


def scan_caps(
    book: OrderedBook, caps: RowGatherer[batches.PositionCaps], failing_of: Callable[[np.ndarray], np.ndarray]
) -> None:
    """One row for every market in which a failing account has orders resting, or anybody reduce-only ones.

    failing_of gets the slots of the accounts with orders and says by the slot of an account who fails margin.
    """
    table = book.positions.table
    made = table.slots_made
    resting = np.flatnonzero(table.column("resting")[:made])
    book.capped = set()
    if resting.size == 0:
        return
    owners = table.column("owner_slot")[:made]
    failing = failing_of(np.unique(owners[resting]))
    asked = failing[owners[resting]] | (table.column("reduce_only")[resting] != 0)
    for key in sorted(table.key_at(slot) for slot in resting[asked].tolist()):
        row = book.positions.read(key >> MARKET_BITS, key & _MARKET_MASK)
        caps.add(book.venue, row.market, row.account, row.lots, int(failing[row.owner_slot]))
        book.capped.add(key)


class AddedCaps:
    """Rows for reduce-only orders that admission adds where the scan reported nobody; each row once."""

    def __init__(self, book: OrderedBook, caps: RowGatherer[batches.PositionCaps]) -> None:
        self._book = book
        self._caps = caps
        self._added: set[int] = set()

    def knows(self, key: int) -> bool:
        """The book is told of this position already."""
        return key in self._book.capped or key in self._added

    def add(self, account: int, market: int, fails: Callable[[int], bool]) -> None:
        """The account has a reduce-only order in the market from here on; `fails` tells whether it fails margin."""
        positions = self._book.positions
        key = positions.key(account, market)
        if self.knows(key):
            return
        self._added.add(key)
        lots = positions.lots(account, market)
        self._caps.add(self._book.venue, market, account, lots, int(fails(account)))
