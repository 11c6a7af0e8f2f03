"""A simulated node: the real engine, sequencer, gate, archiver, supervisor, recovery, turned by the world's clock."""

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import TypeVar

from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from cluster.engine import Engine
from cluster.engine_settings import EngineSettings
from cluster.journal import FrameNotAppended, OutcomeUnknown, StoreFailed
from cluster.lanes import Lanes
from cluster.placement import Owners, even
from cluster.poison import MOST_VOIDED
from cluster.recovery import BlockFailed, recover
from cluster.refused import Refused
from cluster.replica import read_accounts, read_book, read_standings, read_versions
from cluster.resharding import add_shards, move_buckets
from cluster.simulator.faults import Fault
from cluster.simulator.lane import SimLane
from cluster.simulator.poison import SimTrial
from cluster.simulator.process import NodeCrashed, Process, ProcessClock
from cluster.simulator.storage.depot import SimStores
from cluster.simulator.surroundings import Surroundings
from cluster.simulator.transport import SimTransport
from cluster.simulator.witness import View
from cluster.supervisor import Supervisor
from cluster.validation import Claim

Seen = TypeVar("Seen")

_HEARTBEAT_MS = 1_000
_GRACE_MS = 500
_MOST_LAG_MS = 800
# Accounts there are, about; shards there may come to be.
_MOST_ACCOUNTS = 40
_MOST_SHARDS = 6


