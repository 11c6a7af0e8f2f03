"""One market's price: sources in, weighted median, the mark that follows it, and when it may not be used (TW-20)."""

from actors.risk.tradable import is_usable
from actors.units import PPM, div_half_away
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from breakwater.v1 import snapshots_pb2 as snapshots


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


class Feed:
    """Sources and mark of one market."""

    def __init__(self, market: parameters.MarketParameters) -> None:
        self.parameters = parameters.MarketParameters()
        self.parameters.CopyFrom(market)
        self.mark = common.Mark(venue=market.venue, market=market.market, state=common.MARK_STATE_NONE)
        self._sources: dict[int, tuple[int, int]] = {}
        self._taken_ms = -1
        self._advanced_ms = -1
        self._breaker_mark_ticks = 0
        self._breaker_since_ms = 0
        self._tripped_until_ms = 0

    def change(self, market: parameters.MarketParameters) -> None:
        """New parameters; sources no longer listed lose their vote."""
        self.parameters.CopyFrom(market)
        listed = {source.publisher for source in market.oracle.sources}
        self._sources = {publisher: tick for publisher, tick in self._sources.items() if publisher in listed}

    def take(
        self, publisher: int, price_ticks: int, published_ms: int, now_ms: int
    ) -> tuple["refusals.Refusal", int, int] | None:
        """Takes a tick, or says why not: (refusal, required, actual)."""
        oracle = self.parameters.oracle
        if all(source.publisher != publisher for source in oracle.sources):
            return refusals.REFUSAL_UNKNOWN_PUBLISHER, len(oracle.sources), publisher
        last_ms = self._sources[publisher][1] if publisher in self._sources else -1
        if published_ms <= last_ms:
            return refusals.REFUSAL_STALE_TICK, last_ms, published_ms
        if published_ms < now_ms - oracle.source_fresh_ms:
            return refusals.REFUSAL_STALE_TICK, now_ms - oracle.source_fresh_ms, published_ms
        if published_ms > now_ms + oracle.future_tolerance_ms:
            return refusals.REFUSAL_FUTURE_TICK, now_ms + oracle.future_tolerance_ms, published_ms
        self._sources[publisher] = (price_ticks, published_ms)
        return None

    def advance(self, now_ms: int) -> bool:
        """Brings the mark to block time and says whether it moved."""
        moved = self._follow_index(now_ms)
        mark = self.mark
        mark.age_ms = max(0, now_ms - mark.published_ms) if mark.version else 0
        mark.state = self._state(now_ms)
        mark.funding_boundary_ms = 0
        return moved

    def _follow_index(self, now_ms: int) -> bool:
        oracle = self.parameters.oracle
        too_early = now_ms // oracle.tick_interval_ms <= self._taken_ms // oracle.tick_interval_ms
        if self.parameters.halted or now_ms < self._tripped_until_ms or (self.mark.version and too_early):
            return False
        fresh = [
            (self._sources[source.publisher], source.weight)
            for source in oracle.sources
            if source.publisher in self._sources
            and self._sources[source.publisher][1] >= now_ms - oracle.source_fresh_ms
        ]
        newest_ms = max((tick[1] for tick, _ in fresh), default=-1)
        if newest_ms < 0 or (self.mark.version and newest_ms <= self.mark.published_ms):
            return False  # TW-20: the last valid mark stays
        index = weighted_median_ticks([(tick[0], weight) for tick, weight in fresh])
        if self._trips(index, now_ms):
            return False
        self._taken_ms = now_ms
        self.mark.mark_ticks = self.mark.index_ticks = index
        self.mark.version += 1
        self.mark.published_ms = newest_ms
        return True

    def _trips(self, index_ticks: int, now_ms: int) -> bool:
        """Whether the index moved too far from the mark at the start of the window; then the mark is held a while."""
        oracle = self.parameters.oracle
        if not oracle.breaker_move_ppm:
            return False
        if not self._breaker_mark_ticks or now_ms - self._breaker_since_ms >= oracle.breaker_window_ms:
            self._breaker_mark_ticks = self.mark.mark_ticks or index_ticks
            self._breaker_since_ms = now_ms
        reference = self._breaker_mark_ticks
        if abs(index_ticks - reference) * PPM <= oracle.breaker_move_ppm * reference:
            return False
        self._tripped_until_ms = now_ms + oracle.breaker_hold_ms
        self._breaker_mark_ticks, self._breaker_since_ms = index_ticks, now_ms
        return True

    def _state(self, now_ms: int) -> "common.MarkState":
        oracle = self.parameters.oracle
        if not self.mark.version:
            return common.MARK_STATE_NONE
        if self.parameters.halted or (oracle.halt_age_ms and self.mark.age_ms >= oracle.halt_age_ms):
            return common.MARK_STATE_HALTED
        if now_ms < self._tripped_until_ms:
            return common.MARK_STATE_TRIPPED
        return common.MARK_STATE_STALE if self.mark.age_ms >= oracle.warn_age_ms else common.MARK_STATE_FRESH

    def take_boundaries(self, now_ms: int) -> list[int]:
        """Sets the boundary the block funds at on the mark; returns those it passed without funding (TW-08)."""
        interval = self.parameters.oracle.funding_interval_ms
        before_ms = now_ms if self._advanced_ms < 0 else self._advanced_ms
        self._advanced_ms = now_ms
        passed = list(range((before_ms // interval + 1) * interval, now_ms + 1, interval))
        if not passed:
            return []
        if not is_usable(self.mark):
            return passed
        self.mark.funding_boundary_ms = passed[-1]
        return passed[:-1]

    def save(self) -> snapshots.FeedState:
        """The feed as a message."""
        return snapshots.FeedState(
            parameters=self.parameters,
            mark=self.mark,
            sources=[
                snapshots.SourceState(publisher=publisher, price_ticks=price, published_ms=published)
                for publisher, (price, published) in sorted(self._sources.items())
            ],
            taken_ms=self._taken_ms,
            advanced_ms=self._advanced_ms,
            breaker_mark_ticks=self._breaker_mark_ticks,
            breaker_since_ms=self._breaker_since_ms,
            tripped_until_ms=self._tripped_until_ms,
        )

    @classmethod
    def load(cls, saved: snapshots.FeedState) -> "Feed":
        """The feed of a message."""
        feed = cls(saved.parameters)
        feed.mark.CopyFrom(saved.mark)
        feed._sources = {source.publisher: (source.price_ticks, source.published_ms) for source in saved.sources}
        feed._taken_ms = saved.taken_ms
        feed._advanced_ms = saved.advanced_ms
        feed._breaker_mark_ticks = saved.breaker_mark_ticks
        feed._breaker_since_ms = saved.breaker_since_ms
        feed._tripped_until_ms = saved.tripped_until_ms
        return feed
