"""A node's engine: journal, pipeline, validator, archive, and the thread that seals one block after the other.

arrive -> sequencer -> seal -> append (journal thread)  -> acknowledge -> archive, listeners
                            -> execute (this thread)    /             -> validator
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from actors.sealing.batches import key_digest as outcome_key
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.archive import Archive
from cluster.archiver import Archiver, CommittedBlock
from cluster.block_loop import BlockLoop
from cluster.chain_state import ChainState
from cluster.gate import ResumingGate
from cluster.journal import JournalWriter
from cluster.recovery import Recovered, recover
from cluster.replica import (
    part_names,
    parts_for,
    read_accounts,
    read_backstop,
    read_book,
    read_deleverage_ranks,
    read_insurance,
    read_pool,
    read_standings,
    read_versions,
)
from cluster.sequencer import Chore, Refused, Sequencer
from cluster.supervisor import Supervisor
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import Transport
from cluster.validation import LocalValidator, ValidatorHost, ValidatorRunner, load_or_make_key

__all__ = ["CommittedBlock", "Host", "HostConfig", "Refused", "outcome_key"]

Notice = Callable[[str], None]

# The pipeline thread wakes several times a block; with the default of 5 ms a busy archiver or door would keep it
# waiting each time.
SWITCH_INTERVAL_S = 0.0005


@dataclass(frozen=True)
class HostConfig:
    """How a node's engine is run. None of it is part of the state."""

    data_dir: Path
    shards: int = 2
    transport: str = "ray"
    ray_address: str | None = None
    driver_mode: bool = False
    validator: bool = True
    validator_shards: int = 1
    max_queue_batches: int = 10_000
    block_rows: int = 50_000
    heartbeat_ms: int = 1_000
    snapshot_every: int = 1_000
    resume_grace_ms: int = 2_000
    notice: Notice = lambda text: None


