"""Marks of markets with books: sources in, the feed of the market out, and what the block tells of it (MT-08 to MT-10).

The feed itself is the actors' own building block; its rules have tests of their own (tests/actors/risk).
"""

from actors.risk.index_feed import Feed
from actors.risk.mark_price import BookTop
from breakwater.v1 import common_pb2, events_pb2
from tests.engine.spin.oracle import move_index
from tests.engine.state import DONE, Block, Command, MarketKey, Refusal, State

TICK, MARK = 2, 3


def book_feeds(state: State) -> None:
    """Feeds of new markets, and parameters that changed."""
    for key, parameters in sorted(state.markets.items()):
        if key[0] not in state.margin and key[0] not in state.spin:
            continue
        if key not in state.book_feeds:
            state.book_feeds[key] = Feed(parameters)
        elif state.book_feeds[key].parameters.version != parameters.version:
            state.book_feeds[key].change(parameters)


def take_tick(state: State, block: Block, command: Command) -> None:
    key = (command.venue, command["market"])
    price, published = command["price_ticks"], command["published_ms"]
    why = state.book_feeds[key].take(command["publisher"], price, published, block.time_ms)
    if why:
        block.refuse((TICK, command.index, 0, 0), command, Refusal(*why), command["market"])
    else:
        block.answer(command, DONE, price_ticks=price)


def mark_book_market(state: State, block: Block, key: MarketKey) -> None:
    """One market at the block's time; the book is the one that block h-2 left."""
    feed, top = state.book_feeds[key], BookTop(*state.tops_before.get(key, (0, 0, 0, 0, 0)))
    before, moved = feed.mark.state, feed.advance(block.time_ms, top)
    mark = feed.mark
    if moved:
        updated = events_pb2.MarkUpdated(
            mark_ticks=mark.mark_ticks,
            index_ticks=mark.index_ticks,
            version=mark.version,
            published_ms=mark.published_ms,
            age_ms=mark.age_ms,
        )
        block.say((MARK, *key, 0), *key, 0, mark_updated=updated)
    if mark.state != before:
        changed = events_pb2.MarketStateChanged(
            before=before, after=mark.state, age_ms=mark.age_ms, reason=state.markets[key].halt_reason
        )
        block.say((MARK, *key, 1), *key, 0, market_state_changed=changed)
    unfunded = feed.take_boundaries(block.time_ms)
    for number, boundary_ms in enumerate(unfunded):
        skipped = events_pb2.FundingSkipped(boundary_ms=boundary_ms, state=mark.state)
        block.say((MARK, *key, 2 + number), *key, 0, funding_skipped=skipped)
    feed.sample_funding(block.time_ms, top)
    block.marks[key] = common_pb2.Mark()
    block.marks[key].CopyFrom(mark)
    if key[0] in state.spin:
        move_index(state, block, key, top, 2 + len(unfunded))
