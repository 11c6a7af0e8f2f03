"""The oracle: who may publish, what the mark follows, when it may not be used, when funding is due (TW-20, TW-08)."""

from typing import Any

import pytest

from actors.oracle import Oracle
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import Caller, pending_list
from tests.building import START_MS, bodies, market, refused

FRESH, STALE = common.MARK_STATE_FRESH, common.MARK_STATE_STALE
HALTED, TRIPPED, NONE = common.MARK_STATE_HALTED, common.MARK_STATE_TRIPPED, common.MARK_STATE_NONE
HOUR_MS = 3_600_000


class Feeds(Caller):
    """An oracle with one market; ticks are (publisher, price_ticks, published_ms)."""

    def __init__(self, weights: tuple[int, ...] = (1,), **oracle: int) -> None:
        super().__init__(Oracle(), batches.OracleReply)
        self.market = market(weights=weights, **oracle)
        self.at(START_MS - 1, changes=self.market)

    def at(self, now_ms: int, *ticks: tuple[int, int, int], changes: parameters.MarketParameters | None = None) -> Any:
        """One block at a time."""
        rows = batches.TickRows(
            command=list(range(len(ticks))),
            venue=[1] * len(ticks),
            market=[1] * len(ticks),
            publisher=[tick[0] for tick in ticks],
            price_ticks=[tick[1] for tick in ticks],
            published_ms=[tick[2] for tick in ticks],
        )
        told = batches.ParameterChanges(markets=[changes] if changes else [])
        return self.block(now_ms, ticks=rows, changes=told)

    def price(self, now_ms: int, price_ticks: int) -> Any:
        """One tick of publisher 1, published at the block's time."""
        return self.at(now_ms, (1, price_ticks, now_ms))

    def altered(self, **fields: Any) -> parameters.MarketParameters:
        """The market with oracle parameters, or `halted`, altered."""
        for name, value in fields.items():
            setattr(
                self.market if name.startswith("halt") and name != "halt_age_ms" else self.market.oracle, name, value
            )
        return self.market


def mark(reply: Any) -> common.Mark:
    (found,) = reply.marks
    return found


def test_tw_20_the_index_is_the_median_of_the_fresh_sources() -> None:
    feeds = Feeds(weights=(2, 1, 1))
    assert mark(feeds.at(START_MS, (1, 100, START_MS), (2, 107, START_MS))).mark_ticks == 100
    now = START_MS + 1_000
    assert mark(feeds.at(now, (2, 109, now), (3, 120, now))).mark_ticks == 105  # halfway, half up
    now += 4_001  # publisher 1 has lost its vote, 2 and 3 have theirs
    assert mark(feeds.at(now, (2, 111, now))).mark_ticks == 116


def test_no_price_no_mark() -> None:
    found = mark(Feeds().at(START_MS))
    assert (found.state, found.mark_ticks, found.version) == (NONE, 0, 0)


def test_refused_ticks_name_the_numbers_that_decided() -> None:
    feeds = Feeds(weights=(1, 1))
    feeds.price(START_MS, 100)
    now = START_MS + 6_000
    reply = feeds.at(
        now,
        (9, 100, now),
        (1, 100, START_MS),
        (2, 100, now - 5_001),
        (2, 100, now + 1_001),
        (2, 100, now - 5_000),
        (1, 102, now + 1_000),
    )
    assert refused(reply.outcomes) == [
        (0, "UNKNOWN_PUBLISHER", 2, 9),
        (1, "STALE_TICK", START_MS, START_MS),
        (2, "STALE_TICK", now - 5_000, now - 5_001),
        (3, "FUTURE_TICK", now + 1_000, now + 1_001),
    ]
    assert len(bodies(pending_list(reply.events), "command_refused")) == 4
    assert mark(reply).mark_ticks == 101
    assert mark(reply).age_ms == 0  # a source ahead of block time is not of negative age


