"""Looks at every block of the chain: executed again with another shard count, held against the design's invariants.

Whichever incarnation of the node shows a block, and however often: there is one chain, and at a height one block.
"""

from collections.abc import Callable

from actors.validator import judge
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import commands_pb2 as commands
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.conservation import InvariantBroken
from cluster.invariants import check_after_block
from cluster.replica import Replica
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


def look_at(shards: int, transport: InlineTransport, state: ChainState) -> Replica:
    """A view of a node's actors between two blocks."""
    view = Replica(shards, transport=_Window(shards, transport))
    view.state = state
    return view


class Witness:
    """`complain` hears of everything that may not be. `auditor` is the independent model."""

    def __init__(self, shards: int, auditor: Auditor | None, complain: Callable[[str], None]) -> None:
        self._shadow = Replica(shards)
        self._auditor = auditor
        self._complain = complain
        self._seen: dict[int, tuple[bytes, bytes]] = {}
        self.height = 0
        self.last_root = b""

    def saw(self, claim: Claim, view: Replica | None) -> None:
        """A block as a node has it; `view` shows the node's actors at its end, where they still are there."""
        known = self._seen.setdefault(claim.height, (claim.frame_hash, claim.header))
        if known[0] != claim.frame_hash:
            self._complain(
                f"height {claim.height}: two blocks, frames {known[0].hex()[:12]}, {claim.frame_hash.hex()[:12]}"
            )
        elif known[1] != claim.header:
            self._complain(f"height {claim.height}: the same frame came to two headers")
        if claim.height == self.height + 1:
            self._follow(claim, view)
        elif claim.height > self.height:
            self._complain(f"height {claim.height} was shown after height {self.height}")

    def _follow(self, claim: Claim, view: Replica | None) -> None:
        block = commands.BlockInput.FromString(claim.payload)
        try:
            result = self._shadow.apply(block, claim.frame_hash, claim.epoch, claim.voided)
        except (InvariantBroken, AssertionError) as error:
            self._complain(f"height {claim.height}: executed again: {type(error).__name__}: {error}")
            raise
        self.height = claim.height
        self.last_root = result.state_root or self.last_root
        for fault in self._faults(claim, block, result, view):
            self._complain(f"height {claim.height}: {fault}")

    def _faults(self, claim: Claim, block: commands.BlockInput, result: BlockResult, view: Replica | None) -> list[str]:
        state = self._shadow.state
        claimed = blocks.BlockHeader.FromString(claim.header)
        faults = judge(claimed, result.header, result.events, state.venues, state.markets)
        seen = view or self._shadow
        faults += check_after_block(seen, result)
        if self._auditor is not None:
            faults += self._auditor.block(seen, block, result)
        return faults