class SimNode:
    """One incarnation, on one machine. Whatever happens in it goes through `enter`."""

    def __init__(self, name: str, machine: str, around: Surroundings, takeover: Callable[[], None]) -> None:
        """`takeover` is called where the node is about to stand still for so long that a successor is wanted."""
        self.name = name
        self.machine = machine
        self.process = Process(name, around.chaos, self._stand_still, takeover)
        self._swarm = around.swarm
        self._scheduler = around.scheduler
        self._chaos = around.chaos
        self._depot = around.depot
        self._witness = around.witness
        self._complain = around.complain
        self._tell = around.note
        self._rng = Random(f"{around.swarm.seed}/node/{name}")
        self._busy = False
        self._stopped = False
        self._inbox: list[Callable[[], None]] = []
        self._clock_off_ms = 0
        self._stores = SimStores(around.depot, machine, self.process, self._note)
        self._engine: Engine | None = None
        self._transport: SimTransport | None = None

    def _note(self, text: str) -> None:
        self._tell(f"{self.name}: {text}")

    # --- life ---

    def boot(self) -> None:
        """Recovery, then the engine. Raises what recovery raises; a node that crashes in it is simply gone."""
        self.enter(self._boot)

    def _boot(self) -> None:
        swarm = self._swarm
        recovered, owners = recover(self._stores, swarm.shards), self._depot.owners[self.machine]
        lanes = Lanes(self._lane("journal", lambda: 0), self._lane("archive", self._archive_lag_ms))
        self._transport = SimTransport(owners.shards, self.process, swarm.seed, self._depot.poison, self._complain)
        settings = EngineSettings(
            heartbeat_ms=_HEARTBEAT_MS,
            snapshot_every=swarm.snapshot_every,
            journal_keep_blocks=swarm.keep_blocks,
            resume_grace_ms=_GRACE_MS,
            notice=self._note,
        )
        clock = ProcessClock(self.process, self._scheduler)
        supervisor = Supervisor(self._transport, settings.notice, clock=clock)
        engine = Engine(settings, recovered, owners, supervisor, lanes, self.now_ms, self._make_trial)
        for claim in recovered.claims:
            self._witness.saw(claim, None)
        engine.validation = _SimValidation(self, recovered.replica.state.height)
        self._engine = engine
        self._note(f"serves from height {engine.height}, epoch {engine.journal.epoch}, on {self.machine}")
        self._scheduler.after(self._rng.randint(1, 20), self._turn)

    def _make_trial(self) -> SimTrial:
        return SimTrial(self._depot.poison)

    def _lane(self, what: str, lag_ms: Callable[[], int]) -> SimLane:
        rng = Random(f"{self._swarm.seed}/lane/{what}/{self.name}")
        return SimLane(rng, lambda delay_ms, work: self._scheduler.after(delay_ms, lambda: self.enter(work)), lag_ms)

    def _archive_lag_ms(self) -> int:
        lags = self._chaos.strikes(Fault.ARCHIVE_LAGS, self.name)
        return self._chaos.between(Fault.ARCHIVE_LAGS, 1, _MOST_LAG_MS) if lags else 0

    def enter(self, action: Callable[[], None]) -> None:
        """Does something in the node: at once, or when it runs again; never where it has crashed."""
        if not self.process.lives():
            return
        if self._busy:
            self._inbox.append(action)
            return
        self._do(action)
        while self._inbox and self.process.lives() and not self._busy:
            self._do(self._inbox.pop(0))

    def _do(self, action: Callable[[], None]) -> None:
        self._busy = True
        try:
            action()
        except NodeCrashed:
            assert not self.process.lives()
        finally:
            self._busy = False
        if not self.process.lives():
            self._die()

    def kill(self) -> None:
        """The process ends, wherever it is; one in the middle of something notices when it would go on."""
        if self.process.lives():
            self.process.end()
            if not self._busy:
                self._die()

    def _die(self) -> None:
        where = f"at height {self._engine.height}" if self._engine else "in recovery"
        self._note(f"{'stopped' if self._stopped else 'crashed'} {where}")
        if self._stores.opened is not None:
            self._stores.opened.abandon()
        self._depot.lose_power(self.machine)

    def close(self) -> None:
        """An orderly end, as when an operator stops the node."""
        self.enter(self._close)
        self.process.end()

    def _close(self) -> None:
        self._stopped = True
        self.engine.finish()
        self.engine.close()

    # --- time ---

    def now_ms(self) -> int:
        """The node's own clock, which may be wrong."""
        return self._scheduler.wall_ms + self._clock_off_ms

    def set_clock_right(self) -> None:
        """As time servers do it in the end."""
        self._clock_off_ms = 0

    def _stand_still(self, for_ms: int) -> None:
        if not self._scheduler.is_deep:
            self._scheduler.run_until(self._scheduler.now_ms + for_ms)

    def _turn(self) -> None:
        self.enter(self._turn_engine)
        if self.process.lives() and not self.engine.stopped_because:
            self._scheduler.after(self._rng.randint(*self._swarm.block_ms), self._turn)

    def _turn_engine(self) -> None:
        self.process.crash_point(Fault.CRASH_IDLE)
        if self._chaos.strikes(Fault.NODE_RESTARTED, self.name):
            self._close()
            self._depot.owners[self.machine] = even(self._chaos.between(Fault.NODE_RESTARTED, 1, _MOST_SHARDS - 1))
            self.process.end()
            return
        if self._chaos.strikes(Fault.CLOCK_FORWARD, self.name):
            self._clock_off_ms = self._chaos.between(Fault.CLOCK_FORWARD, 100, 8_000)
        if self._chaos.strikes(Fault.CLOCK_BACK, self.name):
            self._clock_off_ms = -self._chaos.between(Fault.CLOCK_BACK, 100, 8_000)
        try:
            self._reshard()
            self.engine.turn()
        except Exception as error:
            self.engine.stop(error)
            if self._depot.poison and _voiding_failed(error):
                return  # the next start settles it
            self._complain(
                f"{self.name} stopped making blocks at height {self.engine.height}: {self.engine.stopped_because}"
            )

    def _reshard(self) -> None:
        """An operator moves buckets, or adds a shard, between two blocks."""
        engine, chaos = self.engine, self._chaos
        if engine.height != engine.state.height or engine.stopped_because:
            return
        if chaos.strikes(Fault.BUCKETS_MOVED, self.name):
            to = chaos.between(Fault.BUCKETS_MOVED, 0, engine.state.shards - 1)
            drawn = {chaos.between(Fault.BUCKETS_MOVED, 0, _MOST_ACCOUNTS) for _ in range(8)}
            buckets = sorted(bucket for bucket in drawn if engine.state.owners.of_bucket[bucket] != to)
            if buckets:
                move_buckets(engine.state, engine.supervisor, self._keep, buckets, to)
        if engine.state.shards < _MOST_SHARDS and chaos.strikes(Fault.SHARDS_ADDED, self.name):
            empty = chaos.between(Fault.SHARDS_ADDED, 0, 1) == 1
            add_shards(engine.state, engine.supervisor, self._keep, 1, empty)

    def _keep(self, owners: Owners) -> None:
        self._depot.owners[self.machine] = owners

    # --- what others ask of it ---

    @property
    def engine(self) -> Engine:
        """Of a node that has booted."""
        assert self._engine is not None, f"{self.name} has not booted"
        return self._engine

    @property
    def is_up(self) -> bool:
        """Whether it has booted, lives and makes blocks, or means to."""
        return self.process.lives() and self._engine is not None and not self._engine.stopped_because

    @property
    def is_paused(self) -> bool:
        """Whether it stands still in the middle of something."""
        return self.process.lives() and self._busy

    def describe(self) -> str:
        """How it is, in a few words."""
        if self._engine is None or not self.process.lives():
            return "is gone"
        state, reasons = self._engine.node_state()
        return f"is {admin.NodeState.Name(state)} {'; '.join(reasons)}" + (" and paused" if self._busy else "")

    def serves(self, states: Collection[int]) -> bool:
        """Whether it answers a gateway that asks, and is in one of these states."""
        return self.is_up and not self._busy and self.engine.node_state()[0] in states

    def submit(self, sent: bytes, back: Callable[[bytes | Refused], None]) -> None:
        """A request has arrived; `back` sends the answer on its way."""
        self.enter(lambda: self._submit(sent, back))

    def _submit(self, sent: bytes, back: Callable[[bytes | Refused], None]) -> None:
        batch = commands.CommandBatch.FromString(sent)
        # A block with more of them has another fault than its commands: a node gives it up.
        if len(self._depot.poison) < MOST_VOIDED and self._chaos.strikes(Fault.POISON, self.name):
            self._depot.poison.add((batch.principal, batch.request_key))
        answer = self.engine.sequencer.submit(batch)

        def done(_: object) -> None:
            error = answer.exception()
            if not self.process.lives():
                return
            if isinstance(error, Refused):
                back(error)
            elif error is None:
                self._witness.answered(self.name, batch, answer.result().outcome())
                back(answer.result().serialised)
            else:
                self._complain(f"{self.name} answered a request with {type(error).__name__}: {error}")

        answer.add_done_callback(done)

    def show(self, claim: Claim) -> None:
        """A block was committed: the witness looks at it, and at the actors while they are where it left them."""
        assert self._transport is not None
        state = self.engine.state
        view = View(self._transport.inline, state) if state.height == claim.height else None
        self._witness.saw(claim, view)

    def validator_lag_ms(self) -> int:
        """How long after a block its signature comes."""
        lags = self._chaos.strikes(Fault.VALIDATOR_LAGS, self.name)
        return self._chaos.between(Fault.VALIDATOR_LAGS, 100, 5_000) if lags else 50

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Does something in so many milliseconds, where the node still is."""
        self._scheduler.after(delay_ms, lambda: self.enter(action))

    # --- reads between blocks ---

    def read_accounts(self, venue: int, accounts: Sequence[int]) -> batches.AccountViews | None:
        """None while nobody can say: it is unknown how the last block ended, or the node died over the question."""
        return self._read(lambda: read_accounts(self.engine.supervisor, self.engine.state, venue, accounts))

    def read_standings(self, venue: int) -> batches.StandingsView | None:
        """See `read_accounts`."""
        return self._read(lambda: read_standings(self.engine.supervisor, self.engine.state, venue))

    def read_book(self, venue: int, market: int, levels: int) -> batches.BookView | None:
        """See `read_accounts`."""
        return self._read(lambda: read_book(self.engine.supervisor, self.engine.state, venue, market, levels))

    def read_versions(self, venue: int, market: int) -> batches.VersionView | None:
        """See `read_accounts`."""
        return self._read(lambda: read_versions(self.engine.supervisor, venue, market, (), True))

    def _read(self, read: Callable[[], Seen]) -> Seen | None:
        told: list[Seen] = []
        if self.engine.height == self.engine.state.height and not self._busy:
            self.enter(lambda: told.append(read()))
        return told[0] if told else None


def _voiding_failed(error: Exception) -> bool:
    """The store did not answer while a poison command was looked for or voided."""
    cause = error.cause if isinstance(error, BlockFailed) else error
    return isinstance(cause, StoreFailed | FrameNotAppended | OutcomeUnknown)


class _SimValidation:
    """See `cluster.engine_settings.Validation`: signs what the witness has looked at, some time behind."""

    def __init__(self, node: SimNode, height: int) -> None:
        self._node = node
        self.validated_height = height
        self.fault = ""

    def submit(self, claim: Claim) -> None:
        """A block was committed."""
        self._node.show(claim)
        self._node.later(self._node.validator_lag_ms(), lambda: self._sign(claim.height))

    def _sign(self, height: int) -> None:
        self.validated_height = max(self.validated_height, height)

    def take_cut(self, parts: Mapping[str, bytes], height: int) -> None:
        """Nothing is rebuilt from it."""

    def wait_for(self, height: int, timeout_s: float) -> bool:
        """A live node does not wait."""
        return self.validated_height >= height
