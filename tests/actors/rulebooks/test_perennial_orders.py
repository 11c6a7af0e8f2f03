"""What Perennial's orders do to a market, what they cost, and why they are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rulebooks import perennial_orders as orders
from actors.rulebooks.perennial import NOTHING, Totals
from tests.actors.rulebooks import perennial_cases as cases
from tests.actors.rulebooks.perennial_cases import MARKET, PRICE, RISK, USDC, whole


def effect(before: Totals, old: Totals, new: Totals) -> orders.OrderEffect:
    return orders.order_effect(before, old, new, 0)


def fee(before: Totals, old: Totals, new: Totals) -> int:
    return orders.position_fee_floor_atoms(effect(before, old, new), PRICE, RISK, closed=False)


def test_pe14_a_maker_pays_less_where_its_coming_lowers_utilisation() -> None:
    # 10 units at 1,000: 0.05% of 10,000, less 0.01% times the utilisation of an empty market, 1, going to 0.
    assert fee(NOTHING, NOTHING, whole(10, 0, 0)) == 4 * USDC
    assert fee(whole(10, 5, 0), NOTHING, whole(10, 0, 0)) == 5 * USDC - USDC // 4


def test_pe14_a_taker_pays_for_the_move_of_the_skew_and_for_what_it_grows() -> None:
    assert fee(whole(10, 0, 0), NOTHING, whole(0, 5, 0)) == 5_000 * USDC * (1_000 + 500 + 200) // 10**6
    # From long 5 alone (skew 1) to 5 against 3 (skew 0.4): moves 0.6, and its size shrinks by 0.6.
    assert fee(whole(10, 5, 0), NOTHING, whole(0, 0, 3)) == 3_000 * USDC * (1_000 + 300 - 120) // 10**6


def test_pe14_a_rate_below_zero_is_none_and_a_closed_market_asks_none() -> None:
    cheap = RISK._replace(taker_fee_ppm=0, taker_skew_ppm=0, maker_fee_ppm=0)
    reducing = effect(whole(10, 5, 0), NOTHING, whole(0, 0, 3))
    assert orders.position_fee_floor_atoms(reducing, PRICE, cheap, closed=False) == 0
    assert orders.position_fee_floor_atoms(effect(NOTHING, NOTHING, whole(1, 0, 0)), PRICE, cheap, closed=False) == 0
    opening = effect(whole(10, 0, 0), NOTHING, whole(0, 5, 0))
    assert orders.position_fee_floor_atoms(opening, PRICE, RISK, closed=True) == 0


def test_pe14_a_negative_change_is_cut_towards_zero() -> None:
    # Utilisation falls by a third, 0.333333 of 100 ppm: 33 ppm off, not 34.
    moved = effect(whole(3, 1, 0), whole(0, 1, 0), NOTHING)
    assert moved.utilisation_ppm == -333_333
    making = moved._replace(maker_lots=10**6, long_lots=0)
    assert orders.position_fee_floor_atoms(making, PRICE, RISK, closed=False) == 1_000 * (500 - 33)
    taking = moved._replace(long_lots=10**6, skew_ppm=0, impact_ppm=-333_333)
    assert orders.position_fee_floor_atoms(taking, PRICE, RISK, closed=False) == 1_000 * (1_000 - 66)


def test_pe14_only_an_order_that_moves_something_pays_for_its_settlement() -> None:
    assert orders.settlement_fee_atoms(effect(whole(1, 0, 0), NOTHING, whole(1, 0, 0)), MARKET) == 1_500_000
    assert orders.settlement_fee_atoms(effect(whole(1, 0, 0), whole(1, 0, 0), whole(1, 0, 0)), MARKET) == 0


@given(cases.totals(), cases.totals(), st.integers(0, 10**9), cases.price_ticks())
def test_pe14_nobody_is_ever_paid_for_an_order(
    others: Totals, own: Totals, virtual_taker_lots: int, price_ticks: int
) -> None:
    everybody = orders.totals_after(others, NOTHING, own)
    there = orders.order_effect(others, NOTHING, own, virtual_taker_lots)
    back = orders.order_effect(everybody, own, NOTHING, virtual_taker_lots)
    assert orders.totals_after(everybody, own, NOTHING) == others
    mirrored = [-moved for moved in there]
    mirrored[4] = there.skew_ppm
    assert list(back) == mirrored
    for moved in (there, back):
        assert orders.position_fee_floor_atoms(moved, price_ticks, RISK, closed=False) >= 0


def test_an_account_has_no_more_than_its_market() -> None:
    with pytest.raises(AssertionError, match="is not among"):
        orders.totals_after(whole(1, 0, 0), whole(2, 0, 0), NOTHING)


def test_pe13_the_last_maker_cannot_walk_away_from_takers() -> None:
    before = whole(10, 5, 0)
    leaving, after = effect(before, whole(10, 0, 0), NOTHING), whole(0, 5, 0)
    assert orders.leaves_socialised(leaving, after, MARKET)
    assert orders.is_below_efficiency(leaving, after, RISK, MARKET)
    free = MARKET._replace(maker_close_always=True)
    assert not orders.leaves_socialised(leaving, after, free)
    assert not orders.is_below_efficiency(leaving, after, RISK, free)
    # A leaving maker increases no taker, so this switch frees it too.
    takers_free = MARKET._replace(taker_close_always=True)
    assert not orders.leaves_socialised(leaving, after, takers_free)


def test_pe13_takers_may_always_close_where_the_market_says_so() -> None:
    before = whole(2, 9, 8)
    closing, after = effect(before, whole(0, 0, 8), NOTHING), whole(2, 9, 0)
    assert orders.leaves_socialised(closing, after, MARKET)
    assert not orders.leaves_socialised(closing, after, MARKET._replace(taker_close_always=True))
    opening = effect(before, NOTHING, whole(0, 5, 0))
    assert orders.leaves_socialised(opening, whole(2, 14, 8), MARKET._replace(taker_close_always=True))


def test_pe13_a_market_already_socialised_takes_what_does_not_make_it_worse() -> None:
    before = whole(2, 9, 0)
    assert not orders.leaves_socialised(effect(before, NOTHING, whole(1, 0, 0)), whole(3, 9, 0), MARKET)
    assert not orders.leaves_socialised(effect(before, whole(0, 9, 0), whole(0, 8, 0)), whole(2, 8, 0), MARKET)
    assert orders.leaves_socialised(effect(before, NOTHING, whole(0, 1, 0)), whole(2, 10, 0), MARKET)


def test_pe13_efficiency_is_asked_of_who_lowers_it_and_only_below_the_limit() -> None:
    before = whole(2, 20, 20)
    more = effect(before, NOTHING, whole(0, 1, 0))
    assert orders.is_below_efficiency(more, whole(2, 21, 20), RISK, MARKET)
    assert not orders.is_below_efficiency(more, whole(2, 21, 20), RISK._replace(efficiency_limit_ppm=95_238), MARKET)
    assert not orders.is_below_efficiency(effect(before, whole(0, 20, 0), NOTHING), whole(2, 0, 20), RISK, MARKET)


def test_pe13_makers_have_a_limit_and_it_may_be_reached() -> None:
    assert not orders.is_over_maker_limit(whole(1_000, 0, 0), RISK)
    assert orders.is_over_maker_limit(Totals(1_000 * 10**6 + 1, 0, 0), RISK)


def test_pe13_a_closed_market_only_shrinks_and_asks_nothing_else() -> None:
    closed = MARKET._replace(closed=True)
    for side in (whole(1, 0, 0), whole(0, 1, 0), whole(0, 0, 1)):
        assert orders.is_refused_as_closed(effect(NOTHING, NOTHING, side), closed)
        assert not orders.is_refused_as_closed(effect(NOTHING, NOTHING, side), MARKET)
        assert not orders.is_refused_as_closed(effect(side, side, NOTHING), closed)
    leaving = effect(whole(10, 5, 0), whole(10, 0, 0), NOTHING)
    assert not orders.liquidity_check_applies(leaving, closed)
    assert orders.liquidity_check_applies(leaving, MARKET)
