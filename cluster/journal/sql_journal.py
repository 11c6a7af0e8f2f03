"""Writing a journal kept in an SQL store: lease, fenced append, the way back after a failure. One thread appends."""

from __future__ import annotations

import logging
import secrets
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from itertools import islice
from typing import ClassVar, Final

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_TIP, Frame, Tip
from cluster.journal.journal import (
    Fenced,
    HeightOutOfOrder,
    Holder,
    JournalCorrupted,
    JournalError,
    Kind,
    LeaseHeld,
    NoticeSink,
    OutcomeUnknown,
)
from cluster.journal.sql_reader import SqlReader
from cluster.journal.tail import chain_error, checked, settle_tail

_log = logging.getLogger(__name__)

_MARK: Final = " #"
_FILL_FRAMES = 64


class SqlJournal(SqlReader):
    """The writer, whatever the dialect: a store brings the five abstract methods below and those of `SqlReader`."""

    _kind: ClassVar[Kind]
    # Whether a crash can leave the last write half done. Where not, an invalid end is damage like any other.
    _may_be_torn: ClassVar[bool] = True

    def __init__(self, stream: str, holder: str, where: str) -> None:
        """`where` is the store as people name it."""
        super().__init__(stream)
        # A name can come again, on the same machine under the same process number: the mark behind it cannot.
        self._holder = f"{holder}{_MARK}{secrets.token_hex(8)}"
        self._where = where
        self._epoch = 0
        self._tip = GENESIS_TIP
        self._unknown: OutcomeUnknown | None = None

    @abstractmethod
    def _insert(self, frame: Frame) -> int:
        """Run the fenced insert and return how many rows it made; raises FrameNotAppended or OutcomeUnknown."""

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[object]:
        """What is queried inside takes effect as one, durably, or not at all."""

    @abstractmethod
    def _reconnect(self) -> None:
        """Drop the connection and make a new one; raises StoreFailed. What it then shows must be durable."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Let the connection go, and any lock; harmless when repeated."""

    @abstractmethod
    def _lease_terms(self) -> dict[str, int]:
        """`ttl_ms`, how long a silent holder keeps the lease, and `force`, 1 where holders need not be looked at."""

    @property
    def kind(self) -> Kind:
        """Which store it is."""
        return self._kind

    @property
    def epoch(self) -> int:
        """The lease epoch this writer holds, 0 before take_lease and after close."""
        return self._epoch

    def take_lease(self, *, force: bool = False) -> int:
        """Raise the epoch above every earlier one, which shuts earlier holders out, and return it.

        Raises LeaseHeld, naming them, while another holder is alive; with `force` they are overtaken all the same.
        """
        with self._guard:
            terms = self._lease_terms()
            terms["force"] |= force
            with self._transaction():
                self.query(self._sql.lock_lease, FIRST_HEIGHT)  # no append is under way, none comes before the commit
                tip = self.tip()
                place = {"height": tip.height, "hash": tip.hash, "tip_epoch": tip.epoch}
                taken = self.query(self._sql.take, tip.height + 1, holder=self._holder, **place, **terms)
            if not taken:
                raise self._held(terms["ttl_ms"])
            self._epoch, self._tip, self._unknown = int(taken[0][0]), tip, None
            return self._epoch

    def append(self, frame: Frame) -> None:
        """Make the frame durable before returning. The epoch is tested by the statement that inserts.

        Raises HeightOutOfOrder (not the tip's successor), Fenced (the frame's epoch is not the lease's),
        FrameNotAppended (the store refused) or OutcomeUnknown (it failed; `resume` comes before the next append).
        """
        with self._guard:
            self._require_writer()
            if frame.epoch < self._tip.epoch:
                raise Fenced(frame.epoch)
            error = chain_error(frame, self._tip)
            if error is not None:
                raise HeightOutOfOrder(self._tip.height + 1, frame.height, error)
            try:
                inserted = self._insert(frame)
            except OutcomeUnknown as unknown:
                self._unknown = unknown
                raise
            if inserted != 1:
                raise Fenced(frame.epoch)
            self._tip = frame.tip

    def resume(self) -> Tip:
        """Connect anew, raise the own epoch, return the tip; see `Journal.resume`."""
        with self._guard:
            self._require_lease()
            self._reconnect()
            with self._transaction():
                # By the holder's mark, not the epoch: an earlier try may have raised it and its answer been lost.
                taken = self.query(self._sql.retake, self._tip.height + 1, holder=self._holder)
                tip = self.tip()
            self._unknown = None
            if not taken:
                raise Fenced(self._epoch)
            self._epoch, self._tip = int(taken[0][0]), tip
            return tip

    def renew(self) -> None:
        """Note by the store's own clock that the holder is alive; raises Fenced, StoreFailed."""
        with self._guard:
            self._require_writer()
            self._change(self._sql.renew)

    def holder(self) -> Holder:
        """Say who has the lease; the name is empty when it was released or never taken."""
        rows = self.query(self._sql.read_holder, FIRST_HEIGHT)
        if not rows:
            return Holder("", 0, 0)
        marked, epoch, seen_age_ms = rows[0]
        return Holder(marked.partition(_MARK)[0], epoch, seen_age_ms)

    def cut_before(self, height: int) -> int:
        """Remove the frames below `height`, in one transaction under the lease, and return how many.

        Raises ValueError past the tip, Fenced.
        """
        with self._guard:
            self._require_writer()
            if height > self._tip.height + 1:
                raise ValueError(f"the journal ends at {self._tip.height}: nothing can be cut up to {height - 1}")
            start = self.start()
            if height <= start.height + 1:
                return 0
            place = self.place_before(height)
            with self._transaction():
                self._change(self._sql.renew)  # the lease row is locked by it: from here on nobody can take over
                self.query(self._sql.forget_start, height)
                self.query(self._sql.new_start, height, height=place.height, of_epoch=place.epoch, hash=place.hash)
                self.query(self._sql.cut_before, height, height=place.height)
            return place.height - start.height

    def fill(self, frames: Iterable[Frame], start: Tip = GENESIS_TIP) -> Tip:
        """Copy the frames of another journal, which begins at `start`, behind what is here; return the tip.

        They keep their epochs and go in many at a time: for a backup or a restore, never beside a node. Raises
        JournalCorrupted at the first that does not continue the chain, Fenced.
        """
        with self._guard:
            self._require_writer()
            if self._tip == GENESIS_TIP and start != GENESIS_TIP:
                with self._transaction():
                    self._change(self._sql.renew)
                    place = {"height": start.height, "of_epoch": start.epoch, "hash": start.hash}
                    self.query(self._sql.new_start, start.height, **place)
                self._tip = start
            rest = checked(frames, self._tip)
            while chunk := list(islice(rest, _FILL_FRAMES)):
                with self._transaction():
                    self._change(self._sql.renew)
                    for frame in chunk:
                        content = {"prev_hash": frame.prev_hash, "hash": frame.hash, "payload": frame.payload}
                        place = {"height": frame.height, "of_epoch": frame.epoch}
                        self.query(self._sql.fill, frame.height, **place, **content)
                self._tip = chunk[-1].tip
            return self._tip

    def checkpoint(self) -> None:
        """Note the tip in the lease row: it is then known to be durable and can never be taken for a torn tail."""
        with self._guard:
            self._require_writer()
            self._change(self._sql.anchor, height=self._tip.height, hash=self._tip.hash)

    def close(self) -> None:
        """Note the tip, release the lease, let the store go; harmless when repeated."""
        with self._guard:
            try:
                if self._epoch and self._unknown is None:
                    self.checkpoint()
                    self._change(self._sql.release)
            except JournalError as error:  # everything acknowledged is durable as it is: nothing is lost
                _log.warning("journal: closed without a checkpoint (%s)", error)
            finally:
                self._epoch = 0
                self._disconnect()

    def _change(self, sql: str, **values: object) -> None:
        """Change the lease row under the own epoch; raises Fenced where it is no longer the lease's."""
        if not self.query(f"{sql} RETURNING epoch", self._tip.height + 1, epoch=self._epoch, **values):
            raise Fenced(self._epoch)

    def _require_lease(self) -> None:
        if self._epoch == 0:
            raise Fenced(0)

    def _require_writer(self) -> None:
        self._require_lease()
        if self._unknown is not None:
            raise OutcomeUnknown(self._unknown.height, f"{self._unknown.reason}; resume comes first")

    def _held(self, ttl_ms: int) -> LeaseHeld:
        holder = self.holder()
        free_in_ms = max(ttl_ms - holder.seen_age_ms, 0)
        seen = f"{holder.name}, epoch {holder.epoch}, seen {holder.seen_age_ms:,} ms ago"
        return LeaseHeld(self._where, f"{seen}; free in {free_in_ms:,} ms if it stays silent", free_in_ms)

    def _make_tables(self) -> None:
        for table in self._sql.tables:
            self.query(table, FIRST_HEIGHT)
        self._make_lease()

    def _make_lease(self) -> None:
        self.query(self._sql.new_lease, FIRST_HEIGHT, height=GENESIS_TIP.height, hash=GENESIS_TIP.hash)

    def _settle(self, verify_after: Tip, notice: NoticeSink) -> Tip:
        """Verify from a known place on; cut an invalid end that was never known to be durable."""
        anchor = self.anchor()
        before = self.place_before(verify_after.height + 1)
        if before.hash != verify_after.hash:
            raise JournalCorrupted(before.height, "it is not the frame the snapshot was taken at")
        tip, cut_from, reason = settle_tail(self.rows_from(before.height + 1), before, anchor)
        if cut_from is not None and not self._may_be_torn:
            raise JournalCorrupted(cut_from, reason)
        if cut_from is not None:
            with self._transaction():
                for statement in (self._sql.keep_cut, self._sql.cut):
                    self.query(statement, cut_from, height=cut_from)
            notice(f"journal: torn tail cut at height {cut_from} ({reason}); its rows are kept in journal_cut")
        return tip
