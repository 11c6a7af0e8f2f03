"""Compiled twin of `adl`: candidates and demands as int64 columns, the same lots, quotes and figures (MT-15)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.risk.adl import (
    PRO_RATA_PASSES,
    SCORE_ONE,
    SCORE_PART_CAP,
    Allocation,
    Candidate,
    Deleveraging,
    Demand,
    Figures,
    Policy,
    deleverage,
)
from actors.units import PPM, TOTAL_BOUND, div_ceil
from actors.units_kernels import mul_div_ceil, mul_div_floor, mul_div_floor_capped

Int64Array = NDArray[np.int64]
# Demands times candidates that are also worked one by one: half a second.
_JUDGED_ROWS = 1_000_000


class Columns(NamedTuple):
    """Candidates of both sides, one row an account, in any order; `adl.Candidate` explains the columns."""

    account: Int64Array
    lots: Int64Array
    cost_atoms: Int64Array
    equity_atoms: Int64Array
    budget_atoms: Int64Array

    def rows(self, chosen: Int64Array) -> "Columns":
        """Copies of these rows, in this order."""
        return Columns(*(column[chosen] for column in self))


class Allocated(NamedTuple):
    """The answer to one demand, one row a counterparty; `adl.Allocation` and `adl.Figures` explain it."""

    account: Int64Array
    lots: Int64Array
    quote_atoms: Int64Array
    haircut_atoms: Int64Array
    rank: Int64Array
    total_quote_atoms: int
    figures: Figures


class _Side(NamedTuple):
    """The eligible candidates of one side in account order, lots unsigned; `order` lists their rows by rank.

    `first` is where in the order the queue begins: everybody before it has nothing left. `taken` is all zeros
    between demands.
    """

    standing: Columns
    order: Int64Array
    rank: Int64Array
    first: Int64Array
    taken: Int64Array


def deleverage_columns(
    demands: list[tuple[int, int, int, int]],
    candidates: Columns,
    mark_ticks: int,
    quote_atoms_per_tick_lot: int,
    policy: Policy,
) -> list[Allocated]:
    """`adl.deleverage` over columns; demands are (account, signed lots, quote, deficit). Changes no argument."""
    lot_value = mark_ticks * quote_atoms_per_tick_lot
    demanded = np.array([account for account, *_ in demands], dtype=np.int64)
    allowed = (candidates.equity_atoms > 0) & (candidates.lots != 0) & ~np.isin(candidates.account, demanded)
    sides = {side: _side(candidates, allowed, side, lot_value) for side in (1, -1)}
    if policy is Policy.QUEUE:
        # What is asked of one side changes nothing on the other.
        queues = {side: iter(_answers_by_rank(demands, side, sides[side], lot_value)) for side in (1, -1)}
        return [next(queues[1 if demand[1] > 0 else -1]) for demand in demands]
    return [_answer(demand, sides[1 if demand[1] > 0 else -1], lot_value, policy) for demand in demands]


def deleverage_judged(
    demands: list[tuple[int, int, int, int]],
    candidates: Columns,
    mark_ticks: int,
    quote_atoms_per_tick_lot: int,
    policy: Policy,
) -> list[Allocated]:
    """`deleverage_columns` held against `adl.deleverage`; where demands are very many, the first of them are."""
    answers = deleverage_columns(demands, candidates, mark_ticks, quote_atoms_per_tick_lot, policy)
    demanded = {account for account, *_ in demands}
    rows = map(Candidate._make, zip(*(column.tolist() for column in candidates), strict=True))
    others = [row for row in rows if row.account not in demanded]
    judged = [Demand(*demand) for demand in demands[: _JUDGED_ROWS // max(1, len(others)) + 1]]
    by_row = deleverage(judged, others, mark_ticks, quote_atoms_per_tick_lot, policy)
    for demand, ours, theirs in zip(judged, answers, by_row, strict=False):
        allocations = tuple(map(Allocation._make, zip(*(column.tolist() for column in ours[:5]), strict=True)))
        found = Deleveraging(allocations, ours.total_quote_atoms, ours.figures)
        assert found == theirs, f"account {demand.account}: deleveraged by {theirs}, by columns {found}"
    return answers


def _side(candidates: Columns, allowed: NDArray[np.bool_], side: int, lot_value: int) -> _Side:
    chosen = np.flatnonzero(allowed & (candidates.lots * side < 0))
    standing = candidates.rows(chosen[np.argsort(candidates.account[chosen], kind="stable")])
    scores = _scores(standing.lots, standing.cost_atoms, standing.equity_atoms, lot_value)
    # Rows are in account order and the sort is stable: ties go by account.
    order = np.argsort(-scores, kind="stable")
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    np.abs(standing.lots, out=standing.lots)
    _assert_sums(standing.lots, standing.cost_atoms, lot_value)
    return _Side(standing, order, rank, np.zeros(1, dtype=np.int64), np.zeros(order.size, dtype=np.int64))


def _assert_sums(lots: Int64Array, cost_atoms: Int64Array, lot_value: int) -> None:
    """Weights are summed in 64 bits: the bound on a venue's totals keeps them far inside."""
    total_lots = int((lots >> 32).sum()) * 2**32 + int((lots & 0xFFFFFFFF).sum())
    costs = np.abs(cost_atoms)
    total_cost = int((costs >> 32).sum()) * 2**32 + int((costs & 0xFFFFFFFF).sum())
    assert total_lots * lot_value + total_cost < 4 * TOTAL_BOUND, "positions beyond the bound of a venue"


