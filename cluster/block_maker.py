"""Makes one block: sealed, appended, executed; and what is done where one of these fails.

The append runs beside the execution, so at most one block is ever speculative. A block that turns out not to be in the
journal is rolled back: the actors are given the state before it, from the last cut and the frames since. A block that
is in the journal and cannot be executed is made without the commands that are to blame (`cluster.poison`).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from breakwater.v1 import commands_pb2 as commands
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.crash_points import reached
from cluster.journal import (
    GENESIS_TIP,
    Frame,
    FrameNotAppended,
    Journal,
    JournalWriter,
    OutcomeUnknown,
    StoreFailed,
    Tip,
)
from cluster.pipeline import run_block
from cluster.placement import Owners
from cluster.poison import Trial, find_poison_by_trial, void_frame
from cluster.recovery import BlockFailed, replay
from cluster.replica import Replica, drive, part_names
from cluster.supervisor import Supervisor
from cluster.transport.transport import TransportGone
from cluster.validation import Claim


class Made(NamedTuple):
    """A block that is durable and executed."""

    result: BlockResult
    claim: Claim


class _Attempt(NamedTuple):
    """A block whose frame was handed to the journal; `block` is all of it but its batches, which the frame holds."""

    block: commands.BlockInput
    frame: Frame
    result: BlockResult | None
    failure: Exception | None


class BlockMaker:
    """Owns the state of the chain. Between two calls it is that of the last durable block, unless `unsettled`."""

    def __init__(
        self,
        replica: Replica,
        owners: Owners,
        cut: tuple[Mapping[str, bytes] | None, int],
        supervisor: Supervisor,
        journal: Journal,
        writer: JournalWriter,
        make_trial: Callable[[], Trial] | None,
        notice: Callable[[str], None],
    ) -> None:
        """The actors get the replica's state, on the shards of `owners`.

        `cut` (parts, height) is what a rollback starts from. Without `make_trial` no command is ever voided.
        """
        self._cut_parts, self._cut_height = cut
        self._supervisor = supervisor
        self._journal = journal
        self._writer = writer
        self._make_trial = make_trial
        self._notice = notice
        self._attempt: _Attempt | None = None
        self.voided = 0
        self.state: ChainState = self._hand_over(replica, owners)

    @property
    def unsettled(self) -> bool:
        """Whether it is unknown if the last block is in the journal: only `settle` may be called."""
        return self._attempt is not None

    def make(self, block: commands.BlockInput, payload: bytes, append_first: bool = False) -> list[Made]:
        """Seals, appends and executes a block, given as its bytes; a second one where commands were voided.

        Of `block`, the same as a message, the batches are not looked at.

        `append_first`: where the append is likely to fail, and to be rolled back. Raises Fenced; FrameNotAppended, then
        the block has no effect; OutcomeUnknown, then `settle` decides; BlockFailed, then no block can be made.
        """
        frame = self._tip().next_frame(self._journal.epoch, payload)
        reached("node:sealed")
        appended = self._writer.submit(frame)
        if append_first and appended.exception() is not None:
            executed = _Attempt(block, frame, None, None)
        else:
            executed = self._execute(block, frame)
        reached("node:executed")
        try:
            appended.result()
        except FrameNotAppended as refused:
            if executed.result or executed.failure:
                try:
                    self._roll_back(block.height - 1)
                except StoreFailed as error:  # it cannot be read either: `settle` goes back once it can
                    self._attempt = executed
                    raise OutcomeUnknown(block.height, str(error)) from refused
            self._writer.resume()
            raise
        except OutcomeUnknown:
            self._attempt = executed
            raise
        reached("node:appended")
        return self._finish(executed)

    def settle(self) -> list[Made] | None:
        """Asks the journal whether the unsettled block is in it: then the block is finished, else it is rolled back.

        Raises Fenced; JournalError while the journal does not answer.
        """
        attempt = self._attempt
        assert attempt is not None, "nothing is unsettled"
        tip = self._journal.resume()
        self._writer.resume()
        if tip.hash == attempt.frame.hash:
            if attempt.result is None and attempt.failure is None:
                attempt = self._execute(attempt.block, attempt.frame)
            made = self._finish(attempt)
            self._attempt = None
            return made
        assert tip.hash == attempt.frame.prev_hash, f"the journal ends at {tip.height} with a frame of somebody else"
        self._roll_back(attempt.block.height - 1)
        self._attempt = None
        return None

    def take_cut(self, parts: Mapping[str, bytes]) -> None:
        """The state after the last block: what a rollback starts from, from here on."""
        self._cut_parts, self._cut_height = parts, self.state.height
        self._supervisor.take_cut(parts)

    def _tip(self) -> Tip:
        state = self.state
        return Tip(state.height, state.frame_hash, self._journal.epoch) if state.height else GENESIS_TIP

    def _execute(self, block: commands.BlockInput, frame: Frame, voided: tuple[int, ...] = ()) -> _Attempt:
        try:
            run = run_block(self.state, block, frame.hash, frame.epoch, voided, frame.payload)
            return _Attempt(block, frame, drive(run, self._supervisor), None)
        except TransportGone:
            raise  # no command is to blame
        except Exception as error:
            return _Attempt(block, frame, None, error)

    def _finish(self, attempt: _Attempt) -> list[Made]:
        if attempt.failure is not None:
            return self._without_poison(attempt.frame, attempt.failure)
        return [_made(attempt, ())]

    def _without_poison(self, frame: Frame, failure: Exception) -> list[Made]:
        """The block is in the journal: voids what is to blame behind it, and makes both blocks."""
        if self._make_trial is None:
            raise BlockFailed(frame.height, failure)
        block = commands.BlockInput.FromString(frame.payload)
        self._notice(f"block {block.height} cannot be executed ({type(failure).__name__}: {failure}); looking for why")
        replica = self._replay_to(block.height - 1)
        voided = find_poison_by_trial(block, frame, replica.cut() if replica.state.height else {}, self._make_trial)
        if not voided:
            raise BlockFailed(block.height, failure)
        for index in voided:
            self._notice(f"block {block.height}: command {index} is voided, no block can be made with it ({failure})")
        self.state = self._hand_over(replica, self.state.owners)
        tip = Tip(frame.height, frame.hash, frame.epoch)
        behind = void_frame(tip, self._journal.epoch, block.block_time_ms, block.height, voided)
        try:
            self._writer.submit(behind).result()
        except (FrameNotAppended, OutcomeUnknown) as error:
            # The block is in the journal and cannot be executed: the next start voids what is to blame.
            raise BlockFailed(block.height, error) from failure
        self.voided += len(voided)
        made = []
        follows = commands.BlockInput.FromString(behind.payload)
        for each, its_frame, without in ((block, frame, voided), (follows, behind, ())):
            attempt = self._execute(each, its_frame, without)
            if attempt.failure is not None:
                raise BlockFailed(each.height, attempt.failure)
            made.append(_made(attempt, without))
        return made

    def _replay_to(self, height: int) -> Replica:
        """The state after a block, from the cut and the journal."""
        replica = Replica(self.state.shards)
        if self._cut_parts:
            replica.restore(self._cut_parts)
        for _ in replay(self._journal, replica, self._cut_height + 1, height):
            pass
        return replica

    def _roll_back(self, height: int) -> None:
        self._notice(f"block {height + 1} is not in the journal: going back to block {height}")
        self.state = self._hand_over(self._replay_to(height), self.state.owners)

    def _hand_over(self, replica: Replica, owners: Owners) -> ChainState:
        """Gives the actors the replica's state; they are rebuilt from it from here on."""
        parts, state, supervisor = replica.cut(), replica.state, self._supervisor
        state.place(owners)
        supervisor.place(owners)
        for actor in part_names(state):
            if not (state.height and supervisor.has(actor)):
                supervisor.make(actor)
        if state.height:
            supervisor.reset(parts)  # a desk of the block that was rolled back stays behind, empty
        else:
            supervisor.take_cut({})
        return state


def _made(attempt: _Attempt, voided: tuple[int, ...]) -> Made:
    assert attempt.result is not None
    frame = attempt.frame
    claim = Claim(frame.height, frame.payload, frame.hash, frame.epoch, voided, attempt.result.header_bytes)
    return Made(attempt.result, claim)
