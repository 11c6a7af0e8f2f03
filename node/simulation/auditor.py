"""Looks over the node's shoulder, block by block: an independent model of what it may do, in plain Python.

Nothing here asks the code that decided. Commands come from the journal, events say what was done; every number of an
event is worked out anew from the rulebooks (tags in the complaints), and accounts are compared with what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from breakwater.v1 import batches_pb2, commands_pb2, common_pb2
from cluster.commit import BlockResult
from cluster.invariants import check_after_block
from cluster.journal import ReadableJournal
from cluster.replica import Replica
from node.simulation.auditing.chain import ChainBook
from node.simulation.auditing.margin import MarginBook
from node.simulation.auditing.money import MoneyBook
from node.simulation.auditing.perennial import PerennialBook
from node.simulation.auditing.rights import RightsBook
from node.simulation.auditing.seen import Seen
from node.simulation.auditing.spin import SpinBook
from node.simulation.auditing.twilight import TwilightBook
from node.simulation.reached import reached_in

# Accounts are read every so many blocks: reading costs more than all the books.
_COMPARED_EVERY: Final = 3
_MOST_TOLD: Final = 5


class VenueBook(Protocol):
    """What the auditor keeps of one venue."""

    def block(self, seen: Seen) -> list[str]:
        """Takes a block; what is wrong with it."""

    def compare(self, seen: Seen, view: batches_pb2.AccountView) -> list[str]:
        """What is wrong with an account as the node shows it."""

    def compare_venue(self, seen: Seen, brought_atoms: int) -> list[str]:
        """What is wrong with the venue's desks; `brought_atoms`: its deposits less withdrawals, asked ones too."""


class WatchfulAuditor:
    """See `cluster.simulator.workload.Auditor`."""

    def __init__(self) -> None:
        self.reached: Counter[str] = Counter()
        self._chain = ChainBook()
        self._money = MoneyBook()
        self._rights = RightsBook()
        self._venues: dict[int, VenueBook] = {}

    def block(self, view: Replica, block: commands_pb2.BlockInput, result: BlockResult) -> list[str]:
        """What the block did that it may not do. Blocks come in order of height, each once."""
        seen = Seen(view, block, result)
        self.reached.update(reached_in(seen))
        faults = check_after_block(view, result) + self._chain.block(seen) + self._money.block(seen)
        faults += self._rights.block(seen)
        for number, terms in sorted(seen.venues.items()):
            if number not in self._venues and terms.rulebook in _BOOKS:
                self._venues[number] = _BOOKS[terms.rulebook](number)
        for number, book in self._venues.items():
            faults += [f"venue {number} {fault}" for fault in book.block(seen)]
        if seen.height % _COMPARED_EVERY == 0:
            faults += self._compare(seen)
        return [f"height {seen.height}: {fault}" for fault in faults[:_MOST_TOLD]]

    def finish(self, journal: ReadableJournal) -> list[str]:
        """The journal ends where the blocks that were audited end."""
        tip = journal.tip()
        return (
            [] if tip.height == self._chain.height else [f"the journal ends at {tip.height}, not {self._chain.height}"]
        )

    def _compare(self, seen: Seen) -> list[str]:
        """Everybody's account beside the books."""
        faults = []
        for number, book in self._venues.items():
            found = []
            for account in seen.view.accounts(number, self._money.accounts(number)).accounts:
                found += self._money.compare(account) + book.compare(seen, account)
            found += book.compare_venue(seen, self._money.brought_atoms(number))
            faults += [f"venue {number} {fault}" for fault in found]
        return faults


_BOOKS: Final[dict[int, Callable[[int], VenueBook]]] = {
    common_pb2.RULEBOOK_TWILIGHT: TwilightBook,
    common_pb2.RULEBOOK_MARGIN_TRADE: MarginBook,
    common_pb2.RULEBOOK_SPIN: SpinBook,
    common_pb2.RULEBOOK_PERENNIAL: PerennialBook,
}
