"""Who trades against a Twilight pool: with levels, and with much leverage."""

from __future__ import annotations

from typing import Final

from breakwater.v1 import batches_pb2, commands_pb2, common_pb2
from cluster.simulator.faults import Chaos
from cluster.simulator.workload import Reader
from node.simulation.people.person import Person, Row
from node.simulation.venues import Listed

_OPENS: Final = ("account", "market", "side", "kind", "margin_atoms", "leverage_hundredths", "limit_ticks")
_CLOSES: Final = ("account", "position", "kind", "level_ticks")
_CANCELS: Final = ("account", "order", "kind")
_MARKET: Final = common_pb2.ORDER_KIND_MARKET
_LIMIT: Final = common_pb2.ORDER_KIND_LIMIT
_STOP_LOSS: Final = common_pb2.ORDER_KIND_STOP_LOSS
_TAKE_PROFIT: Final = common_pb2.ORDER_KIND_TAKE_PROFIT
_MARKET_NUMBER: Final = 1


class TwilightTrader(Person):
    """Opens, sets levels, closes, cancels, for a handful of accounts."""

    def __init__(self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, accounts: list[int]) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._accounts = accounts
        self._cap_atoms = listed.venue.twilight.margin_cap_atoms
        self._sides = self.random.choice(((1, -1), (1, 1, -1), (-1, -1, 1)))

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """Some opens, and something about positions and orders there are."""
        views, mark = reader.accounts(self.venue, self._accounts), reader.mark(self.venue, _MARKET_NUMBER)
        if views is None or mark is None:
            return []
        batches = []
        if self.chance(0.6):
            opens = [self._open(view, mark.mark_ticks) for view in self.random.choices(views.accounts, k=3)]
            batches += self.rows("open_positions", _OPENS, [row for row in opens if row])
        if self.chance(0.5):
            held = [(view.account, one) for view in views.accounts for one in view.positions]
            picked = self.random.sample(held, min(2, len(held)))
            rows = [self._close(account, one, mark.mark_ticks) for account, one in picked]
            batches += self.rows("close_positions", _CLOSES, rows)
        if self.chance(0.15):
            batches += self.rows("cancel_orders", _CANCELS, self._cancels(views))
        return batches

    def _near(self, mark_ticks: int) -> int:
        span = mark_ticks // 100
        return max(1, mark_ticks + self.random.choice((0, 1, -1, self.random.randint(-span, span))))

    def _open(self, view: batches_pb2.AccountView, mark_ticks: int) -> Row:
        free = view.free_atoms
        if free <= 1 and not self.chance(0.05):
            return []
        margin = self.random.choice((free // 10, free // 4, free // 2, free // 2, free, free + 1))
        if not self.chance(0.05):
            margin = min(margin, self._cap_atoms)
        leverage = self.random.choice((100, 333, 1_000, 2_500, 5_000, 5_000))
        if self.chance(0.03):
            leverage = self.random.choice((99, 5_001))
        kind = self.random.choice((_MARKET, _MARKET, _LIMIT))
        side, limit = self.random.choice(self._sides), self._near(mark_ticks)
        return [view.account, _MARKET_NUMBER, side, kind, max(1, margin), leverage, limit]

    def _close(self, account: int, held: batches_pb2.PositionView, mark_ticks: int) -> Row:
        kind = self.random.choice((_MARKET, _LIMIT, _STOP_LOSS, _STOP_LOSS, _TAKE_PROFIT))
        return [account, held.position, kind, self._near(mark_ticks)]

    def _cancels(self, views: batches_pb2.AccountViews) -> list[Row]:
        rows = [[view.account, order.order, 0] for view in views.accounts for order in view.orders[:1]]
        levels = [
            [view.account, held.position, kind]
            for view in views.accounts
            for held in view.positions
            for kind, level in ((_STOP_LOSS, held.stop_loss_ticks), (_TAKE_PROFIT, held.take_profit_ticks))
            if level
        ]
        return rows[:2] + levels[:1] or [[self.random.choice(self._accounts), 0, 0]]
