"""Auto-deleveraging: who on the other side closes a position nobody else can take, by one of three policies (MT-15).

A demand closes a position at a quote; the difference to the mark is what its counterparties lose together. All
demands of one market and round are worked in their order against the same candidates, ranked once on the state the
round began with. A candidate never takes more lots than it holds or than its budget can lose at the demand's quote,
rounded down; then it is skipped. `adl_kernels` is the compiled twin.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from actors.risk.bankruptcy import quote_part_ceil_atoms
from actors.units import PPM, div_ceil, mul_div_ceil, mul_div_floor

SCORE_ONE = 1 << 20
SCORE_PART_CAP = 1 << 30

# Passes of a pro-rata policy over the candidates that still have room; what is left after them goes by rank.
PRO_RATA_PASSES = 8


class Policy(IntEnum):
    """How the lots of a demand are shared; values are those of the protocol's DeleveragePolicy."""

    QUEUE = 1
    PRO_RATA_POSITION = 2
    PRO_RATA_PROFIT = 3


class Demand(NamedTuple):
    """A position to close: signed lots, and the quote that closes it whole, signed like the lots.

    deficit_atoms is what the account itself cannot pay, max(0, -equity share); only the published figures use it.
    """

    account: int
    lots: int
    quote_atoms: int
    deficit_atoms: int


class Candidate(NamedTuple):
    """A position of either side; budget_atoms is what its account may lose in this market at most."""

    account: int
    lots: int
    cost_atoms: int
    equity_atoms: int
    budget_atoms: int


class Allocation(NamedTuple):
    """What one counterparty does: signed lots it buys (above zero) or sells, and the quote, signed alike, it pays.

    haircut_atoms is its loss against the mark, below zero a gain; rank counts from 0 over the candidates eligible.
    """

    account: int
    lots: int
    quote_atoms: int
    haircut_atoms: int
    rank: int


class Figures(NamedTuple):
    """What every run publishes. taken_atoms is lost by the counterparties against the mark, gains not set off.

    overshoot_atoms is what of it exceeds the deficit; largest_haircut_ppm the largest part of an equity lost, rounded
    up; closed_profit_atoms the profit of the closed lots at the mark, which their owners cannot let run any longer.
    """

    needed_lots: int
    taken_lots: int
    needed_atoms: int
    taken_atoms: int
    overshoot_atoms: int
    largest_haircut_ppm: int
    closed_profit_atoms: int


class Deleveraging(NamedTuple):
    """The answer to one demand; quote_atoms is what all allocations pay together, signed like the demand's lots."""

    allocations: tuple[Allocation, ...]
    quote_atoms: int
    figures: Figures


@dataclass(slots=True)
class _Standing:
    """One candidate while demands are worked; its rank stays."""

    account: int
    lots: int
    cost_atoms: int
    equity_atoms: int
    budget_atoms: int
    rank: int = 0


