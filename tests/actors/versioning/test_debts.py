"""The shortfall ledger: recorded after the close, lowered by whoever pays, kept over a cut (PE-17)."""

from actors.version_desk import VersionDesk
from breakwater.v1 import batches_pb2 as batches
from tests.actors.calling import head, pending_list, table
from tests.actors.versioning.market import (
    ALL_OUT,
    CHANGE,
    DONE,
    MARKET,
    PENDING,
    SLOT_MS,
    UNIT,
    USD,
    VENUE,
    Market,
    body,
    outcomes,
)
from tests.actors.versioning.test_liquidations import falling
from tests.building import bodies, refused


def owing() -> Market:
    """Account 2 has closed and owes 40."""
    market = falling(price=70 * USD, collateral=110 * USD)
    market.liquidate(2, 3)
    market.work()
    market.until(4, 70 * USD)
    market.at(4 * SLOT_MS + 1)
    assert [(debt.account, debt.amount_atoms) for debt in market.view(2).debts] == [(2, 40 * USD)]
    return market


def test_a_debt_is_repaid_in_parts_by_anybody_and_not_beyond() -> None:
    market = owing()
    market.repay(2, 5, 41 * USD)
    market.repay(2, 5, 15 * USD)
    market.repay(2, 6, 25 * USD)
    market.repay(2, 6, 1)
    market.repay(1, 6, 1)
    reply = market.work()
    assert refused(reply.outcomes) == [
        (0, "NOTHING_TO_REPAY", 40 * USD, 41 * USD),
        (3, "NOTHING_TO_REPAY", 0, 1),
        (4, "NOTHING_TO_REPAY", 0, 1),
    ]
    assert outcomes(reply)[1:3] == [(1, DONE, 0, 15 * USD), (2, DONE, 0, 25 * USD)]
    told = bodies(pending_list(reply.events), "shortfall_repaid")
    assert [(one.payer, one.amount_atoms, one.debt_atoms, one.shortfall_atoms) for one in told] == [
        (5, 15 * USD, 25 * USD, 25 * USD),
        (6, 25 * USD, 0, 0),
    ]
    assert market.position(2) == (0, 0, 0, 0)
    assert (market.shard.free[5], market.shard.held[5]) == (1_000_000 * USD - 15 * USD, 0)
    assert (market.shard.free[6], market.shard.held[6]) == (1_000_000 * USD - 25 * USD, 0)
    assert not market.view(2).debts


def test_with_v2_exact_a_stranger_repays_the_whole_debt_or_nothing() -> None:
    market = owing()
    market.venue.perennial.v2_exact = True
    market.repay(2, 5, 39 * USD)
    assert refused(market.work().outcomes) == [(0, "NOTHING_TO_REPAY", 40 * USD, 39 * USD)]
    market.repay(2, 5, 40 * USD)
    assert outcomes(market.work()) == [(0, DONE, 0, 40 * USD)]
    assert not market.view(2).debts


def test_what_the_debtor_puts_in_lowers_its_debt() -> None:
    market = owing()
    market.change(2, collateral=30 * USD)
    reply = market.work()
    repaid = body(reply, "shortfall_repaid")
    assert (repaid.payer, repaid.amount_atoms, repaid.debt_atoms) == (2, 30 * USD, 10 * USD)
    market.change(2, collateral=ALL_OUT)  # nothing to take out
    market.change(2, collateral=50 * USD)
    market.change(2, collateral=ALL_OUT)
    reply = market.work()
    assert outcomes(reply) == [(0, DONE, 0, 0), (1, DONE, 0, 50 * USD), (2, DONE, 0, -40 * USD)]
    assert body(reply, "shortfall_repaid").amount_atoms == 10 * USD
    assert reply.sums.shortfall_atoms == 0
    assert market.position(2) == (0, 0, 0, 0)


def test_a_debt_is_told_whole_each_time() -> None:
    market = owing()
    market.settle()
    market.debts = [(2, 55 * USD), (3, USD)]
    reply = market.work()
    told = [(one.amount_atoms, one.shortfall_atoms) for one in bodies(pending_list(reply.events), "shortfall_recorded")]
    assert told == [(15 * USD, 55 * USD), (USD, 56 * USD)]
    market.settle()
    market.debts = [(2, 50 * USD)]
    reply = market.work()
    assert body(reply, "shortfall_repaid").amount_atoms == 5 * USD
    assert reply.sums.shortfall_atoms == 51 * USD


def test_a_desk_restored_is_the_desk_it_was() -> None:
    market = owing()
    market.change(1, maker=9 * UNIT)
    market.change(4, short=UNIT, collateral=100 * USD)
    market.work()
    market.alter(min_maintenance_atoms=5_000 * USD)
    market.liquidate(1, 3, reward=0)
    market.work()
    other = VersionDesk(VENUE, MARKET)
    other.restore([market.actor.snapshot()])
    assert other.save() == market.actor.save()
    assert other.digest() == market.actor.digest()
    call = batches.VersionCall(
        header=head(market.height + 1, now_ms=market.slot(5) + 3_001, root=True),
        venue=market.venue,
        market=market.terms,
        mark=market.mark,
        ops=table(
            batches.VersionOps, (1, 0, VENUE, MARKET, 5, CHANGE, 2 * UNIT, 0, 0, 5_000 * USD, 0, 0, 0, 0, 0, 0, 0)
        ),
    ).SerializeToString()
    assert other.apply(call) == market.actor.apply(call)
    reply = batches.VersionReply.FromString(other.apply(call))
    assert body(reply, "position_repinned").next_version_ms == market.slot(6)
    assert (reply.legs.account, reply.legs.command) == ([5, 4], [0, 0])
    assert outcomes(reply) == [(0, PENDING, market.slot(6), 0)]
