"""Samples between two funding boundaries, of premiums (MT-10) or mids (SP-11): a sum and a count, averaged once."""

from typing import NamedTuple

from actors.units import div_half_away


class FundingSamples(NamedTuple):
    """The samples since the last boundary, and when the next is taken. The state of one market's funding.

    `total` is in the unit of what is sampled: 1e-9 for premiums, ticks for mids.
    """

    total: int = 0
    taken: int = 0
    next_sample_ms: int = 0


def sample_is_due(samples: FundingSamples, now_ms: int) -> bool:
    """A sample is taken at the first block at or after its time."""
    return now_ms >= samples.next_sample_ms


def with_sample(samples: FundingSamples, sample: int, now_ms: int, interval_ms: int) -> FundingSamples:
    """The samples with one more; the next is due at the next multiple of the interval, missed ones are not made up."""
    assert interval_ms > 0, f"interval must be positive, got {interval_ms}"
    return FundingSamples(samples.total + sample, samples.taken + 1, (now_ms // interval_ms + 1) * interval_ms)


def average_half_away(samples: FundingSamples) -> int:
    """The mean, half away from zero; 0 without a sample, which leaves MT-10's interest to be paid."""
    return 0 if samples.taken == 0 else div_half_away(samples.total, samples.taken)


def after_boundary(samples: FundingSamples) -> FundingSamples:
    """A new hour begins: nothing is carried over but the time of the next sample."""
    return FundingSamples(next_sample_ms=samples.next_sample_ms)
