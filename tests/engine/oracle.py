"""Phase mark: ticks of the publishers, weighted median, the mark and its state, funding boundaries (TW-20)."""

from actors.units import PPM
from breakwater.v1 import common_pb2, events_pb2, parameters_pb2
from tests.engine.margin.oracle import book_feeds, mark_book_market, take_tick
from tests.engine.state import (
    DONE,
    FRESH,
    HALTED,
    NONE,
    STALE,
    TRIPPED,
    Block,
    Command,
    Feed,
    MarketKey,
    R,
    Refusal,
    State,
    usable,
)


def mark(state: State, block: Block) -> None:
    book_feeds(state)
    for key, parameters in sorted(state.markets.items()):
        if key in state.book_feeds:
            continue
        if key not in state.feeds:
            state.feeds[key] = Feed(seen_ms=block.time_ms)
        listed = [source.publisher for source in parameters.oracle.sources]
        feed = state.feeds[key]
        feed.sources = {publisher: tick for publisher, tick in feed.sources.items() if publisher in listed}
    for command in block.of("ticks"):
        take = take_tick if (command.venue, command["market"]) in state.book_feeds else _take_tick
        take(state, block, command)
    for key, parameters in sorted(state.markets.items()):
        if key in state.book_feeds:
            mark_book_market(state, block, key)
        else:
            _market(state, block, key, parameters)


def _take_tick(state: State, block: Block, command: Command) -> None:
    """Unknown publisher, not newer than its last, older than a source may be, future: in this order."""
    key = (command.venue, command["market"])
    oracle, feed = state.markets[key].oracle, state.feeds[key]
    publisher, published_ms = command["publisher"], command["published_ms"]
    last = feed.sources.get(publisher)
    latest_ms = block.time_ms + oracle.future_tolerance_ms
    why = None
    if publisher not in [source.publisher for source in oracle.sources]:
        why = Refusal(R.REFUSAL_UNKNOWN_PUBLISHER, len(oracle.sources), publisher)
    elif last is not None and published_ms <= last[1]:
        why = Refusal(R.REFUSAL_STALE_TICK, last[1], published_ms)
    elif block.time_ms - published_ms > oracle.source_fresh_ms:
        why = Refusal(R.REFUSAL_STALE_TICK, block.time_ms - oracle.source_fresh_ms, published_ms)
    elif published_ms > latest_ms:
        why = Refusal(R.REFUSAL_FUTURE_TICK, latest_ms, published_ms)
    if why is not None:
        block.refuse((2, command.index, 0, 0), command, why, command["market"])
        return
    feed.sources[publisher] = (command["price_ticks"], published_ms)
    block.answer(command, DONE, price_ticks=command["price_ticks"])


