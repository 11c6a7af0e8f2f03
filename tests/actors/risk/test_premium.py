"""Premium samples: when one is due, and their mean over the hour (MT-10)."""

from actors.risk import premium
from actors.risk.premium import FundingSamples


def test_mt10_samples_are_taken_on_the_grid_and_missed_ones_are_not_made_up() -> None:
    samples = FundingSamples(next_sample_ms=5_000)
    assert not premium.sample_is_due(samples, 4_999)
    assert premium.sample_is_due(samples, 5_000)
    samples = premium.with_sample(samples, 40, 5_000, 5_000)
    assert samples == (40, 1, 10_000)
    samples = premium.with_sample(samples, -45, 23_456, 5_000)
    assert samples == (-5, 2, 25_000)


def test_mt10_the_mean_is_rounded_half_away_and_without_samples_zero() -> None:
    assert premium.average_half_away(FundingSamples(-5, 2)) == -3
    assert premium.average_half_away(FundingSamples(5, 2)) == 3
    assert premium.average_half_away(FundingSamples(4, 3)) == 1
    assert premium.average_half_away(FundingSamples()) == 0


def test_mt10_a_new_hour_keeps_only_the_time_of_the_next_sample() -> None:
    assert premium.after_boundary(FundingSamples(40, 3, 10_000)) == FundingSamples(next_sample_ms=10_000)
