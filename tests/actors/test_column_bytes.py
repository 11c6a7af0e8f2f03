"""Fields written apart are fields of one message."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.column_bytes import columns_bytes, field_bytes, varint
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=200))
def test_fields_strung_together_are_one_message(numbers: list[int]) -> None:
    rows = batches.AccountRows(command=numbers, venue=numbers, account=numbers, flag=numbers)
    written = columns_bytes(batches.AccountRows, np.array([numbers] * 4, dtype=np.int64))
    head = batches.ShardCommands(opened=rows).SerializeToString()
    whole = b"".join((head, field_bytes(batches.ShardCommands, "freezes", written)))
    assert batches.ShardCommands.FromString(whole) == batches.ShardCommands(opened=rows, freezes=rows)


def test_a_message_in_a_field_is_the_message() -> None:
    mark = common.Mark(venue=3, mark_ticks=-1)
    call = field_bytes(batches.VersionCall(), "mark", mark.SerializeToString())
    assert batches.VersionCall.FromString(call) == batches.VersionCall(mark=mark)


@given(st.integers(0, (1 << 64) - 1))
def test_numbers_are_written_as_the_library_writes_them(number: int) -> None:
    field = batches.AccountQuery.DESCRIPTOR.fields_by_name["accounts"]
    packed = batches.AccountQuery(accounts=[number]).SerializeToString()
    assert packed == bytes([field.number << 3 | 2, len(varint(number))]) + varint(number)