def weighted_median(prices: list[tuple[int, int]]) -> int:
    """Of (price, weight): the price that half of the weight reaches; the mean, half up, where two share the middle."""
    heap = [price for price, weight in sorted(prices) for _ in range(weight)]
    low, high = heap[(len(heap) - 1) // 2], heap[len(heap) // 2]
    return (low + high + 1) // 2


def _market(state: State, block: Block, key: MarketKey, parameters: parameters_pb2.MarketParameters) -> None:
    feed, oracle = state.feeds[key], parameters.oracle
    fresh = {
        source.publisher: source.weight
        for source in oracle.sources
        if source.publisher in feed.sources
        and source.kind != common_pb2.SOURCE_KIND_PERP
        and block.time_ms - feed.sources[source.publisher][1] <= oracle.source_fresh_ms
    }
    if fresh and len(fresh) >= oracle.min_fresh_sources:
        index = weighted_median([(feed.sources[name][0], weight) for name, weight in fresh.items()])
        newest = max(feed.sources[name][1] for name in fresh)
        _move(block, key, parameters, feed, index, newest)
    before, feed.state = feed.state, _state(block, parameters, feed)
    age_ms = _age(block, feed)
    if feed.state != before:
        changed = events_pb2.MarketStateChanged(
            before=before, after=feed.state, age_ms=age_ms, reason=parameters.halt_reason
        )
        block.say((3, *key, 1), *key, 0, market_state_changed=changed)
    block.marks[key] = common_pb2.Mark(
        venue=key[0],
        market=key[1],
        mark_ticks=feed.mark_ticks,
        version=feed.version,
        published_ms=feed.published_ms,
        age_ms=age_ms,
        state=feed.state,
        index_ticks=feed.mark_ticks,
    )
    _boundaries(block, key, parameters, feed)


def _age(block: Block, feed: Feed) -> int:
    """How old the mark is; a source may be ahead of block time, the age is 0 then."""
    return max(0, block.time_ms - feed.published_ms) if feed.version else 0


def _move(
    block: Block, key: MarketKey, parameters: parameters_pb2.MarketParameters, feed: Feed, index: int, newest_ms: int
) -> None:
    """The mark takes the index, unless the market is halted, it is too early, or the breaker holds."""
    oracle = parameters.oracle
    if parameters.halted or feed.tripped_until_ms > block.time_ms:
        return
    early = feed.version > 0 and _tick(oracle, block.time_ms) <= _tick(oracle, feed.taken_ms)
    if early or (feed.version and newest_ms <= feed.published_ms) or _trips(block, oracle, feed, index):
        return
    feed.mark_ticks, feed.published_ms, feed.taken_ms = index, newest_ms, block.time_ms
    feed.version += 1
    updated = events_pb2.MarkUpdated(
        mark_ticks=feed.mark_ticks,
        index_ticks=index,
        version=feed.version,
        published_ms=newest_ms,
        age_ms=_age(block, feed),
    )
    block.say((3, *key, 0), *key, 0, mark_updated=updated)


def _tick(oracle: parameters_pb2.OracleParameters, time_ms: int) -> int:
    """The number of the tick interval the time lies in: the mark moves once in each."""
    return time_ms // oracle.tick_interval_ms


def _trips(block: Block, oracle: parameters_pb2.OracleParameters, feed: Feed, index: int) -> bool:
    """Whether the index is too far from the window's reference; it is the next window's reference then."""
    if not oracle.breaker_move_ppm:
        return False
    if not feed.reference_ticks or block.time_ms - feed.window_ms >= oracle.breaker_window_ms:
        feed.reference_ticks, feed.window_ms = feed.mark_ticks or index, block.time_ms
    if abs(index - feed.reference_ticks) * PPM <= oracle.breaker_move_ppm * feed.reference_ticks:
        return False
    feed.reference_ticks, feed.window_ms = index, block.time_ms
    feed.tripped_until_ms = block.time_ms + oracle.breaker_hold_ms
    return True


def _state(block: Block, parameters: parameters_pb2.MarketParameters, feed: Feed) -> int:
    age_ms, oracle = _age(block, feed), parameters.oracle
    if not feed.version:
        return NONE
    if parameters.halted or (oracle.halt_age_ms and age_ms >= oracle.halt_age_ms):
        return HALTED
    if feed.tripped_until_ms > block.time_ms:
        return TRIPPED
    return STALE if age_ms >= oracle.warn_age_ms else FRESH


def _boundaries(block: Block, key: MarketKey, parameters: parameters_pb2.MarketParameters, feed: Feed) -> None:
    """The latest funding boundary passed rides on the mark; those missed, and all while unusable, are skipped."""
    interval = parameters.oracle.funding_interval_ms
    if not interval:
        return
    passed = list(range((feed.seen_ms // interval + 1) * interval, block.time_ms + 1, interval))
    feed.seen_ms = block.time_ms
    if passed and usable(block.marks[key]):
        block.marks[key].funding_boundary_ms = passed.pop()
    for number, boundary_ms in enumerate(passed):
        skipped = events_pb2.FundingSkipped(boundary_ms=boundary_ms, state=block.marks[key].state)
        block.say((3, *key, 2 + number), *key, 0, funding_skipped=skipped)
