"""The invariants of a Spin venue hold through the story, and each sees what was changed behind the venue's back."""

import pytest

from actors.columns import RowGatherer
from actors.ratio.book import RatioBook
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from cluster.commit import BlockResult
from cluster.invariants import check_after_block
from cluster.ratio_invariants import ratio_faults
from cluster.replica import Replica
from tests.building import bodies, parsed
from tests.cluster.bot_story import FIRST_BOT, LOSER, SPIN, VICTIM, WHALE, after, bot_story


def faults(replica: Replica, result: BlockResult) -> list[str]:
    return ratio_faults(replica, SPIN, parsed(result))


def book(replica: Replica) -> RatioBook:
    (found,) = replica.ratio_books(SPIN)
    return found


@pytest.mark.parametrize("shards", [1, 3])
def test_they_hold_after_every_block_of_the_story(shards: int) -> None:
    replica = Replica(shards, Way.BY_ROW if shards == 3 else Way.LIQUIDATIONS_BY_ROW)
    for block in bot_story().blocks:
        assert check_after_block(replica, replica.apply(block)) == [], block.height


def test_the_story_has_what_they_are_about() -> None:
    told = [event for result in bot_story().results for event in parsed(result) if event.venue == SPIN]
    tiers = [event.account_liquidated.tier for event in told if event.HasField("account_liquidated")]
    assert tiers == [2, 2, 3, 3]
    paid = [event.liquidator_paid for event in told if event.HasField("liquidator_paid")]
    assert [(body.fund_atoms > 0, body.shortfall_atoms > 0) for body in paid] == [(True, True), (False, True)]
    assert [event.account for event in told if event.HasField("shortfall_recorded")] == [LOSER, VICTIM]
    assert sum(event.HasField("funding_settled") for event in told) >= 2


def test_a_reservation_that_outlives_its_block_is_seen() -> None:
    replica, result = after("raced for")
    numbers = book(replica).reservations.table.keys()
    assert [number >> 20 for number in numbers] == [result.height] * 2
    old = result.height - 1 << 20
    book(replica).reservations.add(old, FIRST_BOT, 1, 5)
    assert faults(replica, result) == [
        f"venue {SPIN} reservation {old} of height {result.height - 1} outlived its block"
    ]


def test_a_debt_waits_for_its_claim_and_not_a_block_longer() -> None:
    replica, result = after("deficit on its way")
    cash = book(replica).accounts.free(VICTIM)
    assert cash < 0 and book(replica).positions.is_flat(VICTIM)
    assert faults(replica, result) == []
    book(replica).accounts.post(VICTIM, free=-1)
    assert faults(replica, result) == [f"venue {SPIN} account {VICTIM} has -1 atoms and no position"]
    replica.state.cross_outbox = RowGatherer(batches.CrossLegs)
    assert faults(replica, result) == [f"venue {SPIN} account {VICTIM} has {cash - 1} atoms and no position"]


def test_whoever_has_positions_may_be_below_zero() -> None:
    replica, result = after("half taken")
    view = replica.accounts(SPIN, [VICTIM]).accounts[0].ratio
    assert view.equity_atoms < 0
    book(replica).accounts.post(WHALE, free=-2 * book(replica).accounts.free(WHALE))
    assert faults(replica, result) == []


@pytest.mark.parametrize("atoms", [1, -1])
def test_what_a_takeover_cost_is_the_penalty_to_the_atom(atoms: int) -> None:
    replica, result = after("first part taken")
    book(replica).accounts.post(VICTIM, free=atoms)
    (fault,) = faults(replica, result)
    assert f"account {VICTIM}: equity 6420000000 less 23875000 atoms of penalty" in fault


@pytest.mark.parametrize(("lots", "why"), [(518, "a step less would have"), (516, "Mr is below 0.7")])
def test_a_step_too_many_or_too_few_of_the_calculator_is_seen(lots: int, why: str) -> None:
    """The event says another number was the most, and the account stands as if that had been taken."""
    replica, result = after("raced for")
    told = parsed(result)
    event = next(event for event in told if event.HasField("account_liquidated"))
    body, value = event.account_liquidated, lots * 9_550_000
    penalty = -(-value * 25 // 1_000)
    found = book(replica)
    position = found.positions.read(VICTIM, 1)
    moved = 517 - lots
    found.positions.move(VICTIM, 1, position.lots + moved, position.cost + moved * 9_550_000)
    found.accounts.post(VICTIM, free=body.reward_atoms + body.insurance_atoms - penalty)
    body.lots, body.liquidatable_lots, body.remaining_lots = lots, lots, body.remaining_lots + moved
    body.reward_atoms = value * 15 // 1_000
    body.insurance_atoms = penalty - body.reward_atoms
    told_faults = ratio_faults(replica, SPIN, [event])
    assert len(told_faults) == 1 and why in told_faults[0], told_faults


def test_a_position_that_is_not_what_the_takeover_left_is_seen() -> None:
    replica, result = after("first part taken")
    position = book(replica).positions.read(VICTIM, 1)
    book(replica).positions.move(VICTIM, 1, position.lots - 10, position.cost - 10 * 9_550_000)
    (fault,) = faults(replica, result)
    assert "collateral was 9550000000 atoms and is" in fault


def test_a_liquidator_below_one_is_seen() -> None:
    replica, result = after("taken whole")
    found = book(replica)
    reserved = [event for event in parsed(result) if event.HasField("takeover_reserved")]
    assert [event.account for event in reserved] == [FIRST_BOT, FIRST_BOT + 1]
    body = reserved[0].takeover_reserved
    found.accounts.post(FIRST_BOT, free=body.collateral_atoms - body.equity_atoms)
    assert faults(replica, result) == []
    found.accounts.post(FIRST_BOT, free=-1)
    assert [f"liquidator {FIRST_BOT} reserved" in fault for fault in faults(replica, result)] == [True]


@pytest.mark.parametrize("field", ["amount_atoms", "fund_atoms"])
def test_a_fund_that_moves_unexplained_is_seen(field: str) -> None:
    replica, result = after("raced for")
    moved = [event for event in parsed(result) if event.HasField("insurance_moved")]
    other = events.Event.FromString(moved[0].SerializeToString())
    other.insurance_moved.amount_atoms = 1
    other.insurance_moved.fund_atoms += 1
    assert ratio_faults(replica, SPIN, [*moved, other]) != []
    setattr(moved[0].insurance_moved, field, getattr(moved[0].insurance_moved, field) + 1)
    found = ratio_faults(replica, SPIN, moved)
    assert len(found) == (field == "fund_atoms")


def test_a_shortfall_that_is_not_its_last_event_s_is_seen() -> None:
    replica, result = after("taken whole")
    assert len(bodies(result, "shortfall_recorded")) == 1
    told = parsed(result)
    for event in told:
        if event.HasField("shortfall_recorded"):
            event.shortfall_recorded.shortfall_atoms += 1
    (fault,) = ratio_faults(replica, SPIN, told)
    assert "the shortfall is" in fault
