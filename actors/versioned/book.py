"""One Perennial venue on one shard: accounts, positions, and the versions the desks settled last."""

from collections.abc import Sequence
from copy import deepcopy

from actors.ledger.account_images import DigestedRows, RowsOfAccounts, chained_rows
from actors.ledger.account_marks import AccountMarks, Int64Array, MarksOf
from actors.ledger.accounts import Accounts
from actors.ledger.table import Owned, StagingLog
from actors.ledger.versioned_positions import MARKET_BITS, MarketHolding, VersionedPosition, VersionedPositions
from actors.rulebooks.perennial_versions import Accumulators, Settled, settle_account
from actors.units import PPM
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import parameters_pb2 as parameters


class VersionedBook:
    """State of a venue on a shard. height and block_time_ms are those of the call being worked.

    changed: keys `account << 16 | market` of rows changed since this block's SETTLE began, market 0 the account's
    balances; what is rolled back stays in it and is told again as it was.
    """

    def __init__(self, venue: int, log: StagingLog) -> None:
        self.venue = venue
        self.touched = AccountMarks()
        self.changed: set[int] = set()
        self.accounts = Accounts(log, MarksOf(self._touch, self._touch_many))
        self.positions = VersionedPositions(log, self._touch, self.accounts.table)
        self.terms = parameters.VenueParameters()
        self.markets: dict[int, parameters.MarketParameters] = {}
        self.versions: dict[int, batches.VersionRecord] = {}
        self.height = 0
        self.block_time_ms = 0

    def _touch(self, account: int, market: int = 0) -> None:
        self.touched.add(account)
        self.changed.add(account << MARKET_BITS | market)

    def _touch_many(self, accounts: Int64Array) -> None:
        self.touched.add_many(accounts)
        self.changed.update((accounts << MARKET_BITS).tolist())

    @property
    def dust_e6(self) -> dict[int, int]:
        """What floors of realisations left with each market, of the accounts of this shard, 1e-6 atoms."""
        return self.positions.dust_e6

    def set_terms(self, terms: parameters.VenueParameters) -> None:
        """The venue's parameters from here on."""
        self.terms = deepcopy(terms)

    def set_market(self, market: parameters.MarketParameters) -> None:
        """A market's parameters from here on."""
        self.markets[market.market] = deepcopy(market)

    def take_version(self, record: batches.VersionRecord) -> None:
        """What the desk of a market settled last: the values positions stand at from here on."""
        self.versions[record.market] = deepcopy(record)

    def values(self, market: int) -> Accumulators:
        """What a unit of each side has earned at the latest version; nothing before there is one."""
        record = self.versions.get(market)
        if record is None:
            return Accumulators()
        return Accumulators(record.maker_value_e6, record.long_value_e6, record.short_value_e6)

    def standing_floor_atoms(self, row: VersionedPosition) -> int:
        """The row's collateral at the latest version, its unrealised part floored; changes nothing."""
        return row.collateral + earned_floor(row, self.values(row.market)).amount_atoms

    def realise(self, account: int, market: int, values: Accumulators) -> tuple[VersionedPosition, int]:
        """What the position earned up to these values joins its collateral, floored; the rest is the market's dust.

        Returns the row as it is then, which is not written yet, and the atoms it earned.
        """
        row = self.positions.read(account, market)
        if not row.lots:
            return row, 0
        earned = earned_floor(row, values)
        self.positions.leave_dust(account, market, earned.remainder_e12)
        collateral = row.collateral + earned.amount_atoms
        return row._replace(collateral=collateral, basis=values[row.kind - 1]), earned.amount_atoms

    def rows_of_account(self, account: int) -> list[tuple[DigestedRows, list[int], int | None]]:
        """What the account's digest covers beside its own row; dust is in none."""
        positions = [self.positions.key(account, market) for market in self.positions.of_account(account)]
        return [
            (self.positions.table, positions, None),
            (self.accounts.withdrawals, self.accounts.withdrawals_of(account), None),
        ]

    def rows_of_accounts(self, accounts: Int64Array, slots: Int64Array) -> list[RowsOfAccounts]:
        """The same of many accounts in these slots."""
        withdrawals = self.accounts.withdrawals
        return [
            chained_rows(self.positions.table, self.positions.chains(), slots),
            chained_rows(withdrawals, self.accounts.withdrawal_chains(), slots),
        ]

    def sums(self) -> tuple[int, ...]:
        """A row of `VenueSums`; collateral is the markets', so margin is 0."""
        sums = self.accounts.sums
        return (
            self.venue,
            sums.free,
            sums.held,
            0,
            sums.pending,
            sums.deposited,
            sums.withdrawn,
            self.positions.open_count,
        )

    def holdings(self) -> list[tuple[int, ...]]:
        """A row of `VersionHoldings` of every market, ascending; what is unsettled is at the latest versions."""
        return [self._holding(market) for market in sorted(self.markets)]

    def _holding(self, market: int) -> tuple[int, ...]:
        held = self.positions.holdings.get(market) or MarketHolding()
        sides = zip(held.lots, held.basis_e6, self.values(market), strict=True)
        unsettled_e6 = sum(lots * value - basis for lots, basis, value in sides)
        parts = (*divmod(unsettled_e6, PPM), *divmod(self.dust_e6.get(market, 0), PPM))
        return (self.venue, market, held.collateral_atoms, *parts, *held.lots)

    def dumped_bytes(self) -> int:
        """How long `dump` is, in all."""
        return self.accounts.dumped_bytes() + self.positions.dumped_bytes()

    def dump(self) -> list[bytes]:
        """Tables of rows: accounts, withdrawals, positions, dust by bucket."""
        return [*self.accounts.dump(), *self.positions.dump()]

    def fill(self, dumped: Sequence[bytes], owned: Owned) -> None:
        """Takes the owned rows of a dump, and the dust of the owned buckets."""
        self.accounts.fill(list(dumped[:2]), owned)
        self.positions.fill(list(dumped[2:]), owned)


def earned_floor(row: VersionedPosition, values: Accumulators) -> Settled:
    """What the row earned from its basis to these values, floored (PE-10), and what the floor kept."""
    return settle_account(Accumulators(row.basis, row.basis, row.basis), values, row.totals)
