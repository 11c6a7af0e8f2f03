"""What a Spin liquidator decides, at the bounds of the tiers, of the calculator and of its own margin ratio."""

from actors.rulebooks import spin
from breakwater.v1 import answers_pb2, common_pb2, refusals_pb2
from node.bots.intents import Intent, Liquidate, Unwind
from node.bots.spin_mind import SpinMind, SpinSettings
from node.bots.spin_watch import SpinWatch
from tests.bots.worlds import (
    E9,
    HALTED,
    Row,
    block,
    cash,
    mark,
    position,
    refused,
    spin_market,
    spin_venue,
    taken_over,
)

BOT, ANN, BEN = 1, 2, 3
RICH = cash(BOT, 10**9)
# At a mark of 1,000 ticks 1,000 lots are worth 10^6 atoms, need 100,000 of collateral and are below 0.7 below 70,000.
LOTS = position(ANN, 1_000, 1_000_000)


def mind_on(*rows: Row, ticks: int = 1_000, settings: SpinSettings | None = None, **market: int) -> SpinMind:
    """A mind that has seen these rows at that mark, at height 1."""
    mind = SpinMind(BOT, SpinWatch(spin_venue(), [spin_market(**market)]), settings)
    mind.begin(block(1, rows, [mark(ticks)]))
    return mind


def takeovers(intents: list[Intent]) -> list[tuple[int, int, int]]:
    """Target, market and lots of the takeovers."""
    return [(one.target, one.market, one.lots) for one in intents if isinstance(one, Liquidate)]


def unwindings(intents: list[Intent]) -> list[tuple[int, int, int]]:
    """Side, lots and limit of the orders."""
    return [(one.side, one.lots, one.limit_ticks) for one in intents if isinstance(one, Unwind)]


def test_sp05_at_seven_tenths_nobody_is_liquidated_and_an_atom_below_somebody_is() -> None:
    assert takeovers(mind_on(RICH, LOTS, cash(ANN, 70_000)).decide()) == []
    (intent,) = mind_on(RICH, LOTS, cash(ANN, 69_999)).decide()
    assert isinstance(intent, Liquidate)
    # One atom is missing; a step of ten lots brings 450, and its reward is 1.5% of 10,000.
    assert (intent.target, intent.lots, intent.worth_atoms) == (ANN, 10, 150)


