"""Premium samples between two funding boundaries: a sum and a count, averaged once (MT-10)."""

from typing import NamedTuple

from actors.units import div_half_away


class PremiumSamples(NamedTuple):
    """The samples since the last boundary, and when the next is taken. The state of one market's funding."""

    sum_e9: int = 0
    taken: int = 0
    next_sample_ms: int = 0


def sample_is_due(samples: PremiumSamples, now_ms: int) -> bool:
    """A sample is taken at the first block at or after its time."""
    return now_ms >= samples.next_sample_ms


def with_sample(samples: PremiumSamples, premium_e9: int, now_ms: int, interval_ms: int) -> PremiumSamples:
    """The samples with one more; the next is due at the next multiple of the interval, missed ones are not made up."""
    assert interval_ms > 0, f"interval must be positive, got {interval_ms}"
    return PremiumSamples(samples.sum_e9 + premium_e9, samples.taken + 1, (now_ms // interval_ms + 1) * interval_ms)


def average_half_away_e9(samples: PremiumSamples) -> int:
    """The mean premium, half away from zero; 0 without a sample, which leaves the interest to be paid."""
    return 0 if samples.taken == 0 else div_half_away(samples.sum_e9, samples.taken)


def after_boundary(samples: PremiumSamples) -> PremiumSamples:
    """A new hour begins: nothing is carried over but the time of the next sample."""
    return PremiumSamples(next_sample_ms=samples.next_sample_ms)
