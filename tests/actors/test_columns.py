"""Column messages: joined, sorted, picked and split without losing a row or its order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.column_bytes import columns_bytes
from actors.columns import (
    BUCKETS,
    RowGatherer,
    add_row,
    among,
    from_matrix,
    join,
    matrix,
    pick,
    ragged_column,
    row_count,
    rows,
    sort_rows,
    split_by,
    split_by_shard,
)
from actors.row_order import order_of, order_of_groups
from breakwater.v1 import batches_pb2 as batches
from cluster.placement import even

NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
SMALL = st.integers(0, 3)
# Long enough for the ways of few rows and of many.
TABLES = st.lists(st.tuples(SMALL, SMALL, SMALL, SMALL, NUMBERS), max_size=150)
AMOUNTS = st.lists(st.tuples(NUMBERS, SMALL, st.integers(1, 5_000), NUMBERS), max_size=150)


def decisions_of(table: list[tuple[int, int, int, int, int]]) -> batches.DecisionRows:
    message = batches.DecisionRows()
    for row in table:
        add_row(message, *row)
    return message


def amounts_of(table: list[tuple[int, int, int, int]]) -> batches.AmountRows:
    message = batches.AmountRows()
    for row in table:
        add_row(message, *row)
    return message


@given(TABLES)
def test_sorting_is_python_s_stable_sort_by_the_named_columns(table: list[tuple[int, int, int, int, int]]) -> None:
    message = decisions_of(table)
    by_three = sort_rows(message, "command", "account", "withdrawal")
    assert list(rows(by_three)) == sorted(table, key=lambda row: (row[0], row[2], row[3]))
    assert list(rows(sort_rows(message, "account"))) == sorted(table, key=lambda row: row[2])
    assert list(rows(message)) == table


@given(st.lists(st.lists(st.tuples(SMALL, NUMBERS), max_size=20).map(sorted), max_size=9))
def test_runs_in_order_are_merged_as_python_sorts_them(runs: list[list[tuple[int, int]]]) -> None:
    pairs = [pair for run in runs for pair in run]
    order = order_of(np.array(pairs, dtype=np.int64).reshape(-1, 2).T)
    expected = sorted(range(len(pairs)), key=lambda row: pairs[row])
    assert (list(range(len(pairs))) if order is None else order.tolist()) == expected
    assert (order is None) == (expected == list(range(len(pairs))))


@pytest.mark.parametrize("spread", [1, 3, 1 << 16, (1 << 16) + 1, 1 << 62])
@pytest.mark.parametrize("count", [1, 2, 500])
def test_groups_stand_in_the_order_of_their_keys(count: int, spread: int) -> None:
    """However far apart their numbers are, and below zero too."""
    draw = np.random.default_rng(count)
    keys = np.stack([draw.integers(-2, 2, count), draw.integers(-spread, spread, count)])
    for rows_of in (keys, keys[:, np.lexsort((keys[1], keys[0]))]):
        order, expected = order_of_groups(rows_of), order_of(rows_of)
        assert (order is None) == (expected is None)
        assert order is None or order.tolist() == np.asarray(expected).tolist()


@given(TABLES, TABLES)
def test_joining_is_appending(
    first: list[tuple[int, int, int, int, int]], second: list[tuple[int, int, int, int, int]]
) -> None:
    joined = join(batches.DecisionRows(), [decisions_of(first), decisions_of(second)])
    assert list(rows(joined)) == first + second
    assert row_count(joined) == len(first) + len(second)


def test_digests_are_joined_too() -> None:
    parts = [batches.BucketDigests(bucket=[one, 7], digest=[b"a", b"b"]) for one in range(2)]
    assert list(rows(join(batches.BucketDigests(), parts))) == [(0, b"a"), (7, b"b"), (1, b"a"), (7, b"b")]


@given(AMOUNTS, st.integers(1, 9))
def test_splitting_gives_every_row_to_the_shard_of_its_bucket_in_its_order(
    table: list[tuple[int, int, int, int]], shards: int
) -> None:
    parts = split_by_shard(amounts_of(table), even(shards).array, shards)
    assert len(parts) == shards
    for shard, part in enumerate(parts):
        assert list(rows(part)) == [row for row in table if row[2] % BUCKETS % shards == shard]


def test_picking_keeps_numbers_at_the_edge() -> None:
    table = [(-(1 << 63), 0, 0, (1 << 63) - 1), (5, 1, 1, 1), (7, 2, 2, 2)]
    picked = pick(amounts_of(table), np.array([2, 0]))
    assert list(rows(picked)) == [table[2], table[0]]
    assert row_count(pick(amounts_of(table), [])) == 0


def test_ragged_columns_are_named_by_their_lengths() -> None:
    message = batches.AmountRows(command=[1, 2], venue=[1, 1], account=[1, 2], amount_atoms=[5, 6])
    assert ragged_column(message) is None
    message.account.append(3)
    assert ragged_column(message) == (2, 3)


def test_a_row_has_a_value_for_every_column() -> None:
    with pytest.raises(ValueError, match="shorter"):
        add_row(batches.AmountRows(), 1, 2, 3)


@given(TABLES)
def test_rows_are_dealt_by_the_named_columns_in_their_order(table: list[tuple[int, int, int, int, int]]) -> None:
    parts = split_by(decisions_of(table), "venue", "account")
    dealt: dict[tuple[int, int], list[tuple[int, ...]]] = {}
    for row in table:
        dealt.setdefault((row[1], row[2]), []).append(row)
    assert {key: list(rows(part)) for key, part in parts.items()} == dealt


@given(st.lists(SMALL, max_size=30), st.sets(st.integers(0, 40), max_size=20))
def test_who_is_among_the_allowed(values: list[int], allowed: set[int]) -> None:
    assert among(np.array(values, dtype=np.int64), allowed).tolist() == [value in allowed for value in values]


@given(AMOUNTS)
def test_a_matrix_goes_to_the_message_of_its_lists_and_back(table: list[tuple[int, int, int, int]]) -> None:
    message = amounts_of(table)
    columns = matrix(message)
    assert columns.dtype == np.int64
    assert columns.T.tolist() == [list(row) for row in table]
    assert from_matrix(batches.AmountRows, columns) == message
    assert columns_bytes(batches.AmountRows, columns) == message.SerializeToString(deterministic=True)


def test_a_matrix_needs_a_row_for_every_column_of_the_message() -> None:
    with pytest.raises(AssertionError, match="AmountRows of 3 columns"):
        from_matrix(batches.AmountRows, np.zeros((3, 2), dtype=np.int64))


@given(st.lists(st.tuples(st.booleans(), AMOUNTS), max_size=6))
def test_rows_and_matrices_are_gathered_in_the_order_they_come(
    pieces: list[tuple[bool, list[tuple[int, int, int, int]]]],
) -> None:
    gatherer = RowGatherer(batches.AmountRows)
    for as_columns, table in pieces:
        if as_columns:
            gatherer.add_columns(np.array(table, dtype=np.int64).reshape(-1, 4).T)
        else:
            for row in table:
                gatherer.add(*row)
    everything = [row for _, table in pieces for row in table]
    assert len(gatherer) == len(everything)
    assert gatherer.message() == amounts_of(everything)
    assert gatherer.matrix().T.tolist() == [list(row) for row in everything]


def test_rows_gathered_have_a_value_for_every_column() -> None:
    gatherer = RowGatherer(batches.AmountRows)
    with pytest.raises(AssertionError, match="3 columns where there are 4"):
        gatherer.add_columns(np.zeros((3, 1), dtype=np.int64))
    gatherer.add(1, 2, 3)
    with pytest.raises(AssertionError, match="3 columns where there are 4"):
        gatherer.message()


def test_columns_that_are_no_cells_are_not_read_as_cells() -> None:
    """Eight small numbers packed as varints are as long as one cell."""
    assert matrix(batches.PoolQuery(accounts=range(1, 9))).tolist() == [list(range(1, 9))]
