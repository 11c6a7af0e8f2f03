"""Margin Trade's venues and markets: created of the right kind within their bounds, margins raised after notice."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.registry import Registry
from actors.risk.tiers import BTC_TIER_ROWS, SOL_TIER_ROWS, Tiers, tier_of, tiers_are_valid, tiers_of
from actors.sealing.margin_bounds import check_tiers, raises_margin
from actors.units import TOTAL_BOUND
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from node.margin_presets import SCALES, margin_trade_market, margin_trade_venue
from tests.actors.calling import pending_list
from tests.actors.seals import BookSeals, alter_market
from tests.building import bodies, market, refused, venue

OUT = "PARAMETER_OUT_OF_BOUNDS"


def test_the_presets_pass_their_own_bounds() -> None:
    seals = BookSeals()
    listings = [
        seals.batch("create_market", 2, parameters=margin_trade_market(number, asset))
        for number, asset in enumerate(SCALES, 1)
        if asset != "BTC"
    ]
    reply = seals.seal(*listings)
    assert refused(reply.outcomes) == []
    assert [made.symbol for made in reply.changes.markets] == [f"{asset}-PERP" for asset in SCALES if asset != "BTC"]
    assert list(reply.venues) == [1, 2]


@pytest.mark.parametrize(
    ("name", "value", "numbers"),
    [
        ("partial_fraction_ppm", 0, (1, 0)),
        ("backstop_denominator", 8, (7, 8)),
        ("backstop_numerator", 4, (3, 4)),  # at most the whole maintenance margin
        ("ladder_rounds", 0, (1, 0)),
        ("ladder_rounds", 65, (64, 65)),
        ("deleverage_policy", 0, (1, 0)),
        ("deleverage_price", 3, (2, 3)),
        ("vault_loss_limit_ppm", 1_000_001, (1_000_000, 1_000_001)),
        ("max_orders_per_account", 0, (1, 0)),
        ("notice_ms", -1, (0, -1)),
    ],
)
def test_rules_of_a_venue_outside_their_bounds_are_refused(name: str, value: int, numbers: tuple[int, int]) -> None:
    seals = BookSeals()
    wanted = margin_trade_venue(3, "second")
    setattr(wanted.margin_trade, name, value)
    assert seals.refusal(seals.batch("create_venue", parameters=wanted)) == (OUT, *numbers)
    change = seals.batch("set_parameters", 2)
    change.set_parameters.venue.CopyFrom(wanted)
    assert seals.refusal(change) == (OUT, *numbers)


def test_a_venue_of_too_fine_an_asset_is_refused() -> None:
    wanted = margin_trade_venue(3, "second")
    wanted.asset_decimals = 10
    seals = BookSeals()
    assert seals.refusal(seals.batch("create_venue", parameters=wanted)) == (OUT, 9, 10)


@pytest.mark.parametrize(
    ("altered", "numbers"),
    [
        ({"market": 1 << 16}, (65_535, 1 << 16)),
        ({"lot_size_e9": 0}, (1, 0)),
        ({"lot_size_e9": 20_000}, (2, 1)),  # a lot at a tick is worth two atoms then
        ({"lot_size_e9": 1_000}, (0, 1)),  # a tenth of an atom
        ({"quote_atoms_per_tick_lot": 2}, (1, 2)),
        ({"taker_fee_e9": 10_000_001}, (10_000_000, 10_000_001)),
        ({"max_order_lots": 1 << 40}, ((1 << 40) - 1, 1 << 40)),
        ({"max_order_lots": 10**10 + 1}, (10**10, 10**10 + 1)),  # more than the open interest may be
        ({"open_interest_cap_lots": 1 << 44}, ((1 << 44) - 1, 1 << 44)),
        ({"market_protection_ppm": 1_000_000}, (999_999, 1_000_000)),
        ({"price_band_ppm": 0}, (1, 0)),
        ({"unwind_fraction_ppm": 0}, (1, 0)),
        ({"min_fresh_sources": 4}, (3, 4)),  # three sources are spot
        ({"mark_rule": 3}, (2, 3)),
        ({"reduce_only_age_ms": -1}, (0, -1)),
        ({"tick_interval_ms": 0}, (1, 0)),
    ],
)
def test_markets_outside_their_bounds_are_refused(altered: dict[str, int], numbers: tuple[int, int]) -> None:
    seals = BookSeals()
    wanted = margin_trade_market(2, "ETH")
    wanted.CopyFrom(margin_trade_market(1, "BTC"))
    wanted.market, wanted.symbol = 2, "ETH-PERP"
    for name, value in altered.items():
        (home,) = [
            part for part in (wanted, wanted.margin_trade, wanted.oracle) if name in part.DESCRIPTOR.fields_by_name
        ]
        setattr(home, name, value)
    assert seals.refusal(seals.batch("create_market", 2, parameters=wanted)) == (OUT, *numbers)


def test_a_market_of_perpetuals_alone_has_no_oracle() -> None:
    seals = BookSeals()
    wanted = margin_trade_market(2, "ETH")
    wanted.oracle.min_fresh_sources = 0
    for source in wanted.oracle.sources:
        source.kind = common.SOURCE_KIND_PERP
    assert seals.refusal(seals.batch("create_market", 2, parameters=wanted)) == (OUT, 0, 1)


def test_markets_must_be_of_their_venue_s_kind() -> None:
    seals = BookSeals()
    assert seals.refusal(seals.batch("create_market", 2, parameters=market(2))) == ("WRONG_RULEBOOK", 1, 2)
    of_books = margin_trade_market(2, "ETH")
    assert seals.refusal(seals.batch("create_market", 1, parameters=of_books)) == ("WRONG_RULEBOOK", 2, 1)
    with_books = market(2, mark_rule=common.MARK_RULE_MEDIAN_OF_THREE)
    assert seals.refusal(seals.batch("create_market", 1, parameters=with_books)) == (OUT, 1, 2)
    with_exits = market(2, reduce_only_age_ms=5)
    assert seals.refusal(seals.batch("create_market", 1, parameters=with_exits)) == (OUT, 0, 5)
    neither = venue(3)
    neither.rulebook = common.RULEBOOK_PERENNIAL
    assert seals.refusal(seals.batch("create_venue", parameters=neither)) == ("WRONG_RULEBOOK", 1, 3)


TIERS = [
    ((), (1, 0)),
    (tuple((step, 50 - step) for step in range(9)), (8, 9)),
    (((1, 40),), (0, 1)),
    (((0, 0),), (1, 0)),
    (((0, 101),), (100, 101)),
    (((0, 40), (0, 20)), (1, 0)),
    (((0, 40), (TOTAL_BOUND, 20)), (TOTAL_BOUND - 1, TOTAL_BOUND)),
    (((0, 40), (5, 40)), (39, 40)),
    (((0, 40), (5, 0)), (1, 0)),
    (((0, 40), (5, 3)), (42, 240)),  # 1/80 and 1/6 over one divisor: a numerator of 40
]


@pytest.mark.parametrize(("rows", "numbers"), TIERS)
def test_mt_03_tiers_are_checked_to_the_number(rows: tuple[tuple[int, int], ...], numbers: tuple[int, int]) -> None:
    assert check_tiers(messages(rows)) == (29, *numbers)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), min_size=1, max_size=4),
)
def test_mt_03_the_check_agrees_with_the_arithmetic(rows: list[tuple[int, int]]) -> None:
    assert (check_tiers(messages(rows)) is None) == tiers_are_valid(rows)


def messages(rows: Any) -> list[parameters.MarginTier]:
    return [parameters.MarginTier(lower_notional_atoms=lower, max_leverage=leverage) for lower, leverage in rows]


LADDERS = st.lists(st.tuples(st.integers(1, 60), st.sampled_from((40, 20, 10, 5))), max_size=2).map(
    lambda rest: [(0, 40), *rest]
)


@given(LADDERS.filter(tiers_are_valid), LADDERS.filter(tiers_are_valid))
def test_a_raise_is_a_higher_requirement_at_any_notional(
    current: list[tuple[int, int]], wanted: list[tuple[int, int]]
) -> None:
    now, then = tiers_of(current), tiers_of(wanted)
    asked = [*range(200), TOTAL_BOUND]
    assert raises_margin(now, then) == any(
        exact(then, at) * now.divisor > exact(now, at) * then.divisor for at in asked
    )


def exact(tiers: Tiers, notional: int) -> int:
    tier = tier_of(notional, tiers)
    return notional * tiers.rates[tier] - tiers.deductions[tier]


def with_tiers(rows: Any, **rules: int) -> parameters.MarketParameters:
    made = margin_trade_market(1, "BTC")
    del made.margin_trade.tiers[:]
    made.margin_trade.tiers.extend(messages(rows))
    for name, value in rules.items():
        setattr(made.margin_trade, name, value)
    return made


def leverages(made: parameters.MarketParameters) -> list[int]:
    return [tier.max_leverage for tier in made.margin_trade.tiers]


def test_higher_tiers_wait_for_their_notice_the_rest_of_the_change_does_not() -> None:
    seals = BookSeals(notice_ms=2_000)
    (now,) = seals.seal(alter_market(seals, with_tiers(SOL_TIER_ROWS, maker_fee_e9=7), 1)).changes.markets
    assert (leverages(now), now.margin_trade.maker_fee_e9, now.version) == ([40, 20], 7, 2)
    assert not seals.seal(step_ms=1_000).changes.markets
    reply = seals.seal()
    (due,) = reply.changes.markets
    assert (leverages(due), due.margin_trade.maker_fee_e9, due.version) == ([20, 10], 7, 3)
    assert list(reply.events.a) == [-1]
    assert [body.parameters.version for body in bodies(pending_list(reply.events), "market_changed")] == [3]
    (lower,) = seals.seal(alter_market(seals, with_tiers(BTC_TIER_ROWS))).changes.markets
    assert (leverages(lower), lower.version) == ([40, 20], 4)


def test_a_later_change_of_tiers_takes_the_place_of_one_that_waits() -> None:
    seals = BookSeals(notice_ms=2_000)
    seals.seal(alter_market(seals, with_tiers(SOL_TIER_ROWS)))
    seals.seal(alter_market(seals, with_tiers(BTC_TIER_ROWS)))
    assert not seals.seal(step_ms=10_000).changes.markets
    assert not seals.seal().changes.markets


def test_without_notice_time_higher_tiers_apply_at_once() -> None:
    seals = BookSeals(notice_ms=0)
    (now,) = seals.seal(alter_market(seals, with_tiers(SOL_TIER_ROWS))).changes.markets
    assert leverages(now) == [20, 10]


def test_a_change_keeps_what_a_lot_is_and_names_its_version() -> None:
    seals = BookSeals()
    assert seals.refusal(alter_market(seals, with_tiers(BTC_TIER_ROWS), 2)) == ("UNKNOWN_VERSION", 1, 2)
    finer = with_tiers(BTC_TIER_ROWS, lot_size_e9=20_000, quote_atoms_per_tick_lot=2)
    assert seals.refusal(alter_market(seals, finer)) == (OUT, 10_000, 20_000)
    assert seals.refusal(alter_market(seals, with_tiers(((0, 0),)))) == (OUT, 1, 0)


def test_a_restored_registry_knows_the_tiers_that_wait() -> None:
    seals = BookSeals(notice_ms=2_000)
    seals.seal(alter_market(seals, with_tiers(SOL_TIER_ROWS, maker_fee_e9=7)))
    copy = Registry()
    copy.restore([seals.registry.snapshot()])
    assert copy.save() == seals.registry.save()
    assert copy.directory.pending_markets.keys() == {(2, 1)}
    seals.calls.actor = copy
    seals.seal(step_ms=1_000)
    (due,) = seals.seal().changes.markets
    assert (leverages(due), due.margin_trade.maker_fee_e9, due.version) == ([20, 10], 7, 3)
    assert not copy.directory.pending_markets
