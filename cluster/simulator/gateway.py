"""A gateway: takes requests from clients, looks at them as the door does, and passes them to the node that serves."""

from collections.abc import Callable, Sequence

from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from cluster.refused import Refused
from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.network import FROM_NODE, TO_NODE, Network
from cluster.simulator.node import SimNode
from cluster.simulator.scheduler import Scheduler
from cluster.simulator.workload import Answer

# States of a node that gateways send to.
_SERVING = (
    admin.NODE_STATE_READY,
    admin.NODE_STATE_RESUMING,
    admin.NODE_STATE_DEGRADED,
    admin.NODE_STATE_READ_ONLY,
    admin.NODE_STATE_PAUSED,
)


class SimGateway:
    """One of them. `nodes` are the incarnations there are; which of them serves is asked now and then (`look`)."""

    def __init__(
        self,
        name: str,
        network: Network,
        scheduler: Scheduler,
        chaos: Chaos,
        nodes: Sequence[SimNode],
        door: Callable[[commands.CommandBatch], Refused | None],
    ) -> None:
        self.name = name
        self._network = network
        self._scheduler = scheduler
        self._chaos = chaos
        self._nodes = nodes
        self._door = door
        self._node: SimNode | None = None
        self._lives = 0
        self._gone_until_ms = 0

    def _is_lost(self) -> bool:
        """The process may end here, with everything it was waiting for; another one comes in a while."""
        chaos, now_ms = self._chaos, self._scheduler.now_ms
        if now_ms >= self._gone_until_ms and chaos.strikes(Fault.GATEWAY_LOST, self.name):
            self._lives += 1
            self._node = None
            self._gone_until_ms = now_ms + chaos.between(Fault.GATEWAY_LOST, 50, 3_000)
        return now_ms < self._gone_until_ms

    def look(self) -> None:
        """Asks for a node that serves; one that does not answer is not one. It is kept while it serves."""
        if self._scheduler.now_ms < self._gone_until_ms:
            return
        if self._node is None or not self._node.serves(_SERVING):
            self._node = next((node for node in reversed(self._nodes) if node.serves(_SERVING)), None)

    def submit(self, sent: bytes, answer: Callable[[Answer], None]) -> None:
        """A request as bytes; `answer` is called when an answer has come, perhaps more than once, perhaps never."""
        if self._is_lost():
            return
        batch, life = commands.CommandBatch.FromString(sent), self._lives
        refused = self._door(batch)
        node = self._node
        if refused is None and node is None:
            refused = Refused(refusals.REFUSAL_UNAVAILABLE)
        if refused is not None or node is None:
            answer(refused)
            return

        def back(told: bytes | Refused) -> None:
            def arrive() -> None:
                if life == self._lives:
                    answer(told if isinstance(told, Refused) else answers.BatchOutcome.FromString(told))

            self._network.send(f"{node.name}>{self.name}", "answer", arrive, FROM_NODE)

        self._network.send(f"{self.name}>{node.name}", "request", lambda: node.submit(sent, back), TO_NODE)

    # --- the read path (`cluster.simulator.workload.Reader`) ---

    def _reading(self) -> SimNode | None:
        return self._node if self._node is not None and self._node.serves(_SERVING) else None

    def height(self) -> int | None:
        """See `Reader`."""
        node = self._reading()
        return node.engine.height if node else None

    def venues(self) -> list[parameters.VenueParameters] | None:
        """See `Reader`."""
        node = self._reading()
        return node.engine.state.venue_list() if node else None

    def mark(self, venue: int, market: int) -> common.Mark | None:
        """See `Reader`."""
        node = self._reading()
        return node.engine.state.marks.get((venue, market)) if node else None

    def accounts(self, venue: int, accounts: Sequence[int]) -> batches.AccountViews | None:
        """See `Reader`."""
        node = self._reading()
        return node.read_accounts(venue, accounts) if node else None

    def standings(self, venue: int) -> batches.StandingsView | None:
        """See `Reader`."""
        node = self._reading()
        return node.read_standings(venue) if node else None

    def order_book(self, venue: int, market: int, levels: int) -> batches.BookView | None:
        """See `Reader`."""
        node = self._reading()
        return node.read_book(venue, market, levels) if node else None

    def versions(self, venue: int, market: int) -> batches.VersionView | None:
        """See `Reader`."""
        node = self._reading()
        return node.read_versions(venue, market) if node else None
