"""What a journal is, whatever the store: the interface and its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, Protocol

from cluster.journal.frame import Frame, Tip

NoticeSink = Callable[[str], None]
Kind = Literal["sqlite", "postgresql"]


class JournalError(Exception):
    """Anything that keeps a journal from doing what was asked."""


class JournalCorrupted(JournalError):
    """Stored bytes are not what was written. `height` is the first that cannot be trusted; the node must not start."""

    def __init__(self, height: int, reason: str) -> None:
        super().__init__(f"journal is corrupted at height {height}: {reason}")
        self.height = height
        self.reason = reason


class FramesPruned(JournalError):
    """Frames were asked for that were pruned. `first_height` is the first that is still in the journal."""

    def __init__(self, asked_height: int, first_height: int) -> None:
        super().__init__(
            f"frame {asked_height} was pruned: the journal begins at height {first_height}, "
            f"and needs a snapshot of height {first_height - 1} or above to start from"
        )
        self.asked_height = asked_height
        self.first_height = first_height


class BadJournalUrl(JournalError):
    """A URL that names no journal."""

    def __init__(self, url: str, reason: str) -> None:
        shown = url.partition("?")[0].rpartition("@")[2]  # what is before it may be a password
        super().__init__(f"{shown} is no URL of a journal: {reason}")


class StoreFailed(JournalError):
    """The store does not answer, or refuses what is neither an append nor damage; it says nothing of frames."""


class LeaseHeld(JournalError):
    """Another process holds the journal: `path` is the data directory or the address of the stream.

    Where the store notes when a holder was last seen, `free_in_ms` is how long it must stay silent to lose the lease.
    """

    def __init__(self, path: str, holder: str, free_in_ms: int | None = None) -> None:
        what = "journal" if "://" in path else "data directory"
        super().__init__(f"{what} {path} is in use by {holder}")
        self.path = path
        self.holder = holder
        self.free_in_ms = free_in_ms


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
    """The store refused for certain: the frame is not in it and never will be. The lease is as it was."""

    def __init__(self, height: int, reason: str) -> None:
        super().__init__(f"frame {height} was not appended: {reason}")
        self.height = height
        self.reason = reason


class OutcomeUnknown(JournalError):
    """The store failed half-way: whether the frame is in it shows when `resume` has returned, by the tip's hash."""

    def __init__(self, height: int, reason: str) -> None:
        super().__init__(f"it is unknown whether frame {height} was appended: {reason}")
        self.height = height
        self.reason = reason


class Holder(NamedTuple):
    """Who has the lease: a name (empty when it was released), the epoch, and how long ago the store last saw them."""

    name: str
    epoch: int
    seen_age_ms: int


class ReadableJournal(Protocol):
    """The half of a journal that an audit needs."""

    def start(self) -> Tip:
        """Return the place the first stored frame follows: GENESIS_TIP, or what was pruned up to."""

    def tip(self) -> Tip:
        """Return the last frame's place, or `start` where there is none."""

    def frames(self, from_height: int | None = None) -> Iterator[Frame]:
        """Yield the frames from a height on (the first stored), each verified; those there are, without waiting.

        Raises JournalCorrupted at the first that is wrong, FramesPruned where it was pruned.
        """

    def verify(self) -> Tip:
        """Check the store and the chain from the first stored frame to the last; raises JournalCorrupted."""

    def close(self) -> None:
        """Let the store and its lock go."""


class Journal(ReadableJournal, Protocol):
    """One ordered stream of frames with one writer at a time, fenced by the epoch of a lease in the store.

    Every method raises StoreFailed where the store does not answer.
    """

    @property
    def kind(self) -> Kind:
        """Which store it is."""

    @property
    def epoch(self) -> int:
        """The epoch this writer holds, 0 before take_lease and after close."""

    def take_lease(self, *, force: bool = False) -> int:
        """Become the writer: raise the epoch, which shuts out every earlier holder, and return it.

        Raises LeaseHeld while another holder is alive; `force` takes it from them all the same.
        """

    def append(self, frame: Frame) -> None:
        """Make the frame durable before returning.

        Raises HeightOutOfOrder, Fenced, FrameNotAppended or OutcomeUnknown; after the last, `resume` comes first.
        """

    def resume(self) -> Tip:
        """After OutcomeUnknown: connect anew and raise the own epoch, so that nothing on its way can still arrive.

        Returns the tip: its hash tells whether the frame is in. Raises Fenced where somebody else took the lease,
        StoreFailed while the store does not answer: then try again.
        """

    def renew(self) -> None:
        """Note by the store's own clock that the holder is alive. Raises Fenced."""

    def holder(self) -> Holder:
        """Say who has the lease."""

    def cut_before(self, height: int) -> int:
        """Remove the frames below `height` at once or not at all, and return how many.

        The place of the frame before stays, and the chain is checked from there. Raises ValueError past the tip.
        """

    def checkpoint(self) -> None:
        """Do the store's housekeeping; called after acknowledgements, never between a command and its answer."""
