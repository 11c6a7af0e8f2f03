"""The funding of Spin's markets: mids of an epoch move a cumulative index (SP-11). The mark itself is the feed's."""

from fractions import Fraction

from actors.risk.mark_price import BookTop
from actors.units import E9
from breakwater.v1 import events_pb2
from tests.engine.spin.state import Mids
from tests.engine.state import Block, MarketKey, State, usable

MARK, FIRST_BOUNDARY = 3, 2
INDEX_BOUND_E9 = 1 << 62


def _half_away(number: Fraction) -> int:
    whole = (abs(number) + Fraction(1, 2)).__floor__()
    return whole if number >= 0 else -whole


def move_index(state: State, block: Block, key: MarketKey, top: BookTop, place: int) -> None:
    """At a boundary the epoch's average moves the index; then the mid of the new epoch, where one is due."""
    mark, market = block.marks[key], state.markets[key]
    mids = state.spin[key[0]].mids.setdefault(key[1], Mids())
    average, rate = 0, 0
    if mark.funding_boundary_ms or place > FIRST_BOUNDARY:
        samples, mids.samples = mids.samples, []
        average = sum(samples) // len(samples) if samples else 0
        if mark.funding_boundary_ms and samples:
            cap = market.spin.funding_cap_e9
            premium = _half_away(Fraction((average - mark.index_ticks) * E9, mark.index_ticks))
            rate = max(-cap, min(cap, premium))
            moved = mids.index_e9 + rate * mark.index_ticks
            mids.index_e9 = max(-INDEX_BOUND_E9, min(INDEX_BOUND_E9, moved))
    if mark.funding_boundary_ms:
        told = events_pb2.FundingIndexMoved(
            rate_e9=rate,
            boundary_ms=mark.funding_boundary_ms,
            index_e9=mids.index_e9,
            average_mid_ticks=average,
            index_ticks=mark.index_ticks,
        )
        block.say((MARK, *key, place), *key, 0, funding_index_moved=told)
    if usable(mark) and top.best_bid_ticks and top.best_ask_ticks and block.time_ms >= mids.next_ms:
        mids.samples.append((top.best_bid_ticks + top.best_ask_ticks) // 2)
        step_ms = market.oracle.tick_interval_ms
        mids.next_ms = (block.time_ms // step_ms + 1) * step_ms
    assert (mark.funding_rate_e9, mark.funding_index_e9) == (rate, mids.index_e9), f"{mark} of {mids}"
