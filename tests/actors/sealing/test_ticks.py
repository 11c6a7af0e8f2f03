"""Ticks that are read one by one are sound exactly where the check of columns refuses none of them."""

from hypothesis import given
from hypothesis import strategies as st

from actors.risk.mark_price import price_bound_ticks
from actors.sealing.directory import Venue
from actors.sealing.routing import are_sound_ticks, check_ticks
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import parameters_pb2 as parameters
from node.margin_presets import margin_trade_market

VENUE = Venue(
    parameters.VenueParameters(venue=1),
    {1: parameters.MarketParameters(market=1), 3: margin_trade_market(3, "BTC")},
    2,
)
BOUNDS = sorted({price_bound_ticks(market) for market in VENUE.markets.values()})
EDGES = [edge + step for edge in (0, *BOUNDS) for step in (-1, 0, 1)]
TICK = st.tuples(
    st.sampled_from((1, 3, 1, 3, 0, 2, -1)),
    st.one_of(st.integers(1, 10**6), st.sampled_from(EDGES), st.integers(-(2**63), 2**63 - 1)),
    st.one_of(st.integers(1, 10**13), st.integers(-1, 1)),
)


@given(st.lists(TICK, max_size=6))
def test_both_ways_agree(ticks: list[tuple[int, int, int]]) -> None:
    market, price, published = zip(*ticks, strict=True) if ticks else ((), (), ())
    body = commands.Ticks(market=market, publisher=[1] * len(ticks), price_ticks=price, published_ms=published)
    assert are_sound_ticks(body, VENUE) == (len(check_ticks(body, VENUE, 0).refused()) == 0)
