"""Voiding: the way out when the last block of a journal cannot be executed, by a node or by any start after it.

Only a block that re-execution fails on can be touched, so nothing that was ever acknowledged is. The void is a frame of
its own behind the block; replay reads it first and treats the command as refused.
"""

from collections.abc import Callable
from pathlib import Path

from actors.sealing.batches import EXPIRY_HORIZON_MS
from breakwater.v1 import commands_pb2 as commands
from cluster.journal import Frame, SqliteJournal
from cluster.recovery import BlockFailed, recover

_REPLAY_SHARDS = 1


class NothingToVoid(Exception):
    """The journal can be executed as it is, or fails elsewhere."""


def void_command(data_dir: Path, height: int, index: int, holder: str, notice: Callable[[str], None]) -> int:
    """Appends the void of command `index` of block `height` and returns its frame's height.

    Raises NothingToVoid, LeaseHeld, JournalCorrupted.
    """
    _require_failure(data_dir, height, holder, notice)
    journal = SqliteJournal.open(data_dir, holder=holder, notice=notice)
    try:
        _require_never_executed(journal, height)
        epoch = journal.take_lease()
        tip = journal.tip()
        last = _last(journal, tip.height)
        block = commands.BlockInput(height=tip.height + 1, block_time_ms=last.block_time_ms)
        key = b"void/%d/%d" % (height, index)
        batch = block.batches.add(request_key=key, expires_ms=last.block_time_ms + EXPIRY_HORIZON_MS)
        batch.void_command.height, batch.void_command.index = height, index
        frame: Frame = tip.next_frame(epoch, block.SerializeToString(deterministic=True))
        journal.append(frame)
        return frame.height
    finally:
        journal.close()


def _require_failure(data_dir: Path, height: int, holder: str, notice: Callable[[str], None]) -> None:
    try:
        recovered = recover(data_dir, _REPLAY_SHARDS, holder, notice)
    except BlockFailed as failed:
        if failed.height != height:
            raise NothingToVoid(f"the block that fails is {failed.height}, not {height}") from failed
        return
    recovered.archive.close()
    recovered.journal.close()
    raise NothingToVoid(f"all {recovered.replica.state.height} blocks can be executed")


def _require_never_executed(journal: SqliteJournal, height: int) -> None:
    """A frame that carries roots was sealed by a node that had executed the block before it."""
    for frame in journal.frames(height + 1):
        if commands.BlockInput.FromString(frame.payload).previous_events_root:
            raise NothingToVoid(f"block {height} was executed: block {frame.height} was sealed after it")


def _last(journal: SqliteJournal, height: int) -> commands.BlockInput:
    (frame,) = journal.frames(height)
    return commands.BlockInput.FromString(frame.payload)
