"""The synthetic crash keeps the published depth and pace whatever the seed, and the same seed is the same crash."""

import hashlib
from itertools import pairwise

import pytest

from node.load.bars import BAR_MS, QUOTE_E18
from node.load.crash import LOW_CENTS, LOW_MINUTE, MINUTES, START_MS, crash_bars

_CENT_E18 = QUOTE_E18 // 100


@pytest.mark.parametrize("seed", range(8))
def test_every_bar_is_a_bar(seed: int) -> None:
    bars = crash_bars(seed)
    assert [bar.open_time_ms for bar in bars] == [START_MS + minute * BAR_MS for minute in range(MINUTES)]
    for bar in bars:
        assert 0 < bar.low_e18 <= min(bar.open_e18, bar.close_e18)
        assert max(bar.open_e18, bar.close_e18) <= bar.high_e18
    assert all(after.open_e18 == before.close_e18 for before, after in pairwise(bars))


@pytest.mark.parametrize("seed", range(8))
def test_it_falls_by_29_percent_in_48_minutes_and_wins_part_back(seed: int) -> None:
    bars = crash_bars(seed)
    lows = [bar.low_e18 for bar in bars]
    assert lows.index(min(lows)) == LOW_MINUTE == 48
    assert min(lows) == LOW_CENTS * _CENT_E18
    fall_ppm = (bars[0].open_e18 - min(lows)) * 1_000_000 // bars[0].open_e18
    assert 290_000 <= fall_ppm <= 296_000
    rebound = bars[-1].close_e18 - min(lows)
    assert rebound * 10 > (bars[0].open_e18 - min(lows)) * 2


def test_volatility_clusters_around_the_low() -> None:
    bars = crash_bars(3)
    spread = [(bar.high_e18 - bar.low_e18) * 1_000_000 // bar.open_e18 for bar in bars]
    assert sum(spread[40:60]) > 5 * sum(spread[:20])


def test_the_same_seed_is_the_same_path_everywhere() -> None:
    assert crash_bars(7) == crash_bars(7)
    assert crash_bars(7) != crash_bars(8)
    text = ";".join(f"{bar.open_e18},{bar.high_e18},{bar.low_e18},{bar.close_e18}" for bar in crash_bars(7))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "afec0d1e171d16d9"
