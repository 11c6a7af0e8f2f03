"""Auto-deleveraging: ranks, budgets, conservation, and which policies have the axioms (MT-15)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk import adl
from actors.risk.adl import Candidate, Deleveraging, Demand, Policy

MARK, PER_TICK = 100, 10
LOT = MARK * PER_TICK
RICH = 10**12
PRO_RATA = (Policy.PRO_RATA_POSITION, Policy.PRO_RATA_PROFIT)

policies = st.sampled_from(list(Policy))
lots = st.integers(-500, 500).filter(bool)


@st.composite
def candidate_lists(draw: st.DrawFn) -> list[Candidate]:
    """Positions of both sides, distinct accounts, any profit, budgets within equity."""
    rows = draw(
        st.lists(st.tuples(lots, st.integers(-2, 20), st.integers(-50, 10**6), st.integers(0, 100)), max_size=9)
    )
    return [
        Candidate(100 + at, size, size * LOT * tenths // 10, equity, max(0, equity) * percent // 100)
        for at, (size, tenths, equity, percent) in enumerate(rows)
    ]


@st.composite
def demand_lists(draw: st.DrawFn) -> list[Demand]:
    """Positions to close at a loss, at the mark or at a gain of the counterparties."""
    rows = draw(st.lists(st.tuples(lots, st.integers(-(10**5), 10**5)), min_size=1, max_size=4))
    return [Demand(at, size, size * LOT + loss, max(0, loss)) for at, (size, loss) in enumerate(rows)]


def taken(answer: Deleveraging) -> dict[int, int]:
    return {allocation.account: abs(allocation.lots) for allocation in answer.allocations}


def run(demand: Demand, candidates: Sequence[Candidate], policy: Policy) -> Deleveraging:
    return adl.deleverage([demand], candidates, MARK, PER_TICK, policy)[0]


def short(account: int, size: int, equity: int = RICH, cost_per_lot: int = 2 * LOT) -> Candidate:
    return Candidate(account, -size, -size * cost_per_lot, equity, equity)


def test_mt15_the_score_is_profit_times_leverage_each_part_capped() -> None:
    one = adl.SCORE_ONE
    assert adl.score(10, 5_000, 2_000, MARK, PER_TICK) == 2 * one * 5 * one
    assert adl.score(-10, -20_000, 2_000, MARK, PER_TICK) == 2 * one * 5 * one
    assert adl.score(10, 0, 10_000, MARK, PER_TICK) == adl.SCORE_PART_CAP * one
    assert adl.score(-10, 50, 10_000, MARK, PER_TICK) == 0
    assert adl.score(10, 1, 1, MARK, 10**10) == adl.SCORE_PART_CAP**2
    assert adl.score(3, 7_000, 9_001, MARK, PER_TICK) == (3_000 * one // 7_000) * (3_000 * one // 9_001)


def test_mt15_there_is_no_rank_without_equity() -> None:
    with pytest.raises(AssertionError, match="no rank"):
        adl.score(10, 5_000, 0, MARK, PER_TICK)


def test_mt15_the_queue_takes_the_highest_score_first_and_ties_go_by_account() -> None:
    candidates = [short(9, 5, 10**6), short(4, 5, 10**6), short(7, 5, 10**5)]
    answer = run(Demand(1, 12, 12 * LOT, 0), candidates, Policy.QUEUE)
    assert [(row.account, row.lots, row.rank) for row in answer.allocations] == [(7, 5, 0), (4, 5, 1), (9, 2, 2)]


def test_mt15_only_the_other_side_with_equity_and_no_demand_of_its_own_is_eligible() -> None:
    candidates = [short(2, 5), Candidate(3, 5, 0, RICH, RICH), short(4, 5, 0), short(5, 5, -1), short(6, 5)]
    demands = [Demand(1, 20, 20 * LOT, 0), Demand(6, -5, -5 * LOT, 0)]
    first, second = adl.deleverage(demands, candidates, MARK, PER_TICK, Policy.QUEUE)
    assert taken(first) == {2: 5}
    assert taken(second) == {3: 5}
    assert first.figures.needed_lots == 20 and first.figures.taken_lots == 5


def test_mt15_a_candidate_is_reduced_by_what_it_can_lose_and_then_skipped() -> None:
    """10 lots lose 100 atoms together, 10 a lot: 39 atoms are three lots."""
    poor = Candidate(2, -10, -(10**7), 39, 39)
    answer = run(Demand(1, 10, 10 * LOT + 100, 100), [poor, short(3, 10)], Policy.QUEUE)
    assert taken(answer) == {2: 3, 3: 7}
    assert [row.haircut_atoms for row in answer.allocations] == [30, 70]
    assert answer.quote_atoms == 10 * LOT + 100
    assert answer.figures == (10, 10, 100, 100, 0, 769_231, 10 * 10**6 * 3 // 10 + 7 * LOT - 3 * LOT)


def test_mt15_a_candidate_may_be_spent_to_its_last_atom_and_no_further() -> None:
    assert adl.room_lots(10, 100, 10, 100) == 10
    assert adl.room_lots(10, 99, 10, 100) == 9
    assert adl.room_lots(10, 0, 10, 100) == 0
    assert adl.room_lots(10, -5, 10, 100) == 0
    assert adl.room_lots(10, 0, 10, 0) == 10
    spent = run(Demand(1, 10, 10 * LOT + 100, 100), [short(2, 10, 100)], Policy.QUEUE)
    assert spent.figures.taken_lots == 10 and spent.figures.largest_haircut_ppm == 10**6


def test_mt15_a_quote_that_takes_more_than_the_deficit_shows_as_overshoot() -> None:
    answer = run(Demand(1, 10, 10 * LOT + 100, 60), [short(2, 10)], Policy.QUEUE)
    assert (answer.figures.needed_atoms, answer.figures.taken_atoms, answer.figures.overshoot_atoms) == (60, 100, 40)


def test_mt15_pro_rata_by_position_and_by_profit_weigh_differently() -> None:
    candidates = [short(2, 30, cost_per_lot=LOT + 1), short(3, 10, cost_per_lot=LOT + 9)]
    demand = Demand(1, 20, 20 * LOT, 0)
    assert taken(run(demand, candidates, Policy.PRO_RATA_POSITION)) == {2: 15, 3: 5}
    assert taken(run(demand, candidates, Policy.PRO_RATA_PROFIT)) == {2: 10, 3: 10}


def test_mt15_what_full_rooms_leave_goes_by_weight_again_and_the_rest_by_rank() -> None:
    assert adl.share_pro_rata(20, [1, 1, 2], [2, 30, 30], [0, 1, 2]) == [2, 6, 12]
    assert adl.share_pro_rata(20, [1, 0, 0], [5, 30, 30], [2, 1, 0]) == [5, 0, 15]
    assert adl.share_pro_rata(5, [0, 0], [3, 3], [1, 0]) == [2, 3]


@given(demand_lists(), candidate_lists(), policies)
def test_mt15_lots_quotes_and_haircuts_are_conserved_and_nobody_ends_below_zero(
    demands: list[Demand], candidates: list[Candidate], policy: Policy
) -> None:
    held = {row.account: row.lots for row in candidates}
    budgets = {row.account: row.budget_atoms for row in candidates}
    for demand, answer in zip(demands, adl.deleverage(demands, candidates, MARK, PER_TICK, policy), strict=True):
        figures = answer.figures
        assert sum(row.lots for row in answer.allocations) == figures.taken_lots * (1 if demand.lots > 0 else -1)
        assert sum(row.quote_atoms for row in answer.allocations) == answer.quote_atoms
        assert figures.taken_lots <= figures.needed_lots == abs(demand.lots)
        if figures.taken_lots == figures.needed_lots:
            assert answer.quote_atoms == demand.quote_atoms
            assert sum(row.haircut_atoms for row in answer.allocations) == demand.quote_atoms - demand.lots * LOT
        for row in answer.allocations:
            assert row.haircut_atoms == row.quote_atoms - row.lots * LOT
            assert held[row.account] * row.lots < 0 and abs(row.lots) <= abs(held[row.account])
            held[row.account] += row.lots
            budgets[row.account] -= row.haircut_atoms
            assert budgets[row.account] >= 0


@given(st.lists(st.integers(1, 300), min_size=2, max_size=6), st.data(), st.integers(1, 2_000))
def test_axiom_pro_rata_by_position_gives_a_split_account_what_it_gave_the_whole(
    sizes: list[int], data: st.DataObject, needed: int
) -> None:
    cut = data.draw(st.integers(1, sizes[0]))
    whole = [short(at, size) for at, size in enumerate(sizes, 10)]
    parts = [short(account, size) for account, size in ((10, sizes[0] - cut), (99, cut)) if size]
    demand = Demand(1, needed, needed * LOT, 0)
    before = taken(run(demand, whole, Policy.PRO_RATA_POSITION))
    after = taken(run(demand, parts + whole[1:], Policy.PRO_RATA_POSITION))
    assert abs(after.get(10, 0) + after.get(99, 0) - before.get(10, 0)) <= 2


@given(st.lists(st.tuples(st.integers(2, 300), st.integers(1, 50)), min_size=2, max_size=6), st.data())
def test_axiom_pro_rata_by_profit_gives_a_split_account_what_it_gave_the_whole(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    """While nobody's room is full: a position then never gives more than its lots."""
    profits = [size * gain for size, gain in rows]
    room = min(size * sum(profits) // own for (size, _), own in zip(rows, profits, strict=True))
    needed = data.draw(st.integers(1, max(1, room - 1)))
    cut = data.draw(st.integers(1, rows[0][0] - 1))
    whole = [short(at, size, cost_per_lot=LOT + gain) for at, (size, gain) in enumerate(rows, 10)]
    gain = LOT + rows[0][1]
    parts = [short(10, rows[0][0] - cut, cost_per_lot=gain), short(99, cut, cost_per_lot=gain)]
    demand = Demand(1, needed, needed * LOT, 0)
    before = taken(run(demand, whole, Policy.PRO_RATA_PROFIT))
    after = taken(run(demand, parts + whole[1:], Policy.PRO_RATA_PROFIT))
    assert abs(after.get(10, 0) + after.get(99, 0) - before.get(10, 0)) <= 2


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(2, 9), st.data())
def test_axiom_pro_rata_does_not_change_when_every_position_grows_alike(
    sizes: list[int], factor: int, data: st.DataObject
) -> None:
    needed = data.draw(st.integers(1, sum(sizes)))
    demand = Demand(1, needed, needed * LOT, 0)
    small = [short(at, size) for at, size in enumerate(sizes, 10)]
    large = [short(at, size * factor) for at, size in enumerate(sizes, 10)]
    for policy in PRO_RATA:
        assert taken(run(demand, small, policy)) == taken(run(demand, large, policy))


def test_axiom_the_queue_can_be_escaped_by_splitting_an_account() -> None:
    """Whole, the leveraged account gives all 10 lots; with its equity behind one half it gives 5."""
    demand = Demand(1, 10, 10 * LOT, 0)
    other = short(20, 10, 600_000)
    assert taken(run(demand, [short(10, 10, 500_000), other], Policy.QUEUE)) == {10: 10}
    split = [short(10, 5, 495_000), short(99, 5, 5_000), other]
    assert taken(run(demand, split, Policy.QUEUE)) == {99: 5, 20: 5}


def test_axiom_the_queue_changes_when_every_position_grows_alike() -> None:
    demand = Demand(1, 10, 10 * LOT, 0)
    small = [short(10, 5, 10**6), short(20, 5, 10**6)]
    large = [short(10, 10, 2 * 10**6), short(20, 10, 2 * 10**6)]
    assert taken(run(demand, small, Policy.QUEUE)) == {10: 5, 20: 5}
    assert taken(run(demand, large, Policy.QUEUE)) == {10: 10}
