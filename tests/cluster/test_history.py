"""A history that tells the truth passes; every kind of lie about it is found and named."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from cluster.archiver import split_outcomes
from cluster.history import Attempt, Ending, JournaledBlock, Recorder, check, journal_blocks, load, save
from cluster.host import Host
from cluster.journal import open_read_only
from tests.building import Maker
from tests.cluster.story import config, play, story

Lie = Callable[[list[Attempt], list[JournaledBlock]], None]


def truth() -> tuple[list[Attempt], list[JournaledBlock]]:
    """The story's requests, each sent when the one before was acknowledged, and the journal of the story."""
    recorder, blocks = Recorder(), []
    for block, result in zip(story().blocks, story().results, strict=True):
        outcomes = split_outcomes(result)
        numbers = [recorder.invoke("teller", batch) for batch in block.batches]
        for number, outcome in zip(numbers, outcomes, strict=True):
            recorder.ok(number, outcome)
        own = commands.BlockInput.FromString(block.SerializeToString())  # lies are told of it, not of everybody's story
        blocks.append(JournaledBlock(block.height, list(own.batches), outcomes))
    return recorder.attempts(), blocks


def appearance(blocks: list[JournaledBlock], attempt: Attempt) -> tuple[list[commands.CommandBatch], int]:
    """Where the journal has an attempt: the block's batches, and which of them it is."""
    batches = blocks[attempt.height - 1].batches
    assert isinstance(batches, list)
    return batches, next(index for index, batch in enumerate(batches) if batch.request_key == attempt.key)


def test_what_truthful_clients_saw_is_what_the_journal_of_a_node_says(tmp_path: Path) -> None:
    with closing(Host.open(config(tmp_path))) as host:
        play(host)
    with closing(open_read_only(tmp_path)) as journal:
        blocks = list(journal_blocks(journal))
    attempts, expected = truth()
    assert [block.outcomes for block in blocks[: len(expected)]] == [block.outcomes for block in expected]
    assert check(attempts, blocks) == []


def lost(attempts: list[Attempt], blocks: list[JournaledBlock]) -> None:
    batches, index = appearance(blocks, attempts[5])
    blocks[attempts[5].height - 1] = JournaledBlock(
        attempts[5].height,
        [batch for at, batch in enumerate(batches) if at != index],
        [outcome for at, outcome in enumerate(blocks[attempts[5].height - 1].outcomes) if at != index],
    )


def at_another_height(attempts: list[Attempt], blocks: list[JournaledBlock]) -> None:
    attempts[5] = replace(attempts[5], height=attempts[5].height + 1)


def of_another_body(attempts: list[Attempt], blocks: list[JournaledBlock]) -> None:
    batches, index = appearance(blocks, attempts[5])
    batches[index].venue += 1


def with_another_answer(attempts: list[Attempt], blocks: list[JournaledBlock]) -> None:
    told = answers.BatchOutcome.FromString(attempts[5].answer)
    told.amount_atoms[0] += 1
    attempts[5] = replace(attempts[5], answer=told.SerializeToString(deterministic=True))


def twice(attempts: list[Attempt], blocks: list[JournaledBlock]) -> None:
    first, batch, last = blocks[attempts[5].height - 1], appearance(blocks, attempts[5]), blocks[-1]
    blocks[-1] = JournaledBlock(
        last.height, [*last.batches, batch[0][batch[1]]], [*last.outcomes, first.outcomes[batch[1]]]
    )


def under_one_key_with_another_body(attempts: list[Attempt], blocks: list[JournaledBlock]) -> None:
    twice(attempts, blocks)
    other = commands.CommandBatch()
    other.CopyFrom(blocks[-1].batches[-1])
    other.venue += 1
    blocks[-1] = replace(blocks[-1], batches=[*blocks[-1].batches[:-1], other])


def though_refused(attempts: list[Attempt], blocks: list[JournaledBlock]) -> None:
    attempts[5] = replace(attempts[5], ending=Ending.FAIL, refusal=refusals.REFUSAL_READ_ONLY)


