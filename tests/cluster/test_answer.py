"""Answers cut out of a block as bytes: the message a client reads, and the bytes the library would write."""

import numpy as np
import pytest

from actors.columns import field_names
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import batches_pb2 as batches
from cluster.answer import Answer, split_answers

NAMES = field_names(batches.Outcomes)
SIZES = (1, 3, 20, 1, 7_000)


def told(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(-(1 << 62), 1 << 62, (len(NAMES), rows))


@pytest.mark.parametrize("is_turned", [False, True])
def test_every_batch_gets_its_rows_in_the_bytes_of_the_message(is_turned: bool) -> None:
    columns = told(sum(SIZES))
    lying = np.asfortranarray(columns) if is_turned else columns
    begin = 0
    for answer, rows in zip(split_answers(9, lying, SIZES), SIZES, strict=True):
        part = columns[:, begin : begin + rows].tolist()
        expected = answers.BatchOutcome(height=9, **dict(zip(NAMES, part, strict=True)))
        assert answer.serialised == expected.SerializeToString()
        assert (answer.height, answer.rows, answer.outcome()) == (9, rows, expected)
        assert answer.status.tolist() == part[NAMES.index("status")]
        assert answer.refusal.tolist() == part[NAMES.index("refusal")]
        begin += rows


def test_a_block_without_commands_has_no_answers() -> None:
    assert split_answers(9, told(0), []) == []


def test_rows_that_belong_to_no_batch_are_a_fault() -> None:
    with pytest.raises(AssertionError, match="4 answers for 3 commands"):
        split_answers(9, told(4), [1, 2])


def test_an_answer_that_was_kept_is_read_as_it_was_told() -> None:
    first = split_answers(4, told(5), [5])[0]
    for again in (Answer.read(first.serialised), Answer.of(first.outcome())):
        assert (again.height, again.rows, again.serialised) == (4, 5, first.serialised)
        assert again.status.tolist() == first.status.tolist()
        assert again.refusal.tolist() == first.refusal.tolist()
