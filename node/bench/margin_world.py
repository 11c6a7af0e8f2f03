"""Margin Trade to measure on: markets at one price, funded accounts, and the mixed flow in blocks of a step each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from google.protobuf.message import Message

from actors.column_bytes import columns_bytes, field_bytes
from actors.columns import field_names
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2
from cluster.commit import BlockResult
from cluster.journal import SqliteJournal
from cluster.transport.transport import Transport
from node.bench.mixed_flow import CASH_ATOMS, LAG, MARK_TICKS, REFUSED_MAX, STEP_ROWS, Int64Array, MixedFlow
from node.bench.world import BLOCK_MS, Chain, accepted
from node.margin_presets import MARGIN_TRADE_VENUE, PERP_SOURCES, SPOT_SOURCES, margin_trade_market, margin_trade_venue

# Blocks from one price to the next: half a second.
TICK_BLOCKS: Final = 25
_ROWS: Final = 50_000
_SOURCES: Final = tuple(publisher for publisher, _ in (*SPOT_SOURCES, *PERP_SOURCES))
_LOTS: Final = 1_000
_FEW: Final = 10


class MarginWorld(Chain):
    """Venues of Margin Trade with the same markets and accounts each; the steps of the flow go round them."""

    def __init__(
        self,
        transport: Transport,
        shards: int,
        journal: SqliteJournal | None = None,
        markets: int = 1,
        venues: int = 1,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Nothing is listed yet. Blocks are timed by `clock_s`."""
        super().__init__(transport, shards, journal)
        self.markets = range(1, markets + 1)
        self.venues = range(MARGIN_TRADE_VENUE, MARGIN_TRADE_VENUE + venues)
        self.accounts = 0
        self._flow: MixedFlow | None = None
        self._references: dict[int, Int64Array] = {}
        self._steps = 0
        self._clock_s = clock_s

    def found(self, accounts: int, rows: int = STEP_ROWS) -> None:
        """Lists the venues, publishes prices, opens accounts with a position each; then fills the books."""
        self.list_markets()
        self.people_with_positions(accounts)
        self._flow = MixedFlow(range(1, accounts + 1), self.markets, rows)
        for _ in range((LAG + 1) * len(self.venues)):
            self.step()

    def list_markets(self) -> None:
        """Lists the venues with their markets."""
        listings = []
        for venue in self.venues:
            markets = [margin_trade_market(market, "BTC", venue) for market in self.markets]
            for market in markets:
                market.symbol = f"BTC-{market.market}"
            listings.append((margin_trade_venue(venue, f"margin-{venue}"), markets))
        self.list_venues(listings)

    def people(self, count: int) -> None:
        """Opens and funds accounts on every venue."""
        for venue in self.venues:
            for first in range(self.accounts, self.accounts + count, _ROWS):
                opened = min(_ROWS, self.accounts + count - first)
                numbers = np.arange(first + 1, first + opened + 1)
                deposits = np.stack([numbers, np.full(opened, CASH_ATOMS)])
                accepted(self.seal([self.batch(venue, open_accounts=cmd.OpenAccounts(count=opened))]))
                accepted(self.seal([self._columns(venue, "deposits", cmd.Deposits, deposits), *self._prices()]))
        self.accounts += count

    def people_with_positions(self, count: int) -> None:
        """New accounts on every venue, funded, each with a position in the first market: every other one sells."""
        first = self.accounts + 1
        self.people(count)
        for start in range(first, first + count, _ROWS):
            numbers = np.arange(start, min(start + _ROWS, first + count))
            self.hold(numbers, np.full(numbers.size, self.markets[0]))
        self.seal()

    def hold(self, accounts: Int64Array, markets: Int64Array) -> None:
        """Every other row sells in its market to the row behind it, which must be of the same market."""
        matrix = np.zeros((len(field_names(cmd.PlaceOrders)), accounts.size), dtype=np.int64)
        matrix[:2] = accounts, markets
        matrix[2] = np.where(np.arange(accounts.size) % 2 == 0, -1, 1)
        matrix[3:6] = np.array([[common_pb2.ORDER_KIND_LIMIT], [_LOTS], [MARK_TICKS]])
        for venue in self.venues:
            accepted(self.seal([self._columns(venue, "place_orders", cmd.PlaceOrders, matrix), *self._prices()]))

    def step(self) -> float:
        """One block of the flow; the seconds from its sealed frame to its result."""
        assert self._flow is not None, "found the world first"
        turn, place = divmod(self._steps, len(self.venues))
        venue = self.venues[place]
        batches = [self._columns(venue, "place_orders", cmd.PlaceOrders, self._flow.orders(turn))]
        if turn >= LAG:
            references = self._references.pop(self._steps - LAG * len(self.venues))
            cancels = self._flow.cancels(turn, references)
            batches.append(self._columns(venue, "cancel_book_orders", cmd.CancelBookOrders, cancels))
        if self._steps % TICK_BLOCKS == 0:
            batches += self._prices()
        taken_s, result = self._timed(batches)
        self._references[self._steps] = self._placed(result)
        self._steps += 1
        return taken_s

    def empty(self) -> float:
        """The same of a block without commands."""
        return self._timed([])[0]

    def _timed(self, batches: list[bytes]) -> tuple[float, BlockResult]:
        frame = self.frame(batches)
        begun_s = self._clock_s()
        result = self.run(frame)
        return self._clock_s() - begun_s, result

    def _placed(self, result: BlockResult) -> Int64Array:
        """Numbers of the orders of a step, whose batch is the first of its block."""
        assert self._flow is not None
        count = self._flow.orders(0).shape[1]
        refused = int(np.count_nonzero(np.asarray(result.outcomes.refusal)))
        is_filling = self._steps < (LAG + 1) * len(self.venues)
        assert is_filling or refused <= _FEW + REFUSED_MAX * count, f"{refused} commands of a step refused"
        return np.asarray(result.outcomes.reference, dtype=np.int64)[:count]

    def _columns(self, venue: int, body: str, kind: type[Message], matrix: Int64Array) -> bytes:
        """A serialised batch, its columns copied whole."""
        return self.batch(venue).SerializeToString() + field_bytes(cmd.CommandBatch, body, columns_bytes(kind, matrix))

    def _prices(self) -> list[bytes]:
        """The price of every source in every market of every venue, as of the next block."""
        markets = np.repeat(np.array(self.markets), len(_SOURCES))
        sources = np.tile(np.array(_SOURCES), len(self.markets))
        prices, times = np.full(markets.size, MARK_TICKS), np.full(markets.size, self.now_ms + BLOCK_MS)
        matrix = np.stack([markets, sources, prices, times])
        return [self._columns(venue, "ticks", cmd.Ticks, matrix) for venue in self.venues]
