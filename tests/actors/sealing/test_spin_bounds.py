"""Spin's venues and markets: created of the right kind within their bounds, collateral raised after notice."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.mark_price import price_bound_ticks
from actors.sealing.spin_bounds import check_spin_market
from actors.units import INT64_MAX, PRICE_BOUND, TOTAL_BOUND
from breakwater.v1 import common_pb2 as common
from node.margin_presets import SCALES, margin_trade_market
from node.spin_presets import spin_market, spin_venue
from tests.actors.newer_seals import SPIN, NewerSeals
from tests.building import market, refused, venue

OUT = "PARAMETER_OUT_OF_BOUNDS"


def test_the_presets_pass_their_own_bounds() -> None:
    seals = NewerSeals()
    rest = [asset for asset in SCALES if asset not in ("BTC", "NEAR")]
    made = [spin_market(number, asset) for number, asset in enumerate(rest, 3)]
    reply = seals.seal(*(seals.batch("create_market", SPIN, parameters=one) for one in made))
    assert refused(reply.outcomes) == []
    assert len(reply.changes.markets) == len(SCALES) - 2


def test_sp_10_near_is_as_published() -> None:
    near = spin_market(2, "NEAR")
    rules = near.spin
    assert (near.tick_size_e9, rules.lot_size_e9 * rules.step_lots) == (1_000_000, 10_000_000)  # 0.001 and 0.01
    assert rules.max_position_lots * rules.lot_size_e9 == 10_000 * 10**9
    assert (rules.collateral_ratio_e9, rules.taker_fee_e9, rules.maker_fee_e9) == (10**8, 800_000, -400_000)


@pytest.mark.parametrize(
    ("name", "value", "numbers"),
    [
        ("liquidator_reward_e9", -1, (0, -1)),
        ("liquidator_reward_e9", 10**8 + 1, (10**8, 10**8 + 1)),
        ("insurance_share_e9", 10**8 + 1, (10**8, 10**8 + 1)),
        ("fund_target_ppm", 10**6 + 1, (10**6, 10**6 + 1)),
        ("fund_target_min_atoms", 1 << 60, ((1 << 60) - 1, 1 << 60)),
        ("max_orders_per_account", 0, (1, 0)),
        ("notice_ms", -1, (0, -1)),
    ],
)
def test_rules_of_a_venue_outside_their_bounds_are_refused(name: str, value: int, numbers: tuple[int, int]) -> None:
    seals = NewerSeals()
    wanted = spin_venue(9, "second")
    setattr(wanted.spin, name, value)
    assert seals.refusal(seals.batch("create_venue", parameters=wanted)) == (OUT, *numbers)
    change = seals.batch("set_parameters", SPIN)
    change.set_parameters.venue.CopyFrom(wanted)
    assert seals.refusal(change) == (OUT, *numbers)


def test_a_venue_has_the_rules_of_its_rulebook() -> None:
    seals = NewerSeals()
    bare = spin_venue(9, "second")
    bare.ClearField("spin")
    assert seals.refusal(seals.batch("create_venue", parameters=bare)) == ("WRONG_RULEBOOK", 1, 4)
    bare.margin_trade.SetInParent()
    assert seals.refusal(seals.batch("create_venue", parameters=bare)) == ("WRONG_RULEBOOK", 2, 4)
    unknown = venue(9)
    unknown.rulebook = common.RULEBOOK_UNSPECIFIED
    assert seals.refusal(seals.batch("create_venue", parameters=unknown)) == ("WRONG_RULEBOOK", 1, 0)
    fine = spin_venue(9, "second")
    fine.asset_decimals = 10
    assert seals.refusal(seals.batch("create_venue", parameters=fine)) == (OUT, 9, 10)


def test_a_market_is_of_its_venue_s_kind_alone() -> None:
    seals = NewerSeals()
    assert seals.refusal(seals.batch("create_market", SPIN, parameters=market(9))) == ("WRONG_RULEBOOK", 1, 4)
    of_books = margin_trade_market(9, "SOL")
    assert seals.refusal(seals.batch("create_market", SPIN, parameters=of_books)) == ("WRONG_RULEBOOK", 2, 4)
    assert seals.refusal(seals.batch("create_market", 1, parameters=spin_market(9, "SOL"))) == ("WRONG_RULEBOOK", 4, 1)
    both = spin_market(9, "SOL")
    both.margin_trade.CopyFrom(of_books.margin_trade)
    assert seals.refusal(seals.batch("create_market", SPIN, parameters=both)) == ("WRONG_RULEBOOK", 2, 4)


WEEK_MS = 7 * 24 * 3_600_000
# Prices may be as high as can be where so little is worth so much; a week of milliseconds of them has no sum.
ONE_LOT = {"max_order_lots": 1, "max_position_lots": 1, "open_interest_cap_lots": 1}
MARKETS: list[tuple[dict[str, int], tuple[int, int]]] = [
    ({"market": 1 << 16}, (65_535, 1 << 16)),
    ({"lot_size_e9": 0}, (1, 0)),
    ({"lot_size_e9": 200_000}, (20, 10)),  # a lot at a tick is worth twenty atoms then
    ({"quote_atoms_per_tick_lot": 1}, (10, 1)),
    ({"collateral_ratio_e9": 10**7 - 1}, (10**7, 10**7 - 1)),
    ({"collateral_ratio_e9": 10**9 + 1}, (10**9, 10**9 + 1)),
    ({"maker_fee_e9": -800_001}, (-800_000, -800_001)),  # more than the taker pays
    ({"maker_fee_e9": -(10**7) - 1}, (-(10**7), -(10**7) - 1)),
    ({"taker_fee_e9": 399_999}, (-399_999, -400_000)),
    ({"taker_fee_e9": -1}, (0, -1)),
    ({"step_lots": 0}, (1, 0)),
    ({"step_lots": 10**7 + 1}, (10**7, 10**7 + 1)),  # more than a position may be
    ({"max_order_lots": 10**9 + 1}, (10**9, 10**9 + 1)),
    ({"max_position_lots": 10**9 + 1}, (10**9, 10**9 + 1)),
    ({"open_interest_cap_lots": 1 << 44}, ((1 << 44) - 1, 1 << 44)),
    ({"market_protection_ppm": 10**6}, (10**6 - 1, 10**6)),
    ({"funding_cap_e9": 10**8 + 1}, (10**8, 10**8 + 1)),
    ({"tick_interval_ms": 1, "funding_interval_ms": WEEK_MS, **ONE_LOT}, (8_388_606, WEEK_MS)),
    ({"funding_interval_ms": 0}, (60_000, 0)),
    ({"mark_rule": 3}, (2, 3)),
]


@pytest.mark.parametrize(("altered", "numbers"), MARKETS)
def test_markets_outside_their_bounds_are_refused(altered: dict[str, int], numbers: tuple[int, int]) -> None:
    seals = NewerSeals()
    wanted = spin_market(5, "BTC")
    wanted.symbol = "SECOND"
    for name, value in altered.items():
        (home,) = [part for part in (wanted, wanted.spin, wanted.oracle) if name in part.DESCRIPTOR.fields_by_name]
        setattr(home, name, value)
    assert seals.refusal(seals.batch("create_market", SPIN, parameters=wanted)) == (OUT, *numbers)


@given(
    st.sampled_from(("BTC", "NEAR")),
    st.integers(1, (1 << 44) - 1),
    st.sampled_from((1, 500)),
    st.sampled_from((60_000, 3_600_000, 7 * 86_400_000)),
)
def test_sp_11_in_a_market_that_may_be_values_and_sums_of_mids_stay_in_64_bits(
    asset: str, cap_lots: int, tick_ms: int, interval_ms: int
) -> None:
    made, terms = spin_market(1, asset), spin_venue()
    made.spin.open_interest_cap_lots = cap_lots
    made.oracle.tick_interval_ms, made.oracle.funding_interval_ms = tick_ms, interval_ms
    if check_spin_market(made, terms) is not None:
        return
    highest = price_bound_ticks(made) - 1
    assert highest < PRICE_BOUND
    assert cap_lots * made.spin.quote_atoms_per_tick_lot * highest < TOTAL_BOUND
    assert (interval_ms // tick_ms + 1) * highest <= INT64_MAX


def altered(seals: NewerSeals, **rules: int) -> Any:
    wanted = seals.market_of(SPIN)
    for name, value in rules.items():
        setattr(wanted.spin, name, value)
    return wanted


def test_sp_02_a_higher_collateral_ratio_waits_for_its_notice_the_rest_does_not() -> None:
    seals = NewerSeals(notice_ms=2_000)
    wanted = altered(seals, collateral_ratio_e9=2 * 10**8, taker_fee_e9=900_000)
    (now,) = seals.seal(seals.alter(wanted), step_ms=1_999).changes.markets
    assert (now.spin.collateral_ratio_e9, now.spin.taker_fee_e9, now.version) == (10**8, 900_000, 2)
    assert not seals.seal(step_ms=1).changes.markets
    (due,) = seals.seal().changes.markets
    assert (due.spin.collateral_ratio_e9, due.spin.taker_fee_e9, due.version) == (2 * 10**8, 900_000, 3)
    (lower,) = seals.seal(seals.alter(altered(seals, collateral_ratio_e9=10**8))).changes.markets
    assert (lower.spin.collateral_ratio_e9, lower.version) == (10**8, 4)


def test_a_later_change_takes_the_place_of_a_ratio_that_waits() -> None:
    seals = NewerSeals(notice_ms=2_000)
    seals.seal(seals.alter(altered(seals, collateral_ratio_e9=2 * 10**8)))
    seals.seal(seals.alter(altered(seals, maker_fee_e9=0)))
    assert not seals.seal(step_ms=10_000).changes.markets
    assert not seals.seal().changes.markets


def test_what_a_lot_and_a_step_are_never_changes() -> None:
    seals = NewerSeals()
    finer = altered(seals, lot_size_e9=10_000, quote_atoms_per_tick_lot=1)
    assert seals.refusal(seals.alter(finer)) == (OUT, 100_000, 10_000)
    assert seals.refusal(seals.alter(altered(seals, step_lots=10))) == (OUT, 1, 10)
