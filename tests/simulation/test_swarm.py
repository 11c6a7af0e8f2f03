"""The swarm on the naive engine: what holds after every block of every seed, and that the swarm goes everywhere."""

from collections import Counter
from functools import cache

import pytest

from breakwater.v1 import events_pb2, refusals_pb2
from tests.engine.invariants import breaches
from tests.engine.naive import NaiveEngine
from tests.properties.margin_streams import MarginStream
from tests.properties.perennial_streams import PerennialStream
from tests.properties.spin_streams import SpinStream
from tests.properties.streams import Play, Stream

SEEDS = range(32)
BLOCKS = 60
# A book, partials, stalls, a vault at its margin, caps, a crowd whose debts nobody can carry.
MARGIN_SEEDS, MARGIN_BLOCKS = (22, 5, 14, 75, 18, 113), 34
# A run on a market's money, locks beside collateral that would leave, floors above caps, rewards beyond their limit.
PERENNIAL_SEEDS, PERENNIAL_BLOCKS = (63, 65, 69, 71, 203), 40
# Hours of funding with takeovers and transfers; a crash with many liquidators.
SPIN_SEEDS, SPIN_BLOCKS = (25, 10), 26

# Said by the door or by a node that resumes; by no rule of TW-19's precedence; only after 1,000 blocks (test_directed).
NOT_IN_A_BLOCK = {
    "REFUSAL_UNSPECIFIED",
    "REFUSAL_OFF_TICK",
    "REFUSAL_OFF_LOT",
    "REFUSAL_RESUMING",
    "REFUSAL_LIMIT",
    "REFUSAL_VALIDATOR_LAGGING",
}
FIRST_OF_THE_DOOR, FIRST_OF_PERENNIAL = refusals_pb2.REFUSAL_RATE_LIMITED, refusals_pb2.REFUSAL_NOT_SINGLE_SIDED


@cache
def history(seed: int) -> list[Play]:
    return list(Stream(seed).play(BLOCKS))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_invariant_holds_after_every_block(seed: int) -> None:
    engine = NaiveEngine()
    for play in history(seed):
        result = engine.apply(play.block, play.voided)
        assert result.events == play.result.events, f"seed {seed} height {result.height} plays differently twice"
        assert not breaches(engine, result), f"seed {seed} height {result.height}"


def test_the_swarm_meets_every_event_and_every_refusal() -> None:
    met: Counter[str] = Counter()
    histories = [history(seed) for seed in SEEDS]
    others = [MarginStream(seed).play(MARGIN_BLOCKS) for seed in MARGIN_SEEDS]
    others += [PerennialStream(seed).play(PERENNIAL_BLOCKS) for seed in PERENNIAL_SEEDS]
    others += [SpinStream(seed).play(SPIN_BLOCKS) for seed in SPIN_SEEDS]
    for plays in [*histories, *others]:
        for play in plays:
            for serialised in play.result.events:
                event = events_pb2.Event.FromString(serialised)
                met[str(event.WhichOneof("body"))] += 1
            met.update(refusals_pb2.Refusal.Name(outcome[1]) for outcome in play.result.outcomes.values())
    bodies = {field.name for field in events_pb2.Event.DESCRIPTOR.oneofs_by_name["body"].fields}
    of_the_door = range(FIRST_OF_THE_DOOR, FIRST_OF_PERENNIAL)
    refusals = {name for name, number in refusals_pb2.Refusal.items() if number not in of_the_door} - NOT_IN_A_BLOCK
    assert not (bodies | refusals) - set(met), sorted((bodies | refusals) - set(met))


def test_the_swarm_meets_every_kind_of_liquidation_and_mark() -> None:
    outcomes, states = set(), set()
    for seed in SEEDS:
        for play in history(seed):
            for serialised in play.result.events:
                event = events_pb2.Event.FromString(serialised)
                if event.HasField("position_liquidated"):
                    outcomes.add((event.position_liquidated.outcome, min(1, event.position_liquidated.round)))
                if event.HasField("market_state_changed"):
                    states.add(event.market_state_changed.after)
    assert {(1, 1), (2, 1), (3, 1), (2, 0)} <= outcomes, outcomes
    assert states == {2, 3, 4, 5}, states
