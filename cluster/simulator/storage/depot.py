"""Everything that outlives the nodes of a simulated world, and a node's view of it (`cluster.stores.Stores`)."""

from collections.abc import Callable

from cluster.archive import Archive
from cluster.journal import Journal, Tip
from cluster.journal.tail import content_error
from cluster.placement import Owners
from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.process import Process
from cluster.simulator.scheduler import Scheduler
from cluster.simulator.storage.archive import ArchiveFile, SimArchive
from cluster.simulator.storage.disk import SimDisk
from cluster.simulator.storage.journal import SimJournal
from cluster.simulator.storage.journal_store import LOG, JournalStore
from cluster.simulator.storage.snapshots import FOLDER, SimPlace
from cluster.snapshots import SnapshotStore

_ENOUGH_SNAPSHOTS = 2


class Depot:
    """The journal's store, the snapshots' disk, and an archive and a placement a machine."""

    def __init__(
        self, scheduler: Scheduler, chaos: Chaos, is_server: bool, machines: list[str], owners: Owners
    ) -> None:
        self._scheduler = scheduler
        self._chaos = chaos
        self._full_until_ms = 0
        self.disk = SimDisk(chaos, self._is_full)
        self.journal = JournalStore(self.disk, scheduler, chaos, is_server)
        self.archives = {machine: ArchiveFile(chaos) for machine in machines}
        self.owners = dict.fromkeys(machines, owners)
        # Commands no node of this world can execute.
        self.poison: set[tuple[int, bytes]] = set()
        self._backup: bytes | None = None

    def _is_full(self) -> bool:
        chaos, now_ms = self._chaos, self._scheduler.now_ms
        if chaos.strikes(Fault.DISK_FULL):
            self._full_until_ms = now_ms + chaos.between(Fault.DISK_FULL, 10, 5_000)
        return now_ms < self._full_until_ms

    def lose_power(self, machine: str) -> None:
        """A node's process is gone, and its machine with it: what was not synced there may be lost."""
        if not self.journal.is_server:
            self.disk.lose_power()
        self.archives[machine].lose_power()

    def come_right(self) -> None:
        """Room on the disk, a server that answers."""
        self._full_until_ms = self.journal.down_until_ms = 0

    def clear_stale_archive(self, machine: str) -> bool:
        """An operator moves an archive away that nothing leads on from; whether it was such a one.

        The journal is pruned, and the snapshots from which its blocks could be executed again lie above the archive.
        """
        archive, start = self.archives[machine], self.journal.lease().start.height
        is_stale = bool(archive.tip and start) and all(height > archive.tip for height in self._whole_snapshots())
        if is_stale:
            archive.lose()
        return is_stale

    def snapshots(self, process: Process, notice: Callable[[str], None]) -> SnapshotStore:
        """The snapshots as a process finds them: a directory beside an embedded journal, else an object store."""
        return SnapshotStore(SimPlace(self.disk, process, not self.journal.is_server), notice=notice)

    def flip_a_snapshot(self) -> None:
        """One bit of the newest snapshot, for good: it is passed over. Never of the only one there is to start from."""
        files, whole = self.disk.names(FOLDER), self._whole_snapshots()
        if self.journal.lease().start.height and len(whole) < _ENOUGH_SNAPSHOTS:
            return
        newest = [file for file in files if file.startswith(files[-1].rpartition("/")[0]) and self.disk.size(file)]
        if newest and self._chaos.strikes(Fault.BIT_FLIP_SNAPSHOT):
            file = newest[self._chaos.between(Fault.BIT_FLIP_SNAPSHOT, 0, len(newest) - 1)]
            self.disk.flip(file, self._chaos.between(Fault.BIT_FLIP_SNAPSHOT, 0, 8 * self.disk.size(file) - 1))

    def _whole_snapshots(self) -> list[int]:
        """Heights of those a start could begin with."""
        store = self.snapshots(Process("nobody", self._chaos), lambda text: None)
        found, start = [], self.journal.lease().start.height
        newest = store.latest()
        while newest is not None and newest.height >= start:
            found.append(newest.height)
            newest = store.latest(at_most=newest.height - 1)
        return found

    def flip_a_frame(self, machine: str) -> bool:
        """One bit of a frame that a start on this machine must look at; whether there was one. `mend` turns it back.

        A flip in the last whole frame cannot be told from a torn write, unless something else knows of the frame: the
        lease, a snapshot or the archive.
        """
        records = list(self.journal.records())
        verified_to = max(self._whole_snapshots(), default=0)
        known_to = max(self.journal.lease().anchor.height, verified_to, self.archives[machine].tip)
        ends = [*(at for at, _ in records), self.disk.size(LOG)][1:]
        last_whole = max((frame.height for _, frame in records if content_error(frame) is None), default=0)
        suspects = [
            (at, end)
            for (at, frame), end in zip(records, ends, strict=True)
            if frame.height >= max(1, verified_to) and (frame.height < last_whole or frame.height <= known_to)
        ]
        if not suspects or not self._chaos.strikes(Fault.BIT_FLIP_JOURNAL):
            return False
        start, end = suspects[self._chaos.between(Fault.BIT_FLIP_JOURNAL, 0, len(suspects) - 1)]
        self._backup = self.disk.read(LOG)
        self.disk.flip(LOG, self._chaos.between(Fault.BIT_FLIP_JOURNAL, 8 * start, 8 * end - 1))
        return True

    def mend(self) -> None:
        """An operator puts the journal back as it was, all of it: a start may have cut a frame off."""
        if self._backup is not None:
            self.disk.put_back(LOG, self._backup)
            self._backup = None


class SimStores:
    """One incarnation's stores."""

    def __init__(self, depot: Depot, machine: str, process: Process, notice: Callable[[str], None]) -> None:
        self._depot = depot
        self._machine = machine
        self._process = process
        self._notice = notice
        self.snapshots = depot.snapshots(process, notice)
        self.opened: SimJournal | None = None

    def open_journal(self, verify_after: Tip) -> Journal:
        """See `Stores`. Raises LeaseHeld, StoreFailed, JournalCorrupted."""
        self._process.crash_point(Fault.CRASH_IN_RECOVERY)
        self.opened = SimJournal.open(self._depot.journal, self._process, verify_after, self._notice)
        return self.opened

    def open_archive(self) -> Archive:
        """See `Stores`. It has the methods that a node and its recovery call."""
        self._process.crash_point(Fault.CRASH_IN_RECOVERY)
        return SimArchive(self._depot.archives[self._machine], self._process)  # type: ignore[return-value]
