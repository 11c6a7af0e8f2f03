"""Venues and markets: created within bounds, altered by version, increases of maintenance after their notice time."""

from typing import Any

import pytest

from breakwater.v1 import common_pb2 as common
from tests.actors.seals import Seals, alter
from tests.building import market, venue

CREATIONS = [
    ({"venue": 0}, ("PARAMETER_OUT_OF_BOUNDS", 1_023, 0)),
    ({"venue": 1_024}, ("PARAMETER_OUT_OF_BOUNDS", 1_023, 1_024)),
    ({"name": ""}, ("MALFORMED", 0, 0)),
    ({"asset": "x" * 33}, ("MALFORMED", 0, 0)),
    ({"venue": 1}, ("NAME_TAKEN", 0, 1)),
    ({"name": "twilight-1"}, ("NAME_TAKEN", 0, 1)),
    ({"rulebook": common.RULEBOOK_SPIN}, ("WRONG_RULEBOOK", 1, 4)),
    ({}, ("", 0, 0)),
]


@pytest.mark.parametrize(("altered", "expected"), CREATIONS)
def test_venues_are_created_within_bounds_under_a_new_name(
    altered: dict[str, Any], expected: tuple[str, int, int]
) -> None:
    seals = Seals()
    wanted = venue(2)
    for name, value in altered.items():
        setattr(wanted, name, value)
    assert seals.refusal(seals.batch("create_venue", parameters=wanted)) == expected


@pytest.mark.parametrize(
    ("rules", "numbers"),
    [
        ({"maintenance_ratio_e9": 0}, (1, 0)),
        ({"taker_fee_e9": 10**7 + 1}, (10**7, 10**7 + 1)),
        ({"psi": 0}, (1, 0)),
        ({"min_leverage_hundredths": 5_001}, (5_001, 5_000)),
        ({"utilisation_cap_ppm": 10**6 + 1}, (10**6, 10**6 + 1)),
        ({"notice_ms": -1}, (0, -1)),
    ],
)
def test_rules_outside_their_bounds_are_refused(rules: dict[str, int], numbers: tuple[int, int]) -> None:
    seals = Seals()
    expected = ("PARAMETER_OUT_OF_BOUNDS", *numbers)
    assert seals.refusal(seals.batch("create_venue", parameters=venue(2, **rules))) == expected
    assert seals.refusal(alter(seals, **rules)) == expected


def test_a_change_that_insists_on_another_version_is_refused() -> None:
    seals = Seals()
    assert seals.refusal(alter(seals, 2)) == ("UNKNOWN_VERSION", 1, 2)
    reply = seals.seal(alter(seals, 1, psi=2))
    assert [(terms.version, terms.twilight.psi) for terms in reply.changes.venues] == [(2, 2)]
    assert seals.refusal(seals.batch("set_parameters")) == ("MALFORMED", 0, 0)


def test_an_increase_of_maintenance_waits_for_its_notice_time_everything_else_does_not() -> None:
    seals = Seals(notice_ms=2_000)
    reply = seals.seal(alter(seals, maintenance_ratio_e9=5_000_000, psi=3, notice_ms=2_000))
    (terms,) = reply.changes.venues
    assert (terms.twilight.maintenance_ratio_e9, terms.twilight.psi, terms.version) == (4_000_000, 3, 2)
    assert not seals.seal(step_ms=999).changes.venues
    assert not seals.seal(step_ms=1).changes.venues  # one millisecond before the notice is over
    (due,) = seals.seal().changes.venues
    assert (due.twilight.maintenance_ratio_e9, due.twilight.psi, due.version) == (5_000_000, 3, 3)
    (lower,) = seals.seal(alter(seals, maintenance_ratio_e9=3_000_000)).changes.venues
    assert lower.twilight.maintenance_ratio_e9 == 3_000_000


def test_a_later_change_takes_the_place_of_one_that_waits() -> None:
    seals = Seals(notice_ms=2_000)
    seals.seal(alter(seals, maintenance_ratio_e9=5_000_000, notice_ms=2_000))
    seals.seal(alter(seals, maintenance_ratio_e9=4_000_000, notice_ms=2_000))
    assert not seals.seal(step_ms=10_000).changes.venues
    assert not seals.seal().changes.venues


def test_markets_are_created_halted_and_altered() -> None:
    seals = Seals()
    second = market(2)
    assert seals.refusal(seals.batch("create_market", parameters=market(1))) == ("NAME_TAKEN", 0, 1)
    second.oracle.sources.add(publisher=1, weight=1)
    assert seals.refusal(seals.batch("create_market", parameters=second)) == ("PARAMETER_OUT_OF_BOUNDS", 32, 2)
    del second.oracle.sources[1:]
    second.tick_size_e9 = 0
    assert seals.refusal(seals.batch("create_market", parameters=second)) == ("PARAMETER_OUT_OF_BOUNDS", 1, 0)
    second.tick_size_e9, second.halted = 1, True
    (made,) = seals.seal(seals.batch("create_market", parameters=second)).changes.markets
    assert (made.market, made.version, made.halted) == (2, 1, False)
    halt = seals.batch("halt_market", market=2, halted=True, reason="why not")
    (halted,) = seals.seal(halt).changes.markets
    assert (halted.halted, halted.halt_reason, halted.version) == (True, "why not", 2)
    assert seals.refusal(seals.batch("halt_market", market=3)) == ("UNKNOWN_MARKET", 2, 3)
    assert seals.refusal(seals.batch("halt_market", market=2, reason="x" * 257)) == ("MALFORMED", 0, 0)
    unknown = seals.batch("set_parameters")
    unknown.set_parameters.market.CopyFrom(market(3))
    assert seals.refusal(unknown) == ("UNKNOWN_MARKET", 2, 3)
