"""What a stream sees of a Margin Trade venue when it decides what comes next."""

from dataclasses import dataclass, field

from breakwater.v1.batches_pb2 import AccountView, CrossOrderView, CrossPositionView
from breakwater.v1.common_pb2 import Mark
from breakwater.v1.parameters_pb2 import MarketParameters, VenueParameters

VAULT = 0


@dataclass
class MarginSight:
    """One venue between two blocks."""

    terms: VenueParameters
    markets: dict[int, MarketParameters]
    marks: dict[int, Mark]
    accounts: dict[int, AccountView]
    shares: dict[int, int] = field(default_factory=dict)

    @property
    def traders(self) -> list[int]:
        """Everybody but the vault."""
        return [account for account in sorted(self.accounts) if account != VAULT]

    def mark_ticks(self, market: int) -> int:
        return self.marks[market].mark_ticks if market in self.marks else 0

    def k(self, market: int) -> int:
        return self.markets[market].margin_trade.quote_atoms_per_tick_lot

    def positions(self, market: int) -> list[tuple[int, CrossPositionView]]:
        """(account, position) of everybody who stands in the market."""
        return [
            (account, held)
            for account, view in sorted(self.accounts.items())
            for held in view.cross.positions
            if held.market == market and held.lots
        ]

    def orders(self) -> list[tuple[int, CrossOrderView]]:
        """(account, order) of everything that rests or is armed."""
        return [(account, order) for account, view in sorted(self.accounts.items()) for order in view.cross.orders]

    def free_margin(self, account: int) -> int:
        return self.accounts[account].cross.free_margin_atoms

    def lots(self, account: int, market: int) -> int:
        return next((held.lots for held in self.accounts[account].cross.positions if held.market == market), 0)
