"""Columns beside their message are the message: whatever the library writes is read, what is written it reads."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st

from actors import wide_messages
from actors.column_bytes import cut_fields
from actors.columns import (
    RowGatherer,
    add_row,
    array,
    join,
    kind_of,
    matrix,
    pick,
    row_count,
    rows,
    sort_rows,
    split_by,
)
from actors.pending_events import pending_columns
from actors.wide_messages import WideMessage, read_message, wide
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
AMOUNTS = st.lists(st.tuples(INT64, INT64, INT64, INT64), max_size=40)


@pytest.fixture(autouse=True)
def _everything_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_messages, "WIDE_BYTES", 0)


def amounts(table: list[tuple[int, ...]]) -> batches.AmountRows:
    message = batches.AmountRows()
    for row in table:
        add_row(message, *row)
    return message


def shard_call(deposits: list[tuple[int, ...]], withdrawals: list[tuple[int, ...]]) -> batches.ShardCall:
    given = {"deposits": amounts(deposits), "withdrawals": amounts(withdrawals)}
    rows_of = batches.ShardCommands(**{name: rows_of for name, rows_of in given.items() if row_count(rows_of)})
    header = batches.CallHeader(height=7, frame_hash=b"f" * 32, root=True)
    return batches.ShardCall(header=header, phases=[1, 2, 3], round=9, commands=rows_of)


@given(AMOUNTS, AMOUNTS)
def test_what_the_library_writes_is_read_wide_and_back(one: list[tuple[int, ...]], two: list[tuple[int, ...]]) -> None:
    call = shard_call(one, two)
    read: Any = read_message(batches.ShardCall, call.SerializeToString())
    assert isinstance(read, WideMessage)
    assert (read.header, list(read.phases), read.round) == (call.header, [1, 2, 3], 9)
    assert list(rows(read.commands.deposits)) == one
    assert list(rows(read.commands.withdrawals)) == two
    assert row_count(read.commands.opens) == 0
    given = [(field.name, list(rows(value))) for field, value in read.commands.ListFields()]
    assert given == [(name, table) for name, table in (("deposits", one), ("withdrawals", two)) if table]
    again = batches.ShardCall.FromString(read.SerializeToString())
    if not one and not two:
        again.commands.SetInParent()
    assert again == call


@given(AMOUNTS)
def test_rows_read_like_the_columns_of_the_message(table: list[tuple[int, ...]]) -> None:
    message = amounts(table)
    read = RowGatherer(batches.AmountRows)
    read.MergeFromString(message.SerializeToString())
    assert kind_of(read) is batches.AmountRows
    assert [list(column) for column in (read.command, read.account)] == [message.command, message.account]
    assert all(type(number) is int for number in read.amount_atoms)
    assert (array(read.amount_atoms) == array(message.amount_atoms)).all()
    last = range(len(table) - 1, -1, -1)
    for change in (lambda of: pick(of, list(last)), lambda of: sort_rows(of, "account", "venue")):
        assert list(rows(change(read))) == list(rows(change(message)))
    split, expected = split_by(read, "venue"), split_by(message, "venue")
    assert {key: list(rows(part)) for key, part in split.items()} == {
        key: list(rows(part)) for key, part in expected.items()
    }
    assert join(batches.AmountRows(), (read, message)) == join(batches.AmountRows(), (message, message))
    with pytest.raises(AttributeError, match="has no colour"):
        _ = read.colour


def test_columns_that_are_not_packed_or_come_in_pieces_are_read_by_the_library() -> None:
    one, two = amounts([(1, 2, 3, 4)]), amounts([(5, 6, 7, 8), (-1, -2, -3, -4)])
    pieces = one.SerializeToString() + two.SerializeToString()
    tags = [field.number << 3 | 1 for field in batches.AmountRows.DESCRIPTOR.fields]
    cells = [value.to_bytes(8, "little", signed=True) for value in (1, -2, 3, -4)]
    unpacked = b"".join(bytes([tag, *cell]) for tag, cell in zip(tags, cells, strict=True))
    unknown = one.SerializeToString() + bytes([15 << 3, 1])
    for data in (pieces, unpacked, unknown):
        read = RowGatherer(batches.AmountRows)
        read.MergeFromString(data)
        assert (read.matrix() == matrix(batches.AmountRows.FromString(data))).all()


def test_a_field_that_comes_twice_is_joined() -> None:
    call, other = shard_call([(1, 2, 3, 4)], []), shard_call([(5, 6, 7, 8)], [(9, 9, 9, 9)])
    data = call.SerializeToString() + other.SerializeToString()
    read: Any = read_message(batches.ShardCall, data)
    expected = batches.ShardCall.FromString(data)
    assert batches.ShardCall.FromString(read.SerializeToString()) == expected


def test_unknown_fields_stay_with_the_message() -> None:
    data = shard_call([(1, 2, 3, 4)], []).SerializeToString() + bytes([0xF8, 0x07, 5, 0xF9, 0x07]) + bytes(8)
    read: Any = read_message(batches.ShardCall, data)
    again = batches.ShardCall.FromString(read.SerializeToString())
    assert [field.field_number for field in UnknownFieldSet(again)] == [127, 127]


def test_events_are_read_with_their_bodies_in_pieces() -> None:
    said = batches.PendingEvents(phase=[6, 1], a=[1, -9], b=[2, 0], c=[0, 0], size=[3, 1], bodies=[b"on", b"et"])
    for of in (said, batches.PendingEvents()):
        read: Any = read_message(batches.BookReply, batches.BookReply(events=of).SerializeToString())
        assert (pending_columns(read.events) == pending_columns(of)).all()
        assert [bytes(piece) for piece in read.events.bodies] == list(of.bodies)
        assert batches.PendingEvents.FromString(b"".join(read.events.parts())) == of


def test_a_message_that_is_filled_is_what_the_library_would_have_made() -> None:
    reply: Any = wide(batches.ShardReply, height=3)
    add_row(reply.sums, *range(8))
    numbers = np.arange(160, dtype=np.int64).reshape(16, 10)
    reply.order_ops.add_columns(numbers[:, ::2])
    reply.staged_events.add(numbers[:4, :2], np.frombuffer(b"abc", dtype=np.uint8), np.array([1, 2]))
    read = batches.ShardReply.FromString(reply.SerializeToString())
    assert (read.height, row_count(read.sums)) == (3, 1)
    assert (matrix(read.order_ops) == numbers[:, ::2]).all()
    assert list(read.staged_events.bodies) == [b"abc"]
    assert not read.HasField("outcomes")


def test_short_messages_are_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide_messages, "WIDE_BYTES", 4096)
    assert isinstance(read_message(batches.ShardCall, shard_call([], []).SerializeToString()), batches.ShardCall)
    assert isinstance(read_message(batches.OracleCall, bytes(0)), batches.OracleCall)


@pytest.mark.parametrize("data", [b"\x0b", b"\x0a\x05abc", b"\x09abc"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|no more"):
        cut_fields(data, ())


def test_no_column_is_hidden_by_what_rows_can_do() -> None:
    own = set(dir(RowGatherer(batches.AmountRows)))
    for module in (batches, commands):
        for message in module.DESCRIPTOR.message_types_by_name.values():
            fields = message.fields
            if fields and all(field.is_repeated and field.type == field.TYPE_SFIXED64 for field in fields):
                assert not own & {field.name for field in fields}, message.name
