"""The order book of one market: matches what shards admitted, and deleverages what nobody else can take (MT-05, MT-15).

The same for Margin Trade and Spin (SP-01): `BookTerms` are what it reads of either.

Its state is the list of its orders by priority, the count of trades, the last price and the parameters in force.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.booking.call import ReadCall, read_call
from actors.booking.deleverage import Deleveraging
from actors.booking.terms import book_terms
from actors.booking.work import BookWork
from actors.column_bytes import columns_bytes, field_bytes
from actors.columns import row_count
from actors.contract import Actor
from actors.matching.book import MatchingBook
from actors.matching.words import BUY, DUMP_COLUMNS, SELL
from actors.units import div_ceil
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import snapshots_pb2 as snapshots


class OrderBook(Actor):
    """One market's book."""

    call_type = batches.BookCall

    def __init__(self, venue: int, market: int) -> None:
        super().__init__()
        self._venue = parameters.VenueParameters(venue=venue)
        self._market = parameters.MarketParameters(venue=venue, market=market)
        self._terms = book_terms(self._market)
        # Parameters as the last call brought them.
        self._brought = (b"", b"")
        self._book = MatchingBook()
        self._work = BookWork(self._book, venue, market)
        self._trades = 0

    def read(self, call: bytes) -> ReadCall:
        """Of a serialised `BookCall`."""
        return read_call(call)

    def decide(self, call: ReadCall) -> bytes:
        """Works operations in their order, or the demands of a deleveraging; a call may be empty."""
        if (call.venue, call.market) != self._brought:
            self._take_parameters(call.venue, call.market)
        rest = call.rest
        reply = batches.BookReply(height=call.header.height)
        parts: list[Any] = [reply.SerializeToString()]
        if call.ops.rows:
            self._trades = self._work.match_ops(self._terms, call.ops, call.caps, rest.open_interest_lots, self._trades)
            parts += self._work.reply_parts(rest.round)
        if row_count(rest.demands):
            # What was matched lies where the deleveraging will tell.
            parts = [b"".join(parts), *self._deleverage(rest)]
        parts.append(self._tops())
        if call.header.root:
            parts.append(field_bytes(reply, "digest", self.digest()))
        return b"".join(parts)

    def _take_parameters(self, venue: bytes, market: bytes) -> None:
        """Parameters of another venue or market than this are none."""
        self._brought = venue, market
        of_venue, of_market = (
            parameters.VenueParameters.FromString(venue),
            parameters.MarketParameters.FromString(market),
        )
        if of_venue.venue == self._venue.venue:
            self._venue = of_venue
        if of_market.market == self._market.market:
            self._market = of_market
            self._terms = book_terms(of_market)

    def _deleverage(self, call: batches.BookCall) -> tuple[bytes, bytes]:
        work = Deleveraging(self._work, self._terms, call.mark, self._trades, self.way)
        policy = self._venue.margin_trade.deleverage_policy
        events, legs = work.run(call.demands, call.candidates, policy, call.round)
        return field_bytes(batches.BookReply, "events", events), field_bytes(batches.BookReply, "legs", legs)

    def _impact_ticks(self, side: int) -> int:
        """Average price of trading the impact notional against a side, 0 where the depth does not suffice (MT-10)."""
        atoms, per_tick_lot = self._terms.impact_notional_atoms, self._terms.market.quote_atoms_per_tick_lot
        if not atoms or not per_tick_lot:
            return 0
        notional = div_ceil(atoms, per_tick_lot)
        return self._book.impact_ticks(side, notional)

    def _tops(self) -> bytes:
        row = (
            *(self._market.venue, self._market.market),
            *(self._book.best_bid_ticks(), self._book.best_ask_ticks(), self._book.last_trade_ticks()),
            *(self._impact_ticks(BUY), self._impact_ticks(SELL)),
        )
        tops = columns_bytes(batches.BookTops, np.array(row).reshape(-1, 1))
        return field_bytes(batches.BookReply, "tops", tops)

    def query(self, query: bytes) -> bytes:
        """BookQuery -> BookView."""
        levels = batches.BookQuery.FromString(query).levels
        return batches.BookView(
            height=self.height,
            venue=self._market.venue,
            market=self._market.market,
            bids=self._levels(BUY, levels),
            asks=self._levels(SELL, levels),
            last_ticks=self._book.last_trade_ticks(),
            trades=self._trades,
            impact_bid_ticks=self._impact_ticks(BUY),
            impact_ask_ticks=self._impact_ticks(SELL),
        ).SerializeToString()

    def _levels(self, side: int, levels: int) -> batches.BookLevels:
        rows = self._book.depth(side, levels)
        return batches.BookLevels(
            price_ticks=[row[0] for row in rows], lots=[row[1] for row in rows], orders=[row[2] for row in rows]
        )

    def save(self) -> bytes:
        """The book, canonical."""
        return snapshots.OrderBookState(
            venue=self._venue,
            market=self._market,
            orders=np.ascontiguousarray(self._book.dump(), dtype="<i8").tobytes(),
            trades=self._trades,
            last_ticks=self._book.last_trade_ticks(),
        ).SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        saved = snapshots.OrderBookState.FromString(body)
        self._venue.CopyFrom(saved.venue)
        self._market.CopyFrom(saved.market)
        self._terms, self._brought = book_terms(self._market), (b"", b"")
        self._trades = saved.trades
        orders = np.frombuffer(saved.orders, dtype="<i8").reshape(-1, len(DUMP_COLUMNS))
        self._book.load(orders, saved.last_ticks)
