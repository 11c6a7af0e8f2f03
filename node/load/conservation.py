"""Conservation of a venue to the atom, checked from outside: accounts and pool against the custodian's own book."""

from collections.abc import Iterable
from dataclasses import dataclass

from breakwater.v1 import batches_pb2
from node.load.custody import Custody


@dataclass(frozen=True)
class Conservation:
    """Both sides of the equation at one height with an empty outbox, atoms."""

    accounts_atoms: int
    # Of the pool, or the fees and the insurance fund of a Margin Trade venue.
    nav_realised_atoms: int
    shortfall_atoms: int
    node_deposited_atoms: int
    node_withdrawn_atoms: int
    custody_deposited_atoms: int
    custody_withdrawn_atoms: int
    # What accounts are below zero with everything they hold: debt that no ledger names.
    debt_atoms: int = 0

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
            and self.node_deposited_atoms == self.custody_deposited_atoms
            and self.node_withdrawn_atoms == self.custody_withdrawn_atoms
        )


def conservation(
    accounts: Iterable[batches_pb2.AccountView], pool: batches_pb2.PoolView, custody: Custody
) -> Conservation:
    """The equation of docs/block.md over every account of the venue, its pool, and the custodian's book."""
    held = deposited = withdrawn = 0
    for account in accounts:
        held += account.free_atoms + account.held_atoms + account.margin_atoms + account.pending_withdrawal_atoms
        deposited += account.deposited_atoms
        withdrawn += account.withdrawn_atoms
    return Conservation(
        accounts_atoms=held,
        nav_realised_atoms=pool.nav_realised_atoms,
        shortfall_atoms=pool.shortfall_atoms,
        node_deposited_atoms=deposited,
        node_withdrawn_atoms=withdrawn,
        custody_deposited_atoms=custody.deposited_atoms,
        custody_withdrawn_atoms=custody.withdrawn_atoms,
    )


def book_conservation(
    accounts: Iterable[batches_pb2.AccountView], backstop: batches_pb2.BackstopView, custody: Custody
) -> Conservation:
    """The equation of docs/margin-trade.md over every account, the vault's among them, and the custodian's book."""
    held = deposited = withdrawn = debt = 0
    for account in accounts:
        debt += max(0, -account.cross.equity_atoms)
        held += account.free_atoms + account.held_atoms + account.pending_withdrawal_atoms
        held -= sum(position.cost_atoms for position in account.cross.positions)
        deposited += account.deposited_atoms
        withdrawn += account.withdrawn_atoms
    return Conservation(
        accounts_atoms=held,
        nav_realised_atoms=backstop.sums.fees_atoms + backstop.sums.fund_atoms,
        shortfall_atoms=backstop.sums.shortfall_atoms,
        node_deposited_atoms=deposited + backstop.sums.deposited_atoms,
        node_withdrawn_atoms=withdrawn,
        custody_deposited_atoms=custody.deposited_atoms,
        custody_withdrawn_atoms=custody.withdrawn_atoms,
        debt_atoms=debt,
    )
