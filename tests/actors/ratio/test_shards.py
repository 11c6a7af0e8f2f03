"""Liquidator and owner on different shards: one account moves as on a single shard, whatever their number; SP-07."""

from typing import Any

from actors.columns import BUCKETS, join, sort_rows
from actors.position_book import PositionBook
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.placement import even
from tests.actors.calling import Caller, table, worked
from tests.actors.ratio.venue import (
    ACCOUNTS,
    ADMIT,
    BUY,
    CERTAIN,
    MARK,
    MARKETS,
    PAY_OUT,
    RESERVE,
    ROWS,
    TAKE_OVER,
    VENUE,
    fill,
    market_terms,
    order,
    takeover,
)

FIRST, SECOND = (*CERTAIN, PAY_OUT, RESERVE), (TAKE_OVER, ADMIT)


class Shards:
    """All shards of a venue, and the legs on their way to them."""

    def __init__(self, shards: int, way: Way = Way.BY_COLUMNS) -> None:
        self.shards = [
            Caller(worked(PositionBook(even(shards).buckets(shard)), way), batches.ShardReply)
            for shard in range(shards)
        ]
        self.legs: list[tuple[int, ...]] = []
        self.buckets: dict[int, bytes] = {}
        spin = parameters.SpinParameters(
            liquidator_reward_e9=15_000_000, insurance_share_e9=10_000_000, max_orders_per_account=50
        )
        venue = parameters.VenueParameters(venue=VENUE, version=1, rulebook=common.RULEBOOK_SPIN, spin=spin)
        self.changes = batches.ParameterChanges(venues=[venue], markets=[market_terms(market) for market in MARKETS])

    def owner(self, account: int) -> int:
        return account % BUCKETS % len(self.shards)

    def block(self, ticks: int, **listed: Any) -> list[Any]:
        """Both calls of a block; its legs arrive with the next. Gives what the second call told, joined."""
        marks = [
            common.Mark(venue=VENUE, market=market, mark_ticks=ticks, version=1, state=common.MARK_STATE_FRESH)
            for market in MARKETS
        ]
        fields = [self._fields(shard, listed) for shard in range(len(self.shards))]
        firsts = [
            caller.block(root=False, phases=FIRST, changes=self.changes, marks=marks, **own)
            for caller, own in zip(self.shards, fields, strict=True)
        ]
        reserved = sort_rows(join(batches.Reservations(), (reply.reservations for reply in firsts)), "command")
        seconds = []
        for shard, caller in enumerate(self.shards):
            mine = [row for row in _rows(reserved) if self.owner(row[2]) == shard]
            asked = table(batches.Reservations, *mine)
            commands = fields[shard]["commands"]
            seconds.append(caller.again(phases=SECOND, reservations=asked, commands=commands))
        self.legs = [row for reply in firsts + seconds for row in _rows(reply.staged_cross_legs)]
        self.changes = batches.ParameterChanges()
        for reply in seconds:
            self.buckets |= dict(zip(reply.digests.bucket, reply.digests.digest, strict=True))
        return seconds

    def _fields(self, shard: int, listed: dict[str, Any]) -> dict[str, Any]:
        legs = [*listed.get("legs", ()), *self.legs]
        mine = sorted((row for row in legs if self.owner(row[5]) == shard), key=lambda leg: leg[:4])
        commands = batches.ShardCommands(
            **{
                name: table(kind, *(row for row in listed.get(name, ()) if self.owner(row[2]) == shard))
                for name, kind in ROWS.items()
            }
        )
        return {"cross_legs": table(batches.CrossLegs, *mine), "commands": commands}

    def view(self, account: int) -> batches.AccountView:
        query = batches.ShardQuery(accounts=batches.AccountQuery(venue=VENUE, accounts=[account]))
        answer = self.shards[self.owner(account)].actor.query(query.SerializeToString())
        (view,) = batches.AccountViews.FromString(answer).accounts
        return view


def _rows(message: Any) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(message, field.name) for field in message.DESCRIPTOR.fields), strict=True))


def played(shards: int, way: Way = Way.BY_COLUMNS) -> Shards:
    """1 is long 100 lots and falls below 0.7; 2, 3 and 4 race for them, 5 has an order of its own."""
    venue = Shards(shards, way)
    opened = [(account, VENUE, account, 0) for account in ACCOUNTS]
    deposits = [(10 + account, VENUE, account, 11_000_000 if account == 1 else 10**9) for account in ACCOUNTS]
    venue.block(MARK, opened=opened, deposits=deposits)
    venue.block(MARK, legs=[fill(1, 100), fill(5, -100)], orders=[order(0, 1, BUY, 2, MARK - 900)])
    # 500 ticks: 6,000,000 of equity, 9,500,000 needed.
    asked = [takeover(1, 2, 1, 10), takeover(2, 3, 1, 15), takeover(3, 4, 1, 5)]
    venue.block(MARK - 500, takeovers=asked, orders=[order(4, 5, BUY, 3, MARK - 500)])
    venue.block(MARK - 500)
    return venue


def test_one_wins_and_nobody_has_half_of_it() -> None:
    venue = played(2)
    # (6,650,000 - 6,000,000) / (950,000 * 4.5%): 15.2 lots, in steps 20.
    lots = {account: sum(one.lots for one in venue.view(account).ratio.positions) for account in ACCOUNTS}
    assert lots == {1: 85, 2: 10, 3: 0, 4: 5, 5: -100}
    assert venue.view(3).ratio.reserved_atoms == 0
    assert venue.view(2).ratio.cash_atoms == 10**9 + 10 * 950_000 * 15 // 1_000
    assert venue.view(1).ratio.orders == []
    assert len(venue.view(5).ratio.orders) == 1


def test_the_number_of_shards_and_the_kernels_show_nowhere() -> None:
    one = played(1)
    for other in (played(2), played(3), played(1, way=Way.BY_ROW)):
        assert other.buckets == one.buckets
        assert [other.view(account) for account in ACCOUNTS] == [one.view(account) for account in ACCOUNTS]


def test_a_cut_goes_to_another_number_of_shards_with_what_is_reserved() -> None:
    venue = played(2)
    venue.block(MARK - 800, takeovers=[takeover(1, 2, 1, 10), takeover(2, 3, 1, 5)])
    assert venue.view(2).ratio.reserved_atoms == 10 * 92_000
    cut = [caller.actor.snapshot() for caller in venue.shards]
    restored = PositionBook(range(BUCKETS))
    restored.restore(cut)
    twin = Caller(restored, batches.ShardReply)
    query = batches.ShardQuery(accounts=batches.AccountQuery(venue=VENUE, accounts=list(ACCOUNTS)))
    views = batches.AccountViews.FromString(twin.actor.query(query.SerializeToString())).accounts
    assert list(views) == [venue.view(account) for account in ACCOUNTS]
    again = PositionBook(range(BUCKETS))
    again.restore([restored.snapshot()])
    assert again.snapshot() == restored.snapshot()
