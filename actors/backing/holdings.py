"""LP shares of the vault: whose they are and from when on they may leave (MT-14). Counts in micro-shares."""

from collections.abc import Iterable
from itertools import accumulate

from breakwater.v1 import snapshots_pb2 as snapshots


class Holdings:
    """Shares by account and by the block time that frees them; several deposits may be free at the same time."""

    def __init__(self) -> None:
        self.total = 0
        self._by_account: dict[int, dict[int, int]] = {}

    def of_account(self, account: int) -> int:
        """All shares of an account, locked or not."""
        return sum(self._by_account.get(account, {}).values())

    def free(self, account: int, now_ms: int) -> int:
        """The shares of an account that may leave at this block time."""
        parts = self._by_account.get(account, {})
        return sum(shares for unlock_ms, shares in parts.items() if unlock_ms <= now_ms)

    def locked(self, account: int, now_ms: int) -> tuple[int, int]:
        """(shares still locked, block time that frees the last of them); zeros where none is locked."""
        parts = {unlock_ms: held for unlock_ms, held in self._by_account.get(account, {}).items() if unlock_ms > now_ms}
        return sum(parts.values()), max(parts, default=0)

    def free_from_ms(self, account: int, shares: int) -> int:
        """The first block time at which so many shares of the account are free; it must hold them."""
        parts = sorted(self._by_account[account].items())
        reached = accumulate(held for _, held in parts)
        return next(unlock_ms for (unlock_ms, _), free in zip(parts, reached, strict=True) if free >= shares)

    def add(self, account: int, unlock_ms: int, shares: int) -> None:
        """New shares, locked until a block time."""
        parts = self._by_account.setdefault(account, {})
        parts[unlock_ms] = parts.get(unlock_ms, 0) + shares
        self.total += shares

    def take(self, account: int, shares: int) -> None:
        """Takes shares away, those first that were free first; the caller has seen that enough are free."""
        parts = self._by_account[account]
        left = shares
        for unlock_ms in sorted(parts):
            part = min(left, parts[unlock_ms])
            left -= part
            parts[unlock_ms] -= part
            if not parts[unlock_ms]:
                del parts[unlock_ms]
            if not left:
                break
        assert not left, f"account {account} has {shares - left} of {shares} shares"
        if not parts:
            del self._by_account[account]
        self.total -= shares

    def save(self) -> list[snapshots.LockedShares]:
        """All parts by (account, unlock time)."""
        return [
            snapshots.LockedShares(account=account, unlock_ms=unlock_ms, micro_shares=held)
            for account in sorted(self._by_account)
            for unlock_ms, held in sorted(self._by_account[account].items())
        ]

    def load(self, saved: Iterable[snapshots.LockedShares]) -> None:
        """Takes what `save` gave, in place of what was here."""
        self.total, self._by_account = 0, {}
        for part in saved:
            self.add(part.account, part.unlock_ms, part.micro_shares)
