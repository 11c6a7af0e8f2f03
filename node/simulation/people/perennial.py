"""Who is on a Perennial venue: makers, takers at the edge of what their collateral carries, whoever repays debts."""

from __future__ import annotations

from typing import Final

from breakwater.v1 import batches_pb2, commands_pb2, events_pb2
from cluster.simulator.faults import Chaos
from cluster.simulator.workload import Reader
from node.simulation.people.person import Person, Row
from node.simulation.venues import Listed

_CHANGES: Final = ("account", "market", "maker_lots", "long_lots", "short_lots", "collateral_atoms")
_REPAYMENTS: Final = ("account", "market", "debtor", "amount_atoms")
_MAKER: Final = events_pb2.POSITION_KIND_MAKER
_LONG: Final = events_pb2.POSITION_KIND_LONG
_SHORT: Final = events_pb2.POSITION_KIND_SHORT
_KEEP: Final = -1
_EVERYTHING: Final = -(1 << 63)
_LOTS_BOUND: Final = 1 << 40
_MILLION: Final = 10**6


class VersionTrader(Person):
    """Makers, if it says so, or takers: opens, grows, closes, brings collateral and takes it out."""

    def __init__(
        self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, accounts: list[int], is_maker: bool
    ) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._accounts = accounts
        self._markets = listed.markets
        self._is_maker = is_maker
        self._sides = self.random.choice(((_LONG, _SHORT), (_LONG, _LONG, _SHORT), (_SHORT, _SHORT, _LONG)))

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """Changes of one to three accounts."""
        views = reader.accounts(self.venue, self._accounts) if self.chance(0.7) else None
        if views is None or not views.accounts:
            return []
        rows = []
        for view in self.random.choices(views.accounts, k=self.random.choice((1, 2, 3))):
            market = self.random.choice(sorted(self._markets))
            mark = reader.mark(self.venue, market)
            if mark is not None and mark.mark_ticks:
                rows.append(self._change(view, market, mark.mark_ticks))
        return self.rows("change_positions", _CHANGES, rows)

    def _change(self, view: batches_pb2.AccountView, market: int, price: int) -> Row:
        held = next((one for one in view.versioned if one.market == market), batches_pb2.VersionedView())
        if self.chance(0.2):
            return self._collateral(view, market, held)
        brought = self.random.choice((0, view.free_atoms // 4, view.free_atoms // 2))
        if self.chance(0.05):
            brought = view.free_atoms + 1
        lots = self._lots(market, price, max(0, held.collateral_atoms) + brought)
        if held.lots and self.chance(0.4):
            lots = self.random.choice((0, 0, held.lots // 2, held.lots + 1))
        kind = _MAKER if self._is_maker else self.random.choice(self._sides)
        if held.lots and self.chance(0.85):
            kind = held.kind
        sizes = [lots if kind == one else 0 for one in (_MAKER, _LONG, _SHORT)]
        return [view.account, market, *sizes, brought]

    def _lots(self, market: int, price: int, collateral_atoms: int) -> int:
        """What a part of the collateral carries; makers leave themselves room."""
        part = self.random.choice((5, 20, 40) if self._is_maker else (50, 85, 92, 97, 101))
        worth = collateral_atoms * part // 100 * _MILLION // max(1, self._markets[market].perennial.maintenance_ppm)
        return min(worth * _MILLION // price, _LOTS_BOUND - 1)

    def _collateral(self, view: batches_pb2.AccountView, market: int, held: batches_pb2.VersionedView) -> Row:
        """In or out, sizes as they are."""
        amounts = (-held.collateral_atoms // 3, -held.collateral_atoms // 2, _EVERYTHING, view.free_atoms // 3)
        return [view.account, market, _KEEP, _KEEP, _KEEP, self.random.choice(amounts)]


class Repayer(Person):
    """Pays what somebody owes a market, in part or more than there is (PE-17)."""

    def __init__(self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, account: int) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._account = account
        self._markets = sorted(listed.markets)

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """Half of the largest debt, all of it, or an atom more."""
        market = self.random.choice(self._markets)
        view = reader.versions(self.venue, market) if self.chance(0.15) else None
        if view is None or not view.debts:
            return []
        debt = max(view.debts, key=lambda one: (one.amount_atoms, one.account))
        amount = max(1, self.random.choice((debt.amount_atoms // 2, debt.amount_atoms, debt.amount_atoms + 1)))
        return self.rows("shortfall_repayments", _REPAYMENTS, [[self._account, market, debt.account, amount]])
