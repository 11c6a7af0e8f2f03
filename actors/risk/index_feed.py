"""One market's price: sources in, oracle price, the mark that follows, when it may not be used (TW-20, MT-08)."""

from actors.risk.funding_feed import FundingFeed
from actors.risk.funding_index import IndexFunding
from actors.risk.mark_price import NO_BOOK, NUMBERS, BookTop, MarkMemory, price_bound_ticks, weighted_median_ticks
from actors.risk.tradable import is_usable
from actors.units import PPM
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from breakwater.v1 import snapshots_pb2 as snapshots


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
        # Only a market with a book has a median to remember (MT-09) and premiums or mids to sample (MT-10, SP-11).
        self._funding = _funding_of(market, [])
        self._memory = MarkMemory() if self._funding else None

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

    def advance(self, now_ms: int, top: BookTop = NO_BOOK) -> bool:
        """Brings the mark to block time and says whether it moved."""
        if self._memory and self.parameters.oracle.mark_rule == common.MARK_RULE_MEDIAN_OF_THREE:
            moved = self._follow_median(self._memory, now_ms, top)
        else:
            moved = self._follow_index(now_ms)
        mark = self.mark
        mark.age_ms = max(0, now_ms - mark.published_ms) if mark.version else 0
        mark.state = self._state(now_ms)
        mark.funding_boundary_ms = mark.funding_rate_e9 = 0
        return moved

    def _is_held(self, now_ms: int) -> bool:
        return self.parameters.halted or now_ms < self._tripped_until_ms

    def _too_early(self, now_ms: int) -> bool:
        interval_ms = self.parameters.oracle.tick_interval_ms
        return bool(self.mark.version) and now_ms // interval_ms <= self._taken_ms // interval_ms

    def _fresh(self, now_ms: int, perp: bool = False) -> list[tuple[int, int, int]]:
        """(price_ticks, weight, published_ms) of the sources of one kind that have a vote; too few spot are none."""
        oracle = self.parameters.oracle
        fresh = []
        for source in oracle.sources:
            price_ticks, published_ms = self._sources.get(source.publisher, (0, -1))
            is_perp = source.kind == common.SOURCE_KIND_PERP
            if price_ticks and is_perp == perp and published_ms >= now_ms - oracle.source_fresh_ms:
                fresh.append((price_ticks, source.weight, published_ms))
        return fresh if perp or len(fresh) >= oracle.min_fresh_sources else []

    def _follow_index(self, now_ms: int) -> bool:
        if self._is_held(now_ms) or self._too_early(now_ms):
            return False
        fresh = self._fresh(now_ms)
        newest_ms = max((published_ms for _, _, published_ms in fresh), default=-1)
        if newest_ms < 0 or (self.mark.version and newest_ms <= self.mark.published_ms):
            return False  # TW-20: the last valid mark stays
        index = _price_ticks(fresh)
        if self._trips(index, now_ms):
            return False
        self._taken_ms = now_ms
        self.mark.mark_ticks = self.mark.index_ticks = index
        self.mark.version += 1
        self.mark.published_ms = newest_ms
        return True

    def _follow_median(self, memory: MarkMemory, now_ms: int, top: BookTop) -> bool:
        """MT-08, MT-09: the oracle price, for a bounded time the last valid one, and the mark with the books."""
        if self._too_early(now_ms):
            return False
        mark = self.mark
        self._taken_ms = now_ms
        spot = self._fresh(now_ms)
        index = memory.oracle_capped_ticks(_price_ticks(spot)) if spot else mark.index_ticks
        is_away = not spot and (not mark.version or self._is_away(max(0, now_ms - mark.published_ms)))
        if self._is_held(now_ms) or is_away or (spot and self._trips(index, now_ms)):
            memory.hold(now_ms)
            return False
        perps = self._fresh(now_ms, perp=True)
        perp_ticks = _price_ticks(perps) if perps else None
        before = (mark.mark_ticks, mark.index_ticks)
        bound_ticks = price_bound_ticks(self.parameters)
        mark.mark_ticks = memory.step(now_ms, index, top, perp_ticks, mark.mark_ticks, bound_ticks)
        mark.index_ticks = index
        mark.published_ms = max((published_ms for _, _, published_ms in spot), default=mark.published_ms)
        if (mark.mark_ticks, mark.index_ticks) == before:
            return False
        mark.version += 1
        return True

    def _is_away(self, age_ms: int) -> bool:
        reduce_only_age_ms = self.parameters.oracle.reduce_only_age_ms
        return 0 < reduce_only_age_ms < age_ms

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
        if self._is_away(self.mark.age_ms):
            return common.MARK_STATE_REDUCE_ONLY
        return common.MARK_STATE_STALE if self.mark.age_ms >= oracle.warn_age_ms else common.MARK_STATE_FRESH

    def take_boundaries(self, now_ms: int) -> list[int]:
        """Sets the boundary the block funds at on the mark; returns those it passed without funding (TW-08, MT-10).

        An interval of 0 has no boundaries: Perennial's funding runs from version to version (PE-15).
        """
        interval = self.parameters.oracle.funding_interval_ms
        before_ms = now_ms if self._advanced_ms < 0 else self._advanced_ms
        self._advanced_ms = now_ms
        if not interval:
            return []
        passed = list(range((before_ms // interval + 1) * interval, now_ms + 1, interval))
        if not passed:
            return []
        usable = is_usable(self.mark)
        self.mark.funding_boundary_ms = passed[-1] if usable else 0
        if self._funding:
            self._funding.pass_boundary(self.mark, self.parameters)
        return passed[:-1] if usable else passed

    def sample_funding(self, now_ms: int, top: BookTop) -> None:
        """After the boundary: a sample of the new epoch, where one is due and the mark may be used (MT-10, SP-11)."""
        if self._funding and is_usable(self.mark):
            self._funding.sample(now_ms, self.mark, top, self.parameters)

    @property
    def average_mid_ticks(self) -> int:
        """The average the newest move of a funding index came of; 0 where the market has no such index."""
        return self._funding.average_mid_ticks if isinstance(self._funding, IndexFunding) else 0

    def save(self) -> snapshots.FeedState:
        """The feed as a message; `averages` are the numbers of `MarkMemory`, then those of its funding."""
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
            averages=self._memory.numbers() + self._funding.numbers() if self._memory and self._funding else [],
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
        if saved.averages:
            feed._memory = MarkMemory.of_numbers(list(saved.averages[:NUMBERS]))
            feed._funding = _funding_of(saved.parameters, list(saved.averages[NUMBERS:]))
        return feed


def _funding_of(market: parameters.MarketParameters, numbers: list[int]) -> FundingFeed | IndexFunding | None:
    """The funding of the market's rulebook with the numbers it remembers; None where the oracle has no part in it."""
    if market.HasField("margin_trade"):
        return FundingFeed.of_numbers(numbers)
    return IndexFunding.of_numbers(numbers) if market.HasField("spin") else None


def _price_ticks(votes: list[tuple[int, int, int]]) -> int:
    return weighted_median_ticks([(price_ticks, weight) for price_ticks, weight, _ in votes])