def score(lots: int, cost_atoms: int, equity_atoms: int, mark_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    """r1 * r2, the higher the sooner deleveraged (MT-15).

    r1 = floor(2**20 * notional / cost) of a long, cost / notional of a short; r2 = floor(2**20 * notional / equity);
    each capped at 2**30. A long that cost nothing has the cap, a short that received nothing has 0.
    """
    assert equity_atoms > 0 and lots != 0, f"no rank with equity {equity_atoms} and {lots} lots"
    notional = abs(lots) * mark_ticks * quote_atoms_per_tick_lot
    gain = _capped_ratio(notional, cost_atoms) if lots > 0 else _capped_ratio(max(0, -cost_atoms), notional)
    return gain * _capped_ratio(notional, equity_atoms)


def _capped_ratio(numerator: int, divisor: int) -> int:
    if divisor <= 0:
        return SCORE_PART_CAP
    return min(SCORE_PART_CAP, mul_div_floor(numerator, SCORE_ONE, divisor))


def deleverage(
    demands: Iterable[Demand],
    candidates: Iterable[Candidate],
    mark_ticks: int,
    quote_atoms_per_tick_lot: int,
    policy: Policy,
) -> list[Deleveraging]:
    """Answers the demands of one market in their order; what nobody can take stays untaken in the figures (MT-15).

    Eligible are positions on the other side with equity above zero, of accounts without a demand of their own here;
    ties of the score go by account. Allocations of the queue stand in rank order, of the pro-rata policies in account
    order. Quotes are parts by cumulative ceil, so a demand taken whole gets exactly its quote.
    """
    demands = list(demands)
    demanded = {demand.account for demand in demands}
    rows = [
        _Standing(*candidate)
        for candidate in candidates
        if candidate.equity_atoms > 0 and candidate.lots != 0 and candidate.account not in demanded
    ]
    ranked = sorted(rows, key=lambda row: (-_score_of(row, mark_ticks, quote_atoms_per_tick_lot), row.account))
    sides = {side: [row for row in ranked if row.lots * side < 0] for side in (1, -1)}
    for side in sides.values():
        for rank, row in enumerate(side):
            row.rank = rank
    return [
        _answer(demand, sides[1 if demand.lots > 0 else -1], mark_ticks * quote_atoms_per_tick_lot, policy)
        for demand in demands
    ]


def _score_of(row: _Standing, mark_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    return score(row.lots, row.cost_atoms, row.equity_atoms, mark_ticks, quote_atoms_per_tick_lot)


def _answer(demand: Demand, ranked: Sequence[_Standing], lot_value_atoms: int, policy: Policy) -> Deleveraging:
    """Shares one demand out and takes it off the candidates."""
    needed = abs(demand.lots)
    loss = demand.quote_atoms - demand.lots * lot_value_atoms
    eligible = [row for row in ranked if row.lots and row.equity_atoms > 0]
    if policy is not Policy.QUEUE:
        eligible.sort(key=lambda row: row.account)
    rooms = [room_lots(abs(row.lots), row.budget_atoms, needed, loss) for row in eligible]
    if policy is Policy.QUEUE:
        taken = share_by_order(needed, rooms, range(len(eligible)))
    else:
        weights = [_weight(row, lot_value_atoms, policy) for row in eligible]
        by_rank = sorted(range(len(eligible)), key=lambda index: eligible[index].rank)
        taken = share_pro_rata(needed, weights, rooms, by_rank)
    return _settle(demand, eligible, taken, lot_value_atoms)


def room_lots(lots: int, budget_atoms: int, needed_lots: int, loss_atoms: int) -> int:
    """The lots, unsigned, a candidate can take of a demand: ceil(loss * lots / needed) stays within its budget.

    loss_atoms is what all counterparties of the whole demand lose against the mark; a gain or nothing limits nobody.
    """
    if loss_atoms <= 0:
        return lots
    return min(lots, mul_div_floor(max(0, budget_atoms), needed_lots, loss_atoms))


def share_by_order(needed_lots: int, rooms_lots: Sequence[int], order: Iterable[int]) -> list[int]:
    """Fills one candidate after the other in this order until nothing is needed any more."""
    taken = [0] * len(rooms_lots)
    for index in order:
        if needed_lots == 0:
            break
        taken[index] = min(needed_lots, rooms_lots[index])
        needed_lots -= taken[index]
    return taken


def share_pro_rata(
    needed_lots: int, weights: Sequence[int], rooms_lots: Sequence[int], by_rank: Sequence[int]
) -> list[int]:
    """Lots by weight and cumulative floor, no more than each one's room (MT-15).

    What a pass leaves because of full rooms goes to the others by weight again, PRO_RATA_PASSES times at most; the
    rest goes by rank. So an account split in two takes what it took whole, but for a lot of rounding a part and pass.
    """
    taken = [0] * len(weights)
    for _ in range(PRO_RATA_PASSES):
        active = [index for index, weight in enumerate(weights) if weight and taken[index] < rooms_lots[index]]
        whole = sum(weights[index] for index in active)
        if needed_lots == 0 or whole == 0:
            break
        so_far = given = left = 0
        for index in active:
            so_far += weights[index]
            reached = mul_div_floor(needed_lots, so_far, whole)
            share = min(reached - given, rooms_lots[index] - taken[index])
            left += reached - given - share
            taken[index] += share
            given = reached
        needed_lots = left
    rest = share_by_order(needed_lots, [room - had for room, had in zip(rooms_lots, taken, strict=True)], by_rank)
    return [had + more for had, more in zip(taken, rest, strict=True)]


def _weight(row: _Standing, lot_value_atoms: int, policy: Policy) -> int:
    if policy is Policy.PRO_RATA_POSITION:
        return abs(row.lots)
    return max(0, row.lots * lot_value_atoms - row.cost_atoms)


def _settle(demand: Demand, rows: Sequence[_Standing], taken: Sequence[int], lot_value_atoms: int) -> Deleveraging:
    """Quotes by cumulative ceil in the order of the rows; positions, equities and budgets move by them."""
    side, needed = (1 if demand.lots > 0 else -1), abs(demand.lots)
    allocations, done, lost, largest, profit = [], 0, 0, 0, 0
    for row, lots in zip(rows, taken, strict=True):
        if lots == 0:
            continue
        quote = quote_part_ceil_atoms(demand.quote_atoms, done, done + lots, needed)
        haircut = quote - side * lots * lot_value_atoms
        largest = max(largest, mul_div_ceil(max(0, haircut), PPM, row.equity_atoms))
        lost += max(0, haircut)
        released = mul_div_floor(row.cost_atoms, lots, abs(row.lots))
        profit += -side * lots * lot_value_atoms - released
        row.lots, row.cost_atoms = row.lots + side * lots, row.cost_atoms - released
        row.equity_atoms, row.budget_atoms = row.equity_atoms - haircut, row.budget_atoms - haircut
        done += lots
        allocations.append(Allocation(row.account, side * lots, quote, haircut, row.rank))
    overshoot = max(0, lost - demand.deficit_atoms)
    figures = Figures(needed, done, demand.deficit_atoms, lost, overshoot, largest, profit)
    quotes = div_ceil(demand.quote_atoms * done, needed)
    return Deleveraging(tuple(allocations), quotes, figures)
