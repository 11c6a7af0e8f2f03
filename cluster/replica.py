"""A whole node's actors in one process, without a journal: what validators, audits and tests run blocks on."""

from collections.abc import Iterable, Mapping, Sequence

from blake3 import blake3

from actors.columns import add_row, join, sort_rows
from actors.cross.book import CrossBook
from actors.isolated.book import IsolatedBook
from actors.position_book import PositionBook
from actors.ratio.book import RatioBook
from actors.version_desk import VersionDesk
from actors.versioned.book import VersionedBook
from actors.versioning.state import VersionBook
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.pipeline import BlockCalls, run_block
from cluster.placement import Owners, even
from cluster.topology import (
    backstop_name,
    book_name,
    desk_names,
    insurance_name,
    is_shard,
    pool_name,
    shard_name,
    standing_actors,
    versions_name,
)
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import Call, Transport

CARRY = "carry"
# The kind of a standing row that a version desk tells.
FROM_DESK = -1


def drive(run: BlockCalls, transport: Transport) -> BlockResult:
    """Answers the calls of a run until it has its result; makes desks the first time they are called."""
    try:
        calls = next(run)
        while True:
            for call in calls:
                if not transport.has(call.actor):
                    transport.make(call.actor)
            calls = run.send(transport.call(calls))
    except StopIteration as done:
        result: BlockResult = done.value
        return result


def part_names(state: ChainState) -> list[str]:
    """The actors that make up a cut of this chain."""
    return [*standing_actors(state.shards), *desk_names(state.venue_list(), state.markets)]


def parts_for(actor: str, parts: Mapping[str, bytes]) -> list[bytes]:
    """What of a cut concerns an actor: a shard takes its rows from the parts of all shards."""
    if is_shard(actor):
        return [parts[name] for name in sorted(parts) if is_shard(name)]
    return [parts[actor]] if actor in parts else []


def take_cut(state: ChainState, transport: Transport) -> dict[str, bytes]:
    """All actors and the carry at the end of a block."""
    names = [name for name in part_names(state) if transport.has(name)]
    return {CARRY: state.save(), **dict(zip(names, transport.snapshot(names), strict=True))}


def restore_cut(parts: Mapping[str, bytes], transport: Transport, owners: Owners) -> ChainState:
    """Makes the actors of a cut and gives them their state."""
    state = ChainState.load(parts[CARRY], owners)
    for actor in part_names(state):
        concerned = parts_for(actor, parts)
        if concerned:  # a book nobody has called yet has no part
            transport.make(actor)
            transport.restore(actor, concerned)
    return state


class Replica:
    """Runs blocks one after the other. `way`: how; a validator's liquidations go by row.

    `transport`: one that looks on, for the same number of shards.
    """

    def __init__(self, shards: int = 1, way: Way = Way.BY_COLUMNS, transport: InlineTransport | None = None) -> None:
        self._transport = transport or InlineTransport(shards, way)
        self.state = ChainState(even(shards))
        for actor in standing_actors(shards):
            self._transport.make(actor)

    def apply(
        self,
        block: commands.BlockInput,
        frame_hash: bytes | None = None,
        epoch: int = 0,
        voided: Iterable[int] = (),
        payload: bytes = b"",
    ) -> BlockResult:
        """Runs one block; without a journal its frame hash is that of its bytes. Raises InvariantBroken.

        `payload` is the block serialised, as its frame has it; without it that is done here.
        """
        payload = payload or block.SerializeToString(deterministic=True)
        if frame_hash is None:
            frame_hash = blake3(payload).digest()
        return drive(run_block(self.state, block, frame_hash, epoch, voided, payload), self._transport)

    def take_way(self, way: Way) -> None:
        """How blocks are run from here on; what they come to is the same."""
        self._transport.take_way(way)

    def restore(self, parts: Mapping[str, bytes]) -> None:
        """Takes a cut."""
        self.state = restore_cut(parts, self._transport, self.state.owners)

    def cut(self) -> dict[str, bytes]:
        """A cut at the end of the last block."""
        return take_cut(self.state, self._transport)

    def books(self, venue: int) -> list[IsolatedBook]:
        """The venue's columns on every shard, to be read between blocks."""
        books = (shard.book(venue) for shard in self._position_books())
        return [book for book in books if book is not None]

    def cross_books(self, venue: int) -> list[CrossBook]:
        """The same of a Margin Trade venue."""
        books = (shard.cross_book(venue) for shard in self._position_books())
        return [book for book in books if book is not None]

    def ratio_books(self, venue: int) -> list[RatioBook]:
        """The same of a Spin venue."""
        books = (shard.ratio_book(venue) for shard in self._position_books())
        return [book for book in books if book is not None]

    def versioned_books(self, venue: int) -> list[VersionedBook]:
        """The same of a Perennial venue."""
        books = (shard.versioned_book(venue) for shard in self._position_books())
        return [book for book in books if book is not None]

    def version_books(self, venue: int) -> list[VersionBook]:
        """What the version desks of a venue hold, by market, to be read between blocks."""
        names = [versions_name(*key) for key in sorted(self.state.markets) if key[0] == venue]
        desks = (self._transport.actor(name) for name in names if self._transport.has(name))
        return [desk.book for desk in desks if isinstance(desk, VersionDesk)]

    def _position_books(self) -> list[PositionBook]:
        shards = (self._transport.actor(shard_name(shard)) for shard in range(self.state.shards))
        return [shard for shard in shards if isinstance(shard, PositionBook)]

    def accounts(self, venue: int, accounts: Sequence[int]) -> batches.AccountViews:
        """Accounts as a reader sees them."""
        return read_accounts(self._transport, self.state, venue, accounts)

    def pool(self, venue: int, accounts: Sequence[int] = ()) -> batches.PoolView:
        """A pool as a reader sees it."""
        return read_pool(self._transport, venue, accounts)

    def backstop(self, venue: int, accounts: Sequence[int] = ()) -> batches.BackstopView:
        """A backstop as a reader sees it."""
        return read_backstop(self._transport, venue, accounts)

    def order_book(self, venue: int, market: int, levels: int = 50) -> batches.BookView:
        """A book as a reader sees it."""
        return read_book(self._transport, self.state, venue, market, levels)

    def versions(
        self, venue: int, market: int, accounts: Sequence[int] = (), everyone: bool = False
    ) -> batches.VersionView:
        """A Perennial market as a reader sees it, with the pending orders and debts of these accounts, or of all."""
        return read_versions(self._transport, venue, market, accounts, everyone)

    def insurance(self, venue: int) -> batches.InsuranceView:
        """An insurance desk as a reader sees it."""
        return read_insurance(self._transport, venue)

    def standings(self, venue: int) -> batches.StandingsView:
        """Everybody with a position on a venue whose liquidations are left to bots."""
        return read_standings(self._transport, self.state, venue)


