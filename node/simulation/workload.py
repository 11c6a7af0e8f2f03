"""Everybody who is there in a simulated world: venues of the rulebooks it has, and who trades, runs and feeds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from breakwater.v1 import commands_pb2, common_pb2
from cluster.refused import Refused
from cluster.simulator.faults import Chaos
from cluster.simulator.workload import Client
from node.guards.batches import check_shape
from node.guards.bounds import Limits
from node.guards.refusals import Refused as ShapeRefused
from node.simulation.people.books import BookMaker, BookTrader
from node.simulation.people.lenders import Lender
from node.simulation.people.liquidators import Liquidator
from node.simulation.people.officials import Custodian, Operator
from node.simulation.people.perennial import Repayer, VersionTrader
from node.simulation.people.person import Person
from node.simulation.people.publisher import Publisher
from node.simulation.people.twilight import TwilightTrader
from node.simulation.venues import Listed, listed

_HOUR_MS: Final = 3_600_000
_LIMITS: Final = Limits()
# Who sets a venue up is nobody who trades on it.
_FOUNDER: Final = 1


class Swarming:
    """See `cluster.simulator.workload.Workload`. The clients of a seed are the same whatever happens to them."""

    def __init__(self, seed: int, rulebooks: Sequence[int], chaos: Chaos, now_ms: int) -> None:
        self.venues = [listed(Random(f"{seed}/venue {rulebook}"), rulebook) for rulebook in sorted(rulebooks)]
        self._seed = seed
        self._chaos = chaos
        self._now_ms = now_ms
        self._keys = 0
        self._publishers: list[Publisher] = []
        self._clients: list[Client] = []
        for venue in self.venues:
            self._populate(venue)

    def setup(self) -> list[commands_pb2.CommandBatch]:
        """Venues, markets, accounts, first prices and deposits, in this order."""
        batches: list[commands_pb2.CommandBatch] = []
        for venue, publisher in zip(self.venues, self._publishers, strict=True):
            batches += [*self._listing(venue), publisher.first_prices(self._now_ms), *self._money(venue)]
        return batches

    def clients(self) -> list[Client]:
        """See `Workload`."""
        return self._clients

    def door(self, batch: commands_pb2.CommandBatch) -> Refused | None:
        """What the door of a node looks at before the sequencer sees a batch."""
        try:
            check_shape(batch, _LIMITS)
        except ShapeRefused as refused:
            return Refused(refused.refusal, refused.required, refused.actual)
        return None

    def _founding(self, venue: int) -> commands_pb2.CommandBatch:
        self._keys += 1
        return commands_pb2.CommandBatch(
            request_key=f"founder/{self._keys}".encode(),
            expires_ms=self._now_ms + _HOUR_MS,
            venue=venue,
            principal=_FOUNDER,
        )

    def _listing(self, venue: Listed) -> list[commands_pb2.CommandBatch]:
        batch = self._founding(venue.number)
        batch.create_venue.parameters.CopyFrom(venue.venue)
        batches = [batch]
        for market in venue.markets.values():
            batch = self._founding(venue.number)
            batch.create_market.parameters.CopyFrom(market)
            batches.append(batch)
        batch = self._founding(venue.number)
        batch.open_accounts.count = len(venue.deposits_atoms)
        batches.append(batch)
        if venue.subaccounts:
            batch = self._founding(venue.number)
            batch.open_subaccounts.owner.extend([len(venue.deposits_atoms)] * venue.subaccounts)
            batches.append(batch)
        return batches

    def _money(self, venue: Listed) -> list[commands_pb2.CommandBatch]:
        batch = self._founding(venue.number)
        batch.deposits.account.extend(range(1, len(venue.deposits_atoms) + 1))
        batch.deposits.amount_atoms.extend(venue.deposits_atoms)
        batches = [batch]
        if venue.liquidity_atoms:
            batch = self._founding(venue.number)
            batch.deposits.account.append(1)
            batch.deposits.amount_atoms.append(venue.liquidity_atoms)
            batches.append(batch)
            batch = self._founding(venue.number)
            batch.liquidity_deposits.account.append(1)
            batch.liquidity_deposits.amount_atoms.append(venue.liquidity_atoms)
            batches.append(batch)
        if venue.fund_atoms:
            batch = self._founding(venue.number)
            batch.insurance_deposit.amount_atoms = venue.fund_atoms
            batches.append(batch)
        return batches

    def _populate(self, venue: Listed) -> None:
        """The venue's clients, each with a principal of its own."""
        count = len(venue.deposits_atoms) + venue.subaccounts
        publisher = Publisher(*self._who(venue, "publisher"), venue, count)
        self._publishers.append(publisher)
        self._add(publisher)
        self._add(Custodian(*self._who(venue, "custodian"), venue, count))
        self._add(Operator(*self._who(venue, "operator"), venue, count))
        _TRADERS[venue.rulebook](self, venue, list(range(1, count + 1)))

    def _add(self, person: Person) -> None:
        self._clients.append(person)

    def _who(self, venue: Listed, what: str) -> tuple[str, int, int, Chaos]:
        """Name, principal, seed and chaos of the next client."""
        return f"{venue.venue.name}/{what}", len(self._clients) + 2, self._seed, self._chaos

    def _on_twilight(self, venue: Listed, accounts: list[int]) -> None:
        self._add(Lender(*self._who(venue, "lp1"), venue, accounts[0]))
        self._add(Lender(*self._who(venue, "lp2"), venue, accounts[1]))
        self._add(TwilightTrader(*self._who(venue, "traders1"), venue, accounts[2::2]))
        self._add(TwilightTrader(*self._who(venue, "traders2"), venue, accounts[3::2]))

    def _on_margin_trade(self, venue: Listed, accounts: list[int]) -> None:
        self._add(Lender(*self._who(venue, "lp"), venue, accounts[0]))
        self._add(BookMaker(*self._who(venue, "makers"), venue, accounts[:2]))
        self._add(BookTrader(*self._who(venue, "traders1"), venue, accounts[2::2]))
        self._add(BookTrader(*self._who(venue, "traders2"), venue, accounts[3::2]))

    def _on_spin(self, venue: Listed, accounts: list[int]) -> None:
        self._add(BookMaker(*self._who(venue, "makers"), venue, accounts[:2]))
        self._add(Liquidator(*self._who(venue, "liquidator1"), venue, accounts[2]))
        self._add(Liquidator(*self._who(venue, "liquidator2"), venue, accounts[3]))
        # The last account owns the subaccounts behind it: they are in one hand.
        people, family = accounts[4 : -1 - venue.subaccounts], accounts[-1 - venue.subaccounts :]
        self._add(BookTrader(*self._who(venue, "traders1"), venue, people[::2]))
        self._add(BookTrader(*self._who(venue, "traders2"), venue, people[1::2] + family))

    def _on_perennial(self, venue: Listed, accounts: list[int]) -> None:
        self._add(VersionTrader(*self._who(venue, "makers"), venue, accounts[:2], True))
        self._add(VersionTrader(*self._who(venue, "takers1"), venue, accounts[2:-2:2], False))
        self._add(VersionTrader(*self._who(venue, "takers2"), venue, accounts[3:-2:2], False))
        self._add(Liquidator(*self._who(venue, "keeper1"), venue, accounts[-1]))
        self._add(Liquidator(*self._who(venue, "keeper2"), venue, accounts[-2]))
        self._add(Repayer(*self._who(venue, "repayer"), venue, accounts[-2]))


_TRADERS: Final[dict[int, Callable[[Swarming, Listed, list[int]], None]]] = {
    common_pb2.RULEBOOK_TWILIGHT: Swarming._on_twilight,
    common_pb2.RULEBOOK_MARGIN_TRADE: Swarming._on_margin_trade,
    common_pb2.RULEBOOK_PERENNIAL: Swarming._on_perennial,
    common_pb2.RULEBOOK_SPIN: Swarming._on_spin,
}
