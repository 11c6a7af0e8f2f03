"""Calls to one actor by hand, block after block, with the heads a pipeline would give them."""

from itertools import accumulate
from typing import Any

from blake3 import blake3

from actors.contract import NO_HASH, NO_HEIGHT, Actor
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches


def frame_hash(height: int) -> bytes:
    """A frame's name, where no journal gives one."""
    return blake3(b"frame %d" % height).digest()


def head(height: int, step: int = 0, now_ms: int = 0, root: bool = False) -> batches.CallHeader:
    """The head of a call that continues the block before."""
    return batches.CallHeader(
        height=height,
        step=step,
        frame_hash=frame_hash(height),
        previous_height=height - 1,
        previous_frame_hash=frame_hash(height - 1) if height > 1 else NO_HASH,
        block_time_ms=now_ms,
        root=root,
    )


def table(kind: Any, *rows: tuple[int, ...]) -> Any:
    """A column message of these rows."""
    names = [field.name for field in kind.DESCRIPTOR.fields]
    return kind(**{name: [row[place] for row in rows] for place, name in enumerate(names)})


def worked(actor: Actor, way: Way) -> Actor:
    """The actor, going this way."""
    actor.take_way(way)
    return actor


class Caller:
    """An actor and where its chain stands."""

    def __init__(self, actor: Actor, reply_type: Any) -> None:
        self.actor = actor
        self._reply_type = reply_type
        self.height = NO_HEIGHT
        self._step = 0

    def block(self, now_ms: int = 0, root: bool = True, **fields: Any) -> Any:
        """The first call of the next block."""
        self.height += 1
        self._step = 0
        return self._call(now_ms, root, fields)

    def again(self, now_ms: int = 0, root: bool = True, **fields: Any) -> Any:
        """One more call of the same block."""
        self._step += 1
        return self._call(now_ms, root, fields)

    def _call(self, now_ms: int, root: bool, fields: dict[str, Any]) -> Any:
        call = self.actor.call_type(header=head(self.height, self._step, now_ms, root), **fields)
        return self._reply_type.FromString(self.actor.apply(call.SerializeToString()))


def pending_list(pending: batches.PendingEvents) -> list[bytes]:
    """Pending events one by one."""
    together, ends = b"".join(pending.bodies), list(accumulate(pending.size))
    return [together[end - size : end] for end, size in zip(ends, pending.size, strict=True)]
