"""The compiled scan of cross accounts equals the scalar rulebook to the atom, and its slack bound never lies."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numba import njit

from actors.ledger.row_chains import Chains
from actors.risk import cross_scan, tiers
from actors.risk.cross_scan import MarketAtMark, PositionColumns
from actors.risk.reciprocals import floor_by_reciprocal, reciprocals
from actors.risk.slack_zones import SlackZones
from actors.rulebooks import margin_trade
from actors.rulebooks.margin_trade import PositionAtMark
from actors.units import BALANCE_BOUND, INT64_MAX, PPM, PRICE_BOUND

TIERS = [
    tiers.tiers_of(rows)
    for rows in (tiers.BTC_TIER_ROWS, tiers.ETH_TIER_ROWS, tiers.SOL_TIER_ROWS, tiers.OTHER_TIER_ROWS, ((0, 1),))
]
THREE_TIERS = tiers.tiers_of(((0, 40), (10**9, 20), (10**12, 10)))

Row = tuple[int, int, int]  # market, lots, cost
Account = tuple[int, list[Row]]  # cash, rows


@njit
def _divided(numerator: int, factor: np.uint64, shift: np.uint64) -> np.uint64:
    return floor_by_reciprocal(np.uint64(numerator), factor, shift)


@given(
    numerator=st.integers(0, INT64_MAX) | st.integers(0, 10**6).map(lambda below: INT64_MAX - below),
    divisor=st.integers(1, 1_000) | st.integers(1, 2**62 - 1) | st.integers(0, 61).map(lambda power: 2**power),
)
@example(INT64_MAX, 1)
@example(INT64_MAX, 2**62 - 1)
@example(0, 3)
def test_division_by_a_reciprocal_is_exact(numerator: int, divisor: int) -> None:
    factors, shifts = reciprocals([divisor])
    assert int(_divided(numerator, factors[0], shifts[0])) == numerator // divisor


def test_there_is_no_reciprocal_of_nothing() -> None:
    with pytest.raises(AssertionError, match="no reciprocal"):
        reciprocals([3, 0])


@st.composite
def markets(draw: st.DrawFn) -> dict[int, MarketAtMark]:
    listed = {}
    for number in draw(st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True)):
        mark = draw(st.integers(1, 10**6) | st.integers(1, PRICE_BOUND - 1))
        listed[number] = MarketAtMark(
            mark, draw(st.integers(1, 1_000)), draw(st.booleans()), draw(st.sampled_from([*TIERS, THREE_TIERS]))
        )
    return listed


@st.composite
def accounts(draw: st.DrawFn, listed: dict[int, MarketAtMark], room: int = BALANCE_BOUND) -> list[Account]:
    """Accounts whose positions are worth less than `room` together, near and far from what they require."""
    drawn = []
    for _ in range(draw(st.integers(1, 6))):
        rows = []
        numbers = draw(st.lists(st.sampled_from(sorted(listed)), unique=True))
        for number in numbers:
            one = listed[number]
            most = (room - 1) // len(listed) // (one.mark_ticks * one.quote_atoms_per_tick_lot)
            lots = draw(st.integers(-min(most, 10**4), min(most, 10**4)) | st.integers(-most, most))
            if lots:
                value = lots * one.mark_ticks * one.quote_atoms_per_tick_lot
                rows.append((number, lots, value + draw(st.integers(-(10**6), 10**6) | st.integers(-(2**56), 2**56))))
        near = sum(requirement(listed[number], lots) for number, lots, _ in rows)
        cash = draw(st.integers(1 - BALANCE_BOUND, BALANCE_BOUND - 1) | st.integers(near - 10**6, near + 10**7))
        drawn.append((cash, rows))
    return drawn


def requirement(one: MarketAtMark, lots: int) -> int:
    notional = margin_trade.notional_atoms(lots, one.mark_ticks, one.quote_atoms_per_tick_lot)
    return margin_trade.maintenance_margin_ceil_atoms(notional, one.tiers)


def scalar(account: Account, listed: dict[int, MarketAtMark]) -> margin_trade.Health:
    cash, rows = account
    at_mark = (
        PositionAtMark(lots, cost, one.mark_ticks, one.quote_atoms_per_tick_lot, one.tiers, 1, fresh=one.usable)
        for lots, cost, one in ((lots, cost, listed[number]) for number, lots, cost in rows)
    )
    return margin_trade.account_health(cash, at_mark)


def columns(drawn: list[Account], scattered: bool = False) -> tuple[np.ndarray, PositionColumns]:
    rows = [(owner, *row) for owner, (_, own) in enumerate(drawn) for row in own]
    rows = sorted(rows, key=lambda row: row[1:]) if scattered else rows
    table = np.array([*rows, (0, 0, 0, 0)], dtype=np.int64)  # the last row is a free slot
    return np.array([cash for cash, _ in drawn], dtype=np.int64), PositionColumns(*np.ascontiguousarray(table.T))


@given(st.data())
def test_equity_and_maintenance_equal_the_scalar_rulebook(data: st.DataObject) -> None:
    listed = data.draw(markets())
    drawn = data.draw(accounts(listed))
    cash, positions = columns(drawn, scattered=data.draw(st.booleans()))
    standing = cross_scan.standing_of(cash, positions, cross_scan.market_columns(listed))
    for index, account in enumerate(drawn):
        health = scalar(account, listed)
        assert int(standing.equity_atoms[index]) == health.equity_atoms
        assert int(standing.maintenance_atoms[index]) == health.maintenance_atoms
        assert int(standing.gross_atoms[index]) == health.notional_atoms
        assert int(standing.positions[index]) == len(account[1])


@given(st.data())
def test_position_columns_equal_the_scalar_rulebook(data: st.DataObject) -> None:
    listed = data.draw(markets())
    drawn = data.draw(accounts(listed))
    _, positions = columns(drawn)
    found = cross_scan.maintenance_ceil_atoms(positions, cross_scan.market_columns(listed)).tolist()
    expected = [requirement(listed[number], lots) for _, own in drawn for number, lots, _ in own]
    assert found == [*expected, 0]


def test_scattered_rows_take_the_path_that_fetches_ahead() -> None:
    owner = np.arange(8_192, dtype=np.int64) * 7_919 % 8_192
    scattered = PositionColumns(owner, np.ones_like(owner), owner + 1, owner * 0)
    ordered = PositionColumns(*(column[np.argsort(owner)] for column in scattered))
    listed = cross_scan.market_columns({1: MarketAtMark(100, 10, True, TIERS[0])})
    cash = np.zeros(owner.size, dtype=np.int64)
    for one, other in zip(*(cross_scan.standing_of(cash, rows, listed) for rows in (scattered, ordered)), strict=True):
        assert np.array_equal(one, other)
        assert one.any()


@given(st.data())
def test_an_account_survives_every_move_it_is_promised(data: st.DataObject) -> None:
    listed = data.draw(markets())
    # Marks may double inside the promise; the bound of an account's notional holds at those marks too.
    account = data.draw(accounts(listed, room=BALANCE_BOUND // 2))[0]
    health = scalar(account, listed)
    assume(health.equity_atoms >= health.maintenance_atoms)
    shift = cross_scan.market_columns(listed).rate_shift
    move = int(
        cross_scan.survivable_move_ppm(
            health.equity_atoms, health.maintenance_atoms, health.notional_atoms, len(account[1]), shift, PPM
        )
    )
    assert 0 <= move <= PPM
    moved = {}
    for number, one in listed.items():
        reach = move * one.mark_ticks // PPM
        mark = one.mark_ticks + data.draw(st.sampled_from([-reach, reach]) | st.integers(-reach, reach))
        moved[number] = one._replace(mark_ticks=mark)
    after = scalar(account, moved)
    assert after.equity_atoms >= after.maintenance_atoms


def test_the_promise_is_worth_something() -> None:
    # 5 USDC above the requirement on a notional of 100: about 4.8% with a steepest rate of 1/32 beside it.
    assert cross_scan.survivable_move_ppm(6_250_000, 1_250_000, 100_000_000, 1, 5, PPM) == 48_076
    assert cross_scan.survivable_move_ppm(1_250_000, 1_250_000, 100_000_000, 1, 5, PPM) == 0


def test_every_requirement_may_round_up_by_an_atom_of_its_own() -> None:
    at = {number: MarketAtMark(10**6, 1, True, TIERS[0]) for number in range(4)}
    account: Account = (5 + 50_000, [(number, -1, -(10**6)) for number in at])
    health = scalar(account, at)
    assert health.equity_atoms - health.maintenance_atoms == 5
    # One millionth up costs four atoms and raises each of the four requirements by one.
    after = scalar(account, {number: one._replace(mark_ticks=10**6 + 1) for number, one in at.items()})
    assert after.equity_atoms - after.maintenance_atoms == -3
    assert cross_scan.survivable_move_ppm(health.equity_atoms, health.maintenance_atoms, 4 * 10**6, 4, 5, PPM) == 0


class Venue:
    """Accounts that trade and marks that move, held against looking at everybody by the scalar rulebook."""

    def __init__(self, cash: list[int]) -> None:
        self.accounts: list[Account] = [(atoms, []) for atoms in cash]
        self.zones = SlackZones()

    def change(self, slot: int, cash: int, rows: list[Row]) -> None:
        self.accounts[slot] = (cash, rows)
        self.zones.touch(np.array([slot]))

    def scan(self, listed: dict[int, MarketAtMark]) -> list[tuple[int, int, int]]:
        cash, positions = columns(self.accounts)

        first, following = np.zeros(cash.size, dtype=np.int32), np.zeros(positions.owner.size, dtype=np.int32)
        for row, owner in enumerate(positions.owner.tolist()):
            first[owner], following[row] = row + 1, first[owner]
        scanned = self.zones.scan(cash, positions, cross_scan.market_columns(listed), Chains(first, following))
        found = [tuple(row) for row in scanned.tolist()]
        health = [scalar(account, listed) for account in self.accounts]
        assert found == [
            (slot, one.equity_atoms, one.maintenance_atoms)
            for slot, one in enumerate(health)
            if one.equity_atoms < one.maintenance_atoms
        ]
        return found


@settings(max_examples=40)
@given(st.data())
def test_a_scan_finds_everybody_below_whatever_it_skips(data: st.DataObject) -> None:
    venue = Venue([10**9] * 2_100)
    listed = {number: MarketAtMark(10_000, 10, True, TIERS[number]) for number in (1, 2)}
    few = st.sampled_from([0, 1, 2, 1_023, 1_024, 2_099])
    for _ in range(data.draw(st.integers(2, 8))):
        for _ in range(data.draw(st.integers(0, 3))):
            rows = [
                (number, lots, lots * 100_000)
                for number in (1, 2)
                if (lots := data.draw(st.integers(-50_000, 50_000))) != 0
            ]
            venue.change(data.draw(few), data.draw(st.integers(-(10**7), 3 * 10**8)), rows)
        for number in (1, 2):
            step = data.draw(st.integers(-3, 3) | st.integers(-2_000, 2_000))
            usable = data.draw(st.booleans()) if data.draw(st.integers(0, 9)) == 0 else listed[number].usable
            mark = max(1, listed[number].mark_ticks + step)
            listed[number] = listed[number]._replace(mark_ticks=mark, usable=usable)
        venue.scan(listed)


def test_a_small_move_skips_every_zone_and_a_large_one_none() -> None:
    venue = Venue([10**9] * 2_048)
    listed = {1: MarketAtMark(10_000, 10, True, TIERS[0])}
    for slot in range(0, 2_048, 7):
        venue.change(slot, 10**9, [(1, 20_000, 20_000 * 100_000)])
    assert venue.scan(listed) == []
    assert venue.zones.zones_read == 2
    listed[1] = listed[1]._replace(mark_ticks=9_990)
    assert venue.scan(listed) == []
    assert venue.zones.zones_read == 0
    listed[1] = listed[1]._replace(mark_ticks=5_050)
    assert len(venue.scan(listed)) == 293
    assert venue.zones.zones_read == 2


def test_an_account_that_changed_is_found_though_its_zone_is_skipped() -> None:
    venue = Venue([10**9] * 2_048)
    listed = {1: MarketAtMark(10_000, 10, True, TIERS[0])}
    for slot in range(2_048):
        venue.change(slot, 10**9, [(1, 20_000, 20_000 * 100_000)])
    assert venue.scan(listed) == []
    venue.change(5, 10**7, venue.accounts[5][1])
    venue.change(6, 10**7 * 8, venue.accounts[6][1])
    assert [slot for slot, _, _ in venue.scan(listed)] == [5]
    assert venue.zones.zones_read == 0
    # Account 6 survives less than its zone did: the zone's range became narrower.
    listed[1] = listed[1]._replace(mark_ticks=9_700)
    assert [slot for slot, _, _ in venue.scan(listed)] == [5, 6]
    assert venue.zones.zones_read == 1
    venue.change(5, 10**9, [])
    assert [slot for slot, _, _ in venue.scan(listed)] == [6]


def test_new_accounts_and_markets_are_looked_at() -> None:
    venue = Venue([10**9])
    listed = {1: MarketAtMark(10_000, 10, True, TIERS[0])}
    assert venue.scan(listed) == []
    venue.accounts += [(10**9, [])] * 1_100 + [(-1, [])]
    assert [slot for slot, _, _ in venue.scan(listed)] == [1_101]
    listed[4] = MarketAtMark(500, 1, False, THREE_TIERS)
    venue.change(3, 0, [(4, 10, -(10**9))])
    assert [slot for slot, _, _ in venue.scan(listed)] == [3, 1_101]
    assert venue.zones.zones_read == 2
