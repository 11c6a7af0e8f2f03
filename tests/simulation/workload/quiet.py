"""A world without faults: the workload's clients against one replica, everything answered in the next block."""

from collections.abc import Callable, Sequence
from random import Random

from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.archiver import split_outcomes
from cluster.commit import BlockResult
from cluster.replica import Replica
from cluster.simulator.faults import ODDS, Chaos, Fault
from cluster.simulator.workload import Request
from node.simulation.workload import Swarming

START_MS = 1_700_000_030_000
EPOCH = 2
ORACLES = (Fault.ORACLE_STALL, Fault.ORACLE_OUTLIER, Fault.ORACLE_GAP)

Look = Callable[[Replica, commands.BlockInput, BlockResult], None]


class ReplicaReader:
    """The read path of a node that is always there."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def height(self) -> int:
        return self._replica.state.height

    def venues(self) -> list[parameters.VenueParameters]:
        return self._replica.state.venue_list()

    def mark(self, venue: int, market: int) -> common.Mark | None:
        return self._replica.state.marks.get((venue, market))

    def accounts(self, venue: int, accounts: Sequence[int]) -> batches.AccountViews:
        return self._replica.accounts(venue, accounts)

    def standings(self, venue: int) -> batches.StandingsView:
        return self._replica.standings(venue)

    def order_book(self, venue: int, market: int, levels: int) -> batches.BookView:
        return self._replica.order_book(venue, market, levels)

    def versions(self, venue: int, market: int) -> batches.VersionView:
        return self._replica.versions(venue, market, everyone=True)


def chaos(seed: int) -> Chaos:
    """Only what sources do."""
    rates = {fault: (ODDS[fault].least + ODDS[fault].most) / 2 for fault in ORACLES}
    return Chaos(seed, rates, lambda fault, where: None)


class QuietWorld:
    """Blocks of what clients sent since the last one; `look` sees every block."""

    def __init__(self, seed: int, rulebooks: Sequence[int], look: Look, shards: int = 2) -> None:
        self.replica = Replica(shards)
        self.chaos = chaos(seed)
        self.workload = Swarming(seed, rulebooks, self.chaos, START_MS)
        self._look = look
        self._random = Random(f"{seed}/quiet")
        self._now_ms = START_MS

    def run(self, blocks: int) -> None:
        """The setting up, a batch a block; then so many blocks."""
        for batch in self.workload.setup():
            self._seal([batch])
        self.chaos.calm = False
        reader = ReplicaReader(self.replica)
        for _ in range(blocks):
            self._now_ms += self._random.choice((50, 200, 500, 700))
            sent: list[Request] = []
            senders = []
            for client in self.workload.clients():
                if self._random.random() < 0.6:
                    requests = client.wake(self._now_ms, reader)
                    sent += requests
                    senders += [client] * len(requests)
            outcomes = self._seal([request.batch for request in sent])
            for client, request, outcome in zip(senders, sent, outcomes, strict=True):
                client.answered(request, outcome, self._now_ms)

    def _seal(self, sent: list[commands.CommandBatch]) -> list[answers.BatchOutcome]:
        state = self.replica.state
        block = commands.BlockInput(height=state.height + 1, block_time_ms=self._now_ms, batches=sent)
        progress = commands.CommandBatch(request_key=b"validator/%d" % block.height, expires_ms=self._now_ms + 60_000)
        progress.validator_progress.validated_height = state.height
        if state.height % 3 == 2:
            block.batches.append(progress)
        result = self.replica.apply(block, epoch=EPOCH)
        self._look(self.replica, block, result)
        return split_outcomes(result)[: len(sent)]
