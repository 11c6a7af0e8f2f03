"""Twilight's integers against its rationals, and what no choice of numbers may break. Rules by tag."""

from fractions import Fraction
from math import ceil, floor

from hypothesis import assume, given
from hypothesis import strategies as st

from actors.rulebooks import twilight, twilight_exact
from actors.units import E9, LONG, PPM, PRICE_BOUND, SHORT

sides = st.sampled_from([LONG, SHORT])
margins = st.one_of(st.integers(1, 10_000_000), st.integers(1, 1 << 40))
leverages = st.integers(100, 5_000)
prices = st.one_of(st.integers(1, 1_000_000), st.integers(1, PRICE_BOUND - 1))
rates = st.integers(-1_250_000, 1_250_000)
amounts = st.integers(0, 1 << 50)
# Funding may have taken or added any part of the margin, and more than all of it.
drifts = st.integers(-150, 150)


@st.composite
def positions(draw: st.DrawFn) -> dict[str, int]:
    """A position somewhere in its life: the five numbers its rules are functions of."""
    side, margin = draw(sides), draw(margins)
    value = twilight.entry_value_floor_atoms(margin, draw(leverages))
    return {
        "side": side,
        "position_size": twilight.position_size(value, draw(prices)),
        "entry_value_atoms": value,
        "initial_margin_atoms": margin,
        "margin_held_atoms": margin + margin * draw(drifts) // 100,
    }


def maintenance_of(position: dict[str, int], rate_e9: int, ratio_e9: int = 4_000_000) -> int:
    side = position["side"]
    return twilight.maintenance_margin_e9(
        side,
        position["entry_value_atoms"],
        position["initial_margin_atoms"],
        ratio_e9,
        400_000,
        twilight.funding_paid_e9(side, rate_e9),
    )


def exact_upnl(position: dict[str, int], mark: int) -> Fraction:
    entry = Fraction(position["position_size"], position["entry_value_atoms"])
    return twilight_exact.upnl(position["side"], Fraction(position["position_size"]), entry, Fraction(mark))


@given(positions(), rates, st.sampled_from([0, 4_000_000, 2 * E9]), st.lists(prices, max_size=5), st.integers(-2, 2))
def test_tw06_tw10_threshold_trigger_and_equity_are_one_decision(
    position: dict[str, int], rate: int, ratio: int, marks: list[int], step: int
) -> None:
    maintenance = maintenance_of(position, rate, ratio)
    state = {name: number for name, number in position.items() if name != "initial_margin_atoms"}
    threshold = twilight.liquidation_threshold_ticks(**state, maintenance_e9=maintenance)
    for mark in {*marks, min(max(1, threshold + step), PRICE_BOUND - 1), 1, PRICE_BOUND - 1}:
        by_equity = twilight_exact.is_liquidatable(
            Fraction(position["margin_held_atoms"]), exact_upnl(position, mark), Fraction(maintenance, E9)
        )
        by_threshold = mark <= threshold if position["side"] == LONG else mark >= threshold
        assert twilight.is_liquidatable(**state, mark_ticks=mark, maintenance_e9=maintenance) is by_equity
        assert by_threshold is by_equity


@given(positions(), prices)
def test_tw05_tw10_profit_and_equity_round_from_the_rational(position: dict[str, int], mark: int) -> None:
    side, size, value = position["side"], position["position_size"], position["entry_value_atoms"]
    upnl = exact_upnl(position, mark)
    assert twilight.upnl_floor_atoms(side, size, value, mark) == floor(upnl)
    assert twilight.upnl_half_away_atoms(side, size, value, mark) == twilight_exact.half_away(upnl)
    held = position["margin_held_atoms"]
    assert twilight.equity_floor_atoms(side, size, value, held, mark) == floor(held + upnl)


@given(positions(), st.integers(0, 10_000_000), rates)
def test_tw04_maintenance_is_exact(position: dict[str, int], fee_e9: int, rate: int) -> None:
    side, value = position["side"], Fraction(position["entry_value_atoms"])
    bankruptcy = twilight_exact.bankruptcy_value(side, value, Fraction(position["initial_margin_atoms"]))
    percent = Fraction(100, E9)
    paid = twilight_exact.funding_paid_percent(side, rate * percent)
    exact = twilight_exact.maintenance_margin(value, bankruptcy, fee_e9 * percent, paid)
    integer = twilight.maintenance_margin_e9(
        side,
        position["entry_value_atoms"],
        position["initial_margin_atoms"],
        4_000_000,
        fee_e9,
        twilight.funding_paid_e9(side, rate),
    )
    assert Fraction(integer, E9) == exact


@given(positions(), prices, st.integers(0, 10_000_000))
def test_tw07_fee_is_the_rational_rounded_up(position: dict[str, int], price: int, fee_e9: int) -> None:
    exact = twilight_exact.fee(Fraction(position["position_size"]), Fraction(price), Fraction(fee_e9 * 100, E9))
    assert twilight.fee_ceil_atoms(position["position_size"], price, fee_e9) == ceil(exact)


@given(amounts, amounts, st.integers(1, 100))
def test_tw08_rate_is_the_rational_cut_toward_zero(total_long: int, total_short: int, psi: int) -> None:
    exact = twilight_exact.funding_rate_percent(Fraction(total_long), Fraction(total_short), Fraction(psi))
    rate = twilight.funding_rate_e9(total_long, total_short, psi)
    assert rate == int(exact * twilight.PERCENT_E9)
    assert rate == -twilight.funding_rate_e9(total_short, total_long, psi)
    assert abs(rate) <= 1_250_000 // psi