def test_tw_20_the_mark_moves_at_most_once_a_step_of_the_grid() -> None:
    feeds = Feeds(tick_interval_ms=500)
    assert mark(feeds.price(START_MS + 499, 100)).mark_ticks == 100
    assert mark(feeds.price(START_MS + 500, 101)).mark_ticks == 101
    reply = feeds.price(START_MS + 999, 102)
    assert mark(reply).mark_ticks == 101
    assert not bodies(pending_list(reply.events), "mark_updated")
    reply = feeds.at(START_MS + 1_000)
    assert (mark(reply).mark_ticks, mark(reply).version, mark(reply).published_ms) == (102, 3, START_MS + 999)
    assert [body.mark_ticks for body in bodies(pending_list(reply.events), "mark_updated")] == [102]


def test_tw_20_last_valid_preset_the_mark_stays_usable_for_as_long_as_it_lasts() -> None:
    feeds = Feeds(warn_age_ms=10_000, halt_age_ms=0)
    feeds.price(START_MS, 100)
    assert mark(feeds.at(START_MS + 9_999)).state == FRESH
    reply = feeds.at(START_MS + 10_000)
    assert (mark(reply).state, mark(reply).mark_ticks, mark(reply).age_ms) == (STALE, 100, 10_000)
    assert [(body.before, body.after) for body in bodies(pending_list(reply.events), "market_state_changed")] == [
        (FRESH, STALE)
    ]
    late = mark(feeds.at(START_MS + 24 * HOUR_MS))
    assert (late.state, late.mark_ticks, late.version) == (STALE, 100, 1)


def test_tw_20_halting_preset_warns_and_then_halts_until_a_price_comes() -> None:
    feeds = Feeds(warn_age_ms=10_000, halt_age_ms=30_000)
    feeds.price(START_MS, 100)
    states = [mark(feeds.at(START_MS + age)).state for age in (9_999, 10_000, 29_999, 30_000)]
    assert states == [FRESH, STALE, STALE, HALTED]
    back = mark(feeds.price(START_MS + 31_000, 90))
    assert (back.state, back.mark_ticks, back.version) == (FRESH, 90, 2)


def test_an_operator_s_halt_keeps_the_mark_and_says_why() -> None:
    feeds = Feeds()
    feeds.price(START_MS, 100)
    now = START_MS + 1_000
    reply = feeds.at(now, (1, 200, now), changes=feeds.altered(halted=True, halt_reason="maintenance"))
    assert (mark(reply).state, mark(reply).mark_ticks) == (HALTED, 100)
    (change,) = bodies(pending_list(reply.events), "market_state_changed")
    assert (change.before, change.after, change.reason) == (FRESH, HALTED, "maintenance")
    resumed = mark(feeds.at(now + 1_000, changes=feeds.altered(halted=False, halt_reason="")))
    assert (resumed.state, resumed.mark_ticks) == (FRESH, 200)


def test_tw_20_the_breaker_holds_the_mark_and_then_goes_on_from_where_the_index_was() -> None:
    feeds = Feeds(breaker_move_ppm=50_000, breaker_window_ms=60_000, breaker_hold_ms=2_000)
    feeds.price(START_MS, 1_000)
    at_limit = mark(feeds.price(START_MS + 1_000, 1_050))
    assert (at_limit.state, at_limit.mark_ticks) == (FRESH, 1_050)
    trip = START_MS + 2_000
    tripped = mark(feeds.price(trip, 1_051))
    assert (tripped.state, tripped.mark_ticks, tripped.version) == (TRIPPED, 1_050, 2)
    assert mark(feeds.price(trip + 1_999, 1_060)).state == TRIPPED
    over = mark(feeds.price(trip + 2_000, 1_103))
    assert (over.state, over.mark_ticks) == (FRESH, 1_103)  # within 5% of 1,051, the index that tripped
    assert mark(feeds.price(trip + 3_000, 1_104)).state == TRIPPED


