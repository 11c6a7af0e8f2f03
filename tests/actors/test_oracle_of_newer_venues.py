"""The oracle of Spin, whose mids move a cumulative index (SP-11), and of Perennial, which has no boundaries (PE-15)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.oracle import Oracle
from actors.risk.funding_index import INDEX_BOUND_E9
from actors.rulebooks import spin
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from node.perennial_presets import perennial_market
from node.spin_presets import spin_market
from tests.actors.calling import Caller, pending_list, table
from tests.building import START_MS, bodies, parsed

FRESH = common.MARK_STATE_FRESH
HOUR_MS = 3_600_000
BOUNDARY_MS = (START_MS // HOUR_MS + 1) * HOUR_MS
INDEX_TICKS = 1_000_000


class Feeds(Caller):
    """An oracle with one market; every block may bring one price of all its sources and the best bid and ask."""

    def __init__(self, market: parameters.MarketParameters) -> None:
        super().__init__(Oracle(), batches.OracleReply)
        self.market = market
        self.at(START_MS - 1, changes=market)

    def at(
        self,
        now_ms: int,
        price_ticks: int = 0,
        top: tuple[int, int] = (0, 0),
        changes: parameters.MarketParameters | None = None,
    ) -> Any:
        """One block."""
        at = (self.market.venue, self.market.market)
        sources = [source.publisher for source in self.market.oracle.sources] if price_ticks else []
        ticks = [(row, *at, publisher, price_ticks, now_ms) for row, publisher in enumerate(sources)]
        return self.block(
            now_ms,
            ticks=table(batches.TickRows, *ticks),
            tops=table(batches.BookTops, *([(*at, *top, 0, 0, 0)] if any(top) else [])),
            changes=batches.ParameterChanges(markets=[changes] if changes else []),
        )

    def mark(self, now_ms: int, price_ticks: int = 0, top: tuple[int, int] = (0, 0)) -> common.Mark:
        (found,) = self.at(now_ms, price_ticks, top).marks
        return found


def spin_feeds(**oracle: int) -> Feeds:
    made = spin_market(1, "BTC")
    made.oracle.mark_rule = common.MARK_RULE_INDEX
    for name, value in oracle.items():
        setattr(made.oracle, name, value)
    return Feeds(made)


def moved(reply: Any) -> list[tuple[int, int, int, int, int]]:
    return [
        (body.rate_e9, body.boundary_ms, body.index_e9, body.average_mid_ticks, body.index_ticks)
        for body in bodies(pending_list(reply.events), "funding_index_moved")
    ]


def test_sp_11_the_average_mid_of_an_epoch_moves_the_index_at_its_boundary() -> None:
    feeds = spin_feeds()
    feeds.at(BOUNDARY_MS - 1_500, INDEX_TICKS, (1_000_999, 1_001_002))  # floor of the half: 1,001,000
    feeds.at(BOUNDARY_MS - 1_200, 0, (2_000_000, 2_000_002))  # the same step of the grid
    before = feeds.mark(BOUNDARY_MS - 1_000, INDEX_TICKS, (1_001_001, 1_001_001))
    assert (before.funding_rate_e9, before.funding_index_e9, before.funding_boundary_ms) == (0, 0, 0)
    reply = feeds.at(BOUNDARY_MS + 40, INDEX_TICKS, (1_100_000, 1_100_002))
    average = 1_001_000  # of 1,001,000 and 1,001,001, floor
    rate = 1_000_000
    assert moved(reply) == [(rate, BOUNDARY_MS, rate * INDEX_TICKS, average, INDEX_TICKS)]
    (mark,) = reply.marks
    assert (mark.funding_rate_e9, mark.funding_boundary_ms) == (rate, BOUNDARY_MS)
    after = feeds.mark(BOUNDARY_MS + 600, INDEX_TICKS)
    assert (after.funding_rate_e9, after.funding_boundary_ms) == (0, 0)
    assert after.funding_index_e9 == rate * INDEX_TICKS  # every mark carries it
    # The boundary's own block was the first sample of the new epoch: far above the index, so the rate is at its cap.
    reply = feeds.at(BOUNDARY_MS + HOUR_MS, INDEX_TICKS)
    cap = 10_000_000
    assert moved(reply) == [(cap, BOUNDARY_MS + HOUR_MS, (rate + cap) * INDEX_TICKS, 1_100_001, INDEX_TICKS)]


def test_sp_11_an_epoch_without_a_mid_has_no_rate_and_is_told() -> None:
    feeds = spin_feeds()
    feeds.at(BOUNDARY_MS - 1_000, INDEX_TICKS, (INDEX_TICKS, 0))  # no ask, no mid
    assert moved(feeds.at(BOUNDARY_MS, INDEX_TICKS)) == [(0, BOUNDARY_MS, 0, 0, INDEX_TICKS)]


def test_sp_11_boundaries_missed_are_told_before_the_index_moves_once() -> None:
    feeds = spin_feeds(reduce_only_age_ms=0)
    feeds.at(BOUNDARY_MS - 1_000, INDEX_TICKS, (999_000, 999_000))
    reply = feeds.at(BOUNDARY_MS + HOUR_MS, INDEX_TICKS)
    assert [body.boundary_ms for body in bodies(pending_list(reply.events), "funding_skipped")] == [BOUNDARY_MS]
    assert moved(reply) == [(-1_000_000, BOUNDARY_MS + HOUR_MS, -1_000_000 * INDEX_TICKS, 999_000, INDEX_TICKS)]
    told = reply.events
    keys = zip(told.phase, told.a, told.b, told.c, strict=True)
    kinds = [event.WhichOneof("body") for event in parsed(pending_list(reply.events))]
    found = dict(zip(kinds, keys, strict=True))
    assert found["funding_skipped"] == (3, 3, 1, 2)
    assert found["funding_index_moved"] == (3, 3, 1, 3)


def test_sp_11_where_the_mark_may_not_be_used_nothing_moves_and_the_mids_are_forgotten() -> None:
    feeds = spin_feeds()
    feeds.at(BOUNDARY_MS - 60_000, INDEX_TICKS, (1_001_000, 1_001_000))
    reply = feeds.at(BOUNDARY_MS)  # no price for a minute: reduce-only
    assert (moved(reply), reply.marks[0].funding_index_e9) == ([], 0)
    assert len(bodies(pending_list(reply.events), "funding_skipped")) == 1
    feeds.at(BOUNDARY_MS + 1_000, 0, (1_002_000, 1_002_000))  # not usable: no sample
    assert moved(feeds.at(BOUNDARY_MS + HOUR_MS, INDEX_TICKS)) == [(0, BOUNDARY_MS + HOUR_MS, 0, 0, INDEX_TICKS)]


def test_sp_11_an_index_stops_at_its_bound() -> None:
    feeds = spin_feeds()
    (feed,) = feeds.actor._feeds.values()  # type: ignore[attr-defined]
    feed.mark.funding_index_e9 = INDEX_BOUND_E9 - 5
    feeds.at(BOUNDARY_MS - 1_000, INDEX_TICKS, (1_001_000, 1_001_000))
    assert moved(feeds.at(BOUNDARY_MS, INDEX_TICKS))[0][2] == INDEX_BOUND_E9


@given(
    mids=st.lists(st.tuples(st.integers(1, 1 << 39), st.integers(0, 1_000)), min_size=1, max_size=5),
    index_ticks=st.integers(1, 1 << 20),
)
def test_sp_11_the_rate_is_the_rulebook_s(mids: list[tuple[int, int]], index_ticks: int) -> None:
    feeds = spin_feeds()
    for step, (bid, spread) in enumerate(mids):
        feeds.at(BOUNDARY_MS - 5_000 + 500 * step, index_ticks, (bid, bid + spread))
    ((rate, _, index_e9, average, _),) = moved(feeds.at(BOUNDARY_MS, index_ticks))
    assert average == sum((2 * bid + spread) // 2 for bid, spread in mids) // len(mids)
    assert rate == spin.funding_rate_half_away_e9(average, 1, index_ticks, 10_000_000)
    assert index_e9 == rate * index_ticks


@pytest.mark.parametrize("rule", [common.MARK_RULE_INDEX, common.MARK_RULE_MEDIAN_OF_THREE])
def test_a_spin_market_marks_by_its_rule(rule: int) -> None:
    feeds = spin_feeds(mark_rule=rule)
    feeds.at(START_MS, INDEX_TICKS, (1_009_000, 1_011_000))
    found = feeds.mark(START_MS + 500, INDEX_TICKS + 2, (1_009_000, 1_011_000))
    assert (found.state, found.index_ticks) == (FRESH, INDEX_TICKS + 2)
    assert (found.mark_ticks == INDEX_TICKS + 2) == (rule == common.MARK_RULE_INDEX)


@pytest.mark.parametrize("rule", [common.MARK_RULE_INDEX, common.MARK_RULE_MEDIAN_OF_THREE])
def test_a_restored_oracle_goes_on_as_if_nothing_had_been(rule: int) -> None:
    feeds = spin_feeds(mark_rule=rule)
    for step in range(20):
        feeds.at(BOUNDARY_MS - 20_000 + 700 * step, INDEX_TICKS + step, (999_000 + 5 * step, 1_003_000))
    copy = Feeds(feeds.market)
    copy.actor.restore([feeds.actor.snapshot()])
    copy.height = feeds.height
    assert copy.actor.digest() == feeds.actor.digest()
    for now_ms in (BOUNDARY_MS, BOUNDARY_MS + 700, BOUNDARY_MS + HOUR_MS):
        assert feeds.at(now_ms, INDEX_TICKS, (999_999, 1_000_100)) == copy.at(now_ms, INDEX_TICKS, (999_999, 1_000_100))
    assert feeds.actor.digest() == copy.actor.digest()
    assert feeds.mark(BOUNDARY_MS + HOUR_MS + 700).funding_index_e9 != 0


def test_pe_15_a_perennial_market_has_no_boundaries_and_its_mark_is_the_index() -> None:
    feeds = Feeds(perennial_market(1, "BTC"))
    feeds.at(START_MS, 50_000_000_000)
    reply = feeds.at(BOUNDARY_MS + 3 * HOUR_MS, 51_000_000_000, (1, 2))
    (mark,) = reply.marks
    assert (mark.mark_ticks, mark.index_ticks, mark.published_ms) == (51_000_000_000,) * 2 + (
        BOUNDARY_MS + 3 * HOUR_MS,
    )
    assert (mark.funding_boundary_ms, mark.funding_index_e9) == (0, 0)
    assert {event.WhichOneof("body") for event in parsed(pending_list(reply.events))} == {"mark_updated"}
    (feed,) = feeds.actor._feeds.values()  # type: ignore[attr-defined]
    assert not feed.save().averages
