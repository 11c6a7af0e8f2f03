"""Looks at every block of the chain: executed again with another shard count, held against the design's invariants.

Whichever incarnation of the node shows a block, and however often: there is one chain, and at a height one block.
"""

from collections.abc import Callable

from actors.validator import judge
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import commands_pb2 as commands
from cluster.archiver import split_outcomes
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.conservation import InvariantBroken
from cluster.history import JournaledBlock
from cluster.invariants import check_after_block
from cluster.journal import ReadableJournal
from cluster.replica import Replica, part_names
from cluster.simulator.telling import block_line
from cluster.simulator.workload import Auditor
from cluster.topology import is_shard
from cluster.transport.inline import InlineTransport
from cluster.validation import Claim


class _Window(InlineTransport):
    """Somebody else's actors, to be looked at: it makes none."""

    def __init__(self, shards: int, seen: InlineTransport) -> None:
        super().__init__(shards)
        self._actors = seen._actors

    def make(self, actor: str) -> None:
        """They are there."""


class View(Replica):
    """A node's actors between two blocks, to be looked at."""

    def __init__(self, actors: InlineTransport, state: ChainState) -> None:
        self.actors = _Window(state.shards, actors)
        super().__init__(state.shards, transport=self.actors)
        self.state = state


# Whole actors are compared every so many blocks: roots do not cover all they keep (the keys of answered requests).
_COMPARED_EVERY = 5


class Witness:
    """`note` hears of every block, `complain` of what may not be.

    `auditor` is the independent model; it checks the invariants too.
    """

    def __init__(
        self, shards: int, auditor: Auditor | None, note: Callable[[str], None], complain: Callable[[str], None]
    ) -> None:
        self._actors = InlineTransport(shards)
        self._shadow = Replica(shards, transport=self._actors)
        self._auditor = auditor
        self._note = note
        self.complain = complain
        self._seen: dict[int, tuple[bytes, bytes]] = {}
        self._answers: list[tuple[str, commands.CommandBatch, answers.BatchOutcome]] = []
        self.blocks: list[JournaledBlock] = []
        self.last_root = b""

    def saw(self, claim: Claim, view: View | None) -> None:
        """A block as a node has it; `view` shows the node's actors at its end, where they still are there."""
        known = self._seen.setdefault(claim.height, (claim.frame_hash, claim.header))
        if known[0] != claim.frame_hash:
            self.complain(
                f"height {claim.height}: two blocks, frames {known[0].hex()[:12]}, {claim.frame_hash.hex()[:12]}"
            )
        elif known[1] != claim.header:
            self.complain(f"height {claim.height}: the same frame came to two headers")
        if claim.height == self.height + 1:
            self._follow(claim, view)
        elif claim.height > self.height:
            self.complain(f"height {claim.height} was shown after height {self.height}")

    @property
    def height(self) -> int:
        """The last block that was shown."""
        return len(self.blocks)

    def answered(self, node: str, batch: commands.CommandBatch, answer: answers.BatchOutcome) -> None:
        """A node acknowledges a batch, whether anybody hears of it or not."""
        self._answers.append((node, batch, answer))

    def unfounded_answers(self) -> list[str]:
        """Acknowledgements, heard or not, that no block gave."""
        given: dict[tuple[int, int, bytes], list[answers.BatchOutcome]] = {}
        for block in self.blocks:
            for batch, outcome in zip(block.batches, block.outcomes, strict=True):
                given.setdefault((block.height, batch.principal, batch.request_key), []).append(outcome)
        return [
            f"{node} acknowledged {batch.request_key!r} at height {answer.height} with an answer that no block gave"
            for node, batch, answer in self._answers
            if answer not in given.get((answer.height, batch.principal, batch.request_key), [])
        ]

    def differences(self, journal: ReadableJournal) -> list[str]:
        """What of the stored journal is not the chain of blocks that was shown, frame by frame."""
        faults, height = [], 0
        for frame in journal.frames():
            height = frame.height
            if height in self._seen and self._seen[height][0] != frame.hash:
                faults.append(f"height {height}: the journal has another frame than the one that was executed")
        if height != self.height:
            faults.append(f"the journal ends at height {height}, blocks were shown up to {self.height}")
        return faults

    def _follow(self, claim: Claim, view: View | None) -> None:
        block = commands.BlockInput.FromString(claim.payload)
        try:
            result = self._shadow.apply(block, claim.frame_hash, claim.epoch, claim.voided)
        except (InvariantBroken, AssertionError) as error:
            self.complain(f"height {claim.height}: executed again: {type(error).__name__}: {error}")
            raise
        self.blocks.append(JournaledBlock(claim.height, list(block.batches), split_outcomes(result)))
        self.last_root = result.state_root or self.last_root
        self._note(block_line(block, result))
        for fault in self._faults(claim, block, result, view):
            self.complain(f"height {claim.height}: {fault}")

    def _faults(self, claim: Claim, block: commands.BlockInput, result: BlockResult, view: View | None) -> list[str]:
        state = self._shadow.state
        claimed = blocks.BlockHeader.FromString(claim.header)
        faults = judge(claimed, result.header, result.events, state.venues, state.markets)
        if view is not None and claim.height % _COMPARED_EVERY == 0:
            faults += self._other_states(view)
        seen = view or self._shadow
        if self._auditor is None:
            return faults + check_after_block(seen, result)
        return faults + self._auditor.block(seen, block, result)

    def _other_states(self, view: View) -> list[str]:
        """Actors other than shards keep the same whatever the shards are: byte for byte."""
        names = [name for name in part_names(self._shadow.state) if not is_shard(name)]
        return [
            f"{name} keeps another state than in the replica"
            for name in names
            if self._actors.has(name) and view.actors.has(name)
            if self._actors.actor(name).save() != view.actors.actor(name).save()
        ]
