"""What a journal is, whatever the store: the interface, its errors, and the check of the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from cluster.journal.frame import GENESIS_TIP, Frame, Tip, frame_hash

NoticeSink = Callable[[str], None]


class JournalError(Exception):
    """Anything that keeps a journal from doing what was asked."""


class JournalCorrupted(JournalError):
    """Stored bytes are not what was written. `height` is the first that cannot be trusted; the node must not start."""

    def __init__(self, height: int, reason: str) -> None:
        super().__init__(f"journal is corrupted at height {height}: {reason}")
        self.height = height
        self.reason = reason


class LeaseHeld(JournalError):
    """Another process holds the data directory."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"data directory {path} is in use by {holder}")
        self.path = path
        self.holder = holder


class Fenced(JournalError):
    """A successor took the lease: this writer's epoch may never append again."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"fenced: the lease of epoch {epoch} is not the journal's any more, a later one holds it")
        self.epoch = epoch


class HeightOutOfOrder(JournalError):
    """The frame does not extend the tip. A mistake of the caller, nothing was written."""

    def __init__(self, expected_height: int, given_height: int, reason: str) -> None:
        super().__init__(f"expected a frame of height {expected_height}, got {given_height}: {reason}")
        self.expected_height = expected_height
        self.given_height = given_height


class FrameNotAppended(JournalError):
    """The store failed, and it was then established that the frame is not in it. The lease has a new epoch."""

    def __init__(self, height: int, reason: str) -> None:
        super().__init__(f"frame {height} was not appended: {reason}")
        self.height = height
        self.reason = reason


class OutcomeUnknown(JournalError):
    """The store failed and could not be asked again: whether the frame is in it shows at the next opening."""

    def __init__(self, height: int, reason: str) -> None:
        super().__init__(f"it is unknown whether frame {height} was appended: {reason}")
        self.height = height
        self.reason = reason


class ReadableJournal(Protocol):
    """The half of a journal that an audit needs."""

    def tip(self) -> Tip:
        """Return the last frame's place, or GENESIS_TIP."""

    def frames(self, from_height: int = ...) -> Iterator[Frame]:
        """Yield the frames from a height on, each verified; raises JournalCorrupted at the first that is wrong."""

    def verify(self) -> Tip:
        """Check the store and the chain from the first frame to the last; raises JournalCorrupted."""

    def close(self) -> None:
        """Let the store and its lock go."""


class Journal(ReadableJournal, Protocol):
    """One ordered stream of frames with one writer at a time, fenced by the epoch of a lease in the store."""

    @property
    def epoch(self) -> int:
        """The epoch this writer holds, 0 before take_lease. It can rise when a failed append was looked into."""

    def take_lease(self) -> int:
        """Become the writer: raise the epoch, which shuts out every earlier holder, and return it."""

    def append(self, frame: Frame) -> None:
        """Make the frame durable before returning.

        Raises HeightOutOfOrder, Fenced, FrameNotAppended or OutcomeUnknown.
        """

    def checkpoint(self) -> None:
        """Do the store's housekeeping; called after acknowledgements, never between a command and its answer."""


def chain_error(frame: Frame, before: Tip) -> str | None:
    """Say what is wrong with `frame` as the successor of `before`, or None when nothing is."""
    if frame.height != before.height + 1:
        return f"the next frame in the store has height {frame.height}"
    if frame.prev_hash != before.hash:
        return "it does not name the hash of the frame before"
    if frame.epoch < before.epoch:
        return f"its epoch {frame.epoch} is below {before.epoch}, the epoch before"
    return content_error(frame)


def content_error(frame: Frame) -> str | None:
    """Say whether a frame's own bytes disagree with its hash; needs no neighbour."""
    try:
        expected = frame_hash(frame.height, frame.epoch, frame.prev_hash, frame.payload)
    except (ValueError, TypeError) as error:  # a damaged store can hand out any type in any column
        return f"it is malformed ({error})"
    return None if frame.hash == expected else "its content does not match its hash"


def checked(frames: Iterable[Frame], before: Tip = GENESIS_TIP) -> Iterator[Frame]:
    """Pass on the frames that follow `before`; raises JournalCorrupted at the first that breaks the chain."""
    for frame in frames:
        error = chain_error(frame, before)
        if error is not None:
            raise JournalCorrupted(before.height + 1, error)
        before = Tip(frame.height, frame.hash, frame.epoch)
        yield frame
