"""What accounts know of themselves: positions and cash, as the node's events told them, two blocks late at most."""

from collections.abc import Iterable

import numpy as np

from actors.rulebooks import spin
from breakwater.v1 import events_pb2 as evt
from node.load.books.markets import Markets


class Knowledge:
    """Columns by account number: lots and cost by market place, cash; atoms."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._lots = np.zeros((1, markets.count), np.int64)
        self._cost_atoms = np.zeros((1, markets.count), np.int64)
        self._cash_atoms = np.zeros(1, np.int64)

    def reach(self, account: int) -> None:
        """There are accounts up to this number."""
        missing = account + 1 - len(self._cash_atoms)
        if missing > 0:
            more = np.zeros((missing, self._markets.count), np.int64)
            self._lots = np.concatenate([self._lots, more])
            self._cost_atoms = np.concatenate([self._cost_atoms, more])
            self._cash_atoms = np.concatenate([self._cash_atoms, np.zeros(missing, np.int64)])

    def lots(self, account: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Signed lots."""
        return self._lots[account, place]

    def cash_atoms(self, account: np.ndarray) -> np.ndarray:
        """Cash, profits and losses realised."""
        return self._cash_atoms[account]

    def equity_atoms(self, account: np.ndarray, price_ticks: np.ndarray) -> np.ndarray:
        """Cash and what the positions would bring at these prices, one a market."""
        value = self._lots[account] * price_ticks * self._markets.quote_atoms - self._cost_atoms[account]
        return self._cash_atoms[account] + value.sum(axis=1)

    def credit(self, account: np.ndarray, amount_atoms: np.ndarray) -> None:
        """The custodian credited, or took (negative)."""
        np.add.at(self._cash_atoms, account, amount_atoms)

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Learn from the events of a block; accounts beyond `reach` are other people's."""
        for event in events:
            body = event.WhichOneof("body")
            learn = getattr(self, f"_{body}", None)
            if learn is not None and event.account < len(self._cash_atoms):
                learn(event)

    def _position_updated(self, event: evt.Event) -> None:
        place = self._markets.place(event.market)
        self._lots[event.account, place] = event.position_updated.lots
        self._cost_atoms[event.account, place] = event.position_updated.cost_atoms
        self._cash_atoms[event.account] = event.position_updated.cash_atoms

    def _taken_over(self, event: evt.Event) -> None:
        self._lots[event.account] = 0
        self._cost_atoms[event.account] = 0
        self._cash_atoms[event.account] = 0

    def _account_liquidated(self, event: evt.Event) -> None:
        body, place = event.account_liquidated, self._markets.place(event.market)
        lots, cost = int(self._lots[event.account, place]), int(self._cost_atoms[event.account, place])
        k = int(self._markets.quote_atoms[place])
        fill = spin.apply_fill(lots, cost, -body.lots, body.mark.mark_ticks, k)
        self._lots[event.account, place], self._cost_atoms[event.account, place] = fill.lots, fill.cost_atoms
        self._cash_atoms[event.account] = body.cash_atoms

    def _funding_settled(self, event: evt.Event) -> None:
        self._cash_atoms[event.account] = event.funding_settled.cash_atoms

    def _transferred(self, event: evt.Event) -> None:
        self._cash_atoms[event.account] = event.transferred.cash_atoms
