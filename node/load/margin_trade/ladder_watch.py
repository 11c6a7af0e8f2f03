"""Whom the ladder of a Margin Trade venue works on, and when it is done with them: from the events, by the rulebook.

The node scans everybody at every block's mark and acts on or queues whoever is below maintenance in that block, with an
event: the first of them begins an episode. Cash, positions and marks come from events too, so that after every block
the account's equity and maintenance are the rulebook's.
"""

from collections.abc import Iterable, Sequence

from actors.risk.tiers import Tiers, tiers_of
from actors.rulebooks import margin_trade
from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import parameters_pb2
from node.load.episodes import Episodes

_VAULT = 0
_BEGINS = ("liquidation_ordered", "ladder_queued", "takeover_refused", "taken_over", "deleverage_run")


class LadderWatch:
    """Positions and cash of everybody, and an episode for each account below its maintenance."""

    def __init__(self, markets: Sequence[parameters_pb2.MarketParameters], episodes: Episodes) -> None:
        self._episodes = episodes
        self._tiers: dict[int, Tiers] = {}
        self._k: dict[int, int] = {}
        for market in markets:
            rules = market.margin_trade
            self._tiers[market.market] = tiers_of(
                [(tier.lower_notional_atoms, tier.max_leverage) for tier in rules.tiers]
            )
            self._k[market.market] = rules.quote_atoms_per_tick_lot
        self._marks: dict[int, int] = {}
        self._cash: dict[int, int] = {}
        # Account -> market -> (lots, cost in atoms).
        self._positions: dict[int, dict[int, tuple[int, int]]] = {}

    def happened(self, events: Iterable[evt.Event]) -> None:
        """One block."""
        time_ms = 0
        for event in events:
            time_ms = event.block_time_ms
            body = event.WhichOneof("body") or ""
            learn = getattr(self, f"_{body}", None)
            if learn is not None:
                learn(event)
            if body in _BEGINS and event.account != _VAULT:
                self._episodes.begin(event.account, time_ms)
        for account in self._episodes.open:
            if not self._is_below(account):  # type: ignore[arg-type]  # keys are accounts here
                self._episodes.end(account, time_ms)

    def _is_below(self, account: int) -> bool:
        held = [
            margin_trade.PositionAtMark(lots, cost, self._marks[market], self._k[market], self._tiers[market], 1)
            for market, (lots, cost) in self._positions.get(account, {}).items()
            if lots
        ]
        health = margin_trade.account_health(self._cash.get(account, 0), held)
        return bool(held) and health.equity_atoms < health.maintenance_atoms

    def _mark_updated(self, event: evt.Event) -> None:
        self._marks[event.market] = event.mark_updated.mark_ticks

    def _position_updated(self, event: evt.Event) -> None:
        body = event.position_updated
        self._positions.setdefault(event.account, {})[event.market] = (body.lots, body.cost_atoms)
        self._cash[event.account] = body.cash_atoms

    def _taken_over(self, event: evt.Event) -> None:
        self._positions.pop(event.account, None)
        self._cash[event.account] = 0

    def _deposited(self, event: evt.Event) -> None:
        self._cash[event.account] = self._cash.get(event.account, 0) + event.deposited.amount_atoms

    def _withdrawal_requested(self, event: evt.Event) -> None:
        self._cash[event.account] = self._cash.get(event.account, 0) - event.withdrawal_requested.amount_atoms

    def _withdrawal_decided(self, event: evt.Event) -> None:
        back = 0 if event.withdrawal_decided.confirmed else event.withdrawal_decided.amount_atoms
        self._cash[event.account] = self._cash.get(event.account, 0) + back

    def _funding_paid(self, event: evt.Event) -> None:
        self._cash[event.account] = self._cash.get(event.account, 0) - event.funding_paid.payment_atoms
