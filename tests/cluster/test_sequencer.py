"""The queue in front of the pipeline: one key one command, whoever asks at the same moment; nobody waits in vain."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from actors.rulebooks.versions import newest
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from cluster.answer import Answer
from cluster.sequencer import Chore, Refused, Sequencer, body_hash
from tests.building import Maker

THREADS = 8


def queue(known: dict[bytes, tuple[bytes, Answer]] | None = None) -> Sequencer:
    return Sequencer(1_000, (known or {}).get)


def answer_all(sequencer: Sequencer, known: dict[bytes, tuple[bytes, Answer]], height: int) -> int:
    """What the pipeline does with what waits: answers it, remembers it, lets it go."""
    taken = sequencer.take_batches(1_000, lambda batch: 1)
    for entry in taken:
        answer = Answer.of(answers.BatchOutcome(height=height))
        entry.answer.set_result(answer)
        known[entry.key] = (entry.body_hash, answer)
        sequencer.done(entry)
    return len(taken)


def refusal(answer: "Future[Any]") -> int:
    with pytest.raises(Refused) as caught:
        answer.result(30)
    return caught.value.refusal


def test_the_same_key_at_the_same_moment_is_one_command() -> None:
    maker = Maker()
    batches = [maker.amounts("deposits", a1=number + 1) for number in range(50)]
    known: dict[bytes, tuple[bytes, Answer]] = {}
    sequencer = Sequencer(1_000, known.get)
    start = Barrier(THREADS)

    def client() -> list["Future[Answer]"]:
        start.wait()
        return [sequencer.submit(batch) for batch in batches]

    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(client) for _ in range(THREADS)]
        executed = height = 0
        while not all(future.done() for future in asked) or sequencer.queued():
            height += 1
            executed += answer_all(sequencer, known, height)
    assert executed == len(batches)
    for futures in zip(*(future.result() for future in asked), strict=True):
        assert len({future.result(30).height for future in futures}) == 1


def test_an_answer_that_arrives_between_the_look_up_and_the_queue_is_found() -> None:
    known: dict[bytes, tuple[bytes, Answer]] = {}
    batch = Maker().amounts("deposits", a1=1)
    looked: list[bytes] = []

    def lookup(key: bytes) -> tuple[bytes, Answer] | None:
        looked.append(key)
        found = known.get(key)
        if len(looked) == 2:  # while the second asks, the first is answered
            assert answer_all(sequencer, known, 7) == 1
        return found

    sequencer = Sequencer(10, lookup)
    first, second = sequencer.submit(batch), sequencer.submit(batch)
    assert (first.result(30).height, second.result(30).height) == (7, 7)
    assert sequencer.queued() == 0


def test_another_body_under_a_key_is_refused_on_its_way_and_afterwards() -> None:
    maker = Maker()
    batch, other = maker.amounts("deposits", a1=1), maker.amounts("deposits", a1=2)
    other.request_key = batch.request_key
    known: dict[bytes, tuple[bytes, Answer]] = {}
    sequencer = Sequencer(10, known.get)
    sequencer.submit(batch)
    assert refusal(sequencer.submit(other)) == refusals.REFUSAL_REQUEST_KEY_REUSED
    answer_all(sequencer, known, 3)
    assert refusal(sequencer.submit(other)) == refusals.REFUSAL_REQUEST_KEY_REUSED
    other.principal = 9  # somebody else's key of the same bytes
    assert not sequencer.submit(other).done()


def test_the_expiry_is_no_part_of_what_is_asked_for() -> None:
    batch, later = Maker().amounts("deposits", a1=1), Maker().amounts("deposits", a1=1)
    later.expires_ms += 5
    assert body_hash(batch) == body_hash(later)
    later.deposits.amount_atoms[0] += 1
    assert body_hash(batch) != body_hash(later)


def test_blocks_are_cut_by_rows_in_the_order_of_arrival_and_take_at_least_one_batch() -> None:
    maker = Maker()
    sequencer = queue()
    sizes = (5, 3, 3, 9)
    for size in sizes:
        sequencer.submit(maker.batch("deposits", account=[1] * size, amount_atoms=[1] * size))
    taken = [
        [len(entry.batch.deposits.account) for entry in sequencer.take_batches(8, lambda b: len(b.deposits.account))]
        for _ in range(4)
    ]
    assert taken == [[5, 3], [3], [9], []]


class Clock:
    """The sequencer's time: batches arrive while it sleeps."""

    def __init__(self, sequencer: Sequencer, maker: Maker, arriving: Sequence[int]) -> None:
        self._sequencer, self._maker, self._arriving = sequencer, maker, list(arriving)
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        for _ in range(self._arriving.pop(0) if self._arriving else 0):
            self._sequencer.submit(self._maker.amounts("deposits", a1=1))