def test_sp07_at_three_tenths_the_calculator_counts_and_below_the_whole_position() -> None:
    partial = takeovers(mind_on(RICH, LOTS, cash(ANN, 30_000)).decide())
    calculated = spin.calculated_lots_ceil(30_000, 10**14, 1_000, 1_000, 1, E9 // 10, 25_000_000, 10)
    assert partial == [(ANN, 1, calculated)] == [(ANN, 1, 890)]
    assert takeovers(mind_on(RICH, LOTS, cash(ANN, 29_999)).decide()) == [(ANN, 1, 1_000)]


def test_a_short_is_taken_over_like_a_long() -> None:
    short = position(ANN, -1_000, -1_000_000)
    assert takeovers(mind_on(RICH, short, cash(ANN, 30_000)).decide()) == [(ANN, 1, 890)]


def test_funding_that_is_owed_makes_liquidatable() -> None:
    rows = [RICH, position(ANN, 1_000, 1_000_000, basis=5 * E9), cash(ANN, 70_000)]
    mind = SpinMind(BOT, SpinWatch(spin_venue(), [spin_market()]))
    mind.begin(block(1, rows, [mark(1_000, index_e9=5 * E9)]))
    assert mind.decide() == []
    mind.take(block(2, [], [mark(1_000, index_e9=5 * E9 + 1)]))
    assert takeovers(mind.decide()) == [(ANN, 1, 10)]


def test_sp07_only_whole_steps_are_taken_over() -> None:
    assert takeovers(mind_on(RICH, position(ANN, 1_009, 1_009_000), cash(ANN, 1_000)).decide()) == [(ANN, 1, 1_000)]
    assert takeovers(mind_on(RICH, position(ANN, 9, 9_000), cash(ANN, 1)).decide()) == []


def test_sp07_the_liquidator_stays_strictly_above_its_least_ratio() -> None:
    settings = SpinSettings(least_ratio_e9=E9)
    complete = (LOTS, cash(ANN, 1_000))
    # 1,000 lots need 100,000: with exactly that much Mr would be 1, so a step less is taken.
    assert takeovers(mind_on(cash(BOT, 100_001), *complete, settings=settings).decide()) == [(ANN, 1, 1_000)]
    assert takeovers(mind_on(cash(BOT, 100_000), *complete, settings=settings).decide()) == [(ANN, 1, 990)]
    assert takeovers(mind_on(cash(BOT, 1_000), *complete, settings=settings).decide()) == []
    careful = SpinSettings(least_ratio_e9=2 * E9)
    assert takeovers(mind_on(cash(BOT, 100_001), *complete, settings=careful).decide()) == [(ANN, 1, 500)]


def test_sp07_nobody_at_a_ratio_of_one_liquidates() -> None:
    at_one = (cash(BOT, 50_000), position(BOT, 500, 500_000))
    settings = SpinSettings(least_ratio_e9=E9, unwind=False)
    assert mind_on(*at_one, LOTS, cash(ANN, 1_000), settings=settings).decide() == []
    assert mind_on(cash(BOT, -5), LOTS, cash(ANN, 1_000), settings=settings).decide() == []


def test_own_position_uses_up_room_whatever_its_side() -> None:
    settings = SpinSettings(least_ratio_e9=E9, unwind=False)
    for lots in (500, -500):
        own = (cash(BOT, 100_001), position(BOT, lots, lots * 1_000))
        assert takeovers(mind_on(*own, LOTS, cash(ANN, 1_000), settings=settings).decide()) == [(ANN, 1, 500)]


def test_the_cap_of_a_position_counts_what_is_held() -> None:
    own = (RICH, position(BOT, -300, -300_000))
    settings = SpinSettings(unwind=False)
    mind = mind_on(*own, LOTS, cash(ANN, 1_000), settings=settings, max_position_lots=1_000)
    assert takeovers(mind.decide()) == [(ANN, 1, 700)]


def test_the_worst_ratio_goes_first_and_the_smaller_number_among_equals() -> None:
    rows = [RICH, LOTS, cash(ANN, 50_000), position(BEN, 1_000, 1_000_000), cash(BEN, 40_000)]
    assert [target for target, *_ in takeovers(mind_on(*rows).decide())] == [BEN, ANN]
    rows[-1] = cash(BEN, 50_000)
    assert [target for target, *_ in takeovers(mind_on(*rows).decide())] == [ANN, BEN]
    assert [target for target, *_ in takeovers(mind_on(*rows).decide(most=1))] == [ANN]


def test_nobody_liquidates_himself() -> None:
    own = (cash(BOT, 10_000), position(BOT, 1_000, 1_000_000))
    assert takeovers(mind_on(*own, settings=SpinSettings(unwind=False)).decide()) == []


def test_two_markets_are_closed_in_turn_and_the_second_on_the_state_the_first_leaves() -> None:
    mind = SpinMind(BOT, SpinWatch(spin_venue(), [spin_market(1), spin_market(2)]))
    rows = [RICH, cash(ANN, 60_000), position(ANN, 500, 500_000), position(ANN, 600, 600_000, market=2)]
    mind.begin(block(1, rows, [mark(1_000), mark(1_000, market=2)]))
    # The larger position alone brings Mr back: the other market is left alone.
    assert [(market, lots) for _, market, lots in takeovers(mind.decide())] == [(2, 380)]
    mind.begin(block(2, [RICH, cash(ANN, 20_000), *rows[2:]], [mark(1_000), mark(1_000, market=2)]))
    assert [(market, lots) for _, market, lots in takeovers(mind.decide())] == [(2, 600), (1, 500)]


def test_nothing_is_done_in_a_market_that_may_not_be_acted_in_and_its_gains_do_not_count() -> None:
    mind = SpinMind(BOT, SpinWatch(spin_venue(), [spin_market(1), spin_market(2)]))
    halted = mark(2_000, market=2, state=HALTED)
    rows = [RICH, cash(ANN, 60_000), position(ANN, 500, 500_000), position(ANN, 100, 100_000, market=2)]
    mind.begin(block(1, rows, [mark(1_000), halted]))
    # 100,000 of gains would save the account: 70,000 are needed with collateral for 500 * 1,000 and 100 * 2,000.
    assert takeovers(mind.decide()) == []
    mind.take(block(2, [cash(ANN, 40_000)], []))
    assert [market for _, market, _ in takeovers(mind.decide())] == [1]


def test_while_an_answer_is_out_nobody_is_asked_about_twice() -> None:
    mind = mind_on(RICH, LOTS, cash(ANN, 30_000))
    (intent,) = mind.decide()
    mind.take(block(2, [], [mark(999)]))
    assert mind.decide() == []
    mind.answered(intent, taken_over(3, 890))
    assert mind.decide() == []
    # Block 3 shows the target without the lots, block 4 would show them here: till then they count as held.
    mind.take(block(3, [position(ANN, 110, 110_000), cash(ANN, 7_750)]))
    assert mind.decide() == []
    assert mind.outstanding.lots_by_market() == {1: 890}
    mind.take(block(4, [position(BOT, 890, 890_000)]))
    assert mind.outstanding.lots_by_market() == {}


def test_what_is_out_counts_as_held() -> None:
    settings = SpinSettings(least_ratio_e9=E9, unwind=False)
    mind = mind_on(cash(BOT, 150_001), LOTS, cash(ANN, 1_000), settings=settings)
    assert takeovers(mind.decide()) == [(ANN, 1, 1_000)]
    mind.take(block(2, [position(BEN, 1_000, 1_000_000), cash(BEN, 1_000)]))
    assert takeovers(mind.decide()) == [(BEN, 1, 500)]


def test_sp06_a_refusal_above_the_calculator_gives_the_number_to_ask_for() -> None:
    mind = mind_on(RICH, LOTS, cash(ANN, 30_000))
    (intent,) = mind.decide()
    mind.answered(intent, refused(refusals_pb2.REFUSAL_ABOVE_LIQUIDATABLE, required=400, actual=890, height=3))
    assert takeovers(mind.decide()) == [(ANN, 1, 400)]


def test_whoever_lost_the_race_waits_until_the_feed_shows_it() -> None:
    mind = mind_on(RICH, LOTS, cash(ANN, 30_000))
    (intent,) = mind.decide()
    mind.answered(intent, refused(refusals_pb2.REFUSAL_NOT_LIQUIDATABLE, height=3))
    assert mind.decide() == []
    mind.take(block(2))
    assert mind.decide() == []
    mind.take(block(3))
    (again,) = mind.decide()
    # A second refusal although the table says otherwise costs a block, and health in between forgives.
    mind.answered(again, refused(refusals_pb2.REFUSAL_NOT_LIQUIDATABLE, height=4))
    mind.take(block(4))
    assert mind.decide() == []
    mind.take(block(5, [cash(ANN, 90_000)]))
    assert mind.decide() == []
    mind.take(block(6, [cash(ANN, 30_000)]))
    assert takeovers(mind.decide()) == [(ANN, 1, 890)]


def test_sp07_a_refusal_of_its_own_ratio_makes_the_liquidator_smaller() -> None:
    settings = SpinSettings(least_ratio_e9=E9)
    mind = mind_on(cash(BOT, 100_001), LOTS, cash(ANN, 1_000), settings=settings)
    (intent,) = mind.decide()
    # Orders of its own need 40,000 that the table does not show.
    answer = refused(refusals_pb2.REFUSAL_LIQUIDATOR_RATIO, required=140_001, actual=100_001, height=2)
    mind.answered(intent, answer)
    mind.take(block(2))
    assert takeovers(mind.decide()) == [(ANN, 1, 600)]


def test_what_was_taken_over_is_flattened_within_the_slippage_and_once() -> None:
    mind = mind_on(RICH, position(BOT, 890, 890_000))
    (intent,) = mind.decide()
    assert unwindings([intent]) == [(-1, 890, 990)]
    mind.take(block(2))
    assert mind.decide() == []
    filled = answers_pb2.CommandOutcome(height=3, status=common_pb2.OUTCOME_STATUS_PARTIALLY_FILLED, filled_lots=400)
    mind.answered(intent, filled)
    mind.take(block(3))
    assert mind.decide() == []
    mind.take(block(4, [position(BOT, 490, 490_000)]))
    assert unwindings(mind.decide()) == [(-1, 490, 990)]


def test_a_short_is_bought_back_and_some_may_be_held() -> None:
    short = position(BOT, -890, -890_000)
    assert unwindings(mind_on(RICH, short).decide()) == [(1, 890, 1_010)]
    holding = SpinSettings(hold_atoms=500_999)
    assert unwindings(mind_on(RICH, short, settings=holding).decide()) == [(1, 390, 1_010)]
    assert mind_on(RICH, short, settings=SpinSettings(unwind=False)).decide() == []
    assert unwindings(mind_on(RICH, short, max_order_lots=100).decide()) == [(1, 100, 1_010)]


def test_near_its_own_limit_a_liquidator_sells_at_any_price() -> None:
    own = position(BOT, 1_000, 1_000_000)
    assert unwindings(mind_on(cash(BOT, 110_001), own).decide()) == [(-1, 1_000, 990)]
    assert unwindings(mind_on(cash(BOT, 110_000), own).decide()) == [(-1, 1_000, 0)]


def test_an_order_that_found_nobody_waits_longer_every_time() -> None:
    mind = mind_on(RICH, position(BOT, 890, 890_000))
    asked = []
    for height in range(2, 20):
        for intent in mind.decide():
            asked.append(height)
            expired = answers_pb2.CommandOutcome(height=height, status=common_pb2.OUTCOME_STATUS_EXPIRED)
            mind.answered(intent, expired)
        mind.take(block(height))
    assert asked == [2, 3, 5, 9, 17]


def test_an_answer_from_before_a_new_listing_still_counts_if_the_listing_cannot_show_it() -> None:
    mind = mind_on(RICH, LOTS, cash(ANN, 30_000))
    (intent,) = mind.decide()
    mind.begin(block(5, [RICH, LOTS, cash(ANN, 90_000)], [mark(1_000)]))
    mind.answered(intent, taken_over(5, 890))
    assert mind.outstanding.lots_by_market() == {1: 890}
    mind.take(block(6, [position(BOT, 890, 890_000)]))
    assert mind.outstanding.lots_by_market() == {}
