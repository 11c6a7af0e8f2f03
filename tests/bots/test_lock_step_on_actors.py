"""Bots in lock step on the real actors: every command of theirs is taken as it is meant, and no shard count shows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actors.columns import sort_rows
from breakwater.v1 import answers_pb2 as ans
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com
from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import liquidation_pb2 as liq
from cluster.replica import Replica
from node.bots.lock_step import LockStepBots
from node.bots.making import BotSettings
from node.bots.spin_mind import SpinSettings
from node.load.asks import Answers, Ask, column_ask, ignore
from node.load.custody import Custody
from node.load.openings import openings
from node.spin_presets import SPIN_VENUE, spin_market, spin_venue

USDC = 10**6
HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000
STEP_MS = 3_000
PRICE_TICKS, LOTS = 1_000_000, 10_000
THIN, BOTS = 6, 2
FALL = [*range(PRICE_TICKS, 900_000, -10_000), *[900_000] * 4, *range(890_000, 859_999, -10_000)]


class World:
    """One Spin venue on a replica, and whoever acts on it."""

    def __init__(self, shards: int) -> None:
        self.replica = Replica(shards)
        self.venue, market = spin_venue(), spin_market(1, "BTC")
        market.oracle.mark_rule = com.MARK_RULE_INDEX
        market.oracle.source_fresh_ms = market.oracle.warn_age_ms = HOUR_MS
        self.markets = [market]
        self.height = 0
        self.events: list[evt.Event] = []
        self.feed = liq.StreamStandingsResponse()

    def seal(self, asks: Sequence[Ask], ticks: int = 0, root: bool = False) -> bytes:
        """One block: prices first, then the asks, whose answers are told; the state root."""
        self.height += 1
        time_ms = START_MS + self.height * STEP_MS
        sources = [source.publisher for source in self.markets[0].oracle.sources] if ticks else []
        prices = column_ask(
            "ticks",
            cmd.Ticks,
            ignore,
            market=[1 for _ in sources],
            publisher=sources,
            price_ticks=[ticks for _ in sources],
            published_ms=[time_ms for _ in sources],
        )
        sealed = [*([prices] if sources else []), *asks]
        state = self.replica.state
        block = cmd.BlockInput(
            height=self.height,
            block_time_ms=time_ms,
            batches=[
                cmd.CommandBatch(
                    request_key=b"%d/%d" % (self.height, number),
                    expires_ms=time_ms + HOUR_MS // 12,
                    venue=SPIN_VENUE,
                    **{ask.field: ask.body},
                )
                for number, ask in enumerate(sealed)
            ],
            previous_events_root=state.events_root,
            previous_state_root=state.state_root,
            root=root,
        )
        for batch in block.batches:
            batch.principal = 1
        result = self.replica.apply(block)
        self.events += [evt.Event.FromString(event) for event in result.events]
        names = [field.name for field in ans.BatchOutcome.DESCRIPTOR.fields if field.name != "height"]
        first = 0
        for ask, rows in zip(sealed, result.batch_rows, strict=True):
            part = {name: list(getattr(result.outcomes, name))[first : first + rows] for name in names}
            ask.learn(Answers.of(ans.BatchOutcome(height=self.height, **part)))
            first += rows
        self.feed = liq.StreamStandingsResponse(
            height=self.height,
            block_time_ms=time_ms,
            rows=sort_rows(result.standings, "account", "market", "kind"),
            marks=result.marks,
        )
        return result.state_root


class Told(NamedTuple):
    """What a story came to."""

    asked: list[bytes]
    root: bytes
    events: list[evt.Event]
    bots: LockStepBots
    cash_atoms: list[int]


def orders(account: np.ndarray, side: int, size: int, ticks: int) -> Ask:
    """A limit order of each account."""
    same = [0] * len(account)
    columns = {"kind": com.ORDER_KIND_LIMIT, "size_lots": size, "limit_ticks": ticks, "side": side, "market": 1}
    filled = {name: [value] * len(account) for name, value in columns.items()}
    others = ("time_in_force", "flags", "self_trade", "trigger", "trigger_ticks", "client_order_id")
    return column_ask("place_orders", cmd.PlaceOrders, ignore, account=account, **filled, **dict.fromkeys(others, same))


def story(shards: int) -> Told:
    """Thin longs against a rich short, a fall of 14%, and a bidder below the mark for what the bots sell."""
    world = World(shards)
    bots = LockStepBots(world.venue, world.markets, BOTS, 60_000 * USDC, BotSettings(SpinSettings(slippage_ppm=20_000)))
    custody = Custody(np.random.default_rng(1))
    people = np.zeros(THIN + 2, dtype=np.int64)
    world.seal(
        [
            Ask("create_venue", cmd.CreateVenue(parameters=world.venue)),
            *(Ask("create_market", cmd.CreateMarket(parameters=market)) for market in world.markets),
        ]
    )
    world.seal([*bots.open_accounts(), *openings(people)])
    thin, rich = people[:THIN], people[THIN:]
    money = np.array([(11_000 + 600 * number) * USDC for number in range(THIN)] + [10**6 * USDC] * 2)
    world.seal([*bots.deposit(custody), custody.credit(people, money)], PRICE_TICKS)
    bots.take(world.feed)
    world.seal([orders(rich[:1], -1, THIN * LOTS, PRICE_TICKS), orders(thin, 1, LOTS, PRICE_TICKS)], PRICE_TICKS)
    bots.take(world.feed)
    asked = []
    root = b""
    for ticks in [*FALL, *[FALL[-1]] * 12]:
        asks = bots.act(world.feed)
        asked += [ask.field.encode() + ask.body.SerializeToString(deterministic=True) for ask in asks]
        bid = orders(rich[1:], 1, LOTS // 2, ticks * 99 // 100)
        root = world.seal([bid, *asks], ticks, root=True)
    bots.take(world.feed)
    cash = [next(row.cost_atoms for row in bots.watch.table.rows_of(account)) for account in bots.accounts]
    return Told(asked, root, world.events, bots, cash)


def test_bots_in_lock_step_come_to_the_same_root_for_every_shard_count() -> None:
    one, three = story(1), story(3)
    assert one.asked == three.asked
    assert one.root == three.root
    assert [tally.summary() for tally in one.bots.tallies] == [tally.summary() for tally in three.bots.tallies]


def test_what_they_ask_is_taken_as_it_is_meant() -> None:
    told = story(2)
    done = [event.account_liquidated for event in told.events if event.WhichOneof("body") == "account_liquidated"]
    tallies = told.bots.tallies
    assert len(done) == sum(tally.wins for tally in tallies) >= THIN
    assert all(tally.wins for tally in tallies)
    assert sum(abs(one.lots) for one in done) == sum(tally.taken_lots for tally in tallies)
    assert all(tally.unwound_lots for tally in tallies)
    # A race is lost by these words only: sizes, steps, sides and kinds are right, and nobody came near a ratio of one.
    allowed = {"NOT_LIQUIDATABLE", "ABOVE_LIQUIDATABLE", "NOTHING_TO_MATCH"}
    assert {name for tally in tallies for name in tally.refusals} <= allowed
    for account in told.bots.accounts:
        standing = told.bots.watch.standing(account)
        assert standing.equity_atoms * 10**9 > standing.collateral_atoms_e9
    assert not told.bots.watch.below