class Host:
    """Opened, it runs until `close`. Every method may be called from any thread."""

    def __init__(self, config: HostConfig, recovered: Recovered, transport: Transport) -> None:
        self.config = config
        self._recovered = recovered
        self.archive: Archive = recovered.archive
        self._archiver = Archiver(recovered.archive, config.notice)
        self._sequencer = Sequencer(config.max_queue_batches, self._archiver.outcome)
        self._signed_listeners: list[Callable[[int, bytes], None]] = []
        self._guard = Lock()
        self.validator_public_key = load_or_make_key(config.data_dir).public_key
        self._supervisor = Supervisor(transport, config.notice)
        state = _hand_over(recovered, self._supervisor)
        self._validator = self._make_validator() if config.validator else None
        self._gate = ResumingGate(config.driver_mode or not state.marks, config.resume_grace_ms, self._now_ms)
        self._sequencer.gate = self._gate.check
        self._loop = BlockLoop(
            config=config,
            state=state,
            supervisor=self._supervisor,
            writer=JournalWriter(recovered.journal),
            journal=recovered.journal,
            snapshots=recovered.snapshots,
            archiver=self._archiver,
            sequencer=self._sequencer,
            validator=self._validator,
            gate=self._gate,
            now_ms=self._now_ms,
        )
        self._thread = Thread(target=self._loop.run, name="pipeline", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, config: HostConfig) -> "Host":
        """Start is recovery. Raises JournalCorrupted, LeaseHeld, ReplayMismatch."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        holder = f"pid {os.getpid()} on {socket.gethostname()}"
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="recovery") as thread:
            # Ray takes seconds to start, most of them waiting: the journal is replayed meanwhile.
            recovering = thread.submit(recover, config.data_dir, config.shards, holder, config.notice)
            try:
                transport = _make_transport(config)
            except BaseException:
                _let_go(recovering)
                raise
        try:
            return cls(config, recovering.result(), transport)
        except BaseException:
            _let_go(recovering)
            _end_transport(config, transport)
            raise

    def _make_validator(self) -> ValidatorRunner:
        config, recovered = self.config, self._recovered
        arguments = (ValidatorHost, str(config.data_dir), config.validator_shards)

        def make() -> Any:
            if config.transport != "ray":
                return LocalValidator(*arguments)
            from cluster.transport.ray import RayValidator

            validator = RayValidator(*arguments)
            validator.ask("yield_cpu")
            return validator

        runner = ValidatorRunner(make, recovered.base_parts, recovered.base_height, self._block_signed, config.notice)
        for claim in recovered.claims:
            runner.submit(claim)
        return runner

    @staticmethod
    def _now_ms() -> int:
        return time.time_ns() // 1_000_000

    def submit(self, batch: commands.CommandBatch) -> "Future[answers.BatchOutcome]":
        """Queues a batch. The future gives its answer once executed and durable, or raises Refused."""
        return self._sequencer.submit(batch)

    def seal(self, request: admin.SealBlockRequest) -> "Future[admin.SealBlockResponse]":
        """Driver mode: a block of these batches at this time. Batches sealed before are answered as they were then."""
        return self._sequencer.order(request)

    def accounts(self, venue: int, accounts: Sequence[int]) -> "Future[batches.AccountViews]":
        """Accounts at the end of a block; legs of the block before last are settled."""
        return self._between(lambda: read_accounts(self._supervisor, self._loop.state, venue, accounts))

    def pool(self, venue: int, accounts: Sequence[int]) -> "Future[batches.PoolView]":
        """A venue's pool at the end of a block."""
        return self._between(lambda: read_pool(self._supervisor, venue, accounts))

    def backstop(self, venue: int, accounts: Sequence[int]) -> "Future[batches.BackstopView]":
        """A Margin Trade venue's backstop at the end of a block: funds, vault shares of these accounts."""
        return self._between(lambda: read_backstop(self._supervisor, venue, accounts))

    def order_book(self, venue: int, market: int, levels: int) -> "Future[batches.BookView]":
        """The best levels of a book at the end of a block."""
        return self._between(lambda: read_book(self._supervisor, self._loop.state, venue, market, levels))

    def insurance(self, venue: int) -> "Future[batches.InsuranceView]":
        """A Spin venue's insurance desk at the end of a block."""
        return self._between(lambda: read_insurance(self._supervisor, venue))

    def version_desk(
        self, venue: int, market: int, accounts: Sequence[int], everyone: bool = False
    ) -> "Future[batches.VersionView]":
        """A Perennial market's desk at the end of a block, with what is pending of these accounts or of all."""
        return self._between(lambda: read_versions(self._supervisor, venue, market, accounts, everyone))

    def standings(self, venue: int) -> "Future[batches.StandingsView]":
        """Everybody with a position on a venue whose liquidations are left to bots, at the end of a block."""
        return self._between(lambda: read_standings(self._supervisor, self._loop.state, venue))

    def versions(self, venue: int) -> list[batches.VersionRecord]:
        """The latest valid version of each of the venue's markets that has one."""
        versions = dict(self._loop.state.versions)
        return [versions[key] for key in sorted(versions) if key[0] == venue]

    def deleverage_ranks(
        self, queries: Sequence[batches.DeleverageRankQuery]
    ) -> "Future[list[batches.DeleverageRankView]]":
        """Where positions stand among those that would be deleveraged, over all shards (MT-15)."""
        return self._between(lambda: read_deleverage_ranks(self._supervisor, self._loop.state, queries))

    def _between(self, read: Callable[[], Any]) -> "Future[Any]":
        answer: Future[Any] = Future()
        answer.set_running_or_notify_cancel()

        def chore() -> None:
            try:
                answer.set_result(read())
            except Exception as error:
                answer.set_exception(error)

        self._sequencer.between_blocks(Chore(chore, answer.set_exception))
        return answer

    def venues(self) -> list[parameters.VenueParameters]:
        """Venues by number, with the parameters in force."""
        return self._loop.state.venue_list()

    def markets(self, venue: int) -> list[parameters.MarketParameters]:
        """Markets of a venue by number."""
        markets = dict(self._loop.state.markets)
        return [markets[key] for key in sorted(markets) if key[0] == venue]

    def mark(self, venue: int, market: int) -> common.Mark | None:
        """The newest mark."""
        return self._loop.state.marks.get((venue, market))

    def funding_rate_e9(self, venue: int, market: int) -> int:
        """The rate the market's positions were last funded at."""
        return self._loop.state.funding_rates_e9.get((venue, market), 0)

    def height(self) -> int:
        """The last committed block."""
        return self._loop.state.height

    def subscribe(self, listener: Callable[[CommittedBlock], None]) -> Callable[[], None]:
        """Calls the listener with every committed block, once the archive has it; must be quick."""
        return self._archiver.subscribe(listener)

    def subscribe_signed(self, listener: Callable[[int, bytes], None]) -> Callable[[], None]:
        """Calls the listener with every (height, signature)."""
        self._signed_listeners.append(listener)
        return lambda: self._signed_listeners.remove(listener)

    def _block_signed(self, height: int, signature: bytes) -> None:
        def work() -> None:
            self.archive.sign(height, signature)
            for listener in list(self._signed_listeners):
                listener(height, signature)

        self._archiver.run_in_order(work)

    def status(self) -> admin.GetStatusResponse:
        """What the node is doing; `version` is the door's to fill in."""
        loop, config = self._loop, self.config
        pids = self._supervisor.pids() if not loop.stopped_because else {}
        validated = self._validator.validated_height if self._validator else 0
        return admin.GetStatusResponse(
            height=loop.state.height,
            block_time_ms=loop.state.block_time_ms,
            validated_height=validated,
            epoch=self._recovered.journal.epoch,
            state=admin.NODE_STATE_STOPPED if loop.stopped_because else self._gate.state(),
            transport=config.transport,
            shards=config.shards,
            driver_mode=config.driver_mode,
            snapshot_height=loop.snapshot_height,
            queued_batches=self._sequencer.queued(),
            state_root=loop.last_root,
            state_root_height=loop.last_root_height,
            actors=sorted(pids),
            actor_pids=[pids[name] for name in sorted(pids)],
            stopped_because=loop.stopped_because,
        )

    @property
    def stopped_because(self) -> str:
        """Why no more blocks are made; empty while they are."""
        return self._loop.stopped_because

    def pause(self, paused: bool) -> None:
        """Lets only cancels, deposits and ticks through while paused; no part of the state."""
        self._gate.pause(paused)

    def take_snapshot(self) -> "Future[int]":
        """Writes a snapshot between two blocks; the future gives its height."""
        return self._between(self._loop.take_snapshot)

    def close(self) -> None:
        """Finishes the block under way, takes a snapshot, lets everything go."""
        self._loop.stop()
        self._thread.join(timeout=60)
        if self._validator:
            self._validator.close()
        self._archiver.close()
        self._recovered.archive.close()
        self._recovered.journal.close()
        _end_transport(self.config, self._supervisor)


def _make_transport(config: HostConfig) -> Transport:
    if config.transport == "inline":
        return InlineTransport(config.shards)
    if config.transport != "ray":
        raise ValueError(f"no transport is called {config.transport}")
    from cluster.launch import start_ray

    start_ray(config.ray_address)
    from cluster.transport.ray import RayTransport

    return RayTransport(config.shards)


def _end_transport(config: HostConfig, transport: Transport) -> None:
    transport.close()
    if config.transport == "ray":
        from cluster.launch import stop_ray

        stop_ray()


def _let_go(recovering: "Future[Recovered]") -> None:
    """Closes what a recovery opened, where it came to its end."""
    if recovering.exception() is None:
        recovered = recovering.result()
        recovered.archive.close()
        recovered.journal.close()


def _hand_over(recovered: Recovered, supervisor: Supervisor) -> ChainState:
    """Gives the actors of the node the state the recovery's replica reached."""
    parts = recovered.replica.cut()
    state = recovered.replica.state
    for actor in part_names(state):
        supervisor.make(actor)
    if state.height:
        for actor in part_names(state):
            concerned = parts_for(actor, parts)
            if concerned:  # a book nobody has called yet has no part
                supervisor.restore(actor, concerned)
        supervisor.take_cut(parts)
    return state
