"""The clock of a load: due times do not wait, what is hopeless is given up and counted."""

import pytest

from node.flow.pace import Pace


def test_what_is_late_keeps_its_time_until_patience_ends() -> None:
    pace = Pace(100.0, 1_000.0, patience_s=1.0)
    assert pace.due_s(0.5, 100.2) == 100.5
    assert pace.settle(100.5, 101.5) == 100.5
    assert (pace.unsent, pace.skipped_s) == (0, 0.0)


def test_what_is_given_up_is_counted_at_the_rate_and_the_plan_goes_on_from_now() -> None:
    pace = Pace(100.0, 1_000.0, patience_s=1.0)
    assert pace.settle(100.5, 104.0) == 104.0
    assert (pace.unsent, pace.skipped_s) == (3_500, 3.5)
    # The next window of the model is due that much later, at the prices of then.
    assert pace.due_s(0.6, 104.0) == pytest.approx(104.1)
    assert pace.price_s(0.6, 104.0) == pytest.approx(4.1)
    pace.give_up(104.1, 105.1)
    assert pace.unsent == 4_500


def test_an_impossible_rate_is_reported_whole() -> None:
    """A node that takes a batch of 10 ms every 50 ms: four fifths are unsent, whatever the patience."""
    pace, now_s, sent = Pace(0.0, 10_000.0, patience_s=0.2), 0.0, 0
    model_s = 0.0
    while now_s < 20.0:
        model_s += 0.01
        due_s = pace.due_s(model_s, now_s)
        now_s = max(now_s, due_s) + 0.05
        sent += 100
        pace.settle(due_s, now_s)
    behind = 10_000 * (now_s - pace.due_s(model_s, now_s))
    assert sent + pace.unsent + behind == pytest.approx(10_000 * now_s, rel=0.01)
    assert sent / (10_000 * now_s) == pytest.approx(0.2, abs=0.02)


def test_as_fast_as_it_goes_nothing_is_due_before_there_is_room() -> None:
    pace = Pace(100.0, 0.0, patience_s=1.0)
    assert pace.due_s(7.0, 103.0) == 103.0
    assert pace.settle(103.0, 109.0) == 109.0
    assert pace.price_s(7.0, 103.0) == 3.0
    pace.give_up(103.0, 109.0)
    assert pace.unsent == 0
