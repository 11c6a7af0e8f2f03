"""One look at each row finds all sound where the checks of the columns refuse none."""

import random

import numpy as np
import pytest

from actors.columns import from_matrix
from actors.sealing.book_rows import check_place_orders, name_unsound_orders
from actors.sealing.directory import MAX_VALIDATOR_LAG, Venue
from actors.sealing.sound_orders import are_sound_orders
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import parameters_pb2 as parameters

ACCOUNTS = 50
# Columns of `PlaceOrders`: what a sound row has, and what else it may be given.
SOUND = (7, 3, 1, 2, 600, 1_000, 1, 0, 0, 0, 0, 0)
ODD = (-(1 << 63), -1, 0, 1, 2, 3, 4, 5, 63, 64, 99, 101, 1 << 40, (1 << 44) + 1, (1 << 63) - 1)


def venue() -> Venue:
    terms = parameters.VenueParameters(venue=1)
    margin, spin = parameters.MarketParameters(venue=1, market=3), parameters.MarketParameters(venue=1, market=9)
    margin.margin_trade.max_order_lots = 10**8
    for rules in (margin.margin_trade, spin.spin):
        rules.open_interest_cap_lots, rules.quote_atoms_per_tick_lot = 10**12, 1
    spin.spin.max_order_lots, spin.spin.step_lots = 10**6, 100
    return Venue(terms, {3: margin, 9: spin}, next_account=ACCOUNTS)


def rows_of(rng: random.Random) -> np.ndarray:
    """A few rows, mostly sound, some with one or two odd numbers."""
    rows = []
    for _ in range(rng.randint(1, 4)):
        row = list(SOUND)
        row[0], row[1], row[2] = rng.randint(1, ACCOUNTS - 1), rng.choice((3, 9)), rng.choice((-1, 1))
        if rng.random() < 0.3:
            row[3], row[5] = 1, 0
        row[6], row[7], row[8] = rng.randint(0, 3), rng.randint(0, 3), rng.randint(0, 3)
        if rng.random() < 0.3:
            row[9], row[10] = rng.randint(1, 2), rng.randint(1, 2_000)
        for _ in range(rng.choice((0, 0, 1, 2))):
            row[rng.randrange(len(row))] = rng.choice(ODD)
        rows.append(row)
    return np.ascontiguousarray(np.array(rows, dtype=np.int64).T)


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_sound_where_no_check_refuses_them(seed: int) -> None:
    rng, one = random.Random(seed), venue()
    met = set()
    for _ in range(400):
        rows = rows_of(rng)
        body = from_matrix(commands.PlaceOrders, rows)
        named = name_unsound_orders(body, one, 0)
        is_sound = not named.refusal.any()
        assert are_sound_orders(rows, one) == is_sound, rows.T.tolist()
        checks = check_place_orders(body, one, 0)
        for column in ("refusal", "required", "actual"):
            assert (getattr(checks, column) == getattr(named, column)).all()
        met.add(is_sound)
    assert met == {False, True}


def test_a_venue_without_markets_has_no_sound_order() -> None:
    bare = Venue(parameters.VenueParameters(venue=1), next_account=ACCOUNTS)
    assert not are_sound_orders(np.array([SOUND], dtype=np.int64).T.copy(), bare)


def test_orders_wait_for_a_validator_that_lags_unless_they_only_reduce() -> None:
    row = np.array([SOUND, SOUND], dtype=np.int64).T.copy()
    row[7, 1] = 2
    checks = check_place_orders(from_matrix(commands.PlaceOrders, row), venue(), MAX_VALIDATOR_LAG + 1)
    assert (checks.refusal != 0).tolist() == [True, False]
