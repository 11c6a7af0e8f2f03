"""The index of liquidation thresholds against a plain loop over all positions (TW-06, TW-10)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.liquidation_index import EMPTY_SHORT, ZONE_SLOTS, LiquidationIndex
from actors.rulebooks import twilight
from actors.units import LONG, PRICE_BOUND, SHORT

slots = st.one_of(st.integers(0, 6), st.integers(0, 5 * ZONE_SLOTS))
sides = st.sampled_from([LONG, SHORT])
thresholds = st.one_of(
    st.integers(1, 12), st.sampled_from([twilight.NEVER_LONG, twilight.ALWAYS_LONG, PRICE_BOUND - 1, PRICE_BOUND])
)
operations = st.one_of(
    st.tuples(st.just("set"), slots, sides, thresholds),
    st.tuples(st.just("clear"), slots),
    st.tuples(st.just("many"), st.dictionaries(slots, st.tuples(sides, thresholds), max_size=8)),
    st.tuples(st.just("grow"), st.integers(0, 7 * ZONE_SLOTS)),
    st.tuples(st.just("scan"), st.one_of(st.integers(1, 13), st.just(PRICE_BOUND - 1))),
)


def naive_scan(positions: dict[int, tuple[int, int]], mark: int) -> list[int]:
    return sorted(
        slot
        for slot, (side, threshold) in positions.items()
        if (mark <= threshold if side == LONG else mark >= threshold)
    )


@given(st.lists(operations, max_size=30))
def test_every_scan_equals_the_plain_loop(history: list[tuple]) -> None:
    index, positions = LiquidationIndex(), {}
    for name, *arguments in history:
        if name == "set":
            slot, side, threshold = arguments
            index.set(slot, side, threshold)
            positions[slot] = (side, threshold)
        elif name == "clear":
            index.clear(arguments[0])
            positions.pop(arguments[0], None)
        elif name == "many":
            rows = arguments[0]
            index.set_many(rows, [side for side, _ in rows.values()], [level for _, level in rows.values()])
            positions.update(rows)
        elif name == "grow":
            index.grow(arguments[0])
            assert index.capacity >= arguments[0]
        else:
            assert index.scan(arguments[0]).tolist() == naive_scan(positions, arguments[0])
    for mark in (1, 6, 13, PRICE_BOUND - 1):
        assert index.scan(mark).tolist() == naive_scan(positions, mark)


def test_the_trigger_is_inclusive_on_both_sides() -> None:
    index = LiquidationIndex()
    index.set(3, LONG, 100)
    index.set(ZONE_SLOTS, SHORT, 200)
    assert [index.scan(mark).tolist() for mark in (100, 101, 199, 200)] == [[3], [], [], [ZONE_SLOTS]]


def test_a_slot_that_changes_side_leaves_nothing_behind() -> None:
    index = LiquidationIndex()
    index.set(0, LONG, 100)
    index.set(0, SHORT, 200)
    assert index.scan(50).tolist() == []
    assert index.scan(200).tolist() == [0]


def test_never_and_always_mean_the_same_to_the_rulebook() -> None:
    index = LiquidationIndex()
    index.set_many(
        np.arange(3),
        np.array([LONG, LONG, SHORT]),
        np.array([twilight.NEVER_LONG, twilight.ALWAYS_LONG, twilight.NEVER_SHORT]),
    )
    assert twilight.NEVER_SHORT == EMPTY_SHORT
    for mark in (1, 70_000, PRICE_BOUND - 1):
        assert index.scan(mark).tolist() == [1]


def test_a_scan_that_hits_most_zones_is_sorted_too() -> None:
    index = LiquidationIndex()
    count = 4 * ZONE_SLOTS
    index.set_many(range(count), [LONG, SHORT] * (count // 2), [100] * count)
    assert index.scan(100).tolist() == list(range(count))
    assert index.scan(99).tolist() == list(range(0, count, 2))


def test_clearing_a_slot_that_never_was_changes_nothing() -> None:
    index = LiquidationIndex()
    index.clear(10**9)
    assert index.capacity == 0
    assert index.scan(1).tolist() == []


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (([1, 2], [LONG], [5, 5]), "columns of"),
        (([1, 1], [LONG, LONG], [5, 5]), "named twice"),
        (([2, -1], [LONG, LONG], [5, 5]), "negative"),
        (([1, 2], [LONG, 0], [5, 5]), "sides must be"),
    ],
)
def test_bad_columns_are_broken_assertions(rows: tuple[list[int], list[int], list[int]], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        LiquidationIndex().set_many(*rows)


@pytest.mark.parametrize("mark", [0, -1, PRICE_BOUND])
def test_a_mark_out_of_bounds_is_a_broken_assertion(mark: int) -> None:
    with pytest.raises(AssertionError, match="mark out of bounds"):
        LiquidationIndex().scan(mark)
