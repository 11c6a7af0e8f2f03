"""Conservation of a venue to the atom, checked from outside: accounts and desks against the custodian's own book."""

from collections.abc import Iterable
from dataclasses import dataclass

from actors.units import PPM
from breakwater.v1 import batches_pb2, liquidation_pb2
from node.load.custody import Custody


@dataclass(frozen=True)
class Conservation:
    """Both sides of the equation at one height with an empty outbox, atoms."""

    accounts_atoms: int
    # Of the pool, or the fees and funds of a venue with books, or what Perennial's markets hold.
    nav_realised_atoms: int
    shortfall_atoms: int
    node_deposited_atoms: int
    node_withdrawn_atoms: int
    custody_deposited_atoms: int
    custody_withdrawn_atoms: int
    # What accounts are below zero with everything they hold: debt that no ledger names.
    debt_atoms: int = 0
    # Perennial: markets whose own equation is off by more than rounding can do, and by how much it is off together.
    broken_markets: int = 0
    rounding_atoms: int = 0

    @property
    def difference_atoms(self) -> int:
        """What the venue holds less what it should; 0 when conserved."""
        held = self.accounts_atoms + self.nav_realised_atoms - self.shortfall_atoms
        return held - (self.custody_deposited_atoms - self.custody_withdrawn_atoms)

    @property
    def conserved(self) -> bool:
        """Nothing came from nowhere, and node and custodian agree on what came in and went out."""
        return (
            self.difference_atoms == 0
            and self.broken_markets == 0
            and self.node_deposited_atoms == self.custody_deposited_atoms
            and self.node_withdrawn_atoms == self.custody_withdrawn_atoms
        )


@dataclass
class _Held:
    """Sums over accounts: what is in balances, what came in, what went out."""

    balances_atoms: int = 0
    deposited_atoms: int = 0
    withdrawn_atoms: int = 0

    def add(self, account: batches_pb2.AccountView) -> None:
        self.balances_atoms += account.free_atoms + account.held_atoms + account.pending_withdrawal_atoms
        self.deposited_atoms += account.deposited_atoms
        self.withdrawn_atoms += account.withdrawn_atoms


def conservation(
    accounts: Iterable[batches_pb2.AccountView], pool: batches_pb2.PoolView, custody: Custody
) -> Conservation:
    """The equation of docs/block.md over every account of the venue, its pool, and the custodian's book."""
    held, margin = _Held(), 0
    for account in accounts:
        held.add(account)
        margin += account.margin_atoms
    return Conservation(
        accounts_atoms=held.balances_atoms + margin,
        nav_realised_atoms=pool.nav_realised_atoms,
        shortfall_atoms=pool.shortfall_atoms,
        node_deposited_atoms=held.deposited_atoms,
        node_withdrawn_atoms=held.withdrawn_atoms,
        custody_deposited_atoms=custody.deposited_atoms,
        custody_withdrawn_atoms=custody.withdrawn_atoms,
    )


def book_conservation(
    accounts: Iterable[batches_pb2.AccountView], backstop: batches_pb2.BackstopView, custody: Custody
) -> Conservation:
    """The equation of docs/margin-trade.md over every account, the vault's among them, and the custodian's book."""
    held, cost, debt = _Held(), 0, 0
    for account in accounts:
        held.add(account)
        debt += max(0, -account.cross.equity_atoms)
        cost += sum(position.cost_atoms for position in account.cross.positions)
    return Conservation(
        accounts_atoms=held.balances_atoms - cost,
        nav_realised_atoms=backstop.sums.fees_atoms + backstop.sums.fund_atoms,
        shortfall_atoms=backstop.sums.shortfall_atoms,
        node_deposited_atoms=held.deposited_atoms + backstop.sums.deposited_atoms,
        node_withdrawn_atoms=held.withdrawn_atoms,
        custody_deposited_atoms=custody.deposited_atoms,
        custody_withdrawn_atoms=custody.withdrawn_atoms,
        debt_atoms=debt,
    )


def spin_conservation(
    accounts: Iterable[batches_pb2.AccountView],
    insurance: liquidation_pb2.GetInsuranceResponse,
    funding_atoms: int,
    custody: Custody,
) -> Conservation:
    """The equation of docs/spin.md; `funding_atoms` is what positions have paid less what they got, by their events."""
    held, cost, debt = _Held(), 0, 0
    for account in accounts:
        held.add(account)
        debt += max(0, -account.ratio.equity_atoms) if not account.ratio.positions else 0
        cost += sum(position.cost_atoms for position in account.ratio.positions)
    return Conservation(
        accounts_atoms=held.balances_atoms - cost,
        nav_realised_atoms=insurance.fees_atoms + insurance.fund_atoms + funding_atoms,
        shortfall_atoms=insurance.shortfall_atoms,
        node_deposited_atoms=held.deposited_atoms + insurance.deposited_atoms,
        node_withdrawn_atoms=held.withdrawn_atoms,
        custody_deposited_atoms=custody.deposited_atoms,
        custody_withdrawn_atoms=custody.withdrawn_atoms,
        debt_atoms=debt,
    )


def versioned_conservation(
    accounts: Iterable[batches_pb2.AccountView],
    versions: Iterable[batches_pb2.VersionView],
    realised: int,
    custody: Custody,
) -> Conservation:
    """The equations of docs/perennial.md: balances and what the markets hold to the atom; each market's collateral and
    fees against what it holds up to the rounding of `realised` positions, less than an atom each, in its favour.
    """
    held, collateral, rows = _Held(), dict[int, int](), dict[int, int]()
    for account in accounts:
        held.add(account)
        for row in account.versioned:
            collateral[row.market] = collateral.get(row.market, 0) + row.collateral_atoms
            rows[row.market] = rows.get(row.market, 0) + 1
    balances = broken = rounding = 0
    for view in versions:
        sums = view.sums
        balances += sums.balance_atoms
        desk_dust = sums.dust_atoms + sums.dust_rest_e6 // PPM
        off = sums.balance_atoms - sums.fees_atoms - desk_dust - collateral.get(view.market, 0)
        rounding += off
        broken += not 0 <= off <= realised + rows.get(view.market, 0) + 1
    return Conservation(
        accounts_atoms=held.balances_atoms,
        nav_realised_atoms=balances,
        shortfall_atoms=0,
        node_deposited_atoms=held.deposited_atoms,
        node_withdrawn_atoms=held.withdrawn_atoms,
        custody_deposited_atoms=custody.deposited_atoms,
        custody_withdrawn_atoms=custody.withdrawn_atoms,
        broken_markets=broken,
        rounding_atoms=rounding,
    )
