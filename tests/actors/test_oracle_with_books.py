"""The oracle of markets with books: spot and perpetuals, the protective state, funding by premium (MT-08 to MT-10)."""

from typing import Any

import pytest

from actors.oracle import Oracle
from actors.risk.funding_feed import PREMIUM_BOUND_E9, premium_half_away_e9
from actors.risk.mark_price import BookTop
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from node.margin_presets import margin_trade_market
from tests.actors.calling import Caller, pending_list, table
from tests.building import START_MS, bodies

FRESH, STALE, HALTED = common.MARK_STATE_FRESH, common.MARK_STATE_STALE, common.MARK_STATE_HALTED
REDUCE_ONLY, TRIPPED, NONE = common.MARK_STATE_REDUCE_ONLY, common.MARK_STATE_TRIPPED, common.MARK_STATE_NONE
HOUR_MS = 3_600_000
BOUNDARY_MS = (START_MS // HOUR_MS + 1) * HOUR_MS


class Feeds(Caller):
    """An oracle with one market of the preset as venue 2: spot publishers 1 to 3, perpetuals 11 to 13."""

    def __init__(self, **oracle: int) -> None:
        super().__init__(Oracle(), batches.OracleReply)
        self.market = margin_trade_market(1, "BTC")
        for name, value in oracle.items():
            setattr(self.market.oracle, name, value)
        self.at(START_MS - 1, changes=self.market)

    def at(
        self,
        now_ms: int,
        prices: dict[int, int] | None = None,
        top: tuple[int, ...] = (),
        changes: parameters.MarketParameters | None = None,
    ) -> Any:
        """One block: prices by publisher, published now; the book's top."""
        ticks = [(row, 2, 1, publisher, price, now_ms) for row, (publisher, price) in enumerate((prices or {}).items())]
        tops = [(2, 1, *top, *(0,) * (5 - len(top)))] if top else []
        return self.block(
            now_ms,
            ticks=table(batches.TickRows, *ticks),
            tops=table(batches.BookTops, *tops),
            changes=batches.ParameterChanges(markets=[changes] if changes else []),
        )

    def mark(self, now_ms: int, prices: dict[int, int] | None = None, top: tuple[int, ...] = ()) -> common.Mark:
        (found,) = self.at(now_ms, prices, top).marks
        return found


def everywhere(price: int) -> dict[int, int]:
    return dict.fromkeys((1, 2, 3, 11, 12, 13), price)


def test_mt_08_the_oracle_price_is_the_weighted_median_of_spot_the_perpetuals_only_mark() -> None:
    feeds = Feeds()
    found = feeds.mark(START_MS, {1: 1_000, 2: 1_010, 3: 1_020, 11: 1_100, 12: 1_200, 13: 1_300})
    assert (found.index_ticks, found.mark_ticks, found.state, found.version) == (
        1_010,
        (1_010 + 1_200 + 1) // 2,
        FRESH,
        1,
    )


def test_mt_08_one_spot_source_is_no_oracle() -> None:
    feeds = Feeds()
    first = feeds.mark(START_MS, {1: 1_000, 11: 1_000, 12: 1_000})
    assert (first.state, first.mark_ticks, first.version) == (NONE, 0, 0)
    second = feeds.mark(START_MS + 500, {2: 1_100})
    assert (second.state, second.index_ticks, second.mark_ticks) == (FRESH, 1_000, 1_000)  # 4 of 7 votes


def test_mt_09_the_mark_moves_with_the_book_at_most_once_a_step_of_the_grid() -> None:
    feeds = Feeds()
    feeds.at(START_MS, everywhere(1_000))
    still = feeds.at(START_MS + 499, top=(1_004, 1_006, 1_005))
    assert not bodies(pending_list(still.events), "mark_updated")
    moved = feeds.at(START_MS + 500, top=(1_004, 1_006, 1_005))
    (told,) = bodies(pending_list(moved.events), "mark_updated")
    # Oracle plus basis and the book both say 1,005; the source has not published since.
    assert (told.mark_ticks, told.index_ticks, told.version, told.age_ms) == (1_005, 1_000, 2, 500)
    quiet = feeds.at(START_MS + 1_000, top=(1_004, 1_006, 1_005))
    assert not bodies(pending_list(quiet.events), "mark_updated")
    (mark,) = quiet.marks
    assert (mark.version, mark.mark_ticks) == (2, 1_005)


def test_mt_08_the_last_oracle_price_is_used_for_a_while_then_the_market_is_reduce_only() -> None:
    feeds = Feeds(source_fresh_ms=10_000, warn_age_ms=10_000, reduce_only_age_ms=30_000)
    feeds.mark(START_MS, everywhere(1_000))
    book = (1_099, 1_101, 1_100)
    stale = feeds.mark(START_MS + 10_001, {11: 1_100}, book)
    assert (stale.state, stale.index_ticks, stale.mark_ticks) == (STALE, 1_000, 1_100)  # perpetuals and book still mark
    last = feeds.mark(START_MS + 30_000, {11: 1_090, 12: 1_090, 13: 1_090}, (1_089, 1_091, 1_090))
    assert (last.state, last.mark_ticks) == (STALE, 1_090)
    reply = feeds.at(START_MS + 30_500, {11: 1_200, 12: 1_200, 13: 1_200}, (1_199, 1_201, 1_200))
    (away,) = reply.marks
    assert (away.state, away.mark_ticks, away.index_ticks, away.version) == (REDUCE_ONLY, 1_090, 1_000, last.version)
    (change,) = bodies(pending_list(reply.events), "market_state_changed")
    assert (change.before, change.after, change.age_ms) == (STALE, REDUCE_ONLY, 30_500)
    one_source = feeds.mark(START_MS + 31_000, {1: 1_150})
    assert one_source.state == REDUCE_ONLY  # one source brings nothing back
    back = feeds.mark(START_MS + 31_500, everywhere(1_200), (1_199, 1_201, 1_200))
    assert (back.state, back.mark_ticks, back.index_ticks) == (FRESH, 1_200, 1_200)


def test_mt_08_without_a_bound_the_last_oracle_price_stays_in_use() -> None:
    feeds = Feeds(reduce_only_age_ms=0)
    feeds.mark(START_MS, everywhere(1_000))
    found = feeds.mark(START_MS + 24 * HOUR_MS, {11: 1_100}, (1_099, 1_101, 1_100))
    assert (found.state, found.index_ticks, found.mark_ticks) == (STALE, 1_000, 1_100)


def test_an_operator_s_halt_and_the_breaker_hold_mark_and_averages() -> None:
    feeds = Feeds(breaker_move_ppm=50_000, breaker_window_ms=60_000, breaker_hold_ms=2_000)
    feeds.mark(START_MS, everywhere(1_000))
    tripped = feeds.mark(START_MS + 1_000, everywhere(1_051))
    assert (tripped.state, tripped.mark_ticks, tripped.index_ticks) == (TRIPPED, 1_000, 1_000)
    over = feeds.mark(START_MS + 3_000, everywhere(1_052))
    assert (over.state, over.mark_ticks) == (FRESH, 1_052)
    feeds.market.halted, feeds.market.halt_reason = True, "maintenance"
    reply = feeds.at(START_MS + 4_000, everywhere(1_060), changes=feeds.market)
    assert (reply.marks[0].state, reply.marks[0].mark_ticks) == (HALTED, 1_052)
    feeds.market.halted = False
    (resumed,) = feeds.at(START_MS + 5_000, changes=feeds.market).marks
    assert (resumed.state, resumed.mark_ticks) == (FRESH, 1_060)


def test_a_market_with_a_book_may_follow_its_index_too() -> None:
    feeds = Feeds(mark_rule=common.MARK_RULE_INDEX)
    found = feeds.mark(START_MS, {1: 1_000, 2: 1_010, 3: 1_020, 11: 9_000}, (2_000, 2_001, 2_000))
    assert (found.mark_ticks, found.index_ticks) == (1_010, 1_010)
    late = feeds.mark(START_MS + 30_001)
    assert (late.state, late.mark_ticks) == (REDUCE_ONLY, 1_010)


IMPACT = (1_000_900, 1_001_100, 1_001_000, 1_000_900, 1_001_100)


def test_mt_10_the_boundary_charges_the_average_premium_of_its_hour() -> None:
    feeds = Feeds()
    start_ms = BOUNDARY_MS - 20_000
    for step in range(40):  # 20 s, a block each half second: samples at 0, 5, 10 and 15 s
        found = feeds.mark(start_ms + 500 * step, everywhere(1_000_000), IMPACT if step < 20 else ())
        assert found.funding_rate_e9 == found.funding_boundary_ms == 0
        if step in (0, 9, 10, 19):
            assert (found.premium_e9, found.average_premium_e9) == (900_000, 900_000)
    assert (found.premium_e9, found.average_premium_e9) == (0, 450_000)  # two samples of 900,000, two without a book
    due = feeds.mark(BOUNDARY_MS, everywhere(1_000_000), IMPACT)
    # F = P + clamp(interest - P, -0.05%, 0.05%) = 450,000 - 350,000; an eighth of it.
    assert (due.funding_boundary_ms, due.funding_rate_e9) == (BOUNDARY_MS, 12_500)
    assert (due.average_premium_e9, due.premium_e9) == (450_000, 900_000)
    after = feeds.mark(BOUNDARY_MS + 500, everywhere(1_000_000), IMPACT)
    assert (after.funding_boundary_ms, after.funding_rate_e9) == (0, 0)
    after = feeds.mark(BOUNDARY_MS + 5_000, everywhere(1_000_000))
    assert (after.premium_e9, after.average_premium_e9) == (0, 450_000)  # of the new hour: 900,000 at its first block


def test_mt_10_an_hour_without_a_sample_pays_interest_and_a_rate_is_capped() -> None:
    feeds = Feeds()
    feeds.at(BOUNDARY_MS - 1_000, everywhere(1_000_000))
    assert feeds.mark(BOUNDARY_MS, everywhere(1_000_000)).funding_rate_e9 == 12_500  # 0.01% over eight hours
    far = (1, 9_000_000, 1_000_000, 1_900_000, 9_000_000)
    feeds.at(BOUNDARY_MS + 5_000, everywhere(1_000_000), far)
    for step in range(2, 720):
        feeds.at(BOUNDARY_MS + 5_000 * step, everywhere(1_000_000), far)
    found = feeds.mark(BOUNDARY_MS + HOUR_MS, everywhere(1_000_000), far)
    assert (found.funding_rate_e9, found.average_premium_e9) == (40_000_000, 898_750_000)


def test_mt_10_boundaries_missed_are_told_and_their_samples_are_forgotten() -> None:
    feeds = Feeds()
    feeds.at(BOUNDARY_MS - 500, everywhere(1_000_000), IMPACT)
    reply = feeds.at(BOUNDARY_MS + HOUR_MS)
    assert reply.marks[0].state == REDUCE_ONLY
    assert [body.boundary_ms for body in bodies(pending_list(reply.events), "funding_skipped")] == [
        BOUNDARY_MS,
        BOUNDARY_MS + HOUR_MS,
    ]
    assert (reply.marks[0].funding_boundary_ms, reply.marks[0].funding_rate_e9) == (0, 0)
    back = feeds.mark(BOUNDARY_MS + HOUR_MS + 5_000, everywhere(1_000_000), ())
    assert (back.premium_e9, back.average_premium_e9) == (0, 0)
    reply = feeds.at(BOUNDARY_MS + 4 * HOUR_MS, everywhere(1_000_000))
    assert [body.boundary_ms for body in bodies(pending_list(reply.events), "funding_skipped")] == [
        BOUNDARY_MS + 2 * HOUR_MS,
        BOUNDARY_MS + 3 * HOUR_MS,
    ]
    assert reply.marks[0].funding_boundary_ms == BOUNDARY_MS + 4 * HOUR_MS


@pytest.mark.parametrize(
    ("impact", "premium"),
    [
        ((0, 0), 0),
        ((1_000_900, 1_001_100), 900_000),
        ((998_000, 999_100), -900_000),
        ((999_000, 1_001_000), 0),  # the oracle price lies between them
        ((1_000_900, 0), 900_000),  # no ask can fill the notional: it says nothing
        ((0, 999_100), -900_000),
        ((10**12, 0), PREMIUM_BOUND_E9),
    ],
)
def test_mt_10_the_premium_is_that_of_the_impact_prices(impact: tuple[int, int], premium: int) -> None:
    assert premium_half_away_e9(BookTop(0, 0, 0, *impact), 1_000_000) == premium


def test_mt_09_a_restored_oracle_goes_on_as_if_nothing_had_been() -> None:
    feeds = Feeds()
    for step in range(30):
        feeds.at(
            START_MS + 700 * step,
            everywhere(1_000_000 + 37 * step),
            (999_990 + step, 1_000_100 + step, 0, 900, 2_000_000),
        )
    copy = Caller(Oracle(), batches.OracleReply)
    copy.actor.restore([feeds.actor.snapshot()])
    copy.height = feeds.height
    assert copy.actor.digest() == feeds.actor.digest()
    for now_ms in (
        START_MS + 22_000,
        START_MS + 60_000,
        BOUNDARY_MS,
        BOUNDARY_MS + HOUR_MS,
        BOUNDARY_MS + HOUR_MS + 700,
    ):
        rows = [(row, 2, 1, publisher, now_ms % 997_003, now_ms) for row, publisher in enumerate((1, 2, 11))]
        fields = {
            "ticks": table(batches.TickRows, *rows),
            "tops": table(batches.BookTops, (2, 1, 999_000, 1_000_500, 999_700, 999_000, 1_000_900)),
        }
        assert feeds.block(now_ms, **fields) == copy.block(now_ms, **fields)
    assert feeds.actor.digest() == copy.actor.digest()


def test_tops_of_other_markets_do_not_matter() -> None:
    feeds = Feeds()
    rows = [(0, 2, 1, publisher, 1_000, START_MS) for publisher in (1, 2, 11)]
    tops = table(batches.BookTops, (2, 2, 5_000, 5_001, 5_000, 0, 0), (1, 1, 5_000, 5_001, 5_000, 0, 0))
    (found,) = feeds.block(START_MS, ticks=table(batches.TickRows, *rows), tops=tops).marks
    assert found.mark_ticks == 1_000
