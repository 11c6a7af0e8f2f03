"""What an actor is: a plain object that takes one message and gives one message, and nothing else.

It has no clock, no randomness and no way to reach another actor. Its state can be taken as bytes (`snapshot`), given
back (`restore`) and named by a digest. A call names its frame and the one before (`CallHeader`): the same call again
gets the same bytes, a call from another chain is refused, so a host may repeat calls freely after a failure.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from blake3 import blake3
from google.protobuf.message import Message

from actors.ways import Way
from actors.wide_messages import read_message

NO_HEIGHT = 0
NO_HASH = bytes(32)
_HEAD_BYTES = 8 + 32


class ChainBroken(Exception):
    """The call does not continue what this actor has applied; it must be discarded and rebuilt."""


class Actor(ABC):
    """Base of every actor: the chain check, the repeated answer, the frame of a snapshot.

    A subclass gives `call_type` and `decide`, `save`, `load`; `load` receives the bodies of all parts of the cut
    that concern it (a shard gets those of all shards, whatever their number was).
    """

    call_type: ClassVar[type[Message]]
    way = Way.BY_COLUMNS

    def __init__(self) -> None:
        self._height = NO_HEIGHT
        self._frame_hash = NO_HASH
        self._step = -1
        self._reply = b""

    def take_way(self, way: Way) -> None:
        """How calls are worked from here on; it shows in nothing, and no snapshot has it."""
        self.way = way

    def apply(self, call: bytes) -> bytes:
        """Decides one call. The same (height, step) again answers the same bytes. Raises ChainBroken."""
        message = self.read(call)
        header = message.header
        if header.height == self._height:
            if header.frame_hash != self._frame_hash:
                raise ChainBroken(f"height {header.height} was applied with another frame")
            if header.step == self._step:
                return self._reply
            if header.step < self._step:
                raise ChainBroken(f"step {header.step} of height {header.height} is behind step {self._step}")
        elif (header.previous_height, header.previous_frame_hash) != (self._height, self._frame_hash):
            raise ChainBroken(f"height {header.height} does not continue height {self._height}")
        said = self.decide(message)
        reply = said if isinstance(said, bytes) else said.SerializeToString(deterministic=True)
        self._height, self._frame_hash, self._step = header.height, header.frame_hash, header.step
        self._reply = reply
        return reply

    def read(self, call: bytes) -> Any:
        """A call as `decide` takes it, with its `header`."""
        return read_message(self.call_type, call)

    def query(self, query: bytes) -> bytes:
        """Answers a read; changes nothing."""
        raise ValueError("this actor answers no reads")

    def snapshot(self) -> bytes:
        """The state with the frame it was reached by."""
        return self._height.to_bytes(8, "big") + self._frame_hash + self.save()

    def restore(self, parts: Sequence[bytes]) -> None:
        """Takes the state of the parts of one cut."""
        heads = {part[:_HEAD_BYTES] for part in parts}
        assert len(heads) == 1, "the parts are not of one cut"
        head = heads.pop()
        self._height, self._frame_hash = int.from_bytes(head[:8], "big"), head[8:]
        self._step, self._reply = 1 << 30, b""
        self.load([part[_HEAD_BYTES:] for part in parts])

    def digest(self) -> bytes:
        """32 bytes that name the state; never the frame, the epoch or the layout in memory."""
        return blake3(self.save()).digest()

    @property
    def height(self) -> int:
        """The block this actor has applied last."""
        return self._height

    @abstractmethod
    def decide(self, call: Any) -> Message | bytes:
        """Applies one call and says what follows, serialised or not yet.

        A user's mistake is a refusal in the answer, never an exception.
        """

    @abstractmethod
    def save(self) -> bytes:
        """The whole state, canonical."""

    @abstractmethod
    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
