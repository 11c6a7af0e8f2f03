"""A journal's store on a simulated disk, by itself: faults strike when a test says so."""

from collections.abc import Callable

from cluster.journal import GENESIS_TIP, Frame, Tip
from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.process import Process
from cluster.simulator.scheduler import Scheduler
from cluster.simulator.storage.disk import SimDisk
from cluster.simulator.storage.journal import SimJournal
from cluster.simulator.storage.journal_store import JournalStore


class Shelf:
    """`strike(fault)`: from here on it happens on every occasion."""

    def __init__(self, is_server: bool = False) -> None:
        self.told: list[str] = []
        self.rates: dict[Fault, float] = dict.fromkeys(Fault, 0.0)
        self.chaos = Chaos(1, self.rates, lambda fault, where: None)
        self.chaos.calm = False
        self.scheduler = Scheduler(1_000_000)
        self.is_full = False
        self.disk = SimDisk(self.chaos, lambda: self.is_full)
        self.store = JournalStore(self.disk, self.scheduler, self.chaos, is_server)

    def strike(self, *faults: Fault) -> None:
        for fault in faults:
            self.rates[fault] = 1.0

    def calm(self) -> None:
        for fault in self.rates:
            self.rates[fault] = 0.0

    def open(self, holder: str = "test", verify_after: Tip = GENESIS_TIP) -> SimJournal:
        return SimJournal.open(self.store, Process(holder, self.chaos), verify_after, self.told.append)

    def writer(self, holder: str = "test") -> SimJournal:
        journal = self.open(holder)
        journal.take_lease(force=True)
        return journal


def extend(journal: SimJournal, count: int) -> list[Frame]:
    frames = []
    for _ in range(count):
        tip = journal.tip()
        frames.append(tip.next_frame(journal.epoch, b"block %d" % (tip.height + 1) * 20))
        journal.append(frames[-1])
    return frames


def opens_with(shelf: Shelf) -> list[int]:
    """Heights of the frames a start finds."""
    journal = shelf.open("reader", shelf.store.lease().start)
    try:
        return [frame.height for frame in journal.frames()]
    finally:
        journal.close()


Use = Callable[[], object]
