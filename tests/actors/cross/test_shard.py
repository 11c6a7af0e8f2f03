"""A shard with a Margin Trade venue, call by call: what each phase puts into the reply, rounds of the ladder too."""

from typing import Any

import pytest

from actors.risk.ladder import Action
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from tests.actors.calling import pending_list, table
from tests.actors.cross.shard import DROP, FILL, GONE, SCAN, VENUE, CrossShard, leg, number_of, order_row, trade

LADDER, SETTLE_LADDER, RANK = (
    batches.SHARD_PHASE_LADDER,
    batches.SHARD_PHASE_SETTLE_LADDER,
    batches.SHARD_PHASE_RANK,
)
STAGED = (batches.SHARD_PHASE_PAY_OUT, batches.SHARD_PHASE_ADMIT)
# Account 2 is short of 100 lots at 1,000: 1,000 USDC of cash are gone at 11,000, below 5% of the notional from 10,477.
BELOW = 10_600
DELEVERAGED = 9


@pytest.fixture
def shard() -> CrossShard:
    made = CrossShard()
    trade([made])
    return made


def bodies(reply: Any, kind: str) -> list[Any]:
    parsed = [events.Event.FromString(body) for body in pending_list(reply.events)]
    return [event for event in parsed if event.WhichOneof("body") == kind]


def ladder_order(account: int, action: Action, sequence: int = 0, ladder_round: int = 1) -> dict[str, Any]:
    row = (sequence, ladder_round, VENUE, 0, account, 0, int(action))
    return {"ladder": table(batches.LadderOrders, row), "round": ladder_round}


def test_open_interest_and_sums_are_in_every_reply_and_vaults_after_a_scan(shard: CrossShard) -> None:
    reply = shard.run()
    assert [(vault.venue, vault.cash_atoms, vault.equity_atoms) for vault in reply.vaults] == [(VENUE, 0, 0)]
    for answered in (reply, shard.again(phases=(DROP,))):
        interest = answered.open_interest
        columns = (interest.venue, interest.market, interest.long_lots, interest.short_lots)
        assert list(zip(*columns, strict=True)) == [(VENUE, 1, 100, 100), (VENUE, 2, 50, 50)]
        assert list(answered.sums.venue) == [VENUE]
    assert not shard.again(phases=(DROP,)).vaults


def test_only_the_shard_of_bucket_0_has_the_vault() -> None:
    shards = [CrossShard(shard, 2) for shard in range(2)]
    trade(shards)
    assert [len(shard.run().vaults) for shard in shards] == [1, 0]


def test_fees_of_the_legs_are_dues(shard: CrossShard) -> None:
    shard.run(orders=[order_row(0, 1, size=5), order_row(1, 2, side=-1, size=5)])
    fills = [
        leg(1, FILL, 1, number_of(shard.height, 0), 5, fee=3),
        leg(2, FILL, 1, number_of(shard.height, 1), -5, fee=2),
    ]
    dues = shard.run(legs=fills).dues
    assert list(zip(dues.venue, dues.kind, dues.amount_atoms, strict=True)) == [
        (VENUE, batches.CROSS_DUE_KIND_TRADING_FEES, 5)
    ]


def test_caps_name_accounts_with_reduce_only_orders(shard: CrossShard) -> None:
    caps = shard.run().caps
    rows = list(zip(caps.venue, caps.market, caps.account, caps.position_lots, caps.fails, strict=True))
    assert rows == [(VENUE, 1, 2, -100, 0)]


def test_a_shard_that_reports_a_rung_admits_nothing_until_the_ladder_is_over(shard: CrossShard) -> None:
    shard.prices[1] = BELOW
    reply = shard.run(orders=[order_row(0, 3, size=1, limit=BELOW)], withdrawals=[(1, VENUE, 4, 5)])
    found = reply.candidates
    assert list(zip(found.venue, found.account, found.rung, strict=True)) == [(VENUE, 2, 1)]
    assert len(reply.staged_outcomes.command) == len(reply.staged_order_ops.order) == 0


def test_a_round_liquidates_settles_and_goes_on(shard: CrossShard) -> None:
    shard.prices[1] = 10_480
    assert list(shard.run().candidates.rung) == [1]
    acted = shard.again(phases=(DROP, LADDER), **ladder_order(2, Action.REDUCE_INTO_BOOK))
    ops = acted.order_ops
    placed = [index for index, kind in enumerate(ops.kind) if kind == batches.ORDER_OP_KIND_PLACE]
    (index,) = placed
    assert (ops.account[index], ops.market[index], ops.side[index], ops.size_lots[index]) == (2, 1, 1, 100)
    assert len(bodies(acted, "liquidation_ordered")) == 1
    legs = [leg(2, FILL, 1, ops.order[index], 60, price=10_480), leg(2, GONE, 1, ops.order[index])]
    after = shard.again(
        phases=(SETTLE_LADDER, SCAN, *STAGED),
        cross_legs=table(batches.CrossLegs, *legs),
        commands=shard.commands(withdrawals=[(1, VENUE, 4, 5)]),
        speculative=True,
        round=1,
    )
    (updated,) = bodies(after, "position_updated")
    assert (updated.account, updated.position_updated.lots) == (2, -40)
    assert list(zip(after.events.phase, after.events.a, after.events.b, after.events.c, strict=True)) == [
        (7, 1, (1 << 53) + 2, 1)
    ]
    assert list(after.candidates.account) == []
    assert list(after.staged_outcomes.command) == [1]


def test_a_takeover_is_offered_ranked_and_deleveraged(shard: CrossShard) -> None:
    shard.prices[1] = 11_000
    assert list(shard.run().candidates.rung) == [2]
    acted = shard.again(phases=(DROP, LADDER), **ladder_order(2, Action.TAKEOVER_BY_VAULT))
    assert list(acted.offers.account) == [2]
    assert list(acted.offer_positions.lots) == [-100]
    assert [view.order for view in shard.view(2).cross.orders] == []
    demand = (0, VENUE, 1, 2, -100, -100 * 11_000 * 1_000 - shard.view(2).cross.equity_atoms)
    ranked = shard.again(phases=(SETTLE_LADDER, RANK), demands=table(batches.DeleverageDemands, demand), round=1)
    found = ranked.deleverage_candidates
    assert list(zip(found.market, found.account, found.lots, strict=True)) == [(1, 1, 100)]
    quote = demand[5]
    legs = [
        (1, 0, 1, 0, VENUE, 2, DELEVERAGED, 0, 100, -quote, 0, 0, 0, 0),
        (1, 0, 1, 1, VENUE, 1, DELEVERAGED, 0, -100, quote, 0, 0, 0, 0),
    ]
    shard.again(phases=(SETTLE_LADDER, SCAN), cross_legs=table(batches.CrossLegs, *legs), round=1)
    assert shard.view(2).cross.equity_atoms == 0
    assert shard.actor.cross_book(VENUE).open_interest() == [(1, 0, 0), (2, 50, 50)]