def _answers_by_rank(
    demands: list[tuple[int, int, int, int]], direction: int, side: _Side, lot_value: int
) -> Iterator[Allocated]:
    """The answers to the demands of one direction, in their order, by the queue."""
    mine = [demand for demand in demands if (demand[1] > 0) == (direction > 0)]
    lots, quotes = np.array([demand[1:3] for demand in mine], dtype=np.int64).reshape(-1, 2).T.copy()
    counts, figures, *flat = _work_queue(
        lots, quotes, side.order, side.first, side.taken, lot_value, *side.standing[1:]
    )
    rows, taken, parts, haircuts = flat
    account, rank = side.standing.account[rows], side.rank[rows]
    ends = np.cumsum(counts)
    for demand, begin, end, numbers in zip(
        mine, (ends - counts).tolist(), ends.tolist(), figures.tolist(), strict=True
    ):
        _, wanted, quote, deficit = demand
        done, lost, largest, closed = numbers
        at = slice(begin, end)
        told = Figures(abs(wanted), done, deficit, lost, max(0, lost - deficit), largest, closed)
        total = div_ceil(quote * done, abs(wanted))
        yield Allocated(account[at], direction * taken[at], parts[at], haircuts[at], rank[at], total, told)


def _answer(demand: tuple[int, int, int, int], side: _Side, lot_value: int, policy: Policy) -> Allocated:
    """By weight."""
    _, lots, quote, deficit = demand
    direction, standing, taken = (1 if lots > 0 else -1), side.standing, side.taken
    rooms = _rooms(*_limits(standing), abs(lots), quote - lots * lot_value)
    profit = -direction * standing.lots * lot_value - standing.cost_atoms
    weights = standing.lots if policy is Policy.PRO_RATA_POSITION else np.maximum(profit, 0)
    needed = _share_pro_rata(abs(lots), weights, rooms, taken)
    _share_by_order(needed, rooms, side.order, taken)
    rows = np.flatnonzero(taken)
    quotes, haircuts = np.empty(rows.size, dtype=np.int64), np.empty(rows.size, dtype=np.int64)
    done, lost, largest, closed = _settle(
        rows, taken, quotes, haircuts, lots, quote, lot_value, *standing[2:], standing.lots
    )
    figures = Figures(abs(lots), done, deficit, lost, max(0, lost - deficit), largest, closed)
    total = div_ceil(quote * done, abs(lots))
    counts = taken[rows]
    taken[rows] = 0
    return Allocated(standing.account[rows], direction * counts, quotes, haircuts, side.rank[rows], total, figures)


def _limits(standing: Columns) -> tuple[Int64Array, Int64Array, Int64Array]:
    return standing.lots, standing.equity_atoms, standing.budget_atoms


@njit(cache=True)
def _capped_ratio(numerator: int, divisor: int) -> int:
    if divisor <= 0:
        return SCORE_PART_CAP
    return mul_div_floor_capped(numerator, SCORE_ONE, divisor, SCORE_PART_CAP)


@njit(cache=True)
def _scores(lots: Int64Array, cost: Int64Array, equity: Int64Array, lot_value: int) -> Int64Array:
    scores = np.empty(lots.size, dtype=np.int64)
    for row in range(lots.size):
        notional = abs(lots[row]) * lot_value
        gain = _capped_ratio(notional, cost[row]) if lots[row] > 0 else _capped_ratio(max(0, -cost[row]), notional)
        scores[row] = gain * _capped_ratio(notional, equity[row])
    return scores


@njit(cache=True)
def _room(size: int, equity: int, budget: int, needed: int, loss: int) -> int:
    if equity <= 0:
        return 0
    return size if loss <= 0 else mul_div_floor_capped(max(0, budget), needed, loss, size)


@njit(cache=True)
def _rooms(size: Int64Array, equity: Int64Array, budget: Int64Array, needed: int, loss: int) -> Int64Array:
    rooms = np.empty(size.size, dtype=np.int64)
    for row in range(size.size):
        rooms[row] = _room(size[row], equity[row], budget[row], needed, loss)
    return rooms


