"""Voiding: the way out when the last block of a journal cannot be executed, by a node or by any start after it.

Only a block that re-execution fails on can be touched, so nothing that was ever acknowledged is. The void is a frame of
its own behind the block; replay reads it first and treats the command as refused.
"""

from collections.abc import Callable, Iterable

from breakwater.v1 import commands_pb2 as commands
from cluster.journal import GENESIS_TIP, Journal
from cluster.poison import Trial, find_poison_by_trial, void_frame
from cluster.recovery import BlockFailed, Recovered, Replayed, recover, state_before
from cluster.stores import Stores

_REPLAY_SHARDS = 1


class NothingToVoid(Exception):
    """The journal can be executed as it is, or fails elsewhere."""


def void_command(stores: Stores, height: int, index: int) -> int:
    """Appends the void of command `index` of block `height` and returns its frame's height.

    Raises NothingToVoid, LeaseHeld, JournalCorrupted.
    """
    _require_failure(stores, height)
    return _append_voids(stores, height, (index,))


def recover_past_poison(
    stores: Stores,
    shards: int,
    make_trial: Callable[[], Trial],
    notice: Callable[[str], None],
    force: bool = False,
    executed: Callable[[Replayed], None] = lambda replayed: None,
) -> Recovered:
    """`recover`; where the last block cannot be executed, without the commands that are to blame.

    A node that was ended by such a block finds it at its next start, before anybody could look for the command.
    Raises BlockFailed where no command is to blame, and all that `recover` raises.
    """
    try:
        return recover(stores, shards, force, executed)
    except BlockFailed as failed:
        notice(f"{failed}; looking for why")
        parts, frame = state_before(stores, failed.height)
        block = commands.BlockInput.FromString(frame.payload)
        voided = find_poison_by_trial(block, frame, parts, make_trial)
        if not voided:
            raise
        for index in voided:
            notice(f"block {failed.height}: command {index} is voided, no block can be made with it ({failed.cause})")
        try:
            _append_voids(stores, failed.height, voided)
        except NothingToVoid:
            raise failed from None
        return recover(stores, shards, executed=executed)


def _append_voids(stores: Stores, height: int, indices: Iterable[int]) -> int:
    snapshot = stores.snapshots.latest(at_most=height - 1)
    journal = stores.open_journal(snapshot.place if snapshot else GENESIS_TIP)
    try:
        _require_never_executed(journal, height)
        epoch = journal.take_lease()
        tip = journal.tip()
        (last,) = journal.frames(tip.height)
        block_time_ms = commands.BlockInput.FromString(last.payload).block_time_ms
        frame = void_frame(tip, epoch, block_time_ms, height, indices)
        journal.append(frame)
        return frame.height
    finally:
        journal.close()


def _require_failure(stores: Stores, height: int) -> None:
    try:
        recovered = recover(stores, _REPLAY_SHARDS)
    except BlockFailed as failed:
        if failed.height != height:
            raise NothingToVoid(f"the block that fails is {failed.height}, not {height}") from failed
        return
    recovered.archive.close()
    recovered.journal.close()
    raise NothingToVoid(f"all {recovered.replica.state.height} blocks can be executed")


def _require_never_executed(journal: Journal, height: int) -> None:
    """A frame that carries roots was sealed by a node that had executed the block before it."""
    for frame in journal.frames(height + 1):
        if commands.BlockInput.FromString(frame.payload).previous_events_root:
            raise NothingToVoid(f"block {height} was executed: block {frame.height} was sealed after it")
