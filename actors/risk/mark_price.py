"""The mark of a market with an order book: median of oracle plus basis, the book, and perpetuals elsewhere (MT-09).

The books are those the block's call brings (as block h-2 left them). What the rule remembers are four averages and when
they were brought to last; its numbers, in order: that time in ms, then basis (in half ticks), book, mark over 8 hours,
mark over 30 days, each as `moving_average.numbers_of`.
"""

from typing import Final, NamedTuple

from actors.risk.moving_average import (
    DAYS_30,
    HOURS_8,
    LIMBS,
    SECONDS_30,
    SECONDS_150,
    Average,
    TimeConstant,
    after,
    average_of,
    multiple_floor,
    numbers_of,
    value_half_away,
    with_sample,
)
from actors.units import ORDER_LOTS_BOUND, PPM, PRICE_BOUND, TOTAL_BOUND, div_half_away
from breakwater.v1 import parameters_pb2 as parameters

MARK_CAP: Final = 10
ORACLE_CAP: Final = 4
NUMBERS: Final = 1 + 4 * LIMBS


class BookTop(NamedTuple):
    """What the oracle sees of a book, in ticks; 0 where there is none."""

    best_bid_ticks: int = 0
    best_ask_ticks: int = 0
    last_ticks: int = 0
    impact_bid_ticks: int = 0
    impact_ask_ticks: int = 0


NO_BOOK: Final = BookTop()


def price_bound_ticks(market: parameters.MarketParameters) -> int:
    """Prices of the market stay below this: all lots the cap allows are worth less than 2**60 atoms at any of them.

    A Perennial market caps its makers; there a single position, which has no cap, is worth less than that too.
    """
    if market.HasField("perennial"):
        lots = max(ORDER_LOTS_BOUND, market.perennial.maker_limit_lots)
        return min(PRICE_BOUND, TOTAL_BOUND * PPM // lots)
    if not market.HasField("margin_trade") and not market.HasField("spin"):
        return PRICE_BOUND
    rules = market.spin if market.HasField("spin") else market.margin_trade
    return min(PRICE_BOUND, TOTAL_BOUND // (rules.open_interest_cap_lots * rules.quote_atoms_per_tick_lot))


def weighted_median_ticks(votes: list[tuple[int, int]]) -> int:
    """The price at which half of the weight is reached; halfway between two prices it is their mean, half up.

    votes are (price_ticks, weight), at least one, weights positive.
    """
    votes = sorted(votes)
    total = sum(weight for _, weight in votes)
    below = 0
    for index, (price, weight) in enumerate(votes):
        below += weight
        if 2 * below == total:
            return div_half_away(price + votes[index + 1][0], 2)
        if 2 * below > total:
            return price
    raise AssertionError("no weight")


def median_ticks(prices: list[int]) -> int:
    """The middle price, at least one; of an even number the mean of the middle two, half up."""
    return weighted_median_ticks([(price, 1) for price in prices])


def book_price_ticks(top: BookTop) -> int | None:
    """Input (2): median of best bid, best ask and, where there was one, last trade; None without a bid and an ask."""
    if not top.best_bid_ticks or not top.best_ask_ticks:
        return None
    sides = [top.best_bid_ticks, top.best_ask_ticks]
    return median_ticks([*sides, top.last_ticks] if top.last_ticks else sides)


class MarkMemory:
    """The averages of one market's mark, and the rule that turns inputs into a mark."""

    def __init__(self) -> None:
        self._stepped_ms = -1
        self._basis = self._book = self._hours = self._days = Average()

    def oracle_capped_ticks(self, oracle_ticks: int) -> int:
        """The oracle price at no more than 4 times the 30-day average of the mark (floor, at least 1 tick)."""
        return _capped(oracle_ticks, multiple_floor(self._days, ORACLE_CAP))

    def step(
        self, now_ms: int, oracle_ticks: int, top: BookTop, perp_ticks: int | None, mark_ticks: int, bound_ticks: int
    ) -> int:
        """The mark at block time, below the bound; the last one (0: none yet) where there are fewer than two inputs.

        The first mark may follow the oracle alone: without it no order could be priced and no book would come to be.
        Every average takes what this step has for it; a book without two sides gives none of its own.
        """
        book_ticks = book_price_ticks(top)
        basis_halves = None if book_ticks is None else top.best_bid_ticks + top.best_ask_ticks - 2 * oracle_ticks
        self._basis = self._passed(SECONDS_150, self._basis, now_ms, basis_halves)
        self._book = self._passed(SECONDS_30, self._book, now_ms, book_ticks)
        inputs = self._inputs(oracle_ticks, book_ticks, perp_ticks)
        moved_ticks = None
        if len(inputs) > 1 or not mark_ticks:
            capped = _capped(median_ticks(inputs), multiple_floor(self._hours, MARK_CAP))
            moved_ticks = min(capped, bound_ticks - 1)
        self._end(now_ms, moved_ticks)
        return mark_ticks if moved_ticks is None else moved_ticks

    def _inputs(self, oracle_ticks: int, book_ticks: int | None, perp_ticks: int | None) -> list[int]:
        """Inputs (1) to (3) as far as they are; where they are two, the 30-second average of (2) joins."""
        inputs = [max(1, oracle_ticks + (value_half_away(self._basis, 2) or 0))]
        inputs += [price for price in (book_ticks, perp_ticks) if price is not None]
        smooth_ticks = value_half_away(self._book)
        return [*inputs, smooth_ticks] if len(inputs) == 2 and smooth_ticks is not None else inputs

    def hold(self, now_ms: int) -> None:
        """The mark is held (halted, tripped, no oracle): time passes and weighs nothing."""
        self._basis = self._passed(SECONDS_150, self._basis, now_ms, None)
        self._book = self._passed(SECONDS_30, self._book, now_ms, None)
        self._end(now_ms, None)

    def _end(self, now_ms: int, mark_ticks: int | None) -> None:
        self._hours = self._passed(HOURS_8, self._hours, now_ms, mark_ticks)
        self._days = self._passed(DAYS_30, self._days, now_ms, mark_ticks)
        self._stepped_ms = now_ms

    def _passed(self, constant: TimeConstant, average: Average, now_ms: int, sample: int | None) -> Average:
        """The average at block time; units are counted on their grid, so that none is lost or counted twice."""
        since_ms = now_ms if self._stepped_ms < 0 else self._stepped_ms
        units = now_ms // constant.unit_ms - since_ms // constant.unit_ms
        if sample is None:
            return after(average, constant, units)
        return with_sample(average, constant, units, sample)

    def numbers(self) -> list[int]:
        """The memory as int64, in the order said above."""
        averages = (self._basis, self._book, self._hours, self._days)
        return [self._stepped_ms, *(number for average in averages for number in numbers_of(average))]

    @classmethod
    def of_numbers(cls, numbers: list[int]) -> "MarkMemory":
        """The memory of what `numbers` gave."""
        assert len(numbers) == NUMBERS, f"{len(numbers)} numbers are no memory of a mark"
        memory = cls()
        memory._stepped_ms = numbers[0]
        starts = range(1, NUMBERS, LIMBS)
        memory._basis, memory._book, memory._hours, memory._days = (
            average_of(tuple(numbers[start : start + LIMBS])) for start in starts
        )
        return memory


def _capped(price_ticks: int, cap_ticks: int | None) -> int:
    return price_ticks if cap_ticks is None else max(1, min(price_ticks, cap_ticks))
