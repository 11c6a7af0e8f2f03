"""A node's engine without its threads: takes what arrived, makes blocks, answers, and says how it is.

arrive -> sequencer -> seal -> append  (journal lane) -> acknowledge -> archive lane, listeners
                            -> execute (here)         /              -> validator

`turn` makes at most one block and never waits for work, so a thread turns it on a real node and a scheduler in a
simulated one. No answer leaves before its block is durable and executed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from actors.sealing.block_bytes import block_bytes
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals
from cluster.archiver import Answered, Archiver, answers_of
from cluster.block_maker import BlockMaker, Made
from cluster.chain_state import ChainState
from cluster.crash_points import reached
from cluster.engine_settings import EngineSettings, Validation
from cluster.gate import ResumingGate, brings_ticks
from cluster.jobs import Job, LiveJob, SealJob
from cluster.journal import Fenced, FrameNotAppended, JournalWriter, OutcomeUnknown, StoreFailed
from cluster.lanes import Lanes
from cluster.placement import Owners
from cluster.poison import LocalTrial, Trial
from cluster.progress import progress
from cluster.recovery import Recovered
from cluster.refused import Refused
from cluster.sequencer import Sequencer, do_chores, give_up_chores
from cluster.snapshotting import Snapshotting
from cluster.supervisor import Supervisor

# How far the archive and the validator may be behind: further, nothing is taken; further, the node says so.
MOST_UNARCHIVED_BLOCKS = 1_000
VALIDATOR_LAG_BLOCKS = 100
_LOG_BYTES_BOUND = 256 << 20
_LONGEST_PAUSE_MS = 2_000
_PROBE_MS = 1_000
_RENEW_MS = 1_000
_NAP_S = 0.02


class Engine:
    """See the module. Only one thread may call `turn`, `take_snapshot` and `finish`; the rest is for any."""

    def __init__(
        self,
        settings: EngineSettings,
        recovered: Recovered,
        owners: Owners,
        supervisor: Supervisor,
        lanes: Lanes,
        now_ms: Callable[[], int],
        make_trial: Callable[[], Trial] = LocalTrial,
    ) -> None:
        """Hands the recovered state to the actors, shards as `owners` says."""
        self.settings = settings
        self.journal = recovered.journal
        self.archiver = Archiver(recovered.archive, lanes.archive, settings.notice)
        self.sequencer = Sequencer(settings.max_queue_batches, self.archiver.outcome)
        self.supervisor = supervisor
        self.validation: Validation | None = None
        self._snapshotting = Snapshotting(recovered.snapshots, self.supervisor, self.archiver.settle, settings.notice)
        self._writer = JournalWriter(recovered.journal, lanes.journal)
        self._journal_lane = lanes.journal
        self._now_ms = now_ms
        self._maker = BlockMaker(
            recovered.replica,
            owners,
            (recovered.base_parts, recovered.base_height),
            self.supervisor,
            recovered.journal,
            self._writer,
            make_trial if settings.void_poison else None,
            settings.notice,
        )
        state = self._maker.state
        self.gate = ResumingGate(settings.driver_mode or not state.marks, settings.resume_grace_ms, now_ms)
        self.sequencer.gate = self._door
        self._job: Job | None = None
        self._read_only = ""
        self.fenced = False
        self._try_at_ms = 0
        self._pause_ms = 0
        self._renewal: Future[None] | None = None
        self._renew_at_ms = 0
        self._mark_versions = {key: mark.version for key, mark in state.marks.items()}
        self.stopped_because = ""
        # The last durable block: `state` may be one ahead of it while its append is unsettled.
        self.height, self.block_time_ms = state.height, state.block_time_ms
        self.last_root, self.last_root_height = state.state_root, state.height if state.state_root else 0

    @property
    def state(self) -> ChainState:
        """The carry of the chain."""
        return self._maker.state

    @property
    def snapshot_height(self) -> int:
        """Height of the newest snapshot."""
        return self._snapshotting.height

    @property
    def voided(self) -> int:
        """Commands voided since the start."""
        return self._maker.voided

    def node_state(self) -> tuple["admin.NodeState", list[str]]:
        """How the node is, and why it is not READY."""
        if self.fenced:
            return admin.NODE_STATE_FENCED, [self.stopped_because]
        if self.stopped_because:
            return admin.NODE_STATE_STOPPED, [self.stopped_because]
        gated, reasons = self.gate.state(), self._complaints()
        closed = self._closed_because()
        if closed:
            return admin.NODE_STATE_READ_ONLY, [closed, *reasons]
        if gated != admin.NODE_STATE_READY:
            return gated, reasons
        return (admin.NODE_STATE_DEGRADED if reasons else gated), reasons

    def _complaints(self) -> list[str]:
        """What does not run as it should, though blocks are made."""
        reasons = self.supervisor.degraded()
        if self.archiver.failure:
            reasons.append(f"the archive is {self.archiver.behind} blocks behind: {self.archiver.failure}")
        if self._snapshotting.failure:
            reasons.append(f"no snapshot since height {self.snapshot_height}: {self._snapshotting.failure}")
        if self.validation is not None:
            lag = self.height - self.validation.validated_height
            if self.validation.fault:
                reasons.append(f"the validator stopped: {self.validation.fault}")
            elif lag > VALIDATOR_LAG_BLOCKS:
                reasons.append(f"the validator is {lag} blocks behind")
        return reasons

    def _closed_because(self) -> str:
        """Why no command is taken, though reads are answered."""
        if self._read_only:
            return self._read_only
        if self.archiver.behind > MOST_UNARCHIVED_BLOCKS:
            return f"the archive is {self.archiver.behind} blocks behind, at most {MOST_UNARCHIVED_BLOCKS} may wait"
        return ""

    def _door(self, batch: commands.CommandBatch) -> Refused | None:
        if self._closed_because():
            return Refused(refusals.REFUSAL_READ_ONLY)
        return self.gate.check(batch)

    def turn(self) -> bool:
        """At most one block, and whatever is to be done between two; False when there was nothing to do.

        Raises when no more blocks can be made: `stop` then tells everybody.
        """
        if self.stopped_because:
            return False
        try:
            self._keep_lease()
            if self._maker.unsettled:
                return self._settle()
            return self._driver_turn() if self.settings.driver_mode else self._live_turn()
        except Fenced as fenced:
            self._fence(fenced)
            return False

    def stop(self, error: BaseException) -> None:
        """No more blocks: everybody who waits is told, and everybody who still comes."""
        self.stopped_because = f"{type(error).__name__}: {error}"
        self.settings.notice(f"the node stopped making blocks: {self.stopped_because}")
        self._refuse_everybody(Refused(refusals.REFUSAL_UNAVAILABLE))

    def finish(self) -> None:
        """The end of a node that is well: a snapshot of what there is."""
        if self.stopped_because:
            return  # everybody was told why, and whoever still comes is
        if not self._maker.unsettled and self.state.height > self.snapshot_height:
            self._behind_blocks()
        self._refuse_everybody(Refused(refusals.REFUSAL_UNAVAILABLE))

    def rest(self) -> None:
        """Waits until there may be something to do: for the thread that turns the engine."""
        if self._maker.unsettled or self._read_only:
            time.sleep(_NAP_S)
        else:
            self.sequencer.wait_for_work(1.0 if self.settings.driver_mode else self.settings.heartbeat_ms / 1000)

    def gather(self) -> None:
        """Lets who is just arriving arrive, a few milliseconds at most: for the thread that turns the engine."""
        if not self.settings.driver_mode:
            self.sequencer.gather()

    def close(self) -> None:
        """Ends the lanes and lets the stores go."""
        self._writer.close()
        self.archiver.close()
        self.archiver.archive.close()
        self.journal.close()

    def _refuse_everybody(self, refused: Refused) -> None:
        if self._job is not None:
            self._job.refuse(refused, self.sequencer)
            self._job = None
        self.sequencer.fail_all(refused)

    def _fence(self, fenced: Fenced) -> None:
        """Somebody else writes the journal now. What waits here is in no block: another node may be asked for it."""
        self.fenced = True
        self.stopped_because = str(fenced)
        self.settings.notice(f"the node stopped making blocks: {self.stopped_because}")
        self._refuse_everybody(Refused(refusals.REFUSAL_FENCED, 0, fenced.epoch))

    def _keep_lease(self) -> None:
        """Tells the store now and then that its holder lives; hears from it that it is not the holder any more."""
        if self._renewal is not None and self._renewal.done():
            renewal, self._renewal = self._renewal, None
            error = renewal.exception()
            if isinstance(error, Fenced):
                raise error
        if self._renewal is None and self._now_ms() >= self._renew_at_ms and not self._maker.unsettled:
            self._renew_at_ms = self._now_ms() + _RENEW_MS
            self._renewal = self._journal_lane.submit(self.journal.renew)

    # --- between blocks ---

    def _settle(self) -> bool:
        """The last block is in the journal or is not, and nobody knows: asks again, ever more rarely."""
        give_up_chores(self.sequencer.take_chores())
        now_ms = self._now_ms()
        if now_ms < self._try_at_ms:
            return False
        try:
            made = self._maker.settle()
        except (StoreFailed, OutcomeUnknown) as error:
            self._pause_ms = min(2 * self._pause_ms + 50, _LONGEST_PAUSE_MS)
            self._try_at_ms = now_ms + self._pause_ms
            self._read_only = f"the journal does not answer ({error})"
            return False
        self._pause_ms = 0
        self._writable()
        job, self._job = self._job, None
        assert job is not None
        if made is None:
            job.put_back(self.sequencer)
        else:
            self._acknowledge(job, made)
        return True

    def _driver_turn(self) -> bool:
        chores = self.sequencer.take_chores()
        do_chores(chores)
        order = self.sequencer.take_order()
        if order is None:
            return bool(chores)
        job = SealJob(order)
        if not job.answered_before(self.archiver, self.state):
            self._block(job, job.request.block_time_ms, job.request.root)
        return True

    def _live_turn(self) -> bool:
        chores = self.sequencer.take_chores()
        if self.state.has_legs() and not self._read_only:
            try:
                self._live_block()  # settles what the block before owes, so that reads see it
            except BaseException:
                give_up_chores(chores)
                raise
            give_up_chores(chores) if self._maker.unsettled else do_chores(chores)
            return True
        do_chores(chores)
        return self._live_block() or bool(chores)

    def _live_block(self) -> bool:
        """A block of what arrived; an empty one only where legs wait, time has to pass, or the journal is tried."""
        if self._read_only:
            if self._now_ms() < self._try_at_ms:
                return False
        elif not (self.sequencer.queued() or self.state.has_legs() or self._is_beat_due()):
            return False
        entries = self.sequencer.take_batches(self.settings.block_rows, _rows)
        block_time_ms = max(self._now_ms(), self.state.block_time_ms)
        self._block(LiveJob(entries), block_time_ms, False)
        return True

    def _is_beat_due(self) -> bool:
        """An idle node makes a block now and then: funding, dead man's switches and ages need time to pass."""
        return bool(self.state.venues) and self._now_ms() - self.state.block_time_ms >= self.settings.heartbeat_ms

    # --- one block ---

    def _block(self, job: Job, block_time_ms: int, root: bool) -> None:
        """Makes it and answers, or answers why there is none."""
        state, driver = self.state, self.settings.driver_mode
        reported = progress(self.validation, driver, state.validated_height, state.height + 1, block_time_ms)
        block = commands.BlockInput(
            height=state.height + 1,
            block_time_ms=block_time_ms,
            previous_events_root=state.events_root,
            previous_state_root=state.state_root,
            root=root,
        )
        reports = [batch.SerializeToString(deterministic=True) for batch in reported]
        payload = block_bytes(block, [*job.batches(), *reports])
        self._job = job
        try:
            made = self._maker.make(block, payload, append_first=bool(self._read_only))
        except FrameNotAppended as error:
            self._job = None
            self._no_room(job, error)
            return
        except OutcomeUnknown as error:
            self._pause_ms, self._try_at_ms = 0, self._now_ms()
            self._read_only = f"the journal does not answer ({error})"
            return
        self._job = None
        self._writable()
        self._acknowledge(job, made)

    def _no_room(self, job: Job, error: FrameNotAppended) -> None:
        """The store took nothing, for certain: what was in the block and what waits had no effect."""
        if not self._read_only:
            self.settings.notice(f"read only: {error}")
        self._read_only = f"the journal takes nothing ({error.reason})"
        self._try_at_ms = self._now_ms() + _PROBE_MS
        refused = Refused(refusals.REFUSAL_READ_ONLY)
        job.refuse(refused, self.sequencer)
        self.sequencer.refuse_waiting(refused)

    def _writable(self) -> None:
        if self._read_only:
            self.settings.notice("the journal takes blocks again")
        self._read_only = ""

    def _acknowledge(self, job: Job, made: Sequence[Made]) -> None:
        """The first block is the job's; a second one voids commands of it."""
        # Before anybody is answered: whoever knows of a block may ask for it.
        self.height, self.block_time_ms = made[-1].result.height, made[-1].result.block_time_ms
        answered = job.answer(made[0].result, answers_of(made[0].result))
        reached("node:acknowledged")
        self._commit(made[0], answered)
        job.done(self.sequencer)
        for more in made[1:]:
            self._commit(more, ())

    def _commit(self, made: Made, answered: Sequence[Answered]) -> None:
        """What happens behind the acknowledgement."""
        result = made.result
        self._note_prices(made)
        self.archiver.submit(result, answered)
        if self.validation is not None:
            self.validation.submit(made.claim)
        if result.state_root:
            self.last_root, self.last_root_height = result.state_root, result.height
        every = self.settings.snapshot_every
        if (every and result.height % every == 0) or self.supervisor.logged_bytes > _LOG_BYTES_BOUND:
            self._behind_blocks()

    def _note_prices(self, made: Made) -> None:
        """A mark of a version that was not there before opens the gate; where all markets are halted, any price."""
        versions = {(mark.venue, mark.market): mark.version for mark in made.result.marks}
        is_fresh = any(version != self._mark_versions.get(key, 0) for key, version in versions.items())
        if is_fresh or (self._all_halted() and brings_ticks(made.claim.payload)):
            self.gate.fresh_price()
        self._mark_versions = versions

    def _all_halted(self) -> bool:
        return all(market.halted for market in self.state.markets.values())

    def _behind_blocks(self) -> None:
        self._start_from(self._snapshotting.try_to_take(self.state))

    def take_snapshot(self) -> int:
        """A snapshot at the last block; its height. Only between blocks. Raises OSError."""
        self._start_from(self._snapshotting.take(self.state))
        return self.state.height

    def _start_from(self, parts: Mapping[str, bytes] | None) -> None:
        """What actors and the validator are rebuilt from, from here on."""
        if parts is not None and self.state.height:
            self._maker.take_cut(parts)
            if keep := self.settings.journal_keep_blocks:
                self._journal_lane.submit(lambda: self._snapshotting.prune_journal(self.journal, keep))
            if self.validation is not None:
                self.validation.take_cut(parts, self.state.height)


def _rows(batch: commands.CommandBatch) -> int:
    """Rows for the size of a block; near enough for bodies that are no columns."""
    kind = batch.WhichOneof("body")
    body = getattr(batch, kind) if kind else None
    return len(body.account) if body is not None and hasattr(body, "account") else 1
