"""Twilight's pool: NAV, shares and claims by own arithmetic (TW-15a to TW-19)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from breakwater.v1 import events_pb2, parameters_pb2
from node.simulation.auditing.seen import MILLION, Seen
from node.simulation.auditing.twilight_rules import Held

_ATOMS_A_SHARE = 1_000


class PoolBook:
    """One pool. `net_atoms` is NAV less shortfall: one of the two is always zero."""

    def __init__(self, venue: int) -> None:
        self._venue = venue
        self.net_atoms = 0
        self.claims_atoms = 0
        self.shares: dict[int, int] = {}
        self._total = 0
        self._rules = parameters_pb2.TwilightParameters()
        self._seen: Seen | None = None
        self._positions: Mapping[int, Held] = {}

    def begin(self, seen: Seen, rules: parameters_pb2.TwilightParameters, positions: Mapping[int, Held]) -> None:
        """A block begins; `positions` are those there are while it goes on."""
        self._seen, self._rules, self._positions = seen, rules, positions

    @property
    def nav_atoms(self) -> int:
        """Realised, never negative."""
        return max(0, self.net_atoms)

    def marked_atoms(self) -> int:
        """NAV - claims - shortfall - sum of uPnL, floored a market (TW-17)."""
        assert self._seen is not None, "a block is under way"
        values: dict[int, int] = {}
        for held in self._positions.values():
            mark = self._seen.mark_ticks(self._venue, held.market)
            value = held.side * (held.entry_value_atoms * mark - held.size)
            values[held.market] = values.get(held.market, 0) + value
        unrealised = sum(-value // self._seen.mark_ticks(self._venue, market) for market, value in values.items())
        return self.net_atoms - self.claims_atoms + unrealised

    def mint(self, event: events_pb2.Event) -> list[str]:
        """TW-16: at the realised NAV (`seed`), at the larger of realised and marked (`safe`), rounded down."""
        body = event.shares_minted
        basis = max(self.nav_atoms, self.marked_atoms()) if self._rules.price_shares_marked else self.nav_atoms
        shares = body.amount_atoms * self._total // basis if self._total and basis > 0 else 0
        if not self._total:
            shares = body.amount_atoms * MILLION // _ATOMS_A_SHARE
        self._total += body.micro_shares
        self.shares[event.account] = self.shares.get(event.account, 0) + body.micro_shares
        self.net_atoms += body.amount_atoms
        told = (body.micro_shares, body.nav_atoms, body.total_micro_shares)
        return self._differs("TW-16 minted (shares, NAV, total)", told, (shares, basis, self._total))

    def redeem(self, event: events_pb2.Event) -> list[str]:
        """TW-16, TW-18: at the realised NAV or the smaller of both, rounded down; only what traders do not need."""
        body = event.shares_redeemed
        basis = min(self.nav_atoms, self.marked_atoms()) if self._rules.price_shares_marked else self.nav_atoms
        amount = body.micro_shares * basis // self._total if self._total and basis > 0 else 0
        held = self.shares.get(event.account, 0)
        margin = sum(position.margin_held_atoms for position in self._positions.values())
        self._total -= body.micro_shares
        self.shares[event.account] = held - body.micro_shares
        told = (body.amount_atoms, body.nav_atoms, body.total_micro_shares)
        faults = self._differs("TW-16 redeemed (atoms, NAV, total)", told, (amount, basis, self._total))
        if body.micro_shares > held:
            faults.append(f"TW-16: account {event.account} redeemed {body.micro_shares} of its {held} micro-shares")
        if body.amount_atoms > max(0, self.nav_atoms - margin):
            faults.append(f"TW-18: {body.amount_atoms} atoms left a NAV of {self.nav_atoms} with margin {margin}")
        if self.claims_atoms:
            faults.append(f"TW-15a: shares were redeemed while claims of {self.claims_atoms} atoms wait")
        self.net_atoms -= body.amount_atoms
        return faults

    def record_claim(self, event: events_pb2.Event) -> list[str]:
        """TW-15a: what a profit lacks; the pool has nothing left then."""
        self.claims_atoms += event.claim_recorded.amount_atoms
        return [] if self.net_atoms <= 0 else [f"TW-15a: a claim was recorded, the pool has {self.net_atoms} atoms"]

    def pay_claim(self, event: events_pb2.Event) -> list[str]:
        """TW-15a: out of what comes in."""
        body = event.claim_paid
        self.claims_atoms -= body.amount_atoms
        self.net_atoms -= body.amount_atoms
        return self._differs("TW-15a claims left", (body.outstanding_atoms,), (self.claims_atoms,))

    def why_not_open(self, held: Held, margin_after: int, fee: int) -> Iterable[str]:
        """TW-15a, TW-17, TW-19 on the state after the open. `margin_after` counts the opens before it."""
        nav_after, rules = self.nav_atoms + fee, self._rules
        if self.claims_atoms or self.nav_atoms <= 0:
            yield f"TW-17: an open was filled with NAV {self.nav_atoms} and claims {self.claims_atoms}"
        elif margin_after * MILLION >= nav_after * rules.utilisation_cap_ppm:
            yield f"TW-17: an open took margin to {margin_after} of {nav_after} atoms"
        if rules.limits_on:
            most = max(0, min(self.nav_atoms, self.marked_atoms())) * rules.max_position_ppm // MILLION
            if held.entry_value_atoms > most:
                yield f"TW-19: an open of {held.entry_value_atoms} atoms was filled, {most} are allowed"

    def compare(self, seen: Seen, margin_atoms: int) -> list[str]:
        """What the pool says of itself after the block."""
        ours = (self.net_atoms, margin_atoms, self.claims_atoms)
        for pool in seen.result.pools:
            if pool.venue == self._venue:
                net = pool.nav_realised_atoms - pool.shortfall_atoms
                told = (net, pool.trader_margin_atoms, pool.claims_atoms)
                return self._differs("pool (NAV less shortfall, margin, claims)", told, ours)
        return []

    def compare_shares(self, seen: Seen) -> list[str]:
        """Who holds how much, as the view says."""
        ours = {account: shares for account, shares in self.shares.items() if shares}
        view = seen.view.pool(self._venue, sorted(ours))
        told = {holding.account: holding.micro_shares for holding in view.holdings if holding.micro_shares}
        faults = self._differs("TW-16 total shares", (view.micro_shares,), (self._total,))
        return faults + ([] if told == ours else [f"TW-16: holdings are {told}, not {ours}"])

    def _differs(self, what: str, told: tuple[int, ...], ours: tuple[int, ...]) -> list[str]:
        return [] if told == ours else [f"{what} is {told}, not {ours}"]
