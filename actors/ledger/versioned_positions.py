"""Positions of one Perennial venue on one shard: a row an account and market, sums a market, and the dust of rounding.

Rows never change while a block is staged: admission holds money and sends orders, versions settle for certain.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from actors.columns import BUCKETS
from actors.ledger.hot_table import HotTable
from actors.ledger.row_chains import Chains, RowChains
from actors.ledger.table import Owned, StagingLog, Table, dumped_rows, owned_rows
from actors.rulebooks.perennial import Totals

MARKET_BITS = 16
_MARKET_MASK = (1 << MARKET_BITS) - 1
# Deposits, debts and what a market's sides can win together (docs/perennial.md).
COLLATERAL_BOUND = 1 << 62
# PositionKind: makers, longs, shorts are 1, 2, 3; their places in `Totals` one less.
NO_KIND = 0
_KINDS = 3
_DUST_COLUMNS = ("bucket", "market", "dust_e6")


class VersionedPosition(NamedTuple):
    """One row. collateral is signed, as it was at the last realisation; basis the value of the row's side then.

    kind is NO_KIND and basis 0 where there are no lots. lots are unsigned.
    """

    account: int
    market: int
    collateral: int = 0
    kind: int = NO_KIND
    lots: int = 0
    basis: int = 0

    @property
    def totals(self) -> Totals:
        """The lots on their side (PE-12)."""
        return totals_of(self.kind, self.lots)

    @property
    def is_nothing(self) -> bool:
        """Neither lots nor collateral."""
        return not self.lots and not self.collateral


def totals_of(kind: int, lots: int) -> Totals:
    """So many lots of one side and none of the others."""
    return Totals(*(lots if side == kind else 0 for side in range(1, _KINDS + 1)))


def kind_and_lots(totals: Totals) -> tuple[int, int]:
    """The only side of an account's position and its lots; (NO_KIND, 0) without one."""
    assert totals.is_single_sided, f"{totals} is on more than one side"
    lots = totals.magnitude_lots
    return (totals.index(lots) + 1, lots) if lots else (NO_KIND, 0)


def _check(row: VersionedPosition) -> None:
    assert -COLLATERAL_BOUND < row.collateral < COLLATERAL_BOUND, f"collateral out of bounds: {row}"
    assert (row.lots > 0) == (row.kind != NO_KIND) and (row.lots or not row.basis), f"no position is {row}"


@dataclass(slots=True)
class MarketHolding:
    """Sums over the rows of a market, exact: collateral, by side the lots and lots * basis (1e-6 atoms)."""

    collateral_atoms: int = 0
    lots: list[int] = field(default_factory=lambda: [0] * _KINDS)
    basis_e6: list[int] = field(default_factory=lambda: [0] * _KINDS)

    def add(self, row: VersionedPosition, sign: int) -> None:
        """A row joins (1) or leaves (-1)."""
        self.collateral_atoms += sign * row.collateral
        if row.lots:
            self.lots[row.kind - 1] += sign * row.lots
            self.basis_e6[row.kind - 1] += sign * row.lots * row.basis


