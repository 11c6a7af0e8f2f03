"""A synthetic crash: seeded one-minute bars whose depth and pace follow published figures of 12 March 2020.

Bitcoin fell from 7,358 to 5,199 USD in 48 minutes that day (-29%), slowly at first, half of it in the last eight
minutes, and won back part of it at once. The anchors below hold that pace; between them runs a random walk whose
volatility clusters, pinned to the anchors. It is no recording: for the real prices give a file. All arithmetic is in
whole cents, so the same seed gives the same bars on every machine.
"""

from itertools import pairwise

import numpy as np

from node.load.bars import BAR_MS, QUOTE_E18, Bar

# 12 March 2020, 10:00 UTC.
START_MS = 1_584_007_200_000
MINUTES = 120
LOW_MINUTE = 48
LOW_CENTS = 519_917
# Minute, price in cents, and by how much (ppm, either way) a seed may move it.
_ANCHORS = (
    (0, 735_851, 0),
    (16, 727_000, 2_500),
    (30, 713_000, 4_000),
    (37, 686_000, 6_000),
    (42, 660_000, 8_000),
    (46, 602_000, 10_000),
    (48, 562_000, 6_000),
    (49, 592_000, 10_000),
    (55, 655_000, 15_000),
    (61, 584_000, 15_000),
    (70, 621_000, 12_000),
    (81, 634_000, 12_000),
    (92, 618_000, 10_000),
    (104, 578_000, 10_000),
    (120, 594_000, 12_000),
)
_CENT_E18 = QUOTE_E18 // 100
_PPM = 1_000_000
_CALM_PPM = 700
_VOLATILITY_MAX_PPM = 16_000


def crash_bars(seed: int) -> list[Bar]:
    """120 one-minute bars from 10:00 to 12:00 UTC, the low of 5,199.17 USD in the minute that begins at 10:48."""
    draw = np.random.Generator(np.random.PCG64(seed))
    anchors = [
        (minute, cents + cents * int(draw.integers(-ppm, ppm, endpoint=True)) // _PPM)
        for minute, cents, ppm in _ANCHORS
    ]
    volatility_ppm = _volatilities(draw)
    closes = _walk(draw, anchors, volatility_ppm)
    return [_bar(draw, minute, closes, volatility_ppm[minute]) for minute in range(MINUTES)]


def _volatilities(draw: np.random.Generator) -> list[int]:
    """Volatility of each minute in ppm of the price: it decays by a tenth a minute and is fed by shocks that grow
    towards the low and fade after it."""
    volatility = _CALM_PPM
    path = []
    for minute in range(MINUTES):
        distance = abs(minute - LOW_MINUTE)
        pressure = max(0, 2_400 - (distance * 130 if minute < LOW_MINUTE else distance * 36))
        shock = abs(_bell(draw, pressure))
        volatility = min(_VOLATILITY_MAX_PPM, _CALM_PPM + (volatility - _CALM_PPM) * 9 // 10 + shock)
        path.append(volatility)
    return path


def _bell(draw: np.random.Generator, scale: int) -> int:
    """A bell-shaped whole number around 0 with about this deviation: the sum of twelve uniform ones, halved."""
    return int(draw.integers(-scale, scale, size=12, endpoint=True).sum()) // 2


def _walk(draw: np.random.Generator, anchors: list[tuple[int, int]], volatility_ppm: list[int]) -> list[int]:
    """Prices at the minutes 0 to 120 in cents: straight between anchors plus a walk that is zero at each of them."""
    prices = [anchors[0][1]]
    for (start, start_cents), (end, end_cents) in pairwise(anchors):
        span = end - start
        walk = [0]
        for minute in range(start, end):
            walk.append(walk[-1] + start_cents * _bell(draw, volatility_ppm[minute]) // _PPM)
        for step in range(1, span + 1):
            line = (start_cents * (span - step) + end_cents * step) // span
            bridge = walk[step] - walk[span] * step // span
            prices.append(max(LOW_CENTS + 2_000, line + bridge))
    return prices


def _bar(draw: np.random.Generator, minute: int, closes: list[int], volatility_ppm: int) -> Bar:
    open_cents, close_cents = closes[minute], closes[minute + 1]
    reach = open_cents * volatility_ppm // _PPM
    high_cents = max(open_cents, close_cents) + abs(_bell(draw, reach // 2)) + 1
    low_cents = max(LOW_CENTS + 1_000, min(open_cents, close_cents) - abs(_bell(draw, reach // 2)) - 1)
    if minute == LOW_MINUTE:
        low_cents = LOW_CENTS
    return Bar(
        open_time_ms=START_MS + minute * BAR_MS,
        open_e18=open_cents * _CENT_E18,
        high_e18=high_cents * _CENT_E18,
        low_e18=low_cents * _CENT_E18,
        close_e18=close_cents * _CENT_E18,
    )
