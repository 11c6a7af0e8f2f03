"""Equity and maintenance margin of cross-margin accounts, compiled: the scan of Margin Trade (MT-01, MT-03, MT-11).

Columns in, columns out, int64 throughout and equal to `margin_trade.account_health` to the atom. It holds while the
positions of an account are worth less than 2**60 together at any price a market may have, and |cash| < 2**60: a
notional times a rate numerator (at most RATE_NUMERATOR_MAX) then stays below 2**63.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.compiling import inlined
from actors.fetching import fetch
from actors.risk.reciprocals import floor_by_reciprocal, reciprocals
from actors.risk.tiers import RATE_NUMERATOR_MAX, Tiers
from actors.units import PPM, TOTAL_BOUND
from actors.units_kernels import mul_div_floor

ZONE_BITS = 10
ZONE_SLOTS = 1 << ZONE_BITS
MOVE_CAP_PPM = PPM

Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Columns of `MarketColumns.terms`, and of the sums of an account over its positions.
_LOT_VALUE, _USABLE, _LESS_THAN_DIVISOR, _FIRST_RATE = range(4)
_UPNL, _MAINTENANCE, _GROSS, _COUNT = range(4)
SUMS = 4

_SAMPLE = 1_024
_ROWS_AHEAD = 24


class MarketAtMark(NamedTuple):
    """One market as the scan sees it; `usable` is false where a gain counts as zero."""

    mark_ticks: int
    quote_atoms_per_tick_lot: int
    usable: bool
    tiers: Tiers


class MarketColumns(NamedTuple):
    """Markets as columns, indexed by market number.

    lot_tick_values is what a lot is worth at one tick. terms has a row a market: what a lot is worth at the mark, 1 if
    the mark may be used, divisor - 1, then rate and deduction of each tier. factors and shifts are the reciprocals of
    the divisors. No maintenance rate of any tier is above 1 / 2**rate_shift.
    """

    marks: Int64Array
    lot_tick_values: Int64Array
    terms: Int64Array
    factors: NDArray[np.uint64]
    shifts: NDArray[np.uint64]
    rate_shift: int

    @property
    def lot_values(self) -> Int64Array:
        """What a lot is worth at the mark, atoms."""
        return self.terms[:, _LOT_VALUE]

    def same_rules(self, other: "MarketColumns") -> bool:
        """Nothing but marks differs: the worth of a lot at a tick, the tiers, and which marks may be used."""
        if self.terms.shape != other.terms.shape or not np.array_equal(self.lot_tick_values, other.lot_tick_values):
            return False
        return np.array_equal(self.terms[:, _USABLE:], other.terms[:, _USABLE:])


class PositionColumns(NamedTuple):
    """Positions as columns; a row without lots is a free slot. owner is the slot of the account."""

    owner: Int64Array
    market: Int64Array
    lots: Int64Array
    cost_atoms: Int64Array

    def rows(self, chosen: Int64Array) -> "PositionColumns":
        """Copies of these rows, in this order."""
        return PositionColumns(*(column[chosen] for column in self))


class Standing(NamedTuple):
    """Sums of accounts over their positions, atoms, in the order of the accounts asked for."""

    equity_atoms: Int64Array
    maintenance_atoms: Int64Array
    gross_atoms: Int64Array
    positions: Int64Array


def market_columns(markets: Mapping[int, MarketAtMark]) -> MarketColumns:
    """The markets as the kernel reads them; numbers nobody lists are worth nothing."""
    width = max(markets, default=0) + 1
    deepest = max((len(market.tiers.rates) for market in markets.values()), default=1)
    marks, lot_tick_values = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
    terms = np.zeros((width, _FIRST_RATE + 2 * deepest), dtype=np.int64)
    for number, market in markets.items():
        tiers = market.tiers
        lot_value = market.mark_ticks * market.quote_atoms_per_tick_lot
        assert 0 <= lot_value < TOTAL_BOUND, f"market {number}: a lot would be worth {lot_value}"
        assert max(tiers.rates) <= RATE_NUMERATOR_MAX, f"market {number}: rates {tiers.rates} leave 64 bits"
        marks[number], lot_tick_values[number] = market.mark_ticks, market.quote_atoms_per_tick_lot
        terms[number, :_FIRST_RATE] = lot_value, market.usable, tiers.divisor - 1
        for tier, line in enumerate(zip(tiers.rates, tiers.deductions, strict=True)):
            terms[number, _FIRST_RATE + 2 * tier : _FIRST_RATE + 2 * tier + 2] = line
    slowest = min((market.tiers.max_leverages[-1] for market in markets.values()), default=1)
    factors, shifts = reciprocals((terms[:, _LESS_THAN_DIVISOR] + 1).tolist())
    return MarketColumns(marks, lot_tick_values, terms, factors, shifts, (2 * slowest).bit_length() - 1)


def standing_of(cash_atoms: Int64Array, positions: PositionColumns, markets: MarketColumns) -> Standing:
    """Equity and maintenance of every account; `owner` of a position is an index into `cash_atoms`."""
    sums = np.zeros((cash_atoms.size, SUMS), dtype=np.int64)
    wanted = np.ones((cash_atoms.size >> ZONE_BITS) + 1, dtype=np.bool_)
    add_positions(positions, markets, wanted, sums)
    return Standing(cash_atoms + sums[:, _UPNL], sums[:, _MAINTENANCE], sums[:, _GROSS], sums[:, _COUNT])


def notionals_atoms(positions: PositionColumns, markets: MarketColumns) -> Int64Array:
    """The absolute value of each position at its mark, exact (MT-01)."""
    return np.abs(positions.lots * markets.lot_values[positions.market])


def maintenance_ceil_atoms(positions: PositionColumns, markets: MarketColumns) -> Int64Array:
    """The maintenance margin of each position, rounded up (MT-03)."""
    terms = markets.terms[positions.market]
    numerators = notionals_atoms(positions, markets)[:, None] * terms[:, _FIRST_RATE::2]
    highest = (numerators - terms[:, _FIRST_RATE + 1 :: 2]).max(axis=1, initial=0)
    divisors = terms[:, _LESS_THAN_DIVISOR] + 1
    return -(-highest // divisors)


def add_positions(positions: PositionColumns, markets: MarketColumns, wanted: BoolArray, sums: Int64Array) -> None:
    """Adds upnl, maintenance, notional and one to the sums of each owner in a zone that is wanted."""
    columns = (*positions, markets.terms, markets.factors, markets.shifts, wanted, sums)
    _add_positions(*columns, _is_scattered(positions.owner))


def _is_scattered(owner: Int64Array) -> bool:
    """Neighbouring rows belong to far accounts, so that fetching their sums ahead pays; a sample says it."""
    sample = owner[:: max(1, owner.size // _SAMPLE)]
    nearby = owner[1 :: max(1, owner.size // _SAMPLE)][: sample.size]
    far = np.abs(nearby - sample[: nearby.size]) > ZONE_SLOTS
    return 2 * int(np.count_nonzero(far)) > far.size


@njit(cache=True, error_model="numpy")
def _add_positions(
    owner: Int64Array,
    market: Int64Array,
    lots: Int64Array,
    cost: Int64Array,
    terms: Int64Array,
    factors: NDArray[np.uint64],
    shifts: NDArray[np.uint64],
    wanted: BoolArray,
    sums: Int64Array,
    is_scattered: bool,
) -> None:
    """A tier's line is the highest of all tiers' lines where it applies: rates rise, MM is continuous (MT-03)."""
    # Unsigned indices: a signed one costs the compiled code a test for a negative number each time.
    zone_bits, ahead, row_bytes = np.uint64(ZONE_BITS), _ROWS_AHEAD, sums.strides[0]
    for row in range(lots.size):
        if is_scattered and row + ahead < lots.size:
            fetch(sums, owner[row + ahead] * row_bytes)
        slot = np.uint64(owner[row])
        held = lots[row]
        if held == 0 or not wanted[slot >> zone_bits]:
            continue
        upnl, maintenance, notional = _worth(np.uint64(market[row]), held, cost[row], terms, factors, shifts)
        sums[slot, _UPNL] += upnl
        sums[slot, _MAINTENANCE] += maintenance
        sums[slot, _GROSS] += notional
        sums[slot, _COUNT] += 1


@inlined
def _worth(
    number: np.uint64,
    held: np.int64,
    cost: np.int64,
    terms: Int64Array,
    factors: NDArray[np.uint64],
    shifts: NDArray[np.uint64],
) -> tuple[np.int64, np.int64, np.int64]:
    """Upnl, maintenance and notional of a position in the market of this number."""
    value = held * terms[number, _LOT_VALUE]
    upnl = value - cost
    if upnl > 0:
        upnl *= terms[number, _USABLE]
    notional = abs(value)
    numerator = notional * terms[number, _FIRST_RATE]
    for place in range(_FIRST_RATE + 2, terms.shape[1], 2):
        numerator = max(numerator, notional * terms[number, place] - terms[number, place + 1])
    rounded_up = np.uint64(numerator + terms[number, _LESS_THAN_DIVISOR])
    return upnl, np.int64(floor_by_reciprocal(rounded_up, factors[number], shifts[number])), notional


@njit(cache=True, error_model="numpy")
def survivable_move_ppm(
    equity: int, maintenance: int, gross: int, positions: int, rate_shift: int, bound_ppm: int
) -> int:
    """The relative move of all marks, in ppm and at most `bound_ppm`, that leaves equity >= MM, rounded down.

    For an account with equity >= MM now; lots, cash and usable markets unchanged. Let every mark m become m' with
    |m' - m| <= d * m, d = move / 10**6, and let no maintenance rate be above r = 1 / 2**rate_shift. Every value moves
    by at most d * notional, and counting a gain as zero only shortens the way, so equity falls by at most d * gross.
    Before it is rounded up a requirement rises by at most r * d * notional, after it by less than one atom more: MM
    rises by at most r * d * gross + positions. So equity' - MM' >= room - d * gross * (1 + r), where room is
    equity - MM - positions. part = floor((gross + floor(gross * r) + 1) / 10**6) + 1 is above
    gross * (1 + r) / 10**6, and move <= room / part; hence d * gross * (1 + r) <= move * part <= room.
    Where room is not above zero the answer is 0: no move at all changes nothing.
    """
    room = equity - maintenance - positions
    if room <= 0:
        return 0
    part = (gross + (gross >> rate_shift) + 1) // PPM + 1
    # bound <= 2**20 and part < 2**42; the division only where it lowers the bound.
    return bound_ppm if room >= bound_ppm * part else room // part


@njit(cache=True, error_model="numpy")
def judge_zones(
    zones: Int64Array,
    accounts: int,
    cash: Int64Array,
    rate_shift: int,
    sums: Int64Array,
    moves_ppm: Int64Array,
    below: Int64Array,
) -> int:
    """Fills `moves_ppm` a zone and `below` (slot, equity, MM) with the accounts whose equity < MM; answers how many.

    An account below has no part in its zone's move. The sums that were read are set back to zero.
    """
    found = 0
    for place in range(zones.size):
        zone = zones[place]
        bound = MOVE_CAP_PPM
        for slot in range(zone << ZONE_BITS, min((zone + 1) << ZONE_BITS, accounts)):
            equity = cash[slot] + sums[slot, _UPNL]
            maintenance = sums[slot, _MAINTENANCE]
            gross, count = sums[slot, _GROSS], sums[slot, _COUNT]
            if equity < maintenance:
                below[found, 0], below[found, 1], below[found, 2] = slot, equity, maintenance
                found += 1
            else:
                bound = survivable_move_ppm(equity, maintenance, gross, count, rate_shift, bound)
            sums[slot, _UPNL] = sums[slot, _MAINTENANCE] = sums[slot, _GROSS] = sums[slot, _COUNT] = 0
        moves_ppm[place] = bound
    return found


@njit(cache=True, error_model="numpy")
def judge_singles(
    slots: Int64Array,
    links: tuple[NDArray[np.int32], NDArray[np.int32]],
    cash: Int64Array,
    positions: PositionColumns,
    markets: MarketColumns,
    moves_ppm: Int64Array,
    below: Int64Array,
) -> int:
    """The same of accounts in these slots, each alone, by the rows their links lead to: a move each, -1 below."""
    first, following = links
    found = 0
    for place in range(slots.size):
        if place + 2 * _ROWS_AHEAD < slots.size:
            fetch(first, slots[place + 2 * _ROWS_AHEAD] * first.itemsize)
        if place + _ROWS_AHEAD < slots.size:
            fetch(positions.lots, (np.int64(first[slots[place + _ROWS_AHEAD]]) - 1) * positions.lots.strides[0])
            fetch(cash, slots[place + _ROWS_AHEAD] * cash.strides[0])
        equity, maintenance, gross, count = cash[slots[place]], np.int64(0), np.int64(0), np.int64(0)
        link = np.int64(first[slots[place]])
        while link != 0:
            row = link - 1
            held, number = positions.lots[row], np.uint64(positions.market[row])
            if held != 0:
                cost = positions.cost_atoms[row]
                upnl, required, notional = _worth(number, held, cost, markets.terms, markets.factors, markets.shifts)
                equity, maintenance, gross, count = equity + upnl, maintenance + required, gross + notional, count + 1
            link = np.int64(following[row])
        moves_ppm[place] = -1
        if equity < maintenance:
            below[found, 0], below[found, 1], below[found, 2] = slots[place], equity, maintenance
            found += 1
        else:
            move = survivable_move_ppm(equity, maintenance, gross, count, markets.rate_shift, MOVE_CAP_PPM)
            moves_ppm[place] = move
    return found


@njit(cache=True)
def shares_floor_atoms(totals: Int64Array, parts: Int64Array, wholes: Int64Array) -> Int64Array:
    """total * part / whole of each row, the product exact, rounded down."""
    shares = np.empty(totals.size, dtype=np.int64)
    for row in range(totals.size):
        shares[row] = mul_div_floor(totals[row], parts[row], wholes[row])
    return shares
