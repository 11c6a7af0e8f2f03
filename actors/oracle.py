"""The oracle: ticks and books in, marks out: index or median, freshness, breaker, funding (TW-20, MT-08 to MT-10)."""

from collections.abc import Sequence
from typing import Any

from actors.columns import rows
from actors.contract import Actor
from actors.risk.index_feed import Feed
from actors.risk.mark_price import NO_BOOK, BookTop
from actors.sinks import MARK, TICK, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import snapshots_pb2 as snapshots

_STATE_CHANGED, _SKIPPED = 1, 2


class Oracle(Actor):
    """Every market's feed, of all venues of the node."""

    call_type = batches.OracleCall

    def __init__(self) -> None:
        super().__init__()
        self._feeds: dict[tuple[int, int], Feed] = {}

    def decide(self, call: Any) -> batches.OracleReply:
        """Takes the ticks in command order, then gives every market's mark."""
        sink = EventSink()
        answers = AnswerSink(sink)
        now_ms = call.header.block_time_ms
        for market in call.changes.markets:
            key = (market.venue, market.market)
            if key in self._feeds:
                self._feeds[key].change(market)
            else:
                self._feeds[key] = Feed(market)
        for command, venue, market, publisher, price_ticks, published_ms in rows(call.ticks):
            refused = self._feeds[venue, market].take(publisher, price_ticks, published_ms, now_ms)
            if refused:
                answers.refuse((TICK, command, 0, 0), command, Refused(*refused), venue, market)
            else:
                answers.answer(command, common.OUTCOME_STATUS_DONE, price_ticks=price_ticks)
        reply = batches.OracleReply(height=call.header.height)
        tops = {(venue, market): BookTop(*prices) for venue, market, *prices in rows(call.tops)}
        for key in sorted(self._feeds):
            reply.marks.append(self._mark(key, now_ms, tops.get(key, NO_BOOK), sink))
        sink.put(reply.events)
        answers.put(reply.outcomes)
        if call.header.root:
            reply.digest = self.digest()
        return reply

    def _mark(self, key: tuple[int, int], now_ms: int, top: BookTop, sink: EventSink) -> common.Mark:
        """Moves one feed to the block's time and tells what changed. The mark is the feed's own."""
        venue, market = key
        feed = self._feeds[key]
        before = feed.mark.state
        moved = feed.advance(now_ms, top)
        mark = feed.mark
        if moved:
            body = events.MarkUpdated(
                mark_ticks=mark.mark_ticks,
                index_ticks=mark.index_ticks,
                version=mark.version,
                published_ms=mark.published_ms,
                age_ms=mark.age_ms,
            )
            sink.emit((MARK, venue, market, 0), events.Event(venue=venue, market=market, mark_updated=body))
        if mark.state != before:
            change = events.MarketStateChanged(
                before=before, after=mark.state, age_ms=mark.age_ms, reason=feed.parameters.halt_reason
            )
            event = events.Event(venue=venue, market=market, market_state_changed=change)
            sink.emit((MARK, venue, market, _STATE_CHANGED), event)
        unfunded = feed.take_boundaries(now_ms)
        for number, boundary in enumerate(unfunded):
            skipped = events.FundingSkipped(boundary_ms=boundary, state=mark.state)
            event = events.Event(venue=venue, market=market, funding_skipped=skipped)
            sink.emit((MARK, venue, market, _SKIPPED + number), event)
        if mark.funding_boundary_ms and feed.parameters.HasField("spin"):
            told = events.FundingIndexMoved(
                rate_e9=mark.funding_rate_e9,
                boundary_ms=mark.funding_boundary_ms,
                index_e9=mark.funding_index_e9,
                average_mid_ticks=feed.average_mid_ticks,
                index_ticks=mark.index_ticks,
            )
            event = events.Event(venue=venue, market=market, funding_index_moved=told)
            sink.emit((MARK, venue, market, _SKIPPED + len(unfunded)), event)
        feed.sample_funding(now_ms, top)
        return mark

    def save(self) -> bytes:
        """Every feed in the order (venue, market)."""
        state = snapshots.OracleState(feeds=[self._feeds[key].save() for key in sorted(self._feeds)])
        return state.SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        for saved in snapshots.OracleState.FromString(body).feeds:
            feed = Feed.load(saved)
            self._feeds[feed.parameters.venue, feed.parameters.market] = feed
