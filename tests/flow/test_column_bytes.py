"""Batches as bytes are the messages they stand for, both ways."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.v1 import answers_pb2, commands_pb2, orders_pb2, trading_pb2
from node.client import column_bytes

BODIES = {
    field.name: [column.name for column in field.message_type.fields]
    for field in commands_pb2.CommandBatch.DESCRIPTOR.oneofs_by_name["body"].fields
    if field.message_type is not None and all(column.is_repeated for column in field.message_type.fields)
}
NUMBERS = st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=60)
@given(st.data())
def test_a_batch_is_the_message_with_the_same_content(data: st.DataObject) -> None:
    body = data.draw(st.sampled_from(sorted(BODIES)))
    names, rows = BODIES[body], data.draw(st.integers(1, 40))
    columns = np.array([[data.draw(NUMBERS) for _ in range(rows)] for _ in names], dtype=np.int64)
    key, expires_ms = data.draw(st.binary(min_size=1, max_size=64)), data.draw(st.integers(0, 2**62))
    content = {name: column.tolist() for name, column in zip(names, columns, strict=True)}
    message = commands_pb2.CommandBatch(request_key=key, venue=3, expires_ms=expires_ms, **{body: content})
    made = column_bytes.batch_bytes(key, 3, body, columns, expires_ms)
    assert commands_pb2.CommandBatch.FromString(made) == message
    streamed = orders_pb2.StreamOrdersRequest.FromString(column_bytes.stream_request(made))
    assert streamed == orders_pb2.StreamOrdersRequest(batch=message)
    submitted = trading_pb2.SubmitBatchRequest.FromString(column_bytes.submit_request(made))
    assert submitted == trading_pb2.SubmitBatchRequest(batch=message)


def test_columns_that_are_no_rows_of_the_body_are_refused() -> None:
    with pytest.raises(ValueError, match="place_orders has 12 fields, of them 12 columns, not 4"):
        column_bytes.batch_bytes(b"k", 2, "place_orders", np.zeros((4, 1), dtype=np.int64))
    with pytest.raises(ValueError, match="open_accounts has 1 fields, of them 0 columns, not 1"):
        column_bytes.batch_bytes(b"k", 2, "open_accounts", np.zeros((1, 1), dtype=np.int64))


@settings(max_examples=40)
@given(st.integers(0, 2**40), st.lists(NUMBERS, min_size=1, max_size=30))
def test_an_answer_is_read_as_its_message_is(height: int, numbers: list[int]) -> None:
    names = [field.name for field in answers_pb2.BatchOutcome.DESCRIPTOR.fields if field.is_repeated]
    outcome = answers_pb2.BatchOutcome(height=height, **dict.fromkeys(names, numbers))
    streamed = orders_pb2.StreamOrdersResponse(sequence=7, outcome=outcome).SerializeToString()
    submitted = trading_pb2.SubmitBatchResponse(outcome=outcome).SerializeToString()
    answers = (column_bytes.stream_answer(streamed), column_bytes.submit_answer(submitted))
    for answer in (*answers, column_bytes.answer_of(outcome)):
        assert (answer.height, answer.rows) == (height, len(numbers))
        assert {name: column.tolist() for name, column in answer.columns.items()} == dict.fromkeys(names, numbers)


def test_an_answer_cut_short_is_no_answer() -> None:
    outcome = answers_pb2.BatchOutcome(height=9, status=[1, 2])
    whole = orders_pb2.StreamOrdersResponse(sequence=7, outcome=outcome).SerializeToString()
    for end in range(3, len(whole)):
        with pytest.raises(DecodeError):
            column_bytes.stream_answer(whole[:end])
