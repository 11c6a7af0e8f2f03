"""What a simulated world needs from outside: who trades on it, and who looks over the node's shoulder.

`node/simulation` brings the real ones. Everything is called in the one thread of the world; times are its milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.commit import BlockResult
from cluster.journal import ReadableJournal
from cluster.refused import Refused
from cluster.replica import Replica


@dataclass(frozen=True, eq=False)
class Request:
    """A batch on its way; the same batch again, or another under its key, names the request it repeats."""

    batch: commands.CommandBatch
    timeout_ms: int
    retry_of: "Request | None" = None


# What a request came to: an answer, a refusal before any block, or nothing within the client's patience.
Answer = answers.BatchOutcome | Refused | None


class Reader(Protocol):
    """The read path of the gateway a client is connected to. None: it cannot be reached, or is down."""

    def height(self) -> int | None:
        """The last committed block."""

    def venues(self) -> list[parameters.VenueParameters] | None:
        """Parameters in force."""

    def mark(self, venue: int, market: int) -> common.Mark | None:
        """The newest mark; None also where there is none."""

    def accounts(self, venue: int, accounts: Sequence[int]) -> batches.AccountViews | None:
        """Accounts at the end of a block."""

    def standings(self, venue: int) -> batches.StandingsView | None:
        """Everybody with a position on a venue whose liquidations are left to bots."""

    def order_book(self, venue: int, market: int, levels: int) -> batches.BookView | None:
        """The best levels of a book."""

    def versions(self, venue: int, market: int) -> batches.VersionView | None:
        """A Perennial market's desk with everything pending."""


class Client(Protocol):
    """Somebody who sends commands: trader, custodian, publisher, bot, operator."""

    name: str

    def wake(self, now_ms: int, reader: Reader) -> list[Request]:
        """Called now and then (every few hundred milliseconds); what it sends now."""

    def answered(self, request: Request, answer: Answer, now_ms: int) -> None:
        """Once for every request: its answer, or None when `timeout_ms` are over. An answer after that is not told."""

    def finish(self) -> None:
        """From here on it sends nothing new: only what it does not know the fate of, again, until it is told."""

    def unanswered(self) -> int:
        """Requests it does not know the fate of, on their way or to be sent again."""


class Workload(Protocol):
    """Who is there in a world."""

    def setup(self) -> list[commands.CommandBatch]:
        """Venues, markets, publishers' first prices, accounts, deposits: sent one after the other before any fault."""

    def clients(self) -> list[Client]:
        """In a fixed order."""

    def door(self, batch: commands.CommandBatch) -> Refused | None:
        """What the door of a node refuses before the sequencer sees it: the shape of a batch."""


class Auditor(Protocol):
    """An independent model of what the node may do. Complaints are sentences; none means all is well."""

    def block(self, view: Replica, block: commands.BlockInput, result: BlockResult) -> list[str]:
        """After every block of the chain, once, in order of height; `view` shows the actors at its end."""

    def finish(self, journal: ReadableJournal) -> list[str]:
        """At the end, when everything was answered and no block is under way."""