@njit(cache=True)
def _take_by_rank(
    order: Int64Array,
    first: Int64Array,
    size: Int64Array,
    equity: Int64Array,
    budget: Int64Array,
    needed: int,
    loss: int,
    taken: Int64Array,
) -> Int64Array:
    """Fills `taken` from the first of the queue that has something left; returns the rows touched, by rank."""
    while first[0] < order.size and (size[order[first[0]]] == 0 or equity[order[first[0]]] <= 0):
        first[0] += 1
    at, left, count = first[0], needed, 0
    while at < order.size and left > 0:
        row = order[at]
        taken[row] = min(left, _room(size[row], equity[row], budget[row], needed, loss))
        left -= taken[row]
        at += 1
    rows = np.empty(at - first[0], dtype=np.int64)
    for place in range(first[0], at):
        if taken[order[place]] > 0:
            rows[count] = order[place]
            count += 1
    return rows[:count]


@njit(cache=True)
def _share_by_order(needed: int, rooms: Int64Array, order: Int64Array, taken: Int64Array) -> None:
    for row in order:
        if needed == 0:
            break
        lots = min(needed, rooms[row] - taken[row])
        taken[row] += lots
        needed -= lots


@njit(cache=True)
def _share_pro_rata(needed: int, weights: Int64Array, rooms: Int64Array, taken: Int64Array) -> int:
    """Fills `taken` by weight; returns the lots that are left to go by rank."""
    for _ in range(PRO_RATA_PASSES):
        whole = 0
        for row in range(weights.size):
            if taken[row] < rooms[row]:
                whole += weights[row]
        if needed == 0 or whole == 0:
            break
        so_far = given = left = 0
        for row in range(weights.size):
            if weights[row] == 0 or taken[row] >= rooms[row]:
                continue
            so_far += weights[row]
            reached = mul_div_floor_capped(needed, so_far, whole, needed)
            share = min(reached - given, rooms[row] - taken[row])
            left += reached - given - share
            taken[row] += share
            given = reached
        needed = left
    return needed


@njit(cache=True)
def _settle(
    rows: Int64Array,
    taken: Int64Array,
    quotes: Int64Array,
    haircuts: Int64Array,
    demand_lots: int,
    demand_quote: int,
    lot_value: int,
    cost: Int64Array,
    equity: Int64Array,
    budget: Int64Array,
    size: Int64Array,
) -> tuple[int, int, int, int]:
    """Fills quotes and haircuts, moves the standing; returns lots taken, atoms lost, largest haircut, profit closed."""
    side, needed = (1 if demand_lots > 0 else -1), abs(demand_lots)
    done = lost = largest = profit = reached = 0
    for at in range(rows.size):
        row = rows[at]
        lots = taken[row]
        done += lots
        after = mul_div_ceil(demand_quote, done, needed)
        quotes[at] = after - reached
        reached = after
        haircuts[at] = quotes[at] - side * lots * lot_value
        loss = max(0, haircuts[at])
        largest = max(largest, mul_div_ceil(loss, PPM, equity[row]))
        lost += loss
        released = mul_div_floor(cost[row], lots, size[row])
        profit += -side * lots * lot_value - released
        size[row] -= lots
        cost[row] -= released
        equity[row] -= haircuts[at]
        budget[row] -= haircuts[at]
    return done, lost, largest, profit


@njit(cache=True)
def _work_queue(
    demand_lots: Int64Array,
    demand_quotes: Int64Array,
    order: Int64Array,
    first: Int64Array,
    taken: Int64Array,
    lot_value: int,
    size: Int64Array,
    cost: Int64Array,
    equity: Int64Array,
    budget: Int64Array,
) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array, Int64Array, Int64Array]:
    """Works demands one after the other by rank: how many rows each takes from, what `_settle` says of each; then the
    rows of all, lots taken, quotes and haircuts.
    """
    count = demand_lots.size
    counts, figures = np.zeros(count, np.int64), np.zeros((count, 4), np.int64)
    flat, made = np.empty((4, max(count, 16)), np.int64), 0
    for at in range(count):
        lots, quote = demand_lots[at], demand_quotes[at]
        rows = _take_by_rank(order, first, size, equity, budget, abs(lots), quote - lots * lot_value, taken)
        while made + rows.size > flat.shape[1]:
            wider = np.empty((4, 2 * flat.shape[1]), np.int64)
            wider[:, :made] = flat[:, :made]
            flat = wider
        end = made + rows.size
        flat[0, made:end] = rows
        flat[1, made:end] = taken[rows]
        figures[at] = _settle(
            rows, taken, flat[2, made:end], flat[3, made:end], lots, quote, lot_value, cost, equity, budget, size
        )
        taken[rows] = 0
        counts[at] = rows.size
        made = end
    return counts, figures, flat[0, :made], flat[1, :made], flat[2, :made], flat[3, :made]