class VersionedPositions:
    """Rows keyed `account << 16 | market`; there while there are lots or collateral. Nothing here is staged.

    Dust is kept by market and bucket of the account whose rounding left it: a shard restored alone, or a cut dealt to
    another number of shards, has that of its own buckets. No digest covers it: it is what the equation of
    docs/perennial.md leaves.
    """

    def __init__(self, log: StagingLog, changed: Callable[[int, int], None], accounts: Table) -> None:
        self._log = log
        self._changed = changed
        self.table = HotTable(VersionedPosition._fields, log, named=2)
        self._accounts = accounts
        self._chains = RowChains()
        self._dust = Table(_DUST_COLUMNS, log)
        self.holdings: dict[int, MarketHolding] = {}
        self.dust_e6: dict[int, int] = {}
        self.open_count = 0

    @staticmethod
    def key(account: int, market: int) -> int:
        """The row's key."""
        assert 0 <= market <= _MARKET_MASK, f"market {market} does not fit a key"
        return account << MARKET_BITS | market

    def of_account(self, account: int) -> list[int]:
        """Markets in which the account has a row, ascending."""
        slots = self._chains.slots_of(self._accounts.find_slot(account))
        return sorted([self.table.key_at(slot) & _MARKET_MASK for slot in slots])

    def chains(self) -> Chains:
        """The rows of every account by the slot of its own, for kernels; valid until a row comes or goes."""
        return self._chains.columns(self._accounts.slots_made)

    def accounts_with_lots(self) -> list[int]:
        """Accounts that have a position in some market, ascending."""
        made = self.table.slots_made
        accounts, lots = self.table.column("account")[:made], self.table.column("lots")[:made]
        found: list[int] = np.unique(accounts[lots > 0]).tolist()
        return found

    def read(self, account: int, market: int) -> VersionedPosition:
        """The row; an empty one where there is none."""
        key = account << MARKET_BITS | market
        if key not in self.table:
            return VersionedPosition(account, market)
        return VersionedPosition._make(self.table.cells(key))

    def write(self, row: VersionedPosition) -> None:
        """The row becomes this one; it is dropped where nothing is left."""
        assert not self._log.is_open, "positions do not change while a block is staged"
        _check(row)
        key = self.key(row.account, row.market)
        before = self.read(row.account, row.market)
        self._count(before, -1)
        self._count(row, 1)
        if key not in self.table:
            if not row.is_nothing:
                self._chains.link(self._accounts.slot(row.account), self.table.insert(key, *row))
        elif row.is_nothing:
            self._chains.unlink(self._accounts.slot(row.account), self.table.slot(key))
            self.table.remove(key)
        else:
            self.table.put_row(key, row)
        self._changed(row.account, row.market)

    def _count(self, row: VersionedPosition, sign: int) -> None:
        holding = self.holdings.get(row.market)
        if holding is None:
            holding = self.holdings[row.market] = MarketHolding()
        holding.add(row, sign)
        self.open_count += sign * (row.lots > 0)

    def leave_dust(self, account: int, market: int, dust_e6: int) -> None:
        """What the floor of an account's realisation kept from it stays with the market, 1e-6 atoms."""
        assert not self._log.is_open, "dust does not fall while a block is staged"
        if dust_e6:
            self._add_dust(account % BUCKETS, market, dust_e6)

    def _add_dust(self, bucket: int, market: int, dust_e6: int) -> None:
        self.dust_e6[market] = self.dust_e6.get(market, 0) + dust_e6
        key = bucket << MARKET_BITS | market
        if key in self._dust:
            self._dust.add(key, "dust_e6", dust_e6)
        else:
            self._dust.insert(key, bucket, market, dust_e6)

    def dumped_bytes(self) -> int:
        """How long `dump` is, in all."""
        return self.table.dumped_bytes() + self._dust.dumped_bytes()

    def dump(self) -> list[bytes]:
        """Rows, then dust by bucket and market."""
        return [self.table.dump(), self._dust.dump()]

    def fill(self, dumped: list[bytes], owned: Owned) -> None:
        """Takes the owned rows of a dump and the dust of the owned buckets."""
        keys, cells = owned_rows(dumped[0], len(VersionedPosition._fields), owned)
        self._chains.link_many(self._accounts.slots_of(cells[0]), self.table.insert_bulk(keys, cells))
        for key, row in zip(keys.tolist(), map(VersionedPosition._make, cells.T.tolist()), strict=True):
            assert key == self.key(row.account, row.market), f"row {key} is not that of account {row.account}"
            _check(row)
            self._count(row, 1)
            self._changed(row.account, row.market)
        for _, (bucket, market, dust_e6) in dumped_rows(dumped[1], len(_DUST_COLUMNS), owned):
            self._add_dust(bucket, market, dust_e6)
