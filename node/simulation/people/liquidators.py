"""Bots that liquidate on Spin and Perennial venues: the house bot's own minds, on what the read path shows.

Several race for the same positions; some ask for more than they may, or for who is healthy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from actors.columns import add_row
from breakwater.v1 import batches_pb2, commands_pb2, common_pb2
from cluster.simulator.faults import Chaos
from cluster.simulator.workload import Reader
from node.bots.intents import WHOLE_REWARD, Liquidate, Mind, Unwind
from node.bots.keeper_mind import KeeperMind, KeeperSettings
from node.bots.keeper_watch import KeeperWatch
from node.bots.spin_mind import SpinMind, SpinSettings
from node.bots.spin_watch import SpinWatch
from node.simulation.people.books import ORDER_COLUMNS
from node.simulation.people.person import Person, Row
from node.simulation.venues import Listed

_LIQUIDATIONS: Final = ("account", "target", "market", "lots", "reward_atoms")
_MOST_INTENTS: Final = 6


@dataclass(frozen=True)
class Listing:
    """A venue's standings as a `Feed`."""

    height: int
    block_time_ms: int
    rows: batches_pb2.StandingRows
    marks: Sequence[common_pb2.Mark]
    versions: Sequence[batches_pb2.VersionRecord]


class Liquidator(Person):
    """One account with one mind. It lists everybody anew each time: what it missed meanwhile does not matter."""

    def __init__(self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, account: int) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._account = account
        self._markets = sorted(listed.markets)
        self._is_spin = listed.rulebook == common_pb2.RULEBOOK_SPIN
        self._mind = _mind(listed, account)
        self._is_greedy = self.chance(0.3)

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """Who is below, by the standings there are now."""
        listing = self._listing(reader) if self.chance(0.9) else None
        if listing is None:
            return []
        self._mind.begin(listing)
        intents = self._mind.decide(_MOST_INTENTS)
        rows = [self._row(intent) for intent in intents if isinstance(intent, Liquidate)]
        if self.chance(0.05) and len(listing.rows.account):
            target = self.random.choice(list(listing.rows.account))
            rows.append([self._account, target, self.random.choice(self._markets), 1, WHOLE_REWARD])
        flattening = [self._flatten(intent) for intent in intents if isinstance(intent, Unwind)]
        return [
            *self.rows("liquidations", _LIQUIDATIONS, rows),
            *self.rows("place_orders", ORDER_COLUMNS, flattening if self.chance(0.3) else []),
        ]

    def _flatten(self, intent: Unwind) -> Row:
        """Reduce-only, immediate or cancelled, as the mind says."""
        kind = common_pb2.ORDER_KIND_LIMIT if intent.limit_ticks else common_pb2.ORDER_KIND_MARKET
        ioc = common_pb2.TIME_IN_FORCE_IOC
        return [self._account, intent.market, intent.side, kind, intent.lots, intent.limit_ticks, ioc, 2, 0, 0, 0, 0]

    def _row(self, intent: Liquidate) -> Row:
        lots, reward = intent.lots, intent.reward_atoms
        if self._is_greedy and self.chance(0.3):
            lots, reward = (lots + 5, reward) if self._is_spin else (lots, intent.worth_atoms + 1)
        return [self._account, intent.target, intent.market, lots, reward]

    def _listing(self, reader: Reader) -> Listing | None:
        standings, own = reader.standings(self.venue), reader.accounts(self.venue, [self._account])
        if standings is None or own is None:
            return None
        if self._is_spin and self._account not in standings.rows.account:
            # What an account without a position has is in no list.
            for view in own.accounts:
                add_row(standings.rows, self.venue, self._account, 0, 0, 0, view.ratio.cash_atoms, 0)
        marks = [mark for mark in (reader.mark(self.venue, number) for number in self._markets) if mark is not None]
        records = []
        if not self._is_spin:
            views = [reader.versions(self.venue, number) for number in self._markets]
            records = [view.record for view in views if view is not None and view.record.version_ms]
        return Listing(standings.height, self.now_ms, standings.rows, marks, records)


def _mind(listed: Listed, account: int) -> Mind:
    markets = list(listed.markets.values())
    if listed.rulebook == common_pb2.RULEBOOK_SPIN:
        settings = SpinSettings(least_ratio_e9=1_050_000_000, unwind=True)
        return SpinMind(account, SpinWatch(listed.venue, markets), settings)
    return KeeperMind(account, KeeperWatch(listed.venue, markets), KeeperSettings())