@pytest.mark.parametrize(
    ("taken", "arriving", "gathered"),
    [
        (0, [1, 1], 0),  # no block yet
        (1, [1, 1], 0),  # one client alone waits for nobody
        (2, [], 0),
        (2, [1, 0, 1], 1),
        (8, [3, 4, 1, 0, 9], 8),
        (8, [1] * 100, 10),  # four milliseconds at most
    ],
)
def test_who_was_answered_together_is_waited_for(
    taken: int, arriving: list[int], gathered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequencer, maker = queue(), Maker()
    for _ in range(taken):
        sequencer.submit(maker.amounts("deposits", a1=1))
    assert len(sequencer.take_batches(1_000, lambda batch: 1)) == taken
    assert sequencer.take_batches(1_000, lambda batch: 1) == []  # a block of legs in between
    monkeypatch.setattr("cluster.sequencer.time", Clock(sequencer, maker, arriving))
    sequencer.gather()
    assert sequencer.queued() == gathered


def test_a_closed_queue_tells_everybody() -> None:
    maker = Maker()
    sequencer = queue()
    told: list[Exception] = []
    waiting = sequencer.submit(maker.amounts("deposits", a1=1))
    order = sequencer.order(admin.SealBlockRequest())
    sequencer.between_blocks(Chore(lambda: None, told.append))
    sequencer.fail_all(Refused(refusals.REFUSAL_UNAVAILABLE))
    late = [sequencer.submit(maker.amounts("deposits", a1=1)), sequencer.order(admin.SealBlockRequest())]
    sequencer.between_blocks(Chore(lambda: None, told.append))
    assert {refusal(answer) for answer in (waiting, order, *late)} == {refusals.REFUSAL_UNAVAILABLE}
    assert len(told) == 2
    assert not sequencer.take_chores()


def test_a_version_of_logic_that_is_not_known_here_never_reaches_the_journal() -> None:
    sequencer, maker = queue(), Maker()
    perennial = parameters.VenueParameters(venue=3, rulebook=common.RULEBOOK_PERENNIAL)
    beyond = newest(common.RULEBOOK_PERENNIAL) + 1
    for known_or_not, refused in ((beyond - 1, False), (beyond, True)):
        perennial.logic_version = known_or_not
        listing, change = maker.batch("create_venue", parameters=perennial), maker.batch("set_parameters")
        change.set_parameters.venue.CopyFrom(perennial)
        for batch in (listing, change):
            sent = sequencer.submit(batch)
            assert sent.done() == refused
            ordered = sequencer.order(admin.SealBlockRequest(batches=[maker.amounts("deposits", a1=5), batch]))
            assert ordered.done() == refused
            for answer in (sent, ordered) if refused else ():
                caught = answer.exception(0)
                assert isinstance(caught, Refused)
                assert caught.refusal == refusals.REFUSAL_PARAMETER_OUT_OF_BOUNDS
                assert (caught.required, caught.actual) == (beyond - 1, beyond)
