"""The compiled deleveraging equals the scalar one, row for row, of a hundred thousand candidates, too."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.risk import adl
from actors.risk.adl import Candidate, Demand, Policy
from actors.risk.adl_kernels import Columns, deleverage_columns

MARK, PER_TICK = 100, 10
LOT = MARK * PER_TICK

small_rows = st.tuples(
    st.integers(-500, 500), st.integers(-600_000, 600_000), st.integers(-50, 10**6), st.integers(0, 10**6)
)
large_rows = st.tuples(
    st.integers(-(2**44), 2**44), st.integers(-(2**56), 2**56), st.integers(-(2**56), 2**56), st.integers(0, 2**56)
)


def columns(candidates: Sequence[Candidate]) -> Columns:
    table = np.array(candidates, dtype=np.int64).reshape(len(candidates), 5)
    return Columns(*(table[:, at].copy() for at in range(5)))


@settings(max_examples=300)
@given(
    st.lists(small_rows, max_size=12) | st.lists(large_rows, max_size=5),
    st.lists(st.tuples(st.integers(-2_000, 2_000).filter(bool), st.integers(-(10**6), 10**6)), min_size=1, max_size=4),
    st.sampled_from(list(Policy)),
    st.permutations(range(12)),
)
def test_the_twin_gives_the_scalar_allocations_and_figures(
    rows: list[tuple[int, int, int, int]], wanted: list[tuple[int, int]], policy: Policy, shuffled: list[int]
) -> None:
    accounts = [2 + at for at in shuffled if at < len(rows)]
    candidates = [Candidate(account, *row) for account, row in zip(accounts, rows, strict=True)]
    demands = [Demand(at, size, size * LOT + loss, max(0, loss) // 2) for at, (size, loss) in enumerate(wanted)]
    scalar = adl.deleverage(demands, candidates, MARK, PER_TICK, policy)
    compiled = deleverage_columns(demands, columns(candidates), MARK, PER_TICK, policy)
    for ours, theirs in zip(compiled, scalar, strict=True):
        assert ours.figures == theirs.figures
        assert ours.total_quote_atoms == theirs.quote_atoms
        given_rows = list(zip(*(column.tolist() for column in ours[:5]), strict=True))
        assert given_rows == [tuple(allocation) for allocation in theirs.allocations]


def test_the_candidates_handed_over_are_not_changed() -> None:
    table = columns([Candidate(5, -10, -20_000, 500, 400)])
    before = [column.copy() for column in table]
    deleverage_columns([Demand(1, 4, 4 * LOT + 8, 8)], table, MARK, PER_TICK, Policy.QUEUE)
    assert all((now == then).all() for now, then in zip(table, before, strict=True))


def test_positions_beyond_the_bound_of_a_venue_stop_it() -> None:
    table = columns([Candidate(account, -(2**50), 0, 1, 1) for account in range(5)])
    with pytest.raises(AssertionError, match="beyond the bound"):
        deleverage_columns([Demand(9, 4, 4 * LOT, 0)], table, MARK, PER_TICK, Policy.QUEUE)


@pytest.mark.parametrize("policy", list(Policy))
def test_a_hundred_thousand_candidates_give_what_is_asked(policy: Policy) -> None:
    count = 100_000
    steps = np.arange(count, dtype=np.int64)
    size = 1 + steps * 7_919 % 1_000
    table = Columns(steps + 10, -size, -size * (LOT + steps % 500), 1_000 + steps % 9_973, 500 + steps % 97)
    demand = Demand(1, int(size.sum()) // 3, int(size.sum()) // 3 * LOT + 10**6, 10**6)
    answer = deleverage_columns([demand], table, MARK, PER_TICK, policy)[0]
    assert answer.figures.taken_lots == demand.lots
