"""Who trades: accounts by archetype, what they are given, and the numbers of their habits on each kind of venue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from breakwater.v1 import common_pb2
from node.flow.kernels.book import LEVELS, BookTraits
from node.flow.kernels.isolated import IsolatedTraits
from node.flow.kernels.rows import MOMENTUM, NOISE, WHALE
from node.flow.kernels.versioned import VersionedTraits
from node.flow.settings import Market

# Of arrivals, and of accounts: makers, noise, momentum, whales.
ARRIVALS: Final = (0.30, 0.55, 0.12, 0.03)
MEMBERS: Final = (0.04, 0.63, 0.30, 0.03)
MOST_MAKERS: Final = 128
# Rows that an arrival makes in the long run: a maker's move four, a resting order and its cancel two, others one.
AGGRESSIVE: Final = 0.15
ROWS_AN_ARRIVAL: Final = {
    "book": 4 * ARRIVALS[0] + ARRIVALS[1] * (2 - AGGRESSIVE) + ARRIVALS[2] + ARRIVALS[3],
    "isolated": 2.0,
    "versioned": ARRIVALS[0] + 2 * (1 - ARRIVALS[0]),
}
DECAY: Final = 50.0
# A process that sends as fast as it can lives by the clock of a flow of this rate, commands a second.
MODEL_RATE: Final = 100_000.0
SIZE_INDEX: Final = 1.7
DEPTH_INDEX: Final = 1.0
_MOST_UNITS: Final = 1_000.0
_LIFE_S: Final = 3.0
_QUOTE_LIFE_S: Final = 0.5
_MOST_QUOTES: Final = 400
# Orders an account may have in the books at once, in the mean.
_LIVE: Final = 100.0
# A size of 1: 500 of a dollar asset, or a margin of 0.0005 of a coin.
_UNIT_DOLLARS: Final = 500
_UNIT_COIN_E4: Final = 5
# In units of size: what a maker may hold of a market; what each archetype is given, and how much more a root of trades.
_INVENTORY: Final = 400
_FUNDS: Final = (100_000, 400, 60, 50_000)
_FUNDS_A_ROOT: Final = (0, 60, 8, 1_000)


class Cast(NamedTuple):
    """The accounts of a process: `first` of each archetype in `accounts`, and the end."""

    first: np.ndarray
    accounts: np.ndarray

    def archetypes(self) -> np.ndarray:
        """The archetype of each account."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


def cast_of(accounts: Sequence[int]) -> Cast:
    """Makers first, then noise, momentum, whales; at least one of each."""
    count = len(accounts)
    sizes = [max(1, round(share * count)) for share in MEMBERS]
    sizes[0] = min(sizes[0], MOST_MAKERS)
    sizes[NOISE] = count - sizes[0] - sizes[MOMENTUM] - sizes[WHALE]
    return Cast(np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), np.array(accounts, dtype=np.int64))


def kind_of(rulebook: int) -> str:
    """The flow a rulebook takes: book, isolated or versioned."""
    if rulebook == common_pb2.RULEBOOK_TWILIGHT:
        return "isolated"
    return "versioned" if rulebook == common_pb2.RULEBOOK_PERENNIAL else "book"


def unit_atoms(asset_decimals: int) -> int:
    """A size of 1: atoms of notional, or of margin where positions are isolated (an asset of 8 decimals)."""
    return _UNIT_COIN_E4 * 10 ** (asset_decimals - 4) if asset_decimals >= 8 else _UNIT_DOLLARS * 10**asset_decimals


def funds_of(cast: Cast, asset_decimals: int, rows_an_account: float) -> np.ndarray:
    """Atoms each account is given, by archetype and by how much it will trade. Momentum traders stay thin."""
    root = np.sqrt(max(1.0, rows_an_account * 0.15))
    given = np.array([base + more * root for base, more in zip(_FUNDS, _FUNDS_A_ROOT, strict=True)])
    return (given[cast.archetypes()] * unit_atoms(asset_decimals)).astype(np.int64)


