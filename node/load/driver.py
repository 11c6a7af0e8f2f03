"""Drives a replay: seals one block a price, with the population's asks, and counts what comes of it.

It knows the node only as a `Sealer`, so the same code runs against a node over gRPC and against a replica in a test.
Everything in a block is a function of the arguments and of the answers to earlier blocks: a replay repeated, or
interrupted anywhere and continued, gives the same journal.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from breakwater.v1 import admin_pb2
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import events_pb2 as evt
from node.load.asks import Answers, Ask, command_batches
from node.load.margin_trade.tally import BookTally
from node.load.plan import Plan
from node.load.tally import Tally

# The blocks before the first price: venue, accounts, deposits, pool.
SETUP_STEP_MS = 1_000
DRAIN_MAX = 16
_OTHER_HISTORY = "the data directory holds another history"

Events = Callable[[], Sequence[evt.Event]]


class ReplayError(Exception):
    """A replay that cannot go on; the text is for the person who started it."""


class Sealer(Protocol):
    """What seals blocks: a node in driver mode, whatever it takes to reach it."""

    def seal(self, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
        """Seal these batches exactly once and answer; the same request again gives the same answer."""
        ...

    def events_later(self, height: int) -> Events:
        """Ask for the events of a sealed block; the call that is returned waits for them."""
        ...


class Progress(NamedTuple):
    """How far a replay is."""

    block: int
    blocks: int
    price: str
    tally: Tally | BookTally


class Driver:
    """One replay. `run` once; afterwards population, tally and final hold what came of it."""

    def __init__(self, plan: Plan, sealer: Sealer, watch: Callable[[Progress], None]) -> None:
        self.population = plan.people()
        self.tally = plan.tally()
        self.final = admin_pb2.SealBlockResponse()
        self._plan, self._sealer, self._watch = plan, sealer, watch
        self._publishers = plan.publishers()
        self._first_height = 0
        self._block = 0
        self._events: Events | None = None

    def run(self) -> None:
        """Seal every block of the plan, let the outbox run empty, and seal a last one with a state root.

        Raises ReplayError when the node is found on another history than this replay's.
        """
        points = self._plan.points
        total = len(points) + 4
        setup_ms = points[0].time_ms - 4 * SETUP_STEP_MS
        for step, asks in enumerate(self._setup()):
            self._seal(setup_ms + step * SETUP_STEP_MS, asks())
        for number, point in enumerate(points, 1):
            prices = self._plan.prices(number - 1)
            ticks = self._publishers.say(point.time_ms, prices)
            self._seal(point.time_ms, [ticks, *self.population.act(number, prices)])
            self._watch(Progress(self._block, total, self._plan.price_words(number - 1), self.tally))
        self._drain(points[-1].time_ms, self._plan.prices(len(points) - 1))
        self._collect()

    def _setup(self) -> Iterator[Callable[[], list[Ask]]]:
        """The asks of the blocks before the first price, each made when the one before is answered."""
        people = self.population
        yield self._found
        yield people.open_accounts
        yield people.deposit
        yield people.fill_pool

    def _found(self) -> list[Ask]:
        markets = [Ask("create_market", cmd.CreateMarket(parameters=market)) for market in self._plan.markets]
        return [Ask("create_venue", cmd.CreateVenue(parameters=self._plan.venue)), *markets]

    def _drain(self, last_ms: int, prices: Sequence[int]) -> None:
        """Blocks that carry nothing but the last prices, until no leg waits; then one more for the root.

        Each has ticks, hence request keys of its own: sent again after a crash it is known as a repetition.
        """
        for step in range(1, DRAIN_MAX + 1):
            ready = not self.final.outbox_pending
            self._seal(last_ms + step, [self._publishers.say(last_ms + step, prices)], root=ready)
            if ready and not self.final.outbox_pending:
                return
        raise ReplayError(f"the node still has undelivered legs {DRAIN_MAX} blocks after the last order")

    def _seal(self, time_ms: int, asks: Sequence[Ask], root: bool = False) -> None:
        self._block += 1
        batches = command_batches(asks, self._block, time_ms, self._plan.venue.venue)
        request = admin_pb2.SealBlockRequest(block_time_ms=time_ms, root=root, batches=batches)
        response = self._sealer.seal(request)
        self._check_place(response, asks)
        for ask, outcome in zip(asks, response.outcomes, strict=True):
            answers = Answers.of(outcome)
            self.tally.answered(answers)
            ask.learn(answers)
        self.tally.blocks += 1
        self.final = response
        self._collect()
        self._events = self._sealer.events_later(response.height)

    def _check_place(self, response: admin_pb2.SealBlockResponse, asks: Sequence[Ask]) -> None:
        """The block is where this replay's is, and the answers are to its commands."""
        if self._block == 1:
            self._first_height = response.height
        expected = self._first_height + self._block - 1
        if response.height != expected:
            raise ReplayError(
                f"block {self._block} of this replay was sealed at height {response.height}, not {expected}: "
                f"{_OTHER_HISTORY}"
            )
        if [len(outcome.status) for outcome in response.outcomes] != [ask.rows for ask in asks]:
            raise ReplayError(f"height {expected} answers other commands than these: {_OTHER_HISTORY}")

    def _collect(self) -> None:
        """Count the events asked for last: they travel while the next block is sealed."""
        if self._events is not None:
            events = self._events()
            self.tally.happened(events)
            self.population.happened(events)
            self._events = None