@given(positions(), prices, rates)
def test_tw08_funding_never_costs_the_pool_a_sat(position: dict[str, int], mark: int, rate: int) -> None:
    size = position["position_size"]
    exact = twilight_exact.funding_payment(LONG, Fraction(size), Fraction(mark), Fraction(rate * 100, E9))
    paid_by_long = twilight.funding_payment_atoms(LONG, size, mark, rate)
    paid_by_short = twilight.funding_payment_atoms(SHORT, size, mark, rate)
    assert (paid_by_long, paid_by_short) == (ceil(exact), ceil(-exact))
    assert 0 <= paid_by_long + paid_by_short <= 1


@given(positions(), prices, st.sampled_from([200_000, 400_000]))
def test_tw15_what_the_trader_does_not_get_the_pool_does(position: dict[str, int], mark: int, fee_e9: int) -> None:
    closed = twilight.close_terms(**position, mark_ticks=mark, fee_rate_e9=fee_e9)
    moved_before = position["initial_margin_atoms"] - position["margin_held_atoms"]
    assert closed.payout_atoms + closed.pool_delta_atoms + moved_before == position["initial_margin_atoms"]
    assert closed.payment_atoms == closed.payout_atoms - position["initial_margin_atoms"]
    assert closed.is_liquidation is (closed.payout_atoms < 0)


@given(sides, margins, leverages, prices, prices, st.lists(st.tuples(rates, prices), max_size=4))
def test_tw09_tw12_tw15_a_whole_life_equals_the_exact_ledger(
    side: int, margin: int, leverage: int, entry: int, mark: int, funding: list[tuple[int, int]]
) -> None:
    value = twilight.entry_value_floor_atoms(margin, leverage)
    size = twilight.position_size(value, entry)
    held = margin - twilight.fee_ceil_atoms(size, entry, 400_000)
    for rate, funding_mark in funding:
        held -= twilight.funding_payment_atoms(side, size, funding_mark, rate)
    closed = twilight.close_terms(side, size, value, margin, held, mark, 400_000)
    exact_size = Fraction(size)
    book = twilight_exact.ledger(
        margin,
        twilight_exact.fee(exact_size, Fraction(entry), twilight_exact.TAKER_FEE_PERCENT),
        [
            twilight_exact.funding_payment(side, exact_size, Fraction(funding_mark), Fraction(rate * 100, E9))
            for rate, funding_mark in funding
        ],
        twilight_exact.upnl(side, exact_size, Fraction(entry), Fraction(mark)),
        twilight_exact.fee(exact_size, Fraction(mark), twilight_exact.TAKER_FEE_PERCENT),
    )
    assert (held, closed.is_liquidation) == (book.margin_held, book.is_liquidation)
    assert max(0, closed.payout_atoms) == book.payout
    assert book.payout + book.pool_received == margin


@given(positions(), prices, rates)
def test_tw11_deficit_is_what_the_margin_did_not_cover(position: dict[str, int], mark: int, rate: int) -> None:
    state = {name: number for name, number in position.items() if name != "initial_margin_atoms"}
    maintenance = maintenance_of(position, rate)
    terms = twilight.liquidation_terms(**state, mark_ticks=mark, maintenance_e9=maintenance)
    assert terms.seized_atoms == position["margin_held_atoms"]
    assert terms.deficit_atoms == max(0, -terms.equity_atoms)
    assert 0 <= terms.maintenance_atoms - Fraction(maintenance, E9) < 1
    if twilight.is_liquidatable(**state, mark_ticks=mark, maintenance_e9=maintenance):
        assert terms.equity_atoms <= terms.maintenance_atoms


@given(amounts, st.integers(1, 1 << 50), st.integers(1, 1 << 50))
def test_tw16_in_and_out_at_once_never_gains(deposit: int, shares_total: int, nav: int) -> None:
    minted = twilight.mint_shares_floor(deposit, shares_total, nav)
    assert twilight.redeem_floor_atoms(minted, shares_total + minted, nav + deposit) <= deposit
    # The price of those already there does not fall: nav / shares before <= after.
    assert nav * (shares_total + minted) <= (nav + deposit) * shares_total


@given(st.lists(st.integers(0, 1 << 45), min_size=1, max_size=8), st.integers(0, 1 << 50))
def test_tw16_all_claims_together_are_the_pool_less_dust(holders: list[int], nav: int) -> None:
    total = sum(holders)
    assume(total > 0)
    claims = sum(twilight.redeem_floor_atoms(shares, total, nav) for shares in holders)
    assert 0 <= nav - claims < len(holders)


@given(amounts, amounts, st.integers(0, PPM))
def test_tw17_utilisation_is_compared_exactly(ttm: int, tvl: int, cap_ppm: int) -> None:
    reached = twilight.utilisation_reached(ttm, tvl, cap_ppm)
    assert reached is (tvl == 0 or Fraction(ttm, tvl) >= Fraction(cap_ppm, PPM))


@given(amounts, amounts, st.integers(-(1 << 50), 1 << 50), sides, amounts, st.booleans())
def test_tw19_limits_are_the_rationals_floored_and_name_what_they_forbid(
    total_long: int, total_short: int, equity: int, side: int, notional: int, may_open: bool
) -> None:
    limits = twilight.risk_limits(total_long, total_short, equity, 4_000_000, 800_000, 20_000, may_open)
    exact = twilight_exact.risk_limits(
        Fraction(total_long),
        Fraction(total_short),
        Fraction(equity),
        Fraction(4),
        Fraction(4, 5),
        Fraction(1, 50),
        may_open,
    )
    assert limits[:6] == tuple(floor(number) for number in exact[:6])
    assert limits[6:] == tuple(max(0, floor(number)) for number in exact[6:])
    largest = limits.max_long if side == LONG else limits.max_short
    assert (twilight.limit_breached(limits, side, notional) is None) is (notional <= min(largest, limits.position_max))