def book_traits(
    cast: Cast, markets: Sequence[Market], prices: np.ndarray, asset_decimals: int, rate: float, by_client_id: bool
) -> BookTraits:
    """Of a process whose commands are `rate` a second of the model, at these prices (ticks by market)."""
    units = _unit_lots(markets, prices, asset_decimals)
    return BookTraits(
        shares=np.cumsum(ARRIVALS),
        first=cast.first,
        accounts=cast.accounts,
        popularity=popularity(len(markets)),
        unit_lots=units,
        most_lots=_most_lots(markets),
        inventory_limit=units * _INVENTORY,
        size_index=SIZE_INDEX,
        most_units=_MOST_UNITS,
        depth_ppm=200.0,
        depth_index=DEPTH_INDEX,
        most_depth_ppm=40_000.0,
        half_spread_ppm=100.0,
        skew_ppm=300.0,
        reach_ppm=2_000.0,
        aggressive=AGGRESSIVE,
        life_s=life_s(cast, rate),
        children=5.0,
        by_client_id=by_client_id,
    )


def isolated_traits(cast: Cast, markets: Sequence[Market], asset_decimals: int, rate: float) -> IsolatedTraits:
    """The same for isolated positions."""
    unit = unit_atoms(asset_decimals)
    return IsolatedTraits(
        shares=np.cumsum(ARRIVALS),
        first=cast.first,
        accounts=cast.accounts,
        popularity=popularity(len(markets)),
        unit_atoms=unit,
        most_atoms=50 * unit,
        size_index=SIZE_INDEX,
        most_units=_MOST_UNITS,
        depth_ppm=200.0,
        depth_index=DEPTH_INDEX,
        most_depth_ppm=40_000.0,
        patient=0.3,
        leverage=np.array([500, 1_000, 4_500, 500]),
        life_s=life_s(cast, rate),
    )


def versioned_traits(
    cast: Cast, markets: Sequence[Market], prices: np.ndarray, asset_decimals: int, rate: float
) -> VersionedTraits:
    """The same for positions settled at versions. An account's collateral is an eighth of its least funds."""
    unit = unit_atoms(asset_decimals)
    return VersionedTraits(
        shares=np.cumsum(ARRIVALS),
        first=cast.first,
        accounts=cast.accounts,
        popularity=popularity(len(markets)),
        unit_lots=_unit_lots(markets, prices, asset_decimals),
        most_lots=_most_lots(markets),
        size_index=SIZE_INDEX,
        most_units=_MOST_UNITS,
        life_s=life_s(cast, rate),
        collateral_atoms=np.array(_FUNDS, dtype=np.int64) * unit // 8,
        lowest=int(cast.accounts.min()),
    )


def life_s(cast: Cast, rate: float) -> float:
    """Mean life of a resting order, s of the model: some seconds, less where accounts would have too many at once."""
    noise = int(cast.first[NOISE + 1] - cast.first[NOISE])
    resting = rate / ROWS_AN_ARRIVAL["book"] * ARRIVALS[NOISE] * (1 - AGGRESSIVE)
    return min(_LIFE_S, _LIVE * noise / resting)


def quotes_a_side(makers: int, markets: int, rate: float) -> int:
    """Quotes a maker has on a side of a market: enough that each stands for a while before its turn to be moved comes.

    At least one a level, and not so many that an account would have more orders than a venue allows.
    """
    moves = rate / ROWS_AN_ARRIVAL["book"] * ARRIVALS[0] / (makers * markets)
    return max(LEVELS, min(int(_QUOTE_LIFE_S * moves), _MOST_QUOTES // (2 * markets)))


def popularity(markets: int) -> np.ndarray:
    """Cumulative shares of the markets by Zipf's law: the second gets half of what the first gets, and so on."""
    shares = 1.0 / np.arange(1, markets + 1)
    return np.cumsum(shares / shares.sum())


def _unit_lots(markets: Sequence[Market], prices: np.ndarray, asset_decimals: int) -> np.ndarray:
    unit = unit_atoms(asset_decimals)
    worth = np.array([one.quote_atoms_per_tick_lot for one in markets]) * prices
    return np.maximum(1, (unit / np.maximum(worth, 1e-12)).astype(np.int64))


def _most_lots(markets: Sequence[Market]) -> np.ndarray:
    return np.array([one.most_lots or 1 << 39 for one in markets], dtype=np.int64)
