"""From bars to the ticks a replay publishes: inside a bar open, the nearer extreme, the other one, close."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from actors.units import PRICE_BOUND
from node.load.bars import BAR_MS, Bar, PriceFileError

TICKS_PER_BAR = 12
# With fewer than four only the last corners of a bar are seen: its close, or its second extreme and its close.
TICKS_PER_BAR_MIN = 1
# The mark moves at most once in 500 ms (TW-20): more points than this in a minute would never be marks.
TICKS_PER_BAR_MAX = 120
_E9 = 10**9


class PricePoint(NamedTuple):
    """A price in whole ticks at a time (ms)."""

    time_ms: int
    price_ticks: int


def price_path(bars: Sequence[Bar], ticks_per_bar: int, tick_size_e9: int) -> list[PricePoint]:
    """All points of all bars, spread evenly over each bar's minute (less where the next bar opens earlier).

    A price is rounded half up to whole ticks of tick_size_e9 (1e-9 quote). Raises PriceFileError for a price that
    rounds to no tick at all or beyond the bound of a price, ValueError for a number of points out of range.
    """
    if not TICKS_PER_BAR_MIN <= ticks_per_bar <= TICKS_PER_BAR_MAX:
        raise ValueError(f"ticks per bar must be {TICKS_PER_BAR_MIN} to {TICKS_PER_BAR_MAX}, got {ticks_per_bar}")
    points: list[PricePoint] = []
    for number, bar in enumerate(bars):
        length_ms = BAR_MS
        if number + 1 < len(bars):
            length_ms = min(length_ms, bars[number + 1].open_time_ms - bar.open_time_ms)
        if length_ms < ticks_per_bar:
            raise PriceFileError(f"{bar.place}: lasts {length_ms} ms, too short for {ticks_per_bar} prices")
        prices = bar_ticks(bar, ticks_per_bar, tick_size_e9)
        points += (
            PricePoint(bar.open_time_ms + length_ms * step // ticks_per_bar, price) for step, price in enumerate(prices)
        )
    return points


def bar_ticks(bar: Bar, ticks_per_bar: int, tick_size_e9: int) -> list[int]:
    """The prices of one bar's points in whole ticks, linear between its four corners, rounded half up.

    The extreme nearer the open comes first; where both are as near, the low.
    """
    tick_e18 = tick_size_e9 * _E9
    corners = _corners(bar)
    if ticks_per_bar < len(corners):
        return [_checked(bar, _half_up(price_e18, tick_e18)) for price_e18 in corners[-ticks_per_bar:]]
    last = ticks_per_bar - 1
    steps = (0, (last + 1) // 3, (2 * last + 1) // 3, last)
    prices: list[int] = []
    for (start, start_e18), (end, end_e18) in pairwise(zip(steps, corners, strict=True)):
        span = end - start
        for step in range(start if start == 0 else start + 1, end + 1):
            value = start_e18 * (end - step) + end_e18 * (step - start)
            prices.append(_checked(bar, _half_up(value, span * tick_e18)))
    return prices


def quoted(price_ticks: int, tick_size_e9: int) -> str:
    """A price in units of the quote currency with grouped thousands and the decimals its tick has, exact."""
    digits = str(tick_size_e9)
    decimals = max(0, 9 - (len(digits) - len(digits.rstrip("0"))))
    whole, rest = divmod(price_ticks * tick_size_e9, _E9)
    return f"{whole:,}" + (f".{rest:09d}"[: 1 + decimals] if decimals else "")


def _checked(bar: Bar, price_ticks: int) -> int:
    if not 0 < price_ticks < PRICE_BOUND:
        raise PriceFileError(f"{bar.place}: a price comes to {price_ticks} ticks, outside 1 to {PRICE_BOUND - 1}")
    return price_ticks


def _corners(bar: Bar) -> tuple[int, int, int, int]:
    low_first = bar.open_e18 - bar.low_e18 <= bar.high_e18 - bar.open_e18
    nearer, other = (bar.low_e18, bar.high_e18) if low_first else (bar.high_e18, bar.low_e18)
    return bar.open_e18, nearer, other, bar.close_e18


def _half_up(value: int, divisor: int) -> int:
    return (2 * value + divisor) // (2 * divisor)
