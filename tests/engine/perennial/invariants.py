"""What must hold of orders and locks whatever the engine did: read off the events alone, block after block."""

from breakwater.v1 import events_pb2

Key = tuple[int, int, int]
"""(venue, market, account)."""


class Locks:
    """Follows a chain: who is locked, and whether any order or liquidation breaks a rule (PE-01 to PE-09)."""

    def __init__(self, exact: bool) -> None:
        self.exact = exact
        self.locked: set[Key] = set()
        self.seen = 0

    def breaches(self, serialised: list[bytes]) -> list[str]:
        """Every rule the block broke, in words; empty when all hold."""
        found = []
        for one in serialised:
            event = events_pb2.Event.FromString(one)
            key = (event.venue, event.market, event.account)
            if event.HasField("position_pinned"):
                found += self._of_order(key, event)
            elif event.HasField("position_locked"):
                found += self._of_lock(key, event)
            elif event.HasField("position_settled"):
                found += self._of_settling(key, event)
            elif event.HasField("collateral_moved") and self._leaves_locked(key, event):
                found.append(f"collateral leaves {key} while locked: {event}")
        return found

    def _of_order(self, key: Key, event: events_pb2.Event) -> list[str]:
        body = event.position_pinned
        covered = max(0, body.collateral_atoms) >= body.requirement_atoms
        one_side = sum(lots > 0 for lots in (body.maker_lots, body.long_lots, body.short_lots)) <= 1
        fine = covered and one_side and body.version_ms > event.block_time_ms and key not in self.locked
        return [] if fine else [f"pinned: {event}"]

    def _of_lock(self, key: Key, event: events_pb2.Event) -> list[str]:
        body, twice = event.position_locked, key in self.locked
        self.locked.add(key)
        self.seen += 1
        below = max(0, body.collateral_atoms) < body.requirement_atoms
        most = body.reward_limit_atoms if self.exact else min(body.reward_limit_atoms, max(0, body.collateral_atoms))
        fine = below and not twice and 0 <= body.reward_atoms <= most and body.version_ms > event.block_time_ms
        return [] if fine else [f"locked: {event}"]

    def _of_settling(self, key: Key, event: events_pb2.Event) -> list[str]:
        body = event.position_settled
        if not body.is_liquidation:
            return []
        fine = body.valid and not body.lots and key in self.locked
        self.locked.discard(key)
        return [] if fine else [f"closed: {event}"]

    def _leaves_locked(self, key: Key, event: events_pb2.Event) -> bool:
        """All that may leave is the reward, which goes to somebody."""
        body = event.collateral_moved
        return key in self.locked and body.amount_atoms < 0 and not body.counterparty and not self.exact
