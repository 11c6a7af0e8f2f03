"""What may become an order of a Margin Trade venue: after what every venue checks, initial margin (MT-02, MT-06)."""

from collections.abc import Callable

from actors.columns import RowGatherer
from actors.cross.book import CrossBook
from actors.cross.holds import FreeMargins, MarginTerms, TermsOfMarkets, added_hold_atoms
from actors.cross.losses import SpareEquities
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.orders.checks import MarketRules, OrderChecks, market_rules
from actors.sinks import Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import refusals_pb2 as refusals


class OrderEntry(OrderChecks):
    """One block's orders of a venue on a shard, one after the other on the state the last one left."""

    book: CrossBook

    def __init__(
        self, book: CrossBook, ops: RowGatherer[batches.OrderOps], caps: RowGatherer[batches.PositionCaps]
    ) -> None:
        super().__init__(book, ops, caps)
        # What requirements in a market are made from; no method of its own, which would keep all of the block until
        # somebody looks for cycles.
        self.terms: Callable[[int], MarginTerms] = TermsOfMarkets(book).__getitem__
        self.free = FreeMargins(book, self.terms, self.carried)
        self.spare = SpareEquities(book, self.terms, self.carried)

    def rules_of(self, market: int) -> MarketRules:
        """Binds the market's rules."""
        return market_rules(self.book, market, self.book.markets[market].margin_trade)

    def rung_acted(self, account: int) -> int:
        """The rung at which the ladder acted on the account in this block (MT-12), 0 where it did not."""
        return self.book.rung_acted(account)

    def lend(self) -> None:
        """Hands free margin and spare equity to the columns, which a kernel is about to work on."""
        self.free.lend()
        self.spare.lend()

    def why_not_added(self, account: int, added_atoms: int) -> Refused | None:
        """BELOW_INITIAL_MARGIN: what raises the requirement must leave free margin (MT-02)."""
        if added_atoms <= 0:
            return None
        free = self.free.of(account)
        return Refused(refusals.REFUSAL_BELOW_INITIAL_MARGIN, added_atoms, free) if added_atoms > free else None

    def enter(self, work_class: int, command: int, number: int, order: BookOrder) -> Refused | None:
        """Checks an order of lots and price and sends it to the book, or says why not."""
        row = self.book.positions.read(order.account, order.market)
        reduce_only = order.flags & REDUCE_ONLY
        refused = self.why_not_numbers(order, row) or self.why_not_reducing(order, row)
        if reduce_only and not refused:
            refused = self.why_not_reduce_only(order, row)
        if refused:
            return refused
        added = 0
        if not reduce_only:
            added = added_hold_atoms(row, order.side, order.limit, order.remaining, self.terms(order.market))
            refused = self.why_not_added(order.account, added) if added else None
            if refused:
                return refused
        bounded = self.spare.bounded(order, row)
        if isinstance(bounded, Refused):
            return bounded
        self.book.add_order(number, bounded)
        self.note_admitted(bounded, added)
        self.send(batches.ORDER_OP_KIND_PLACE, work_class, command, number, bounded)
        return None

    def note_admitted(self, order: BookOrder, added_atoms: int, freed_atoms: int = 0) -> None:
        """The order is in the tables and on its way to the book; an amended one could lose `freed_atoms` before."""
        if added_atoms:
            self.free.take(order.account, added_atoms)
        self.spare.note(order, freed_atoms)
        if order.flags & REDUCE_ONLY:
            self.caps.add(order.account, order.market, lambda account: self.free.of(account) < 0)
