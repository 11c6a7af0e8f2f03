"""What accounts of a Perennial venue know of themselves, as events told them: balance, collateral, position, lock."""

from collections.abc import Iterable

import numpy as np

from breakwater.v1 import events_pb2 as evt
from node.load.habits import PPM
from node.load.perennial.markets import VersionedMarkets

_SIGN = {
    evt.POSITION_KIND_UNSPECIFIED: 0,
    evt.POSITION_KIND_MAKER: 0,
    evt.POSITION_KIND_LONG: 1,
    evt.POSITION_KIND_SHORT: -1,
}


class VersionedKnowledge:
    """Columns by account number; positions by market place."""

    def __init__(self, markets: VersionedMarkets) -> None:
        self._markets = markets
        self._free_atoms = np.zeros(1, np.int64)
        self._lots, self._side, self._collateral, self._basis = (
            np.zeros((1, markets.count), np.int64) for _ in range(4)
        )
        self._price = np.zeros(markets.count, np.int64)

    def reach(self, account: int) -> None:
        """There are accounts up to this number."""
        missing = account + 1 - len(self._free_atoms)
        if missing > 0:
            more = np.zeros((missing, self._markets.count), np.int64)
            self._free_atoms = np.concatenate([self._free_atoms, np.zeros(missing, np.int64)])
            for name in ("_lots", "_side", "_collateral", "_basis"):
                setattr(self, name, np.concatenate([getattr(self, name), more]))

    def cash_atoms(self, account: np.ndarray) -> np.ndarray:
        """Balance outside the markets."""
        return self._free_atoms[account]

    def lots(self, account: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Settled size, unsigned."""
        return self._lots[account, place]

    def collateral_atoms(self, account: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Collateral in the market when the position was last realised."""
        return self._collateral[account, place]

    def equity_atoms(self, account: np.ndarray, place: np.ndarray, price_ticks: np.ndarray) -> np.ndarray:
        """Collateral and what longs and shorts gained since, by the price alone."""
        moved = price_ticks - self._basis[account, place]
        gain = self._side[account, place] * self._markets.worth_atoms(self._lots[account, place], moved)
        return self._collateral[account, place] + gain

    def below(self, price_ticks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(account, place) of longs and shorts whose equity is less than they need at these prices, one a market."""
        account, place = np.nonzero(self._side * self._lots)
        worth = self._markets.worth_atoms(self._lots[account, place], price_ticks[place])
        needed = np.maximum(worth // PPM * self._markets.maintenance_ppm[place], self._markets.least_atoms[place])
        is_below = self.equity_atoms(account, place, price_ticks[place]) < needed
        return account[is_below], place[is_below]

    def credit(self, account: np.ndarray, amount_atoms: np.ndarray) -> None:
        """The custodian credited, or took (negative)."""
        np.add.at(self._free_atoms, account, amount_atoms)

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Learn from the events of a block; accounts beyond `reach` are other people's."""
        for event in events:
            learn = getattr(self, f"_{event.WhichOneof('body')}", None)
            if learn is not None and event.account < len(self._free_atoms):
                learn(event)

    def _version_settled(self, event: evt.Event) -> None:
        self._price[self._markets.place(event.market)] = event.version_settled.price_ticks

    def _collateral_moved(self, event: evt.Event) -> None:
        body, place = event.collateral_moved, self._markets.place(event.market)
        self._collateral[event.account, place] = body.collateral_atoms
        self._basis[event.account, place] = self._price[place]
        if not body.counterparty:
            self._free_atoms[event.account] -= body.amount_atoms

    def _position_settled(self, event: evt.Event) -> None:
        body, place = event.position_settled, self._markets.place(event.market)
        self._lots[event.account, place] = body.lots
        self._side[event.account, place] = _SIGN[body.kind] if body.lots else 0
        self._collateral[event.account, place] = body.collateral_atoms
        self._basis[event.account, place] = self._price[place]
