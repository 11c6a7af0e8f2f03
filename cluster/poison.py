"""A block that cannot be executed: which of its commands is to blame, found by trying, and the frame that voids them.

The block was never acknowledged. With the voids in the journal every replay treats those commands as refused, at the
same heights, so a node that starts again does not die of the same command again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from actors.sealing.batches import EXPIRY_HORIZON_MS, BatchChecks
from actors.sealing.directory import Directory
from breakwater.v1 import commands_pb2 as commands
from cluster.journal import Frame, Tip
from cluster.transport.transport import ActorLost
from cluster.trial import TrialHost

# A block with more commands that nobody can execute has another fault than its commands.
MOST_VOIDED = 16


class Trial(Protocol):
    """Runs a block on the state before it, where it does no harm; forgets the outcome."""

    def load(self, parts: Mapping[str, bytes]) -> None:
        """The state before the block."""

    def attempt(self, block: bytes, frame_hash: bytes, epoch: int, voided: Sequence[int]) -> str:
        """Empty when the block can be executed without these commands, else why not. Raises ActorLost."""

    def close(self) -> None:
        """Lets it go."""


class LocalTrial(TrialHost):
    """A trial in this process: sees exceptions, not crashes."""

    def __init__(self) -> None:
        super().__init__(shards=1)

    def close(self) -> None:
        """Nothing to let go."""


def command_count(block: commands.BlockInput) -> int:
    """Commands of a block as `VoidCommand.index` counts them."""
    checks = BatchChecks(Directory(), block, {})
    return sum(checks.row_count(batch) for batch in block.batches)


def find_poison(count: int, fails: Callable[[Iterable[int]], bool]) -> tuple[int, ...] | None:
    """The commands without which the block can be executed, by bisection; None where they are not to blame.

    `fails(voided)` tells whether a block of `count` commands fails without the voided ones.
    """
    if fails(range(count)):
        return None
    found: list[int] = []
    while fails(found):
        if len(found) == MOST_VOIDED:
            return None
        # Without everything from `high` on it fails; without everything from `low` on it does not.
        low, high = 0, count
        while high - low > 1:
            middle = (low + high) // 2
            if fails({*found, *range(middle, count)}):
                high = middle
            else:
                low = middle
        found.append(low)
    return tuple(sorted(found))


def find_poison_by_trial(
    block: commands.BlockInput, frame: Frame, parts: Mapping[str, bytes], make_trial: Callable[[], Trial]
) -> tuple[int, ...] | None:
    """`find_poison` on the state before the block; a trial that dies of the block fails it, too."""
    payload = block.SerializeToString(deterministic=True)

    def fails(voided: Iterable[int]) -> bool:
        trial = make_trial()
        try:
            trial.load(parts)
            return bool(trial.attempt(payload, frame.hash, frame.epoch, sorted(voided)))
        except ActorLost:
            return True
        finally:
            trial.close()

    return find_poison(command_count(block), fails)


def void_frame(tip: Tip, epoch: int, block_time_ms: int, height: int, indices: Iterable[int]) -> Frame:
    """The frame behind block `height` that voids commands of it. It carries no roots: the block never ran."""
    block = commands.BlockInput(height=tip.height + 1, block_time_ms=block_time_ms)
    for index in indices:
        key = b"void/%d/%d" % (height, index)
        batch = block.batches.add(request_key=key, expires_ms=block_time_ms + EXPIRY_HORIZON_MS)
        batch.void_command.height, batch.void_command.index = height, index
    return tip.next_frame(epoch, block.SerializeToString(deterministic=True))
