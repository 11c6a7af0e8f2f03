"""A node's engine with its threads: opened, it recovers, makes blocks until `close`, and answers reads in between."""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

from actors.sealing.batches import key_digest as outcome_key
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.answer import Answer
from cluster.archive import Archive
from cluster.archiver import CommittedBlock
from cluster.backup import Backup, back_up
from cluster.engine import Engine
from cluster.host_parts import (
    Following,
    HostConfig,
    end_transport,
    let_go,
    make_standbys,
    make_transport,
    make_validator,
    recover_for,
    stores_of,
    trials,
)
from cluster.lanes import Lanes
from cluster.placement import Owners, load, save
from cluster.recovery import Recovered
from cluster.refused import Refused
from cluster.replica import (
    read_accounts,
    read_backstop,
    read_book,
    read_deleverage_ranks,
    read_insurance,
    read_pool,
    read_standings,
    read_versions,
)
from cluster.resharding import Resharded, ShardSize, add_shards, move_buckets, sizes, start_shards
from cluster.sequencer import Chore
from cluster.supervisor import Supervisor
from cluster.topology import is_shard
from cluster.transport.transport import Carrier
from cluster.validation import ValidatorRunner, load_or_make_key

__all__ = ["CommittedBlock", "Following", "Host", "HostConfig", "Refused", "outcome_key"]

# The pipeline thread wakes several times a block; with the default of 5 ms a busy archiver or door would keep it
# waiting each time.
SWITCH_INTERVAL_S = 0.0005


