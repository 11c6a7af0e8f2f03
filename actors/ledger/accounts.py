"""The accounts of one venue on one shard: what each has free, held and pending, and the postings that move it.

`post` is the only way money moves here; it keeps the venue's sums beside the rows, so the conservation equation is
checked after every block without reading an account.
"""

from dataclasses import dataclass

import numpy as np

from actors.ledger.account_marks import Marks
from actors.ledger.row_chains import Chains, RowChains
from actors.ledger.table import Owned, StagingLog, Table, dumped_rows, owned_rows
from actors.units import BALANCE_BOUND

_MONEY = ("free", "held", "pending", "deposited", "withdrawn")


@dataclass(slots=True)
class AccountSums:
    """Sums over the accounts, atoms."""

    free: int = 0
    held: int = 0
    pending: int = 0
    deposited: int = 0
    withdrawn: int = 0


class Accounts:
    """Rows by account number.

    free: may be used or withdrawn. held: promised to an order or a move on its way to the pool. pending: withdrawals
    the custodian has not decided. deposited, withdrawn: lifetime totals. `signed`: free is the cash of a cross-margin
    account and may be below zero while unrealised profit carries it (MT-01).
    """

    def __init__(self, log: StagingLog, marks: Marks, signed: bool = False) -> None:
        self._log = log
        self._touched = marks.add
        self._touched_many = marks.add_many
        self._lowest_free = 1 - BALANCE_BOUND if signed else 0
        self.table = Table(("account", "frozen", *_MONEY), log)
        self.withdrawals = Table(("account", "amount"), log)
        self._requests = RowChains()
        self.sums = AccountSums()

    def __contains__(self, account: int) -> bool:
        return account in self.table

    def open(self, account: int) -> None:
        """A new, empty account."""
        self.table.insert(account, account, *([0] * (1 + len(_MONEY))))
        self._touched(account)

    def open_many(self, accounts: np.ndarray) -> None:
        """`open` of a column of new accounts."""
        cells = np.zeros((len(self.table.columns), accounts.size), dtype=np.int64)
        cells[0] = accounts
        self.table.insert_bulk(accounts, cells)
        self._touched_many(accounts)

    def free(self, account: int) -> int:
        """Atoms that may be used."""
        return self.table.get(account, "free")

    def is_frozen(self, account: int) -> bool:
        """An operator froze the account: no opens, no withdrawals, no LP moves."""
        return self.table.get(account, "frozen") == 1

    def freeze(self, account: int, frozen: bool) -> None:
        """Freezes or thaws."""
        self.table.put(account, "frozen", int(frozen))
        self._touched(account)

    def post(self, account: int, **deltas: int) -> None:
        """Adds the deltas (free, held, pending, deposited, withdrawn; atoms). A cell out of bounds stops the block."""
        for name, delta in deltas.items():
            if delta:
                value = self.table.add(account, name, delta)
                lowest = self._lowest_free if name == "free" else 0
                assert lowest <= value < BALANCE_BOUND, f"account {account}: {name} would be {value}"
                self._add_to_sum(name, delta)
                if self._log.is_open:
                    self._log.note(self._add_to_sum, name, -delta)
        if self._log.is_open:
            self._log.note(self._touched, account)
        self._touched(account)

    def charge(self, slots: np.ndarray, amounts_atoms: np.ndarray) -> np.ndarray:
        """Takes these amounts from free, each slot once; returns what is free after it. Never while staging."""
        free = self.table.column("free")
        after = free[slots] - amounts_atoms
        assert bool((self._lowest_free <= after).all() and (after < BALANCE_BOUND).all()), "a balance out of bounds"
        free[slots] = after
        self._add_to_sum("free", -sum(amounts_atoms.tolist()))
        self._touched_many(self.table.column("account")[slots])
        return after

    def deposit_many(self, accounts: np.ndarray, amounts_atoms: np.ndarray) -> None:
        """`post` of deposits, each above 0; an account may have several. Never while staging."""
        assert not self._log.is_open, "deposits are never staged"
        slots = self.table.slots_of(accounts)
        assert bool((slots >= 0).all()), "an account is not of this shard"
        together = sum(amounts_atoms.tolist())
        assert 0 < together < BALANCE_BOUND, f"deposits of {together} atoms in one block"
        for name in ("free", "deposited"):
            cells = self.table.column(name)
            np.add.at(cells, slots, amounts_atoms)
            assert bool((cells[slots] < BALANCE_BOUND).all()), "a balance out of bounds"
            self._add_to_sum(name, together)
        self._touched_many(accounts)

    def slots_of(self, accounts: np.ndarray) -> np.ndarray:
        """Where the rows of these accounts are, -1 where there is none."""
        return self.table.slots_of(accounts)

    def post_bulk(self, accounts: np.ndarray, free: np.ndarray, held: np.ndarray | None = None) -> None:
        """`post` of what each of these accounts, named once, has more free and held; atoms."""
        self._post_bulk(accounts, free, held)
        self._log.note(self._post_bulk, accounts, -free, None if held is None else -held)

    def _post_bulk(self, accounts: np.ndarray, free: np.ndarray, held: np.ndarray | None) -> None:
        slots = self.table.slots_of(accounts)
        assert bool((slots >= 0).all()), "an account is not of this shard"
        self._add_bulk("free", slots, free, self._lowest_free)
        if held is not None:
            self._add_bulk("held", slots, held, 0)
        self._touched_many(accounts)

    def _add_bulk(self, name: str, slots: np.ndarray, deltas: np.ndarray, lowest: int) -> None:
        cells = self.table.column(name)
        after = cells[slots] + deltas
        assert bool((lowest <= after).all() and (after < BALANCE_BOUND).all()), "a balance out of bounds"
        cells[slots] = after
        self._add_to_sum(name, sum(deltas.tolist()))

    def hold(self, account: int, amount_atoms: int) -> None:
        """Moves from free to held."""
        self.post(account, free=-amount_atoms, held=amount_atoms)

    def release(self, account: int, amount_atoms: int) -> None:
        """Moves from held to free."""
        self.post(account, free=amount_atoms, held=-amount_atoms)

    def request_withdrawal(self, account: int, withdrawal: int, amount_atoms: int) -> None:
        """Moves from free to pending until the custodian decides."""
        self.post(account, free=-amount_atoms, pending=amount_atoms)
        self._insert_withdrawal(withdrawal, account, amount_atoms)
        self._log.note(self._forget_withdrawal, account, withdrawal)

    def withdrawals_of(self, account: int) -> list[int]:
        """Withdrawals not decided yet, ascending."""
        slots = self._requests.slots_of(self.table.find_slot(account))
        return sorted(map(self.withdrawals.key_at, slots))

    def withdrawal_chains(self) -> Chains:
        """The same of every account by its slot, for kernels; valid until one comes or goes."""
        return self._requests.columns(self.table.slots_made)

    def decide_withdrawal(self, withdrawal: int, confirmed: bool) -> int:
        """Takes a pending withdrawal out, or back to free; returns its atoms."""
        account, amount = self.withdrawals.row(withdrawal)
        self._log.note(self._own_withdrawal, account, withdrawal)
        self._forget_withdrawal(account, withdrawal)
        self.withdrawals.remove(withdrawal)
        if confirmed:
            self.post(account, pending=-amount, withdrawn=amount)
        else:
            self.post(account, pending=-amount, free=amount)
        return amount

    def _insert_withdrawal(self, withdrawal: int, account: int, amount_atoms: int) -> None:
        self.withdrawals.insert(withdrawal, account, amount_atoms)
        self._own_withdrawal(account, withdrawal)

    def _own_withdrawal(self, account: int, withdrawal: int) -> None:
        self._requests.link(self.table.slot(account), self.withdrawals.slot(withdrawal))

    def _forget_withdrawal(self, account: int, withdrawal: int) -> None:
        self._requests.unlink(self.table.slot(account), self.withdrawals.slot(withdrawal))

    def _add_to_sum(self, name: str, delta: int) -> None:
        setattr(self.sums, name, getattr(self.sums, name) + delta)

    def dumped_bytes(self) -> int:
        """How long `dump` is, in all."""
        return self.table.dumped_bytes() + self.withdrawals.dumped_bytes()

    def dump(self) -> list[bytes]:
        """Accounts, then withdrawals."""
        return [self.table.dump(), self.withdrawals.dump()]

    def fill(self, dumped: list[bytes], owned: Owned) -> None:
        """Takes the owned rows of a dump."""
        accounts, cells = owned_rows(dumped[0], len(self.table.columns), owned)
        self.table.insert_bulk(accounts, cells)
        self._touched_many(accounts)
        for name, column in zip(_MONEY, cells[-len(_MONEY) :], strict=True):
            self._add_to_sum(name, sum(column.tolist()))
        for withdrawal, row in dumped_rows(dumped[1], len(self.withdrawals.columns), owned):
            self._insert_withdrawal(withdrawal, *row)
