"""Looks at every block of the chain: executed again with another shard count, held against the design's invariants.

Whichever incarnation of the node shows a block, and however often: there is one chain, and at a height one block.
"""

from collections.abc import Callable

from actors.validator import judge
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import commands_pb2 as commands
from cluster.archiver import split_outcomes
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.conservation import InvariantBroken
from cluster.history import JournaledBlock
from cluster.invariants import check_after_block
from cluster.journal import ReadableJournal
from cluster.replica import Replica
from cluster.simulator.telling import block_line
from cluster.simulator.workload import Auditor
from cluster.transport.inline import InlineTransport
from cluster.validation import Claim


class _Window(InlineTransport):
    """Somebody else's actors, to be looked at: it makes none."""

    def __init__(self, shards: int, seen: InlineTransport) -> None:
        super().__init__(shards)
        self._actors = seen._actors

    def make(self, actor: str) -> None:
        """They are there."""


def look_at(transport: InlineTransport, state: ChainState) -> Replica:
    """A view of a node's actors between two blocks."""
    view = Replica(state.shards, transport=_Window(state.shards, transport))
    view.state = state
    return view


class Witness:
    """`note` hears of every block, `complain` of what may not be.

    `auditor` is the independent model; it checks the invariants too.
    """

    def __init__(
        self, shards: int, auditor: Auditor | None, note: Callable[[str], None], complain: Callable[[str], None]
    ) -> None:
        self._shadow = Replica(shards)
        self._auditor = auditor
        self._note = note
        self.complain = complain
        self._seen: dict[int, tuple[bytes, bytes]] = {}
        self.blocks: list[JournaledBlock] = []
        self.last_root = b""

    def saw(self, claim: Claim, view: Replica | None) -> None:
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

    def _follow(self, claim: Claim, view: Replica | None) -> None:
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

    def _faults(self, claim: Claim, block: commands.BlockInput, result: BlockResult, view: Replica | None) -> list[str]:
        state = self._shadow.state
        claimed = blocks.BlockHeader.FromString(claim.header)
        faults = judge(claimed, result.header, result.events, state.venues, state.markets)
        seen = view or self._shadow
        if self._auditor is None:
            return faults + check_after_block(seen, result)
        return faults + self._auditor.block(seen, block, result)
