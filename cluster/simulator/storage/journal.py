"""A journal on a simulated store, with the face and the promises of the real ones (`cluster.journal.Journal`)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from cluster.journal import (
    Fenced,
    Frame,
    FrameNotAppended,
    FramesPruned,
    HeightOutOfOrder,
    Holder,
    JournalCorrupted,
    JournalError,
    LeaseHeld,
    OutcomeUnknown,
    StoreFailed,
    Tip,
)
from cluster.journal.journal import Kind
from cluster.journal.tail import chain_error, checked, content_error, settle_tail
from cluster.simulator.faults import Fault
from cluster.simulator.process import NodeCrashed, Process
from cluster.simulator.storage.journal_store import LEASE_MS, LOG, JournalStore, Lease

# How a server that fails in the middle of an append has taken it.
_LOST, _TAKEN, _ARRIVES_LATE = 0, 1, 2


class SimJournal:
    """One writer of the store. Its process may end in the middle of an append."""

    def __init__(self, store: JournalStore, process: Process) -> None:
        self._store = store
        self._process = process
        self._epoch = 0
        self._tip = store.lease().start

    @classmethod
    def open(
        cls,
        store: JournalStore,
        process: Process,
        verify_after: Tip,
        notice: Callable[[str], None],
    ) -> "SimJournal":
        """Opens it and settles its tail. Raises LeaseHeld, StoreFailed, JournalCorrupted."""
        _require_up(store)
        if not store.is_server:
            if store.opened_by:
                raise LeaseHeld("simulated", store.opened_by)
            store.opened_by = process.name
        journal = cls(store, process)
        try:
            journal._settle_tail(verify_after, notice)
        except BaseException:
            journal.close()
            raise
        return journal

    def _settle_tail(self, verify_after: Tip, notice: Callable[[str], None]) -> None:
        before = self._place_before(verify_after.height + 1)
        if before.hash != verify_after.hash:
            raise JournalCorrupted(before.height, "it is not the frame the snapshot was taken at")
        records = [(at, frame) for at, frame in self._store.records() if frame.height > before.height or not frame.hash]
        settled = settle_tail((frame for _, frame in records), before, self._store.lease().anchor)
        if settled.cut_from is not None:
            self._store.disk.truncate(LOG, records[settled.tip.height - before.height][0])
            notice(f"journal: torn tail cut at height {settled.cut_from} ({settled.reason})")
        self._tip = settled.tip

    @property
    def kind(self) -> Kind:
        """The store it stands for."""
        return "postgresql" if self._store.is_server else "sqlite"

    @property
    def epoch(self) -> int:
        """See `Journal`."""
        return self._epoch

    def start(self) -> Tip:
        """See `ReadableJournal`."""
        return self._store.lease().start

    def tip(self) -> Tip:
        """See `ReadableJournal`."""
        _require_up(self._store)
        frames = self._frames()
        return frames[-1].tip if frames else self.start()

    def frames(self, from_height: int | None = None) -> Iterator[Frame]:
        """See `ReadableJournal`."""
        _require_up(self._store)
        first = self.start().height + 1
        height = first if from_height is None else from_height
        if height < first:
            raise FramesPruned(height, first)
        return checked((frame for frame in self._frames() if frame.height >= height), self._place_before(height))

    def verify(self) -> Tip:
        """See `ReadableJournal`."""
        last = self.start()
        for frame in self.frames():
            last = frame.tip
        return last

    def take_lease(self, *, force: bool = False) -> int:
        """See `Journal`."""
        _require_up(self._store)
        lease = self._store.lease()
        silent_ms = self._store.scheduler.now_ms - lease.seen_ms
        if self._store.is_server and lease.holder and silent_ms < LEASE_MS and not force:
            raise LeaseHeld("simulated://", lease.holder, LEASE_MS - silent_ms)
        self._tip = self.tip()
        self._epoch = max(lease.epoch, self._tip.epoch) + 1
        self._note(replace(lease, epoch=self._epoch, holder=self._process.name, anchor=self._tip))
        return self._epoch

    def append(self, frame: Frame) -> None:
        """See `Journal`."""
        if self._epoch == 0 or frame.epoch < self._tip.epoch:
            raise Fenced(frame.epoch)
        error = chain_error(frame, self._tip)
        if error is not None:
            raise HeightOutOfOrder(self._tip.height + 1, frame.height, error)
        self._process.crash_point(Fault.CRASH_BEFORE_APPEND)
        if self._store.is_down or (self._store.is_server and self._store.chaos.strikes(Fault.STORE_DOWN)):
            self._fail_half_way(frame)
        try:
            self._crash_in_append(frame)
            taken = self._store.insert(frame)
        except OSError as error:
            raise FrameNotAppended(frame.height, str(error)) from error
        if not taken:
            raise Fenced(frame.epoch)
        self._tip = frame.tip
        self._process.crash_point(Fault.CRASH_AFTER_APPEND)

    def _crash_in_append(self, frame: Frame) -> None:
        """The node dies with the frame on its way: an embedded log has it half, a server may go on without it."""
        if self._store.lease().epoch != frame.epoch:
            return
        try:
            self._process.crash_point(Fault.CRASH_IN_APPEND)
        except NodeCrashed:
            if self._store.is_server and self._store.chaos.between(Fault.CRASH_IN_APPEND, 0, 1):
                self._store.insert_unseen(frame)
            elif not self._store.is_server:
                with suppress(OSError):
                    self._store.write(frame)
            raise

    def _fail_half_way(self, frame: Frame) -> None:
        """A server goes down or is cut off in the middle of the statement."""
        chaos, store = self._store.chaos, self._store
        if not store.is_down:
            how = chaos.between(Fault.STORE_DOWN, _LOST, _ARRIVES_LATE)
            if how == _TAKEN:
                store.insert_unseen(frame)
            if how == _ARRIVES_LATE:
                store.scheduler.after(chaos.between(Fault.STORE_DOWN, 1, 3_000), lambda: self._arrive(frame))
            store.go_down(chaos.between(Fault.STORE_DOWN, 1, 4_000))
        raise OutcomeUnknown(frame.height, "the server closed the connection")

    def _arrive(self, frame: Frame) -> None:
        """A statement that was on its way all the time; the fence and the primary key look at it now."""
        if not self._store.is_down and self.tip().hash == frame.prev_hash:
            self._store.insert_unseen(frame)

    def resume(self) -> Tip:
        """See `Journal`."""
        _require_up(self._store)
        lease = self._store.lease()
        if self._epoch == 0 or lease.epoch != self._epoch:
            raise Fenced(self._epoch)
        self._epoch += 1
        self._note(replace(lease, epoch=self._epoch))
        self._tip = self.tip()
        return self._tip

    def renew(self) -> None:
        """See `Journal`."""
        _require_up(self._store)
        self._note(self._own_lease())

    def holder(self) -> Holder:
        """See `Journal`."""
        _require_up(self._store)
        lease = self._store.lease()
        return Holder(lease.holder, lease.epoch, self._store.scheduler.now_ms - lease.seen_ms)

    def cut_before(self, height: int) -> int:
        """See `Journal`."""
        if height > self._tip.height + 1:
            raise ValueError(f"the journal ends at {self._tip.height}, nothing below {height} can be cut")
        start = self._place_before(height)
        frames = self._frames()
        kept = self._store.disk.read(LOG)[self._place_in_log(height) :]
        self._note(replace(self._own_lease(), start=start))
        self._store.disk.replace(LOG, kept)
        return sum(frame.height < height for frame in frames)

    def checkpoint(self) -> None:
        """See `Journal`: the tip is noted as durable."""
        _require_up(self._store)
        self._note(replace(self._own_lease(), anchor=self._tip))

    def close(self) -> None:
        """See `ReadableJournal`; an orderly end gives the lease back."""
        if self._process.lives() and self._epoch and not self._store.is_down:
            with suppress(JournalError):  # fenced, or no room: whoever comes next takes the lease all the same
                self._note(replace(self._own_lease(), holder="", anchor=self._tip))
        self.abandon()

    def abandon(self) -> None:
        """The process is gone: nothing is written any more."""
        self._epoch = 0
        if self._store.opened_by == self._process.name:
            self._store.opened_by = ""

    def _own_lease(self) -> Lease:
        lease = self._store.lease()
        if self._epoch == 0 or lease.epoch != self._epoch:
            raise Fenced(self._epoch)
        return lease

    def _note(self, lease: Lease) -> None:
        try:
            self._store.put_lease(replace(lease, seen_ms=self._store.scheduler.now_ms))
        except OSError as error:
            raise StoreFailed(str(error)) from error

    def _frames(self) -> list[Frame]:
        start = self._store.lease().start
        return [frame for _, frame in self._store.records() if frame.height > start.height or not frame.hash]

    def _place_in_log(self, height: int) -> int:
        return next((at for at, frame in self._store.records() if frame.height >= height), self._store.disk.size(LOG))

    def _place_before(self, height: int) -> Tip:
        """The place of the frame below a height, its bytes verified."""
        start = self.start()
        if height == start.height + 1:
            return start
        if height <= start.height:
            raise FramesPruned(height, start.height + 1)
        frame = next((frame for _, frame in self._store.records() if frame.height == height - 1), None)
        error = "it is missing" if frame is None else content_error(frame)
        if frame is None or error is not None:
            raise JournalCorrupted(height - 1, str(error))
        return frame.tip


def _require_up(store: JournalStore) -> None:
    if store.is_down:
        raise StoreFailed("the server does not answer")
