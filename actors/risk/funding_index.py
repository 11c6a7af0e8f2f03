"""One market's funding on a Spin venue: mids sampled once a step of the tick grid move a cumulative index (SP-11)."""

from typing import Final

from actors.risk.mark_price import BookTop
from actors.risk.premium import FundingSamples, after_boundary, sample_is_due, with_sample
from actors.rulebooks import spin
from actors.units import div_floor
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

# No market gets here: at its cap of 1% and a price of a million ticks an index needs 50 years of hours for it.
INDEX_BOUND_E9: Final = 1 << 62


class IndexFunding:
    """The mids since the last boundary, in ticks; what they say goes into the mark."""

    def __init__(self, samples: FundingSamples | None = None) -> None:
        self._mids = samples or FundingSamples()
        self.average_mid_ticks = 0

    def pass_boundary(self, mark: common.Mark, market: parameters.MarketParameters) -> None:
        """Closes the epoch: where the mark funds, its rate moves the index by rate * index price, in 1e-9 ticks, exact.

        The average mid is the floor of sum / count; an epoch without a mid has rate 0. Mids of an epoch that ends
        while the mark may not be used are forgotten. A move that would take the index out of its bound is cut there.
        """
        mids, self._mids = self._mids, after_boundary(self._mids)
        self.average_mid_ticks = div_floor(mids.total, mids.taken) if mids.taken else 0
        if not mark.funding_boundary_ms or not mids.taken:
            return
        index_ticks = mark.index_ticks
        cap_e9 = market.spin.funding_cap_e9
        mark.funding_rate_e9 = spin.funding_rate_half_away_e9(self.average_mid_ticks, 1, index_ticks, cap_e9)
        moved_e9 = mark.funding_index_e9 + spin.funding_step_ticks_e9(mark.funding_rate_e9, index_ticks)
        mark.funding_index_e9 = max(-INDEX_BOUND_E9, min(INDEX_BOUND_E9, moved_e9))

    def sample(self, now_ms: int, _mark: common.Mark, top: BookTop, market: parameters.MarketParameters) -> None:
        """Takes the mid where one is due: floor of the half of best bid and best ask, none without both."""
        if not top.best_bid_ticks or not top.best_ask_ticks or not sample_is_due(self._mids, now_ms):
            return
        mid_ticks = div_floor(top.best_bid_ticks + top.best_ask_ticks, 2)
        self._mids = with_sample(self._mids, mid_ticks, now_ms, market.oracle.tick_interval_ms)

    def numbers(self) -> list[int]:
        """Sum and count of the mids, and when the next is due."""
        return list(self._mids)

    @classmethod
    def of_numbers(cls, numbers: list[int]) -> "IndexFunding":
        """The feed of what `numbers` gave."""
        return cls(FundingSamples(*numbers))