def before_it_was_sent(attempts: list[Attempt], blocks: list[JournaledBlock]) -> None:
    attempts[5] = replace(attempts[5], sent_ns=attempts[-1].ended_ns + 1, ended_ns=attempts[-1].ended_ns + 2)


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (lost, "the journal has it nowhere"),
        (at_another_height, "the journal has it at heights [{height}]"),
        (of_another_body, "the journal has it nowhere"),
        (with_another_answer, "at height {height} amount_atoms was acknowledged as"),
        (twice, "taken 2 times, at heights [{height}, {last}]"),
        (under_one_key_with_another_body, "taken 2 times, at heights [{height}, {last}]"),
        (though_refused, "refused REFUSAL_READ_ONLY, but taken at height {height}"),
        (before_it_was_sent, "at height {height}, but sent after client teller key"),
    ],
)
def test_every_kind_of_lie_is_found_and_named_with_its_client_key_and_height(lie: Lie, said: str) -> None:
    attempts, blocks = truth()
    suspect = attempts[5]
    lie(attempts, blocks)
    # A wrong height may contradict the order of others as well; what is wrong with the request itself comes first.
    fault = check(attempts, blocks)[0]
    assert said.format(height=suspect.height, last=blocks[-1].height) in fault
    assert f"key {suspect.key.decode()}" in fault


def test_a_request_of_unknown_fate_may_be_in_the_journal_or_not_but_once() -> None:
    attempts, blocks = truth()
    attempts[5] = replace(attempts[5], ending=Ending.UNKNOWN, height=0, answer=b"")
    assert check(attempts, blocks) == []
    lost([*attempts[:5], truth()[0][5]], blocks)
    assert check(attempts, blocks) == []
    attempts, blocks = truth()
    attempts[5] = replace(attempts[5], ending=Ending.UNKNOWN, height=0, answer=b"")
    twice(truth()[0], blocks)
    assert len(check(attempts, blocks)) == 1


def test_a_retry_that_is_refused_says_nothing_of_the_attempt_before_it_whose_fate_is_unknown() -> None:
    attempts, blocks = truth()
    refused = replace(attempts[5], number=99, ending=Ending.FAIL, refusal=refusals.REFUSAL_RATE_LIMITED)
    attempts[5] = replace(attempts[5], ending=Ending.UNKNOWN, height=0, answer=b"")
    assert check([*attempts, refused], blocks) == []
    assert len(check([*attempts[:5], *attempts[6:], refused], blocks)) == 1


def test_a_retry_answered_as_the_first_was_keeps_the_order_of_the_first() -> None:
    attempts, blocks = truth()
    late = replace(attempts[5], number=99, sent_ns=attempts[-1].ended_ns + 1, ended_ns=attempts[-1].ended_ns + 2)
    assert check([*attempts, late], blocks) == []


def test_a_batch_refused_whole_leaves_its_key_free() -> None:
    batch = Maker().amounts("deposits", a1=5)
    expired = answers.BatchOutcome(
        height=1, command=[0], status=[common.OUTCOME_STATUS_REFUSED], refusal=[refusals.REFUSAL_EXPIRED]
    )
    done = answers.BatchOutcome(height=2, command=[0], status=[common.OUTCOME_STATUS_DONE], refusal=[0])
    blocks = [JournaledBlock(1, [batch], [expired]), JournaledBlock(2, [batch], [done])]
    recorder = Recorder()
    recorder.ok(recorder.invoke("a", batch), expired)
    recorder.ok(recorder.invoke("a", batch), done)
    assert check(recorder.attempts(), blocks) == []


@pytest.mark.parametrize("refusal", [refusals.REFUSAL_UNAVAILABLE, refusals.REFUSAL_INTERNAL, refusals.REFUSAL_FENCED])
def test_a_refusal_of_a_node_that_does_not_know_leaves_the_fate_unknown(refusal: int) -> None:
    recorder = Recorder()
    number = recorder.invoke("a", Maker().amounts("deposits", a1=5))
    recorder.fail(number, refusal)
    assert recorder.attempts()[0].ending is Ending.UNKNOWN


def test_a_recorder_takes_threads_and_no_two_of_its_moments_are_equal() -> None:
    recorder = Recorder(now_ns=lambda: 7)
    batches = [Maker().amounts("deposits", a1=amount) for amount in range(1, 200)]
    with ThreadPoolExecutor(4) as pool:
        for number in pool.map(lambda batch: recorder.invoke("many", batch, 3), batches):
            recorder.unknown(number)
    attempts = recorder.attempts()
    moments = [attempt.sent_ns for attempt in attempts] + [attempt.ended_ns for attempt in attempts]
    assert len(set(moments)) == 2 * len(batches) and {attempt.principal for attempt in attempts} == {3}
    with pytest.raises(AssertionError, match="ended twice"):
        recorder.unknown(0)


def test_a_history_comes_back_from_its_file_and_a_torn_line_is_named(tmp_path: Path) -> None:
    attempts, _ = truth()
    path = tmp_path / "history.jsonl"
    save(path, attempts)
    assert load(path) == attempts
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ValueError, match=rf"history.jsonl line {len(attempts)} is no attempt"):
        load(path)
