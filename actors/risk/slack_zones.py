"""Which cross accounts a scan has to look at: zones of 1,024 accounts that a small enough move of marks cannot break.

A full look at a zone finds its accounts below maintenance, which from then on are looked at one by one, and for all
others the relative move of marks they certainly survive (`survivable_move_ppm`). The least of them spans a range of
marks around each mark; while every mark stays in it and no account of the zone changed, nobody there can be below.
An account that changed is looked at alone and narrows its zone's ranges to what it survives itself. What a scan
answers does not depend on any of this: every account below is in it, with exact numbers.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.pages import zeros
from actors.risk.cross_scan import (
    SUMS,
    ZONE_BITS,
    ZONE_SLOTS,
    BoolArray,
    Int64Array,
    MarketAtMark,
    MarketColumns,
    PositionColumns,
    add_positions,
    judge_singles,
    judge_zones,
    market_columns,
)
from actors.units import PPM

# Beyond one account in so many positions, reading whole columns is cheaper than looking accounts up.
POSITIONS_PER_SINGLE = 4

# Slot of the account, equity, maintenance margin: an account a row.
Below = Int64Array
# The link to an account's first position by its slot, and of each to the next: one more than a row, 0 ends the list.
Links = tuple[NDArray[np.int32], NDArray[np.int32]]
_NOBODY: Int64Array = np.empty(0, dtype=np.int64)


class SlackZones:
    """The ranges of marks of one book, and the accounts that must be looked at by themselves."""

    def __init__(self) -> None:
        self._changed: list[Int64Array] = []
        self._below = _NOBODY
        self._lowest: Int64Array = np.empty((0, 0), dtype=np.int64)
        self._highest: Int64Array = np.empty((0, 0), dtype=np.int64)
        self._sums: Int64Array = np.empty((0, SUMS), dtype=np.int64)
        self._markets: MarketColumns | None = None
        self._listed: dict[int, MarketAtMark] = {}
        self._columns = market_columns({})
        self.zones_read = 0

    def touch(self, slots: Int64Array) -> None:
        """Cash or positions of the accounts in these slots changed."""
        if slots.size:
            self._changed.append(slots)

    def forget(self) -> None:
        """What changed was not told: the next scan looks at everybody."""
        self._markets, self._below = None, _NOBODY
        self._changed.clear()

    def columns_of(self, listed: dict[int, MarketAtMark]) -> MarketColumns:
        """`market_columns`, made anew only where something differs from the last time."""
        if listed != self._listed:
            self._listed, self._columns = listed, market_columns(listed)
        return self._columns

    def scan(self, cash_atoms: Int64Array, positions: PositionColumns, markets: MarketColumns, links: Links) -> Below:
        """Every account with equity < MM, by slot; `links` lead to the rows of `positions` of accounts.

        `zones_read` is how many zones were looked at as a whole. Nothing may be staged that is undone without a touch.
        """
        stale = self._stale_zones(cash_atoms.size, markets)
        self._markets = markets
        single = np.sort(np.concatenate([*self._changed, self._below]))
        single = np.concatenate([single[:1], single[1:][single[1:] != single[:-1]]])
        self._changed.clear()
        if stale.any():
            single = single[~stale[single >> ZONE_BITS]]
        if single.size * POSITIONS_PER_SINGLE > positions.lots.size:
            stale[single >> ZONE_BITS] = True
            single = _NOBODY
        in_zones = self._read_zones(stale, cash_atoms, positions, markets)
        by_themselves = self._read_singles(single, cash_atoms, positions, markets, links)
        found = np.concatenate([in_zones, by_themselves])
        if len(found) > 1:
            found = found[np.argsort(found[:, 0])]
        self._below = found[:, 0].copy()
        return found

    def _stale_zones(self, accounts: int, markets: MarketColumns) -> BoolArray:
        """Zones whose ranges some mark has left; all of them where markets changed otherwise than by their marks."""
        zones = -(-accounts // ZONE_SLOTS)
        if self._markets is None or not (markets is self._markets or markets.same_rules(self._markets)):
            self._lowest = np.full((zones, markets.marks.size), 1, dtype=np.int64)
            self._highest = np.zeros((zones, markets.marks.size), dtype=np.int64)
        elif zones > self._lowest.shape[0]:
            added = (zones - self._lowest.shape[0], markets.marks.size)
            self._lowest = np.concatenate([self._lowest, np.full(added, 1, dtype=np.int64)])
            self._highest = np.concatenate([self._highest, np.zeros(added, dtype=np.int64)])
        if self._sums.shape[0] < zones * ZONE_SLOTS:
            self._sums = zeros((max(zones * ZONE_SLOTS, 2 * self._sums.shape[0]), SUMS))
        return np.any((markets.marks < self._lowest) | (markets.marks > self._highest), axis=1)

    def _read_zones(
        self, stale: BoolArray, cash_atoms: Int64Array, positions: PositionColumns, markets: MarketColumns
    ) -> Below:
        zones = np.flatnonzero(stale)
        self.zones_read = zones.size
        if not zones.size:
            return np.empty((0, 3), dtype=np.int64)
        add_positions(positions, markets, stale, self._sums)
        below = np.empty((zones.size * ZONE_SLOTS, 3), dtype=np.int64)
        moves_ppm = np.empty(zones.size, dtype=np.int64)
        found = judge_zones(zones, cash_atoms.size, cash_atoms, markets.rate_shift, self._sums, moves_ppm, below)
        self._lowest[zones], self._highest[zones] = _ranges(moves_ppm, markets.marks)
        return below[:found]

    def _read_singles(
        self,
        slots: Int64Array,
        cash_atoms: Int64Array,
        positions: PositionColumns,
        markets: MarketColumns,
        links: Links,
    ) -> Below:
        """Looks at each of these accounts alone, and narrows its zone's ranges to what it survives."""
        if not slots.size:
            return np.empty((0, 3), dtype=np.int64)
        below = np.empty((slots.size, 3), dtype=np.int64)
        moves_ppm = np.empty(slots.size, dtype=np.int64)
        found = judge_singles(slots, links, cash_atoms, positions, markets, moves_ppm, below)
        _narrow_zones(slots, moves_ppm, markets.marks, self._lowest, self._highest)
        return below[:found]


def _ranges(moves_ppm: Int64Array, marks: Int64Array) -> tuple[Int64Array, Int64Array]:
    """(lowest, highest) marks within each move, one row a move: |m' - m| * 10**6 <= move * m, in whole ticks."""
    widths = moves_ppm[:, None] * marks // PPM
    return marks - widths, marks + widths


@njit(cache=True)
def _narrow_zones(
    slots: Int64Array,
    moves_ppm: Int64Array,
    marks: Int64Array,
    lowest: Int64Array,
    highest: Int64Array,
) -> None:
    """The zones of these accounts reach as far as each of them survives that is not below (-1); see `_ranges`."""
    for place in range(slots.size):
        if moves_ppm[place] < 0:
            continue
        zone = slots[place] >> ZONE_BITS
        for market in range(marks.size):
            width = moves_ppm[place] * marks[market] // PPM
            lowest[zone, market] = max(lowest[zone, market], marks[market] - width)
            highest[zone, market] = min(highest[zone, market], marks[market] + width)
