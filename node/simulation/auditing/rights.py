"""Who may do something now: a frozen account takes nothing on and takes nothing out; closing and cancelling stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from breakwater.v1 import common_pb2, parameters_pb2
from node.simulation.auditing.seen import Key, Seen

_SPIN: Final = common_pb2.RULEBOOK_SPIN
_PERENNIAL: Final = common_pb2.RULEBOOK_PERENNIAL
# From this version on of Perennial's logic a frozen account may reduce what it pinned last, moving no collateral.
_MAY_CLOSE_FROM: Final = 2
_FORBIDDEN: Final = (
    "withdrawals",
    "transfers",
    "open_positions",
    "place_orders",
    "amend_orders",
    "set_leverage",
    "liquidity_deposits",
    "liquidity_withdrawals",
    "shortfall_repayments",
)


class RightsBook:
    """Frozen accounts, from the operators' commands."""

    def __init__(self) -> None:
        self._frozen: set[Key] = set()

    def block(self, seen: Seen) -> list[str]:
        """See `Auditor`. Freezes of a block come before anything it could forbid."""
        for venue, columns, row, _ in seen.taken("freeze_accounts"):
            key = venue, columns.account[row]
            (self._frozen.add if columns.frozen[row] else self._frozen.discard)(key)
        return list(self._used(seen)) if self._frozen else []

    def _used(self, seen: Seen) -> Iterator[str]:
        for body in _FORBIDDEN:
            for venue, columns, row, _ in seen.taken(body):
                if (venue, columns.account[row]) in self._frozen:
                    yield f"venue {venue} account {columns.account[row]} is frozen, and its {body} were taken"
        for venue, columns, row, _ in seen.taken("liquidations"):
            if (venue, columns.account[row]) in self._frozen and seen.venues[venue].rulebook == _SPIN:
                yield f"venue {venue} account {columns.account[row]} is frozen and took somebody over"
        for venue, columns, row, _ in seen.taken("change_positions"):
            if (venue, columns.account[row]) in self._frozen:
                moves = columns.collateral_atoms[row] != 0
                if moves or not _may_close(seen.venues[venue]):
                    yield f"venue {venue} account {columns.account[row]} is frozen, its position was changed (PE-03)"


def _may_close(venue: parameters_pb2.VenueParameters) -> bool:
    return venue.rulebook == _PERENNIAL and venue.logic_version >= _MAY_CLOSE_FROM
