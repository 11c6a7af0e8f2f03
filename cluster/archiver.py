"""Writes committed blocks to the archive and tells the listeners, in a lane of its own behind the acknowledgements.

A listener hears of a block only when the archive has it, so a reader that replays from the archive and then follows
misses nothing. Answers to batches are kept here until the archive has them.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from actors.sealing.batches import key_digest
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from cluster.answer import Answer, split_answers
from cluster.archive import Archive
from cluster.commit import BlockResult
from cluster.crash_points import reached
from cluster.key_filter import KeyFilter
from cluster.lanes import Lane
from cluster.sequencer import body_hash

Answered = tuple[bytes, bytes, Answer]  # request key digest, body hash, answer


@dataclass(frozen=True, slots=True)
class CommittedBlock:
    """A block that is durable and archived. Header and events are serialised."""

    height: int
    block_time_ms: int
    header: bytes
    events: Sequence[bytes]
    marks: list[common.Mark] = field(default_factory=list)
    # Accounts of bot-run venues the block changed, and versions it settled.
    standings: batches.StandingRows = field(default_factory=batches.StandingRows)
    versions: list[batches.VersionRecord] = field(default_factory=list)


def split_outcomes(result: BlockResult) -> list[answers.BatchOutcome]:
    """The block's answers, batch by batch, as messages."""
    return [answer.outcome() for answer in answers_of(result)]


def answers_of(result: BlockResult) -> list[Answer]:
    """The block's answers, batch by batch."""
    return split_answers(result.height, result.told, result.batch_rows)


def write_block(archive: Archive, result: BlockResult, answered: Sequence[Answered]) -> bool:
    """Puts one block into the archive; False where it was there already."""
    kept = [
        (key, body, answer.serialised)
        for key, body, answer in answered
        # The key's answer is the first one's. A batch that is refused whole says so in every row.
        if not answer.rows or answer.refusal[0] != refusals.REFUSAL_REQUEST_KEY_REUSED
    ]
    return archive.append_block(result.height, result.block_time_ms, result.header_bytes, result.events, kept)


def archive_replayed(archive: Archive, block: commands.BlockInput, result: BlockResult) -> None:
    """Puts a block that recovery executed again into the archive, with the answers its batches had."""
    answered = [
        (key_digest(batch.principal, batch.request_key), body_hash(batch), answer)
        for batch, answer in zip(block.batches, answers_of(result), strict=True)
    ]
    if write_block(archive, result, answered):
        archive.tend(len(result.events))


class Archiver:
    """Listeners are called with every block in order.

    A write that fails (a full disk) is reported, shows in `failure`, and is tried again with the next block: blocks go
    on, and `behind` says how many wait.
    """

    def __init__(self, archive: Archive, lane: Lane, notice: Callable[[str], None]) -> None:
        self.archive = archive
        self.failure = ""
        self._lane = lane
        self._notice = notice
        self._pending: dict[bytes, tuple[bytes, Answer]] = {}
        self._waiting: deque[tuple[BlockResult, Sequence[Answered]]] = deque()
        self._signatures: dict[int, bytes] = {}  # of blocks that wait
        self._answered_keys = KeyFilter(archive.request_keys())
        self._guard = Lock()
        self._signed_listeners: list[Callable[[int, bytes], None]] = []
        self._listeners: list[Callable[[CommittedBlock], None]] = []

    def submit(self, result: BlockResult, answered: Sequence[Answered]) -> None:
        """A block was acknowledged."""
        with self._guard:
            for key, body, answer in answered:
                self._pending.setdefault(key, (body, answer))
                self._answered_keys.add(key)
        self._waiting.append((result, answered))
        self.run_in_order(self._write)

    @property
    def behind(self) -> int:
        """Blocks the archive does not have yet."""
        return len(self._waiting)

    def sign(self, height: int, signature: bytes) -> None:
        """The validator signed a block; whoever subscribed is told once the archive has block and signature."""
        self.run_in_order(lambda: self._take_signature(height, signature))

    def subscribe_signed(self, listener: Callable[[int, bytes], None]) -> Callable[[], None]:
        """Calls the listener with every (height, signature); call the result to take it off."""
        self._signed_listeners.append(listener)
        return lambda: self._signed_listeners.remove(listener)

    def run_in_order(self, work: Callable[[], None]) -> None:
        """Does something in the lane, after everything submitted so far."""
        self._lane.submit(lambda: self._try(work))

    def outcome(self, key: bytes) -> tuple[bytes, Answer] | None:
        """(body hash, answer) of a request key, archived or not yet."""
        with self._guard:
            pending = self._pending.get(key)
        if pending is not None:
            return pending
        if not self._answered_keys.may_have(key):
            return None
        found = self.archive.outcome(key)
        return (found.body_hash, Answer.read(found.outcome)) if found else None

    def subscribe(self, listener: Callable[[CommittedBlock], None]) -> Callable[[], None]:
        """Adds a listener; call the result to take it off."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def flush(self) -> None:
        """Waits until everything submitted is archived."""
        self._lane.flush()

    def settle(self) -> None:
        """The same, safe from a loss of power: before a snapshot, for a start replays from one the archive reaches.

        Raises OSError.
        """
        self.flush()
        try:
            self.archive.sync()
        except sqlite3.Error as error:
            raise OSError(f"the archive was not synced: {error}") from error

    def close(self) -> None:
        """Writes what is left and ends the lane."""
        self._lane.close()

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            self._notice(f"archive: {self.failure}")

    def _take_signature(self, height: int, signature: bytes) -> None:
        if self._waiting and height >= self._waiting[0][0].height:
            self._signatures[height] = signature
        else:
            self._sign(height, signature)

    def _sign(self, height: int, signature: bytes) -> None:
        self.archive.sign(height, signature)
        for listener in list(self._signed_listeners):
            listener(height, signature)

    def _write(self) -> None:
        """All blocks that wait, in their order."""
        while self._waiting:
            result, answered = self._waiting[0]
            write_block(self.archive, result, answered)
            reached("node:archived")
            self._waiting.popleft()
            self.failure = ""
            with self._guard:
                for key, _, _ in answered:
                    self._pending.pop(key, None)
            self._tell(result)
            signature = self._signatures.pop(result.height, None)
            if signature is not None:
                self._sign(result.height, signature)
            self.archive.tend(len(result.events))

    def _tell(self, result: BlockResult) -> None:
        block = CommittedBlock(
            result.height,
            result.block_time_ms,
            result.header_bytes,
            result.events,
            result.marks,
            result.standings,
            result.versions,
        )
        for listener in list(self._listeners):
            try:
                listener(block)
            except Exception as error:
                self._notice(f"a listener of block {block.height}: {error}")
