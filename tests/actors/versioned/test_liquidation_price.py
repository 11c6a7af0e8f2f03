"""The price that liquidates, against every price there is: the rulebook asked tick by tick (PE-01, PE-02)."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.ledger.versioned_positions import VersionedPosition
from actors.rulebooks.perennial import is_liquidatable, requirement_floor_atoms
from actors.rulebooks.perennial_versions import Accumulators
from actors.units import PRICE_BOUND
from actors.versioned.liquidation_price import liquidation_ticks
from tests.actors.versioned.shard import LONG, MAKER, SHORT, UNIT

PRICES = range(1, 3_000)
NO_VALUES = Accumulators()


def fails(row: VersionedPosition, value: int, at_ticks: int, ticks: int, maintenance: int, minimum: int) -> bool:
    """PE-02 if the price went from `at_ticks` to `ticks` and the value with it."""
    move = (ticks - at_ticks) * (1 if row.kind == LONG else -1)
    collateral = row.collateral + row.lots * (value + move - row.basis) // 10**6
    return is_liquidatable(collateral, requirement_floor_atoms(row.lots, ticks, maintenance, minimum))


positions = st.builds(
    VersionedPosition,
    account=st.just(1),
    market=st.just(1),
    collateral=st.integers(-50, 3_000),
    kind=st.sampled_from((LONG, SHORT)),
    lots=st.one_of(st.integers(1, 5_000_000), st.integers(1, 5_000)),
    basis=st.integers(-50, 50),
)


@settings(max_examples=300)
@given(positions, st.integers(-50, 50), st.integers(1, 2_000), st.integers(0, 999_000), st.integers(0, 40))
@example(VersionedPosition(1, 1, 100, LONG, UNIT + 1, 3), 0, 600, 900_000, 0)
@example(VersionedPosition(1, 1, 0, LONG, 7, 0), 0, 10, 0, 1)
@example(VersionedPosition(1, 1, -40, SHORT, 2 * UNIT, 0), 0, 10, 200_000, 0)
def test_no_price_beyond_it_and_no_price_on_its_side_is_missed(row, value, at_ticks, maintenance, minimum):
    values = Accumulators(0, value, value)
    found = liquidation_ticks(row, values, at_ticks, maintenance, minimum)
    failing = [ticks for ticks in PRICES if fails(row, value, at_ticks, ticks, maintenance, minimum)]
    if found:
        assert fails(row, value, at_ticks, found, maintenance, minimum)
    if row.kind == SHORT:
        expected = failing[0] if failing else None
        assert found == expected or (expected is None and (found == 0 or found >= PRICES.stop))
    elif found < PRICES.stop:
        assert found == (failing[-1] if failing else 0)
        after = (found + UNIT, found + PRICE_BOUND // 2)
        assert not any(fails(row, value, at_ticks, ticks, maintenance, minimum) for ticks in after)


def test_by_hand():
    """Ten units at 100 with 250 atoms, 20%: a long meets 10 p - 750 = 2 p at 93.75, a short 1,250 - 10 p = 2 p."""
    long = VersionedPosition(1, 1, 250, LONG, 10 * UNIT, 0)
    assert liquidation_ticks(long, NO_VALUES, 100, 200_000, 0) == 93
    assert (250 - 70, 10 * 93 // 5) == (180, 186) and (250 - 60, 10 * 94 // 5) == (190, 188)
    short = VersionedPosition(1, 1, 250, SHORT, 10 * UNIT, 0)
    assert liquidation_ticks(short, NO_VALUES, 100, 200_000, 0) == 105
    assert (250 - 40, 10 * 104 // 5) == (210, 208) and (250 - 50, 10 * 105 // 5) == (200, 210)


def test_makers_and_longs_that_cover_everything_have_none():
    assert liquidation_ticks(VersionedPosition(1, 1, 5, MAKER, UNIT, 0), NO_VALUES, 100, 200_000, 0) == 0
    assert liquidation_ticks(VersionedPosition(1, 1, 5, 0, 0, 0), NO_VALUES, 100, 200_000, 0) == 0
    assert liquidation_ticks(VersionedPosition(1, 1, 5, LONG, UNIT, 0), NO_VALUES, 100, 10**6, 0) == 0


def test_a_long_nothing_can_save_fails_at_every_price():
    row = VersionedPosition(1, 1, -(1 << 50), LONG, 1, 0)
    assert liquidation_ticks(row, NO_VALUES, 100, 200_000, 9) == PRICE_BOUND
    assert liquidation_ticks(row._replace(kind=SHORT), NO_VALUES, 100, 200_000, 9) == 1
