"""The loop that seals, journals, executes and acknowledges blocks; one thread, one block at a time.

The append of a block runs beside its execution. No answer leaves before both are done, and no block is sealed before
the append of the one before has returned, so at most one block is ever speculative.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from actors.sealing.batches import EXPIRY_HORIZON_MS, key_digest
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals
from cluster.archiver import Answered, Archiver, split_outcomes
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.gate import ResumingGate
from cluster.journal import GENESIS_TIP, JournalWriter, SqliteJournal, Tip
from cluster.pipeline import run_block
from cluster.replica import drive, take_cut
from cluster.sequencer import Chore, Refused, SealOrder, Sequencer, body_hash
from cluster.snapshots import SnapshotStore
from cluster.supervisor import Supervisor
from cluster.validation import Claim, ValidatorRunner

if TYPE_CHECKING:
    from cluster.host import HostConfig

# Blocks between two sequenced reports of the validator's progress: to a driver, and on a live node.
PROGRESS_EVERY = 100
LIVE_PROGRESS_EVERY = 10
_VALIDATOR_PATIENCE_S = 120.0
_LOG_BYTES_BOUND = 256 << 20


class BlockLoop:
    """See the module. `stopped_because` is empty while blocks are made."""

    def __init__(
        self,
        config: "HostConfig",
        state: ChainState,
        supervisor: Supervisor,
        writer: JournalWriter,
        journal: SqliteJournal,
        snapshots: SnapshotStore,
        archiver: Archiver,
        sequencer: Sequencer,
        validator: ValidatorRunner | None,
        gate: ResumingGate,
        now_ms: Callable[[], int],
    ) -> None:
        self._config = config
        self.state = state
        self._supervisor = supervisor
        self._writer = writer
        self._journal = journal
        self._snapshots = snapshots
        self._archiver = archiver
        self._sequencer = sequencer
        self._validator = validator
        self._gate = gate
        self._now_ms = now_ms
        self._stopping = False
        self._claim: Claim
        self.stopped_because = ""
        heights = snapshots.heights()
        self.snapshot_height = max(heights) if heights else 0
        self.last_root, self.last_root_height = state.state_root, state.height if state.state_root else 0

    def run(self) -> None:
        """Until `stop`, or until a block cannot be made; then everybody who waits is told."""
        try:
            while not self._stopping:
                self._turn()
            self._finish()
        except BaseException as error:
            self.stopped_because = f"{type(error).__name__}: {error}"
            self._config.notice(f"the node stopped making blocks: {self.stopped_because}")
        self._sequencer.fail_all(Refused(refusals.REFUSAL_UNAVAILABLE))
        self._writer.close()

    def stop(self) -> None:
        """Ends the loop after the block under way."""
        self._stopping = True
        self._sequencer.between_blocks(Chore(lambda: None, lambda error: None))

    def _turn(self) -> None:
        """One block, or a wait for something to put into one; reads are answered between blocks."""
        chores = self._sequencer.take_chores()
        if self._config.driver_mode:
            _run(chores)
            self._driver_turn()
        elif self._has_legs():
            try:
                self._live_block()  # settles what the block before owes, so that reads see it
            except BaseException:
                for chore in chores:
                    chore.give_up(Refused(refusals.REFUSAL_UNAVAILABLE))
                raise
            _run(chores)
        else:
            _run(chores)
            if self._sequencer.wait_for_work(self._config.heartbeat_ms / 1000) or self._is_beat_due():
                self._live_block()

    def _driver_turn(self) -> None:
        order = self._sequencer.take_order()
        if order is None:
            self._sequencer.wait_for_work(1.0)
            return
        try:
            self._seal_order(order)
        except BaseException:
            if not order.answer.done():
                order.answer.set_exception(Refused(refusals.REFUSAL_UNAVAILABLE))
            raise

    def _has_legs(self) -> bool:
        return self.state.has_legs()

    def _live_block(self) -> None:
        """A block of what arrived; an empty one only where legs wait or time has to pass."""
        waiting = self._sequencer.take_batches(self._config.block_rows, _rows)
        if not waiting and not self._has_legs() and not self._is_beat_due():
            return
        result = self._make_block(self._block_time_ms(), [entry.batch for entry in waiting], False)
        outcomes = split_outcomes(result)[: len(waiting)]
        for entry, outcome in zip(waiting, outcomes, strict=True):
            entry.answer.set_result(outcome)
        answered = [(entry.key, entry.body_hash, outcome) for entry, outcome in zip(waiting, outcomes, strict=True)]
        self._commit(result, answered)
        for entry in waiting:
            self._sequencer.done(entry)

    def _is_beat_due(self) -> bool:
        """An idle node makes a block now and then: funding, dead man's switches and ages need time to pass."""
        return bool(self.state.venues) and self._now_ms() - self.state.block_time_ms >= self._config.heartbeat_ms

    def _block_time_ms(self) -> int:
        return max(self._now_ms(), self.state.block_time_ms)

    def _seal_order(self, order: SealOrder) -> None:
        """A driver's block; batches that were sealed before get their answers of then."""
        request = order.request
        known = [self._archiver.outcome(key_digest(batch.principal, batch.request_key)) for batch in request.batches]
        for batch, entry in zip(request.batches, known, strict=True):
            if entry is not None and entry[0] != body_hash(batch):
                order.answer.set_exception(Refused(refusals.REFUSAL_REQUEST_KEY_REUSED, 0, entry[1].height))
                return
        if known and all(known):
            order.answer.set_result(self._repeat([entry[1] for entry in known if entry]))
            return
        if request.block_time_ms < self.state.block_time_ms:
            order.answer.set_exception(
                Refused(refusals.REFUSAL_EXPIRED, self.state.block_time_ms, request.block_time_ms)
            )
            return
        requested = list(request.batches)
        result = self._make_block(request.block_time_ms, requested, request.root)
        outcomes = split_outcomes(result)[: len(requested)]
        order.answer.set_result(
            admin.SealBlockResponse(
                height=result.height,
                outcomes=outcomes,
                header=result.header,
                outbox_pending=result.outbox_rows > 0,
            )
        )
        answered = [
            (key_digest(batch.principal, batch.request_key), body_hash(batch), outcome)
            for batch, outcome in zip(requested, outcomes, strict=True)
        ]
        self._commit(result, answered)

    def _repeat(self, outcomes: Sequence[answers.BatchOutcome]) -> admin.SealBlockResponse:
        self._archiver.flush()
        height = outcomes[0].height
        stored = self._archiver.archive.header(height)
        response = admin.SealBlockResponse(height=height, outcomes=outcomes, repeated_batches=True)
        if stored is not None:
            response.header.ParseFromString(stored.header)
        response.outbox_pending = height == self.state.height and self.state.has_legs()
        return response

    def _make_block(self, block_time_ms: int, wanted: Sequence[commands.CommandBatch], root: bool) -> BlockResult:
        """Seals, appends and executes one block; returns when it is durable and executed."""
        state = self.state
        block = commands.BlockInput(
            height=state.height + 1,
            block_time_ms=block_time_ms,
            batches=[*wanted, *self._progress(state.height + 1, block_time_ms)],
            previous_events_root=state.events_root,
            previous_state_root=state.state_root,
            root=root,
        )
        payload = block.SerializeToString(deterministic=True)
        epoch = self._journal.epoch
        tip = Tip(state.height, state.frame_hash, epoch) if state.height else GENESIS_TIP
        frame = tip.next_frame(epoch, payload)
        appended = self._writer.submit(frame)
        versions = {key: mark.version for key, mark in state.marks.items()}
        result = drive(run_block(state, block, frame.hash, frame.epoch), self._supervisor)
        appended.result()
        if any(mark.version != versions.get(key, 0) for key, mark in state.marks.items()):
            self._gate.fresh_price()
        self._claim = Claim(frame.height, payload, frame.hash, epoch, (), result.header_bytes)
        return result

    def _progress(self, height: int, block_time_ms: int) -> list[commands.CommandBatch]:
        """The validator's progress, every so many blocks. A driver's node waits for it: the same journal each time."""
        if self._validator is None:
            return []
        if not self._config.driver_mode:
            validated = self._validator.validated_height if height % LIVE_PROGRESS_EVERY == 0 else 0
        elif height % PROGRESS_EVERY == 0:
            self._validator.wait_for(height - PROGRESS_EVERY, _VALIDATOR_PATIENCE_S)
            validated = min(self._validator.validated_height, height - PROGRESS_EVERY)
        else:
            validated = 0
        if validated <= self.state.validated_height:
            return []
        batch = commands.CommandBatch(
            request_key=b"validator/%d" % height, expires_ms=block_time_ms + EXPIRY_HORIZON_MS
        )
        batch.validator_progress.validated_height = validated
        return [batch]

    def _commit(self, result: BlockResult, answered: Sequence[Answered]) -> None:
        """What happens behind the acknowledgement."""
        self._archiver.submit(result, answered)
        if self._validator is not None:
            self._validator.submit(self._claim)
        if result.state_root:
            self.last_root, self.last_root_height = result.state_root, result.height
        every = self._config.snapshot_every
        if (every and result.height % every == 0) or self._supervisor.logged_bytes > _LOG_BYTES_BOUND:
            self.take_snapshot()

    def take_snapshot(self) -> int:
        """A cut at the last block: written, and what actors are rebuilt from. Only between blocks."""
        parts = take_cut(self.state, self._supervisor)
        self._archiver.flush()  # a start replays from the newest snapshot the archive reaches up to
        if self.state.height:
            self._snapshots.write(self.state.height, self.state.frame_hash, parts)
            self._snapshots.prune()
            self.snapshot_height = self.state.height
            self._supervisor.take_cut(parts)
            if self._validator is not None:
                self._validator.take_cut(parts, self.state.height)
        return self.state.height

    def _finish(self) -> None:
        if self.state.height > self.snapshot_height:
            self.take_snapshot()


def _run(chores: Sequence[Chore]) -> None:
    for chore in chores:
        chore.work()


def _rows(batch: commands.CommandBatch) -> int:
    """Rows for the size of a block; near enough for bodies that are no columns."""
    kind = batch.WhichOneof("body")
    body = getattr(batch, kind) if kind else None
    return len(body.account) if body is not None and hasattr(body, "account") else 1
