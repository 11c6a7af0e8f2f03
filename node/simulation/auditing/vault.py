"""Margin Trade's vault: shares, locks and the high NAV of its loss limit (MT-14)."""

from __future__ import annotations

from breakwater.v1 import batches_pb2, events_pb2
from node.simulation.auditing.seen import MILLION, ceil_div


class VaultBook:
    """Who lent what, until when it is locked."""

    def __init__(self) -> None:
        # What LP moves of the block under way brought so far; accounts see it with the next.
        self.moved_atoms = 0
        # The highest equity since the last LP move, as the loss limit counts it.
        self.high_atoms = 0
        self._total = 0
        # Account -> lots of (free from, micro-shares), the oldest first.
        self._lots: dict[int, list[tuple[int, int]]] = {}

    def owners(self) -> list[int]:
        """Who has shares."""
        return sorted(account for account, lots in self._lots.items() if lots)

    def mint(self, event: events_pb2.Event, nav_atoms: int, free_from_ms: int) -> list[str]:
        """Shares for an amount at the NAV, rounded down; the first one for one."""
        body = event.shares_minted
        self._raise(nav_atoms)
        shares = body.amount_atoms * self._total // nav_atoms if self._total and nav_atoms > 0 else 0
        shares = shares if self._total else body.amount_atoms
        self._total += body.micro_shares
        self._lots.setdefault(event.account, []).append((free_from_ms, body.micro_shares))
        self.moved_atoms += body.amount_atoms
        self.high_atoms += body.amount_atoms
        told = (body.micro_shares, body.nav_atoms, body.total_micro_shares)
        return _differs("minted (shares, NAV, total)", told, (shares, nav_atoms, self._total))

    def redeem(self, event: events_pb2.Event, nav_atoms: int, now_ms: int) -> list[str]:
        """An amount for shares at the NAV, rounded down, of lots whose lock is over."""
        body = event.shares_redeemed
        self._raise(nav_atoms)
        lots = self._lots.get(event.account, [])
        free = sum(shares for free_from_ms, shares in lots if free_from_ms <= now_ms)
        faults = []
        if body.micro_shares > free:
            faults.append(f"MT-14: account {event.account} redeemed {body.micro_shares} shares, {free} are free")
        amount = body.micro_shares * nav_atoms // self._total if self._total and nav_atoms > 0 else 0
        if self._total:
            self.high_atoms -= self.high_atoms * body.micro_shares // self._total
        self._total -= body.micro_shares
        self._take(event.account, body.micro_shares, now_ms)
        self.moved_atoms -= body.amount_atoms
        told = (body.amount_atoms, body.nav_atoms, body.total_micro_shares)
        return faults + _differs("redeemed (atoms, NAV, total)", told, (amount, nav_atoms, self._total))

    def _take(self, account: int, shares: int, now_ms: int) -> None:
        """The oldest unlocked ones first."""
        kept = []
        for free_from_ms, lot in self._lots.get(account, []):
            taken = min(lot, shares) if free_from_ms <= now_ms else 0
            shares -= taken
            if lot > taken:
                kept.append((free_from_ms, lot - taken))
        self._lots[account] = kept

    def _raise(self, nav_atoms: int) -> None:
        """The high counts the NAV before the first LP move of a block."""
        if not self.moved_atoms:
            self.high_atoms = max(self.high_atoms, nav_atoms)

    def holds_loss_limit(self, equity_atoms: int, limit_ppm: int) -> list[str]:
        """After a takeover the vault has not lost more than its limit from its highest."""
        lowest = ceil_div(self.high_atoms * (MILLION - limit_ppm), MILLION)
        if equity_atoms >= lowest:
            return []
        return [f"MT-14: the vault has {equity_atoms} atoms after a takeover, {lowest} are the least"]

    def end_block(self, equity_atoms: int) -> None:
        """The desk raises the high with every block."""
        self._raise(equity_atoms)
        self.moved_atoms = 0

    def compare(self, view: batches_pb2.BackstopView) -> list[str]:
        """The desk's own count."""
        told = {holding.account: holding.micro_shares for holding in view.holdings if holding.micro_shares}
        ours = {account: sum(shares for _, shares in self._lots[account]) for account in self.owners()}
        faults = _differs("total shares", (view.sums.micro_shares,), (self._total,))
        return faults if told == ours else [*faults, f"MT-14: shares are {told}, not {ours}"]


def _differs(what: str, told: tuple[int, ...], ours: tuple[int, ...]) -> list[str]:
    return [] if told == ours else [f"MT-14: {what} is {told}, not {ours}"]
