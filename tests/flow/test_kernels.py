"""Chance and calendar: what the draws are in the mean and in the tails, and that nothing due is lost."""

import numpy as np
import pytest
from numba import njit

from node.flow.kernels import chance
from node.flow.kernels.calendar import SLOTS, USED, new_calendar, put, take

DRAWS = 200_000


@njit
def draw_pareto(rng, index, most, count):  # type: ignore[no-untyped-def]
    found = np.zeros(count)
    for number in range(count):
        found[number] = chance.pareto(rng, index, most)
    return found


@njit
def draw_arrivals(rng, clock, count):  # type: ignore[no-untyped-def]
    found = np.zeros(count)
    for number in range(count):
        found[number] = chance.next_arrival(rng, clock)
    return found


def rng_of(seed: int) -> np.ndarray:
    return np.array([seed], dtype=np.uint64)


def hill(sample: np.ndarray, tail: int) -> float:
    """The index of a power law by its largest values."""
    largest = np.sort(sample)[-tail - 1 :]
    return float(1.0 / np.log(largest[1:] / largest[0]).mean())


@pytest.mark.parametrize("index", [1.0, 1.5, 1.7, 3.0])
def test_sizes_have_the_tail_they_are_said_to_have(index: float) -> None:
    sample = draw_pareto(rng_of(3), index, np.inf, DRAWS)
    assert sample.min() >= 1.0
    assert hill(sample, DRAWS // 20) == pytest.approx(index, rel=0.05)
    assert draw_pareto(rng_of(3), index, 5.0, DRAWS).max() == 5.0


@pytest.mark.parametrize("branching", [0.0, 0.5, 0.8])
def test_arrivals_keep_their_rate_and_cluster_by_the_branching_ratio(branching: float) -> None:
    rate, decay, window_s = 1_000.0, 50.0, 1.0
    arrivals = draw_arrivals(rng_of(11), chance.hawkes_clock(rate, branching, decay), 2_000_000)
    assert (np.diff(arrivals) > 0).all()
    assert len(arrivals) / arrivals[-1] == pytest.approx(rate, rel=0.02)
    counts = np.bincount((arrivals / window_s).astype(int))[:-1]
    # In windows much longer than a cluster the variance is 1 / (1 - n)^2 times the mean.
    dispersion = counts.var() / counts.mean()
    assert 1 - 1 / np.sqrt(dispersion) == pytest.approx(branching, abs=0.04)


def test_the_numbers_of_a_seed_are_its_own_and_always_the_same() -> None:
    first = draw_pareto(rng_of(1), 1.5, np.inf, 1_000)
    assert (first == draw_pareto(rng_of(1), 1.5, np.inf, 1_000)).all()
    assert not (first == draw_pareto(rng_of(2), 1.5, np.inf, 1_000)).any()


@njit
def put_one(calendar, due_s):  # type: ignore[no-untyped-def]
    return put(calendar, due_s)


@njit
def take_one(calendar, until_s):  # type: ignore[no-untyped-def]
    return take(calendar, until_s)


def test_whatever_is_put_into_the_calendar_comes_once_in_its_slot_however_far_it_is() -> None:
    width_s = 0.01
    calendar = new_calendar(3_000, width_s)
    draw = np.random.default_rng(5)
    due_s = {}
    for when in draw.uniform(0, 3 * SLOTS * width_s, 2_000):
        due_s[put_one(calendar, when)] = when
    assert len(due_s) == 2_000
    taken, now_s = [], 0.0
    while due_s:
        now_s += float(draw.uniform(0, 40 * width_s))
        while (entry := take_one(calendar, now_s)) >= 0:
            when = due_s.pop(entry)
            taken.append(when)
            assert when <= now_s
            if len(taken) % 3 == 0 and now_s < SLOTS * width_s:  # put while it turns
                later = now_s + float(draw.uniform(0, 2 * SLOTS * width_s))
                due_s[put_one(calendar, later)] = later
        overdue = [when for when in due_s.values() if when < now_s - 2 * width_s]
        assert not overdue
    assert calendar.state[USED] == 0
    # In the order of the slots, which are as wide as that.
    assert (np.diff(np.array(taken)) > -width_s).all()


def test_a_full_calendar_says_so_and_has_room_again() -> None:
    calendar = new_calendar(2, 1.0)
    assert [put_one(calendar, 0.5), put_one(calendar, 0.5), put_one(calendar, 0.5)] == [0, 1, -1]
    assert take_one(calendar, 0.9) == -1
    assert {take_one(calendar, 1.0), take_one(calendar, 1.0)} == {0, 1}
    assert put_one(calendar, 9.5) >= 0