def test_tw_20_the_breaker_s_reference_is_renewed_when_its_window_is_over() -> None:
    feeds = Feeds(breaker_move_ppm=50_000, breaker_window_ms=3_000, breaker_hold_ms=2_000)
    feeds.price(START_MS, 1_000)
    assert mark(feeds.price(START_MS + 2_999, 1_049)).state == FRESH
    # The window is over: its reference is the mark of then, 1,049, not 1,000.
    assert mark(feeds.price(START_MS + 3_000, 1_100)).mark_ticks == 1_100


def test_tw_20_the_breaker_is_off_in_the_preset() -> None:
    feeds = Feeds()
    feeds.price(START_MS, 1_000)
    assert mark(feeds.price(START_MS + 1_000, 3)).mark_ticks == 3


def test_tw_08_funding_is_due_in_the_first_block_at_or_after_the_boundary() -> None:
    boundary = (START_MS // HOUR_MS + 1) * HOUR_MS
    feeds = Feeds(warn_age_ms=24 * HOUR_MS)
    feeds.price(START_MS, 100)
    due = [mark(feeds.at(now)).funding_boundary_ms for now in (boundary - 1, boundary, boundary, boundary + 1)]
    assert due == [0, boundary, 0, 0]


def test_tw_08_missed_boundaries_are_told_one_by_one_and_only_the_last_is_carried() -> None:
    boundary = (START_MS // HOUR_MS + 1) * HOUR_MS
    feeds = Feeds(warn_age_ms=24 * HOUR_MS)
    feeds.price(START_MS, 100)
    reply = feeds.at(boundary + 2 * HOUR_MS + 17)
    assert mark(reply).funding_boundary_ms == boundary + 2 * HOUR_MS
    skipped = [body.boundary_ms for body in bodies(pending_list(reply.events), "funding_skipped")]
    assert skipped == [boundary, boundary + HOUR_MS]


@pytest.mark.parametrize("halt_age_ms", [0, 30_000])
def test_tw_08_boundaries_pass_unfunded_where_there_is_no_mark_or_it_is_halted(halt_age_ms: int) -> None:
    boundary = (START_MS // HOUR_MS + 1) * HOUR_MS
    feeds = Feeds(halt_age_ms=halt_age_ms)
    if halt_age_ms:
        feeds.price(START_MS, 100)
    reply = feeds.at(boundary + HOUR_MS)
    assert mark(reply).funding_boundary_ms == 0
    assert [(body.boundary_ms, body.state) for body in bodies(pending_list(reply.events), "funding_skipped")] == [
        (boundary, HALTED if halt_age_ms else NONE),
        (boundary + HOUR_MS, HALTED if halt_age_ms else NONE),
    ]


def test_a_source_no_longer_listed_loses_its_vote() -> None:
    feeds = Feeds(weights=(1, 5))
    feeds.at(START_MS, (1, 100, START_MS), (2, 200, START_MS))
    del feeds.market.oracle.sources[1:]
    now = START_MS + 1_000
    assert mark(feeds.at(now, (1, 101, now), changes=feeds.market)).mark_ticks == 101


def test_a_restored_oracle_goes_on_as_if_nothing_had_been() -> None:
    feeds = Feeds(weights=(1, 1, 1), breaker_move_ppm=50_000, breaker_window_ms=3_000, breaker_hold_ms=2_000)
    feeds.at(START_MS, (1, 100, START_MS), (2, 101, START_MS))
    feeds.at(START_MS + 1_000, (1, 300, START_MS + 900))
    copy = Caller(Oracle(), batches.OracleReply)
    copy.actor.restore([feeds.actor.snapshot()])
    copy.height = feeds.height
    for now in (START_MS + 2_000, START_MS + 3_100, START_MS + HOUR_MS):
        row = batches.TickRows(
            command=[0], venue=[1], market=[1], publisher=[3], price_ticks=[now % 997], published_ms=[now]
        )
        assert feeds.block(now, ticks=row) == copy.block(now, ticks=row)
    assert feeds.actor.digest() == copy.actor.digest()
