"""People of a simulated world: alike for a seed, stubborn until they are answered, at times with another body."""

from breakwater.v1.answers_pb2 import BatchOutcome
from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.common_pb2 import (
    OUTCOME_STATUS_DONE,
    RULEBOOK_MARGIN_TRADE,
    RULEBOOK_PERENNIAL,
    RULEBOOK_SPIN,
    RULEBOOK_TWILIGHT,
)
from breakwater.v1.refusals_pb2 import REFUSAL_RAGGED_COLUMNS, REFUSAL_UNAVAILABLE, REFUSAL_VALIDATOR_LAGGING
from cluster.refused import Refused
from cluster.replica import Replica
from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.workload import Reader
from node.simulation.people.officials import Operator
from node.simulation.people.person import Person, other_body
from node.simulation.workload import Swarming
from tests.building import Maker
from tests.simulation.workload.quiet import START_MS, QuietWorld, ReplicaReader, chaos

EVERYBODY = (RULEBOOK_TWILIGHT, RULEBOOK_MARGIN_TRADE, RULEBOOK_PERENNIAL, RULEBOOK_SPIN)
NOBODY = ReplicaReader(Replica())


class Saver(Person):
    """Deposits an atom whenever it is asked."""

    def act(self, reader: Reader) -> list[CommandBatch]:
        return [self.batch("deposits", account=[1], amount_atoms=[1])]


def saver(*faults: Fault) -> Saver:
    mischief = Chaos(1, dict.fromkeys(faults, 1.0), lambda fault, where: None)
    mischief.calm = False
    return Saver("saver", 7, 1, 1, mischief)


def done(height: int = 1) -> BatchOutcome:
    return BatchOutcome(height=height, command=[0], status=[OUTCOME_STATUS_DONE], refusal=[0])


def test_a_seed_is_the_same_world_every_time() -> None:
    assert events_roots(5) == events_roots(5) != events_roots(6)


def events_roots(seed: int) -> list[bytes]:
    """Of a short world."""
    roots: list[bytes] = []
    QuietWorld(seed, EVERYBODY, lambda view, block, result: roots.append(result.events_root)).run(6)
    return roots


def test_every_setting_up_is_taken_whole() -> None:
    refused: list[int] = []

    def look(view: object, block: object, result: object) -> None:
        refused.extend(refusal for refusal in result.outcomes.refusal if refusal)  # type: ignore[attr-defined]

    for seed in range(12):
        QuietWorld(seed, EVERYBODY, look).run(0)
    assert not refused


def test_without_an_answer_the_same_body_goes_out_again_under_the_same_key_for_ever() -> None:
    person = saver()
    now_ms, (request,) = START_MS, person.wake(START_MS, NOBODY)
    for answer in (None, Refused(REFUSAL_UNAVAILABLE), None, None):
        person.answered(request, answer, now_ms)
        now_ms += 10_000_000  # far beyond its expiry
        again = [one for one in person.wake(now_ms, NOBODY) if one.retry_of is request]
        (request,) = again
        assert request.retry_of is not None and request.batch == request.retry_of.batch
    person.answered(request, done(), now_ms)
    assert not [one for one in person.wake(now_ms + 10**9, NOBODY) if one.retry_of]


def test_a_refusal_for_good_is_not_asked_again() -> None:
    person = saver()
    (request,) = person.wake(START_MS, NOBODY)
    person.answered(request, Refused(REFUSAL_VALIDATOR_LAGGING), START_MS)
    assert not [one for one in person.wake(START_MS + 10**6, NOBODY) if one.retry_of]


def test_who_has_finished_sends_nothing_new_until_everything_is_answered() -> None:
    person = saver(Fault.RETRY_SAME_BODY, Fault.RETRY_OTHER_BODY)
    (request,) = person.wake(START_MS, NOBODY)
    person.finish()
    person.answered(request, None, START_MS)
    assert person.unanswered() == 1
    (again,) = person.wake(START_MS + 10**6, NOBODY)
    assert again.retry_of is request
    person.answered(again, done(), START_MS)
    assert person.unanswered() == 0 and person.wake(START_MS + 10**7, NOBODY) == []


def test_mischief_repeats_what_was_answered_and_uses_its_key_for_another_body() -> None:
    person = saver(Fault.RETRY_SAME_BODY, Fault.RETRY_OTHER_BODY)
    (request,) = person.wake(START_MS, NOBODY)
    person.answered(request, done(), START_MS)
    repeated, other = (one for one in person.wake(START_MS, NOBODY) if one.retry_of is request)
    assert repeated.batch == request.batch
    assert other.batch.request_key == request.batch.request_key and other.batch != request.batch


def test_another_body_differs_in_one_number() -> None:
    batch = Maker().amounts("deposits", a1=5, a2=6)
    assert list(other_body(batch).deposits.amount_atoms) == [6, 6]
    halt = CommandBatch(venue=3)
    halt.halt_market.market = 1
    assert other_body(halt).venue == 4


def test_an_operator_that_finishes_lets_go_of_what_it_halted() -> None:
    workload = Swarming(1, [RULEBOOK_TWILIGHT], chaos(1), START_MS)
    operator = next(client for client in workload.clients() if isinstance(client, Operator))
    halt = operator.batch("halt_market", market=1, halted=True, reason="an exercise")
    operator.heard(halt, done())
    operator.finish()
    (request,) = operator.wake(START_MS, NOBODY)
    assert request.batch.halt_market.market == 1 and not request.batch.halt_market.halted
    operator.answered(request, done(), START_MS)
    assert operator.wake(START_MS + 10**6, NOBODY) == []


def test_the_door_of_a_world_refuses_what_the_door_of_a_node_does() -> None:
    workload = Swarming(1, [RULEBOOK_TWILIGHT], chaos(1), START_MS)
    batch = Maker().amounts("deposits", a1=5)
    assert workload.door(batch) is None
    batch.deposits.amount_atoms.append(7)
    refused = workload.door(batch)
    assert refused is not None and refused.refusal == REFUSAL_RAGGED_COLUMNS
