"""Drives a replay: seals one block a price, with the asks of every venue's people, and counts what comes of it.

It knows the node only as a `Sealer`, so the same code runs against a node over gRPC and against a replica in a test.
Everything in a block is a function of the arguments and of the answers to earlier blocks: a replay repeated, or whose
node was killed anywhere, gives the same journal.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from breakwater.v1 import admin_pb2
from breakwater.v1 import events_pb2 as evt
from node.bots.intents import Feed
from node.load.asks import Answers, Ask, command_batches
from node.load.command_tally import CommandTally
from node.load.people import People
from node.load.plan import AnyTally, Plan
from node.load.venue_run import VenueRun

# The blocks before the first price: venue, accounts, deposits, pool.
SETUP_STEP_MS = 1_000
DRAIN_MAX = 16
_OTHER_HISTORY = "the data directory holds another history"

Events = Callable[[], Sequence[evt.Event]]
Standings = Callable[[], Feed]
# What is asked for in a block, venue by venue.
Asks = list[tuple[VenueRun, list[Ask]]]


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

    def standings_later(self, venue: int, height: int) -> Standings:
        """Ask for what bots of a venue are told of a sealed block; the call that is returned waits for it."""
        ...


class Progress(NamedTuple):
    """How far a replay is."""

    block: int
    blocks: int
    price: str
    tallies: Sequence[AnyTally]

    def words(self) -> str:
        """How the venues stand."""
        return "  ".join(tally.words() for tally in self.tallies)


class Driver:
    """One replay. `run` once; afterwards runs and final hold what came of it."""

    def __init__(self, plans: Sequence[Plan], sealer: Sealer, watch: Callable[[Progress], None]) -> None:
        """All plans have paths of the same times."""
        self.runs = [VenueRun(plan) for plan in plans]
        self.final = admin_pb2.SealBlockResponse()
        self._sealer, self._watch = sealer, watch
        self._first_height = 0
        self._block = 0
        self._events: Events | None = None
        self._standings: dict[int, Standings] = {}

    @property
    def population(self) -> People:
        """The people of the first venue."""
        return self.runs[0].people

    @property
    def tally(self) -> AnyTally:
        """What counts the first venue."""
        return self.runs[0].tally

    @property
    def blocks(self) -> int:
        """How many blocks were sealed."""
        return self._block

    def run(self) -> None:
        """Seal every block of the plans, let the outbox run empty, and seal a last one with a state root.

        Raises ReplayError when the node is found on another history than this replay's.
        """
        plan = self.runs[0].plan
        points = plan.points
        total = len(points) + 4
        setup_ms = points[0].time_ms - 4 * SETUP_STEP_MS
        for step, asks in enumerate(zip(*(run.setup() for run in self.runs), strict=True)):
            self._told()
            made = [(run, ask()) for run, ask in zip(self.runs, asks, strict=True)]
            self._seal(setup_ms + step * SETUP_STEP_MS, made)
        for number, point in enumerate(points, 1):
            told = self._told()
            asked = [
                (run, [run.ticks(point.time_ms, number - 1), *run.act(number, told.get(run.venue))])
                for run in self.runs
            ]
            self._seal(point.time_ms, asked)
            tallies = [run.tally for run in self.runs]
            self._watch(Progress(self._block, total, plan.price_words(number - 1), tallies))
        self._drain(points[-1].time_ms, len(points) - 1)
        self._told()
        self._collect()

    def _drain(self, last_ms: int, last_step: int) -> None:
        """Blocks that carry nothing but the last prices, until no leg waits; then one more for the root.

        Each has ticks, hence request keys of its own: sent again after a crash it is known as a repetition.
        """
        for step in range(1, DRAIN_MAX + 1):
            ready = not self.final.outbox_pending
            self._told()
            ticks: Asks = [(run, [run.ticks(last_ms + step, last_step)]) for run in self.runs]
            self._seal(last_ms + step, ticks, root=ready)
            if ready and not self.final.outbox_pending:
                return
        raise ReplayError(f"the node still has undelivered legs {DRAIN_MAX} blocks after the last order")

    def _seal(self, time_ms: int, asked: Asks, root: bool = False) -> None:
        self._block += 1
        batches = command_batches([(run.venue, asks) for run, asks in asked], self._block, time_ms)
        request = admin_pb2.SealBlockRequest(block_time_ms=time_ms, root=root, batches=batches)
        response = self._sealer.seal(request)
        every = [(run.tally, ask) for run, asks in asked for ask in asks]
        self._check_place(response, [ask for _, ask in every])
        for (tally, ask), outcome in zip(every, response.outcomes, strict=True):
            _answer(tally, ask, Answers.of(outcome))
        for run in self.runs:
            run.tally.blocks += 1
        self.final = response
        self._collect()
        self._events = self._sealer.events_later(response.height)
        for run in self.runs:
            if run.is_bot_run:
                self._standings[run.venue] = self._sealer.standings_later(run.venue, response.height)

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
        if self._events is None:
            return
        events = self._events()
        self._events = None
        if len(self.runs) == 1:
            self.runs[0].happened(events)
            return
        by_venue: dict[int, list[evt.Event]] = {run.venue: [] for run in self.runs}
        for event in events:
            if event.venue in by_venue:
                by_venue[event.venue].append(event)
        for run in self.runs:
            run.happened(by_venue[run.venue])

    def _told(self) -> dict[int, Feed]:
        """What the bots of every venue are told of the block sealed last, by venue; the tallies look at it too."""
        told = {venue: later() for venue, later in self._standings.items()}
        self._standings = {}
        for run in self.runs:
            if run.venue in told:
                run.told(told[run.venue])
        return told


def _answer(tally: CommandTally, ask: Ask, answers: Answers) -> None:
    tally.answered(answers)
    ask.learn(answers)
