"""What admission adds to the caps of the scan: accounts that were in no danger of turning a position until now."""

from collections.abc import Callable

from actors.columns import RowGatherer
from actors.orders.book import OrderedBook
from breakwater.v1 import batches_pb2 as batches


class AddedCaps:
    """Rows for reduce-only orders that admission adds where the scan reported nobody; each row once."""

    def __init__(self, book: OrderedBook, caps: RowGatherer[batches.PositionCaps]) -> None:
        self._book = book
        self._caps = caps
        self._added: set[int] = set()

    def add(self, account: int, market: int, fails: Callable[[int], bool]) -> None:
        """The account has a reduce-only order in the market from here on; `fails` tells whether it fails margin."""
        positions = self._book.positions
        key = positions.key(account, market)
        if key in self._book.capped or key in self._added:
            return
        self._added.add(key)
        lots = positions.lots(account, market)
        self._caps.add(self._book.venue, market, account, lots, int(fails(account)))
