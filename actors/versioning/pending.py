"""What is pinned and has not settled: by account and version, sizes and fees; the market's totals as if it had.

An order says what an account's position is to be from a version on, whatever comes of the versions before. Versions are
only ever added at the end, so an account's orders are in the order of their versions.
"""

from dataclasses import dataclass, field

from actors.rulebooks.perennial import NOTHING, Totals
from actors.rulebooks.perennial_orders import totals_after


@dataclass(slots=True)
class Order:
    """The sizes an account has from a version on, and what getting there costs when it settles, atoms."""

    target: Totals
    fee_atoms: int
    settlement_fee_atoms: int
    is_liquidation: bool


@dataclass(slots=True)
class PendingAccount:
    """An account with orders: its settled sizes, and the orders by version, ascending."""

    settled: Totals
    orders: dict[int, Order] = field(default_factory=dict)

    @property
    def target(self) -> Totals:
        """The sizes pinned last."""
        return self.orders[max(self.orders)].target


class PendingOrders:
    """The orders of a market, and `totals`: settled sizes with all of them carried out."""

    def __init__(self) -> None:
        self.totals = NOTHING
        self.accounts: dict[int, PendingAccount] = {}
        self._by_version: dict[int, set[int]] = {}

    def versions_ms(self) -> list[int]:
        """Requested versions that have not settled, ascending."""
        return sorted(self._by_version)

    def accounts_at(self, version_ms: int) -> list[int]:
        """Who has an order at a version, ascending."""
        return sorted(self._by_version.get(version_ms, ()))

    def target(self, account: int, settled: Totals) -> Totals:
        """The sizes an account pinned last; the settled ones where nothing is pending."""
        waiting = self.accounts.get(account)
        return waiting.target if waiting else settled

    def positions(self, account: int, settled: Totals, without_ms: int) -> list[Totals]:
        """The settled sizes, and those of every pending order but the one at this version."""
        waiting = self.accounts.get(account)
        orders = waiting.orders if waiting else {}
        return [settled, *(order.target for version_ms, order in orders.items() if version_ms != without_ms)]

    def fees_atoms(self, account: int) -> int:
        """Position and settlement fees of all an account's orders."""
        waiting = self.accounts.get(account)
        orders = waiting.orders.values() if waiting else ()
        return sum(order.fee_atoms + order.settlement_fee_atoms for order in orders)

    def locked_ms(self, account: int) -> int:
        """The version that a liquidation of the account is pinned to, 0 where there is none (PE-08)."""
        waiting = self.accounts.get(account)
        orders = waiting.orders.items() if waiting else ()
        return next((version_ms for version_ms, order in orders if order.is_liquidation), 0)

    def count_with(self, version_ms: int) -> int:
        """How many versions would be requested with this one."""
        return len(self._by_version) + (version_ms not in self._by_version)

    def count_of_account_with(self, account: int, version_ms: int) -> int:
        """The same of an account's own."""
        waiting = self.accounts.get(account)
        return len(waiting.orders) + (version_ms not in waiting.orders) if waiting else 1

    def pin(self, account: int, settled: Totals, version_ms: int, order: Order) -> None:
        """Takes an order; another of the account at the same version gives its sizes up, its fees are added (PE-04)."""
        waiting = self.accounts.setdefault(account, PendingAccount(settled))
        before = waiting.target if waiting.orders else settled
        self.totals = totals_after(self.totals, before, order.target)
        replaced = waiting.orders.get(version_ms)
        if replaced:
            order.fee_atoms += replaced.fee_atoms
            order.settlement_fee_atoms += replaced.settlement_fee_atoms
        assert version_ms >= max(waiting.orders, default=0), f"version {version_ms} lies before one already pinned"
        waiting.orders[version_ms] = order
        self._by_version.setdefault(version_ms, set()).add(account)

    def settle(self, account: int, version_ms: int) -> tuple[Order, bool]:
        """Takes out an order whose sizes are the account's now; also whether nothing of the account is left."""
        order = self._take(account, version_ms)
        self.accounts[account].settled = order.target
        return order, self._leave(account)

    def void(self, account: int, version_ms: int) -> tuple[Order, Totals, bool]:
        """Takes out an order that is not carried out (PE-06); also the account's sizes, and whether nothing is left.

        What the account pinned later stands; if this was the last, the totals lose what it would have done.
        """
        order = self._take(account, version_ms)
        waiting = self.accounts[account]
        if not waiting.orders:
            self.totals = totals_after(self.totals, order.target, waiting.settled)
        return order, waiting.settled, self._leave(account)

    def move(self, account: int, version_ms: int, next_ms: int) -> None:
        """A liquidation goes on to a later version as it is, with all its fees (PE-06)."""
        order = self._take(account, version_ms)
        waiting = self.accounts[account]
        assert not waiting.orders, f"account {account} has an order behind its liquidation"
        waiting.orders[next_ms] = order
        self._by_version.setdefault(next_ms, set()).add(account)

    def restore(self, totals: Totals, accounts: dict[int, PendingAccount]) -> None:
        """Takes what was saved."""
        self.totals, self.accounts, self._by_version = totals, accounts, {}
        for account, waiting in accounts.items():
            for version_ms in waiting.orders:
                self._by_version.setdefault(version_ms, set()).add(account)

    def _take(self, account: int, version_ms: int) -> Order:
        accounts = self._by_version[version_ms]
        accounts.remove(account)
        if not accounts:
            del self._by_version[version_ms]
        return self.accounts[account].orders.pop(version_ms)

    def _leave(self, account: int) -> bool:
        if self.accounts[account].orders:
            return False
        del self.accounts[account]
        return True
