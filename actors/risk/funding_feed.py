"""One market's funding on a venue with books: premium sampled every 5 s, averaged to the boundary's rate (MT-10)."""

from typing import Final

from actors.risk.mark_price import BookTop
from actors.risk.premium import FundingSamples, after_boundary, average_half_away, sample_is_due, with_sample
from actors.rulebooks import margin_trade
from actors.units import E9
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

SAMPLE_INTERVAL_MS: Final = 5_000
# A hundred times the oracle price: far beyond what the hourly cap lets through, and 64 bits hold an hour of it.
PREMIUM_BOUND_E9: Final = 100 * E9


class FundingFeed:
    """The samples since the last boundary; what they say goes into the mark."""

    def __init__(self, samples: FundingSamples | None = None) -> None:
        self._samples = samples or FundingSamples()

    def pass_boundary(self, mark: common.Mark, market: parameters.MarketParameters) -> None:
        """Closes the hour: its average is the mark's and, where the mark funds, the rate it charges follows from it."""
        rules = market.margin_trade
        average_e9 = average_half_away(self._samples)
        self._samples = after_boundary(self._samples)
        mark.average_premium_e9 = average_e9
        if mark.funding_boundary_ms:
            mark.funding_rate_e9 = margin_trade.funding_rate_hourly_e9(
                average_e9, rules.interest_rate_e9, rules.interest_clamp_e9, rules.funding_cap_e9
            )

    def sample(self, now_ms: int, mark: common.Mark, top: BookTop, _market: parameters.MarketParameters) -> None:
        """Takes a premium where one is due; in a boundary's block the mark keeps showing the hour that is over."""
        if not sample_is_due(self._samples, now_ms):
            return
        premium_e9 = premium_half_away_e9(top, mark.index_ticks)
        self._samples = with_sample(self._samples, premium_e9, now_ms, SAMPLE_INTERVAL_MS)
        mark.premium_e9 = premium_e9
        if not mark.funding_boundary_ms:
            mark.average_premium_e9 = average_half_away(self._samples)

    def numbers(self) -> list[int]:
        """Sum and count of the samples, and when the next is due."""
        return list(self._samples)

    @classmethod
    def of_numbers(cls, numbers: list[int]) -> "FundingFeed":
        """The feed of what `numbers` gave."""
        return cls(FundingSamples(*numbers))


def premium_half_away_e9(top: BookTop, oracle_ticks: int) -> int:
    """The premium of the impact prices; a side that cannot fill the impact notional says nothing (0)."""
    ask_ticks = top.impact_ask_ticks or oracle_ticks
    premium_e9 = margin_trade.premium_half_away_e9(top.impact_bid_ticks, ask_ticks, oracle_ticks)
    return max(-PREMIUM_BOUND_E9, min(PREMIUM_BOUND_E9, premium_e9))
