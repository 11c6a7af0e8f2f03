"""Cuts of a running engine: taken between two blocks, written, and what actors are rebuilt from, from there on."""

from collections.abc import Callable, Mapping

from cluster.chain_state import ChainState
from cluster.crash_points import reached
from cluster.journal import Journal, JournalError
from cluster.pruning import prune
from cluster.replica import take_cut
from cluster.stores import Snapshots
from cluster.transport.transport import Transport

# A snapshot that could not be written is tried again so many blocks later.
_TRY_AGAIN_BLOCKS = 100


class Snapshotting:
    """Writes cuts. `failure` says why the last one could not be written; empty while all is well."""

    def __init__(
        self, snapshots: Snapshots, actors: Transport, settle: Callable[[], None], notice: Callable[[str], None]
    ) -> None:
        """`settle` makes durable what a start from a snapshot needs beside it. It may raise OSError."""
        self._snapshots = snapshots
        self._actors = actors
        self._settle = settle
        self._notice = notice
        self._not_before = 0
        self.failure = ""
        heights = snapshots.heights()
        self.height = max(heights) if heights else 0

    def take(self, state: ChainState) -> Mapping[str, bytes]:
        """A cut of this state, durable when it returns. Raises OSError."""
        self._settle()
        parts = take_cut(state, self._actors)
        if state.height:
            self._snapshots.write(state.height, state.frame_hash, parts)
            reached("node:snapshot")
            self._snapshots.prune()
            self.failure = ""
            self.height = state.height
        return parts

    def try_to_take(self, state: ChainState) -> Mapping[str, bytes] | None:
        """The same behind a block: one that cannot be written is tried again later, and blocks go on."""
        if state.height < self._not_before:
            return None
        try:
            return self.take(state)
        except (OSError, JournalError) as error:
            self.failure = str(error)
            self._not_before = state.height + _TRY_AGAIN_BLOCKS
            self._notice(f"no snapshot at height {state.height}: {error}")
            return None

    def prune_journal(self, journal: Journal, keep_blocks: int) -> None:
        """Frames below the oldest snapshot go, but for the last `keep_blocks`; for the lane of the journal's writer."""
        try:
            pruned = prune(journal, self._snapshots, keep_blocks)
        except (OSError, JournalError) as error:
            self._notice(f"the journal was not pruned: {error}")
        else:
            if pruned.frames:
                self._notice(
                    f"the journal was pruned: {pruned.frames:,} frames went, it begins at {pruned.start_height + 1:,}"
                )