class Host:
    """Opened, it runs until `close`. Every method may be called from any thread."""

    def __init__(self, config: HostConfig, recovered: Recovered, transport: Carrier) -> None:
        self.config = config
        self.archive: Archive = recovered.archive
        self.validator_public_key = load_or_make_key(config.data_dir).public_key
        self._engine = engine = Engine(
            config,
            recovered,
            load(config.data_dir, config.shards, config.notice),
            Supervisor(transport, config.notice, make_standbys(config, transport)),
            Lanes.threads(),
            _now_ms,
            trials(config),
        )
        self._validator = self._make_validator(recovered) if config.validator else None
        engine.validation = self._validator
        self._stopping = False
        self._thread = Thread(target=self._run, name="pipeline", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, config: HostConfig, following: Following | None = None) -> "Host":
        """Start is recovery; with `following` it is what comes after another node is gone.

        Raises JournalCorrupted, LeaseHeld, ReplayMismatch, GaveUp.
        """
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="recovery") as thread:
            # Ray takes seconds to start, most of them waiting: the journal is replayed meanwhile.
            recovering = thread.submit(recover_for, config, following)
            transport: Carrier | None = None
            try:
                transport = make_transport(config)
                return cls(config, recovering.result(), transport)
            except BaseException:
                if following is not None:
                    following.stop.set()
                let_go(recovering)
                if transport is not None:
                    end_transport(config, transport)
                raise

    def _make_validator(self, recovered: Recovered) -> ValidatorRunner:
        config = self.config
        runner = ValidatorRunner(
            lambda: make_validator(config),
            recovered.base_parts,
            recovered.base_height,
            self._engine.archiver.sign,
            config.notice,
        )
        runner.owe(recovered.claims)
        return runner

    def _run(self) -> None:
        """The pipeline thread."""
        engine = self._engine
        try:
            while not self._stopping and not engine.stopped_because:
                engine.gather()
                if not engine.turn():
                    engine.rest()
            engine.finish()
        except BaseException as error:
            engine.stop(error)

    def submit(self, batch: commands.CommandBatch) -> "Future[Answer]":
        """Queues a batch. The future gives its answer once executed and durable, or raises Refused."""
        return self._engine.sequencer.submit(batch)

    def seal(self, request: admin.SealBlockRequest) -> "Future[admin.SealBlockResponse]":
        """Driver mode: a block of these batches at this time. Batches sealed before are answered as they were then."""
        return self._engine.sequencer.order(request)

    def accounts(self, venue: int, accounts: Sequence[int]) -> "Future[batches.AccountViews]":
        """Accounts at the end of a block; legs of the block before last are settled."""
        return self._between(lambda: read_accounts(self._engine.supervisor, self._engine.state, venue, accounts))

    def pool(self, venue: int, accounts: Sequence[int]) -> "Future[batches.PoolView]":
        """A venue's pool at the end of a block."""
        return self._between(lambda: read_pool(self._engine.supervisor, venue, accounts))

    def backstop(self, venue: int, accounts: Sequence[int]) -> "Future[batches.BackstopView]":
        """A Margin Trade venue's backstop at the end of a block: funds, vault shares of these accounts."""
        return self._between(lambda: read_backstop(self._engine.supervisor, venue, accounts))

    def order_book(self, venue: int, market: int, levels: int) -> "Future[batches.BookView]":
        """The best levels of a book at the end of a block."""
        return self._between(lambda: read_book(self._engine.supervisor, self._engine.state, venue, market, levels))

    def insurance(self, venue: int) -> "Future[batches.InsuranceView]":
        """A Spin venue's insurance desk at the end of a block."""
        return self._between(lambda: read_insurance(self._engine.supervisor, venue))

    def version_desk(
        self, venue: int, market: int, accounts: Sequence[int], everyone: bool = False
    ) -> "Future[batches.VersionView]":
        """A Perennial market's desk at the end of a block, with what is pending of these accounts or of all."""
        return self._between(lambda: read_versions(self._engine.supervisor, venue, market, accounts, everyone))

    def standings(self, venue: int) -> "Future[batches.StandingsView]":
        """Everybody with a position on a venue whose liquidations are left to bots, at the end of a block."""
        return self._between(lambda: read_standings(self._engine.supervisor, self._engine.state, venue))

    def versions(self, venue: int) -> list[batches.VersionRecord]:
        """The latest valid version of each of the venue's markets that has one."""
        versions = dict(self._engine.state.versions)
        return [versions[key] for key in sorted(versions) if key[0] == venue]

    def deleverage_ranks(
        self, queries: Sequence[batches.DeleverageRankQuery]
    ) -> "Future[list[batches.DeleverageRankView]]":
        """Where positions stand among those that would be deleveraged, over all shards (MT-15)."""
        return self._between(lambda: read_deleverage_ranks(self._engine.supervisor, self._engine.state, queries))

    def _between(self, read: Callable[[], Any]) -> "Future[Any]":
        answer: Future[Any] = Future()
        answer.set_running_or_notify_cancel()

        def chore() -> None:
            try:
                answer.set_result(read())
            except Exception as error:
                answer.set_exception(error)

        self._engine.sequencer.between_blocks(Chore(chore, answer.set_exception))
        return answer

    def venues(self) -> list[parameters.VenueParameters]:
        """Venues by number, with the parameters in force."""
        return self._engine.state.venue_list()

    def markets(self, venue: int) -> list[parameters.MarketParameters]:
        """Markets of a venue by number."""
        markets = dict(self._engine.state.markets)
        return [markets[key] for key in sorted(markets) if key[0] == venue]

    def mark(self, venue: int, market: int) -> common.Mark | None:
        """The newest mark."""
        return self._engine.state.marks.get((venue, market))

    def funding_rate_e9(self, venue: int, market: int) -> int:
        """The rate the market's positions were last funded at."""
        return self._engine.state.funding_rates_e9.get((venue, market), 0)

    def height(self) -> int:
        """The last committed block."""
        return self._engine.height

    def subscribe(self, listener: Callable[[CommittedBlock], None]) -> Callable[[], None]:
        """Calls the listener with every committed block, once the archive has it; must be quick."""
        return self._engine.archiver.subscribe(listener)

    def subscribe_signed(self, listener: Callable[[int, bytes], None]) -> Callable[[], None]:
        """Calls the listener with every (height, signature)."""
        return self._engine.archiver.subscribe_signed(listener)

    def status(self) -> admin.GetStatusResponse:
        """What the node is doing; `version` is the door's to fill in."""
        engine, config = self._engine, self.config
        state, reasons = engine.node_state()
        pids = engine.supervisor.pids() if not engine.stopped_because else {}
        return admin.GetStatusResponse(
            height=engine.height,
            block_time_ms=engine.block_time_ms,
            validated_height=self._validator.validated_height if self._validator else 0,
            epoch=engine.journal.epoch,
            state=state,
            reasons=reasons,
            transport=config.transport,
            shards=engine.state.shards,
            driver_mode=config.driver_mode,
            snapshot_height=engine.snapshot_height,
            queued_batches=engine.sequencer.queued(),
            state_root=engine.last_root,
            state_root_height=engine.last_root_height,
            actors=sorted(pids),
            actor_pids=[pids[name] for name in sorted(pids)],
            stopped_because=engine.stopped_because,
            rebuilds=engine.supervisor.rebuilds,
            voided_commands=engine.voided,
            standbys=engine.supervisor.standby_names(),
            journal=engine.journal.kind,
        )

    @property
    def stopped_because(self) -> str:
        """Why no more blocks are made; empty while they are."""
        return self._engine.stopped_because

    @property
    def is_fenced(self) -> bool:
        """Another node holds the journal: this one says so to whoever asks, for good."""
        return self._engine.fenced

    def pause(self, paused: bool) -> None:
        """Lets only cancels, deposits and ticks through while paused; no part of the state."""
        self._engine.gate.pause(paused)

    def take_snapshot(self) -> "Future[int]":
        """Writes a snapshot between two blocks; the future gives its height."""
        return self._between(self._engine.take_snapshot)

    def shards(self) -> "Future[list[ShardSize]]":
        """What every shard holds, at the end of a block."""
        return self._between(lambda: sizes(self._engine.state, self._engine.supervisor))

    def shard_places(self) -> dict[str, tuple[int, str]]:
        """Of every shard by name its process and its Ray node (none: empty)."""
        pids, nodes = self._engine.supervisor.pids(), self._engine.supervisor.nodes()
        return {actor: (pid, nodes.get(actor, "")) for actor, pid in pids.items() if is_shard(actor)}

    def move_buckets(self, buckets: Sequence[int], to: int) -> "Future[Resharded]":
        """Gives these buckets to a shard between two blocks. The future raises PlacementError, OSError, Refused."""
        engine = self._engine
        return self._between(lambda: move_buckets(engine.state, engine.supervisor, self._keep, buckets, to))

    def add_shards(self, count: int, empty: bool) -> Resharded:
        """Starts so many more while blocks go on, then gives them their part between two. As `move_buckets`; waits."""
        engine = self._engine
        self._between(lambda: start_shards(engine.state, engine.supervisor, count)).result()
        engine.supervisor.pids()  # answers when their processes are up
        adding = self._between(lambda: add_shards(engine.state, engine.supervisor, self._keep, count, empty))
        done: Resharded = adding.result()
        return done

    def _keep(self, owners: Owners) -> None:
        save(owners, self.config.data_dir)

    def back_up(self, directory: Path, private: Sequence[str]) -> Backup:
        """Copies journal, snapshot, archive, keys and the files named into a directory, while blocks go on.

        Raises BackupError, JournalError, OSError (`cluster.backup`).
        """
        snapshots = stores_of(self.config).snapshots
        return back_up(self._engine.journal, snapshots, self.config.data_dir, directory, private)

    def close(self) -> None:
        """Finishes the block under way, takes a snapshot, lets everything go; harmless when repeated."""
        if self._stopping:
            return
        self._stopping = True
        self._engine.sequencer.between_blocks(Chore(lambda: None, lambda error: None))
        self._thread.join(timeout=60)
        if self._validator:
            self._validator.close()
        self._engine.close()
        end_transport(self.config, self._engine.supervisor)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
