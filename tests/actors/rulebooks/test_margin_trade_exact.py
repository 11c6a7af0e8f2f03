"""Margin Trade's integers against its rationals: each is the rational, rounded as its name says. Rules by tag."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from actors.risk import adl, bankruptcy
from actors.risk import tiers as margin_tiers
from actors.rulebooks import margin_trade, margin_trade_exact
from actors.rulebooks.margin_trade_exact import Position
from actors.units import E9, LONG, PRICE_BOUND, SHORT, div_half_away

ROWS = st.sampled_from(
    [
        margin_tiers.BTC_TIER_ROWS,
        margin_tiers.ETH_TIER_ROWS,
        margin_tiers.SOL_TIER_ROWS,
        margin_tiers.OTHER_TIER_ROWS,
        ((0, 3),),
    ]
)
notionals = st.one_of(st.integers(0, 10**6), st.integers(0, 2**60 - 1), st.integers(7 * 10**13, 2 * 10**14))
lots = st.integers(-(2**30), 2**30)
prices = st.integers(1, 2**24)
equities = st.integers(-(2**58), 2**58)


def exact_tiers(rows: tuple[tuple[int, int], ...]) -> list[tuple[Fraction, Fraction]]:
    return [(Fraction(lower), Fraction(leverage)) for lower, leverage in rows]


@given(notionals, ROWS, st.integers(1, 40))
def test_mt02_mt03_margins_are_the_rationals_rounded_up(
    notional: int, rows: tuple[tuple[int, int], ...], leverage: int
) -> None:
    tiers = margin_tiers.tiers_of(rows)
    exact = margin_trade_exact.maintenance_margin(Fraction(notional), exact_tiers(rows))
    assert margin_trade.maintenance_margin_ceil_atoms(notional, tiers) == ceil(exact)
    initial = margin_trade_exact.initial_margin(Fraction(notional), Fraction(leverage), exact_tiers(rows))
    ours = margin_trade.initial_margin_ceil_atoms(notional, leverage, tiers)
    assert initial <= ours < initial + 2


@given(notionals, st.integers(1, 2**40), ROWS, st.integers(1, 40))
def test_mt02_a_larger_position_never_needs_less(
    notional: int, more: int, rows: tuple[tuple[int, int], ...], leverage: int
) -> None:
    tiers = margin_tiers.tiers_of(rows)
    before = margin_trade.initial_margin_ceil_atoms(notional, leverage, tiers)
    assert before <= margin_trade.initial_margin_ceil_atoms(notional + more, leverage, tiers)


@given(lots, lots, lots, st.tuples(prices, prices, prices), st.integers(1, 100))
def test_mt01_any_fills_stay_within_an_atom_each_of_the_average_price(
    first: int, second: int, third: int, at: tuple[int, int, int], per_tick: int
) -> None:
    ours, exact, realised = (0, 0), Position(), 0
    for count, (size, price) in enumerate(zip((first, second, third), at, strict=True), 1):
        after = margin_trade.apply_fill(*ours, size, price, per_tick)
        ours, realised = (after.lots, after.cost_atoms), realised + after.realised_atoms
        exact = margin_trade_exact.after_fill(exact, Fraction(size), Fraction(price * per_tick))
        assert after.lots == exact.size
        assert 0 <= after.cost_atoms - exact.cost < count
        assert realised - after.cost_atoms == exact.realised - exact.cost


@given(prices, prices, prices)
def test_mt10_premiums_are_the_rationals_half_away(bid: int, ask: int, oracle: int) -> None:
    exact = margin_trade_exact.premium(Fraction(bid), Fraction(ask), Fraction(oracle)) * E9
    mid = margin_trade_exact.mid_premium(Fraction(bid), Fraction(ask), Fraction(oracle)) * E9
    assert margin_trade.premium_half_away_e9(bid, ask, oracle) == div_half_away(exact.numerator, exact.denominator)
    assert margin_trade.mid_premium_half_away_e9(bid, ask, oracle) == div_half_away(mid.numerator, mid.denominator)


@given(st.integers(-(2**40), 2**40), lots, prices)
def test_mt10_funding_is_the_rational_and_what_is_paid_covers_what_is_received(
    premium: int, size: int, oracle: int
) -> None:
    rate = margin_trade.funding_rate_hourly_e9(premium, 100_000, 500_000, 40_000_000)
    rate_8h = margin_trade_exact.funding_rate_8h(Fraction(premium, E9))
    assert abs(Fraction(rate, E9) - margin_trade_exact.funding_rate_hourly(rate_8h)) <= Fraction(1, 2 * E9)
    paid = margin_trade.funding_payment_atoms(size, oracle, 3, rate)
    exact = margin_trade_exact.funding_payment(
        Fraction(size), Fraction(3 * oracle), Fraction(8 * rate, E9), Fraction(1)
    )
    assert exact <= paid < exact + 1
    assert paid + margin_trade.funding_payment_atoms(-size, oracle, 3, rate) in (0, 1)


@given(lots.filter(bool), prices, equities, ROWS)
def test_mt17_the_estimate_is_the_formula_rounded_towards_the_trader(
    size: int, mark: int, equity: int, rows: tuple[tuple[int, int], ...]
) -> None:
    tiers = margin_tiers.tiers_of(rows)
    notional = margin_trade.notional_atoms(size, mark, 10)
    maintenance = margin_trade.maintenance_margin_ceil_atoms(notional, tiers)
    side = LONG if size > 0 else SHORT
    rate = margin_trade_exact.maintenance_rate(Fraction(rows[margin_tiers.tier_of(notional, tiers)][1]))
    exact = margin_trade_exact.liquidation_price(
        side, Fraction(mark), Fraction(equity - maintenance), Fraction(10 * abs(size)), rate
    )
    ours = margin_trade.liquidation_price_estimate_ticks(size, mark, 10, equity, maintenance, tiers)
    if ours is None:
        assert exact <= 0 or exact > PRICE_BOUND - 1 or (side == SHORT and exact < 1)
    else:
        assert 0 <= side * (ours - exact) < 1


@given(lots.filter(bool), st.integers(-(2**55), 2**55), st.integers(1, 2**55), prices)
def test_mt15_the_score_is_the_product_of_floored_ratios(size: int, cost: int, equity: int, mark: int) -> None:
    exact = margin_trade_exact.deleverage_score(Fraction(size), Fraction(cost), Fraction(equity), Fraction(mark))
    assert adl.score(size, cost, equity, mark, 1) == exact


@given(lots.filter(bool), prices, equities, st.integers(1, 2**40), st.integers(0, 2**40))
def test_mt15_a_bankruptcy_quote_is_the_rational_within_an_atom(
    size: int, mark: int, equity: int, own: int, others: int
) -> None:
    share = bankruptcy.equity_shares_atoms(equity, [others, own])[1]
    exact = margin_trade_exact.bankruptcy_quote(
        Fraction(size), Fraction(mark), Fraction(equity), Fraction(own, own + others)
    )
    assert exact - 1 < bankruptcy.bankruptcy_quote_atoms(size, mark, 1, share) <= exact
