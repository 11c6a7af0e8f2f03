"""A shard by hand: four accounts, one market, rows of commands in, replies and views out."""

from typing import Any

from actors.position_book import PositionBook
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import snapshots_pb2 as snapshots
from cluster.placement import even
from tests.actors.calling import Caller, table, worked
from tests.building import LONG, MARKET, market, venue

SETTLE, MARK, TAKE, SCAN = (
    batches.SHARD_PHASE_SETTLE,
    batches.SHARD_PHASE_MARK,
    batches.SHARD_PHASE_TAKE,
    batches.SHARD_PHASE_SCAN,
)
DROP, LADDER = batches.SHARD_PHASE_DROP, batches.SHARD_PHASE_LADDER
STAGED = (batches.SHARD_PHASE_PAY_OUT, batches.SHARD_PHASE_ADMIT)
FIRST = (SETTLE, MARK, TAKE, SCAN, *STAGED)
PRICE = 50_000
MARGIN, LEVERAGE = 1_000_000, 1_000
OPENED = events.LEG_KIND_OPENED

ROWS = {
    "opened": batches.AccountRows,
    "deposits": batches.AmountRows,
    "decisions": batches.DecisionRows,
    "freezes": batches.AccountRows,
    "cancels": batches.CancelRows,
    "withdrawals": batches.AmountRows,
    "opens": batches.OpenRows,
    "closes": batches.CloseRows,
    "liquidity": batches.LiquidityRows,
}

# Height and frame hash, in front of a part.
_HEAD_BYTES = 8 + 32


def order(height: int, command: int) -> int:
    return height << 20 | command


def open_row(command: int, account: int, side: int = LONG, kind: int = MARKET, limit: int = 0) -> tuple[int, ...]:
    return (command, 1, account, 1, side, kind, MARGIN, LEVERAGE, limit)


def leg(command: int, account: int, position: int, side: int = LONG, margin_held: int = 996_000) -> tuple[int, ...]:
    """An open that was filled at 50,000: the margin leaves `held`, the fee goes to the pool."""
    head = (4, command, command, 1, account, OPENED, 0, -MARGIN, margin_held, position)
    return (*head, 1, side, PRICE, MARGIN, LEVERAGE)


def rows_alone(part: bytes) -> bytes:
    """A shard's part of a cut without the digests that come with it."""
    state = snapshots.ShardState.FromString(part[_HEAD_BYTES:])
    assert state.digests
    state.ClearField("digests")
    return part[:_HEAD_BYTES] + state.SerializeToString(deterministic=True)


class Shard(Caller):
    """A shard with accounts 1 to 4, a bitcoin each, and a market at a price."""

    def __init__(self, shard: int = 0, shards: int = 1, way: Way = Way.BY_COLUMNS, **rules: int) -> None:
        super().__init__(worked(PositionBook(even(shards).buckets(shard)), way), batches.ShardReply)
        self.price = PRICE
        self.state = common.MARK_STATE_FRESH
        self.boundary_ms = 0
        self.buckets: dict[int, bytes] = {}
        self.owned = [account for account in range(1, 5) if account % 1_024 % shards == shard]
        self.changes = batches.ParameterChanges(venues=[venue(**rules)], markets=[market(halt_age_ms=30_000)])
        self.changes.venues[0].version = 1
        self.run(
            opened=[(account, 1, account, 0) for account in self.owned],
            deposits=[(10 + account, 1, account, 10**8) for account in self.owned],
        )

    def run(self, *, legs: Any = (), totals: Any = (), phases: Any = FIRST, **rows: Any) -> Any:
        """The first call of a block; rows of commands by the name of their field."""
        mark = common.Mark(
            venue=1,
            market=1,
            mark_ticks=self.price,
            version=1,
            state=self.state,
            age_ms=31_000,
            funding_boundary_ms=self.boundary_ms,
        )
        reply = self.block(
            phases=phases,
            changes=self.changes,
            marks=[mark],
            totals=totals,
            legs=table(batches.Legs, *legs),
            commands=self.commands(**rows),
            speculative=True,
        )
        self.changes = batches.ParameterChanges()
        return reply

    def _call(self, now_ms: int, root: bool, fields: dict[str, Any]) -> Any:
        reply = super()._call(now_ms, root, fields)
        self.buckets |= dict(zip(reply.digests.bucket, reply.digests.digest, strict=True))
        return reply

    def commands(self, **rows: Any) -> batches.ShardCommands:
        return batches.ShardCommands(**{name: table(ROWS[name], *listed) for name, listed in rows.items()})

    def hold(self, account: int = 1, side: int = LONG) -> int:
        """Opens a position, the desk's leg included."""
        self.run(opens=[open_row(0, account, side)])
        position = order(self.height, 0)
        self.run(legs=[leg(0, account, position, side)])
        return position

    def view(self, account: int) -> batches.AccountView:
        query = batches.ShardQuery(accounts=batches.AccountQuery(venue=1, accounts=[account]))
        (view,) = batches.AccountViews.FromString(self.actor.query(query.SerializeToString())).accounts
        return view

    def money(self, account: int) -> tuple[int, int, int, int]:
        view = self.view(account)
        return view.free_atoms, view.held_atoms, view.margin_atoms, view.pending_withdrawal_atoms