def read_accounts(transport: Transport, state: ChainState, venue: int, accounts: Sequence[int]) -> batches.AccountViews:
    """Asks every shard for its accounts; in the order asked for."""
    asked = batches.AccountQuery(venue=venue, accounts=accounts)
    query = batches.ShardQuery(accounts=asked).SerializeToString()
    replies = transport.query([Call(shard_name(shard), query) for shard in range(state.shards)])
    parts = [batches.AccountViews.FromString(reply) for reply in replies]
    by_account = {view.account: view for part in parts for view in part.accounts}
    found = [by_account[account] for account in accounts if account in by_account]
    return batches.AccountViews(height=state.height, accounts=found)


def read_pool(transport: Transport, venue: int, accounts: Sequence[int]) -> batches.PoolView:
    """Asks the venue's desk."""
    query = batches.PoolQuery(accounts=accounts).SerializeToString()
    (reply,) = transport.query([Call(pool_name(venue), query)])
    return batches.PoolView.FromString(reply)


def read_backstop(transport: Transport, venue: int, accounts: Sequence[int]) -> batches.BackstopView:
    """Asks the venue's backstop."""
    query = batches.PoolQuery(accounts=accounts).SerializeToString()
    (reply,) = transport.query([Call(backstop_name(venue), query)])
    return batches.BackstopView.FromString(reply)


def read_book(transport: Transport, state: ChainState, venue: int, market: int, levels: int) -> batches.BookView:
    """Asks a market's book; one that was never called is empty. The height is that of the chain."""
    view = batches.BookView(venue=venue, market=market)
    name = book_name(venue, market)
    if transport.has(name):
        (reply,) = transport.query([Call(name, batches.BookQuery(levels=levels).SerializeToString())])
        view = batches.BookView.FromString(reply)
    view.height = state.height
    return view


def read_insurance(transport: Transport, venue: int) -> batches.InsuranceView:
    """Asks a Spin venue's insurance desk."""
    (reply,) = transport.query([Call(insurance_name(venue), b"")])
    return batches.InsuranceView.FromString(reply)


def read_versions(
    transport: Transport, venue: int, market: int, accounts: Sequence[int], everyone: bool = False
) -> batches.VersionView:
    """Asks a version desk; pending orders and debts of these accounts, or of all."""
    query = batches.VersionQuery(accounts=accounts, everyone=everyone).SerializeToString()
    (reply,) = transport.query([Call(versions_name(venue, market), query)])
    return batches.VersionView.FromString(reply)


def read_standings(transport: Transport, state: ChainState, venue: int) -> batches.StandingsView:
    """Everybody with a position on a venue whose liquidations are left to bots, by (account, market, kind)."""
    query = batches.ShardQuery(standings=batches.StandingsQuery(venue=venue)).SerializeToString()
    replies = transport.query([Call(shard_name(shard), query) for shard in range(state.shards)])
    rows = join(batches.StandingRows(), (batches.StandingsView.FromString(reply).rows for reply in replies))
    for key in sorted(state.versions):
        if key[0] == venue:
            rows.MergeFrom(_pending_rows(read_versions(transport, *key, accounts=(), everyone=True)))
    return batches.StandingsView(height=state.height, rows=sort_rows(rows, "account", "market", "kind"))


def _pending_rows(view: batches.VersionView) -> batches.StandingRows:
    """Pending fees and locks as the version desk tells them (`StandingRows`)."""
    fees: dict[int, int] = {}
    locks: dict[int, int] = {}
    for order in view.pending:
        fees[order.account] = fees.get(order.account, 0) + order.fee_atoms + order.settlement_fee_atoms
        if order.is_liquidation:
            locks[order.account] = order.version_ms
    rows = batches.StandingRows()
    for account in sorted(fees):
        add_row(rows, view.venue, account, view.market, FROM_DESK, 0, fees[account], locks.get(account, 0))
    return rows


def read_deleverage_ranks(
    transport: Transport, state: ChainState, queries: Sequence[batches.DeleverageRankQuery]
) -> list[batches.DeleverageRankView]:
    """Asks every shard where positions stand among those that would be deleveraged; one view a query."""
    views = []
    for query in queries:
        asked = batches.ShardQuery(deleverage_rank=query).SerializeToString()
        replies = transport.query([Call(shard_name(shard), asked) for shard in range(state.shards)])
        parts = [batches.DeleverageRankView.FromString(reply) for reply in replies]
        before, positions = sum(part.before for part in parts), sum(part.positions for part in parts)
        views.append(batches.DeleverageRankView(height=state.height, before=before, positions=positions))
    return views
