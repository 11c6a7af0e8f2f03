"""The simulated journal keeps the promises of the real ones, and its disk loses no more than disks do."""

import pytest

from cluster.journal import (
    GENESIS_TIP,
    Fenced,
    Frame,
    FrameNotAppended,
    FramesPruned,
    HeightOutOfOrder,
    JournalCorrupted,
    LeaseHeld,
    OutcomeUnknown,
    StoreFailed,
)
from cluster.simulator.faults import Fault
from cluster.simulator.process import NodeCrashed
from cluster.simulator.storage.journal import SimJournal
from cluster.simulator.storage.journal_store import LEASE_MS, LOG
from tests.simulation.simulator.shelf import Shelf, extend, opens_with


def test_what_was_appended_is_read_back() -> None:
    shelf = Shelf()
    journal = shelf.writer()
    frames = extend(journal, 5)
    journal.close()
    journal = shelf.open()
    assert list(journal.frames()) == frames
    assert list(journal.frames(3)) == frames[2:]
    assert journal.tip() == journal.verify() == frames[-1].tip
    with pytest.raises(JournalCorrupted, match="height 7"):
        list(journal.frames(8))


def test_only_the_successor_of_the_tip_is_taken_and_only_from_the_holder() -> None:
    journal = Shelf().writer()
    frames = extend(journal, 2)
    for wrong in (frames[-1], Frame.seal(4, 1, frames[-1].hash, b""), Frame.seal(3, 1, frames[0].hash, b"")):
        with pytest.raises(HeightOutOfOrder):
            journal.append(wrong)
    with pytest.raises(Fenced):
        Shelf().open().append(GENESIS_TIP.next_frame(1, b""))


def test_an_embedded_store_is_one_process_only() -> None:
    shelf = Shelf()
    journal = shelf.writer("first")
    with pytest.raises(LeaseHeld, match="first"):
        shelf.open("second")
    journal.close()
    assert shelf.writer("second").epoch == 2


def test_a_successor_fences_the_writer_before_it() -> None:
    shelf = Shelf(is_server=True)
    zombie = shelf.writer("zombie")
    frames = extend(zombie, 2)
    successor = shelf.open("successor")
    with pytest.raises(LeaseHeld) as held:
        successor.take_lease()
    assert held.value.free_in_ms == LEASE_MS
    shelf.scheduler.run_until(shelf.scheduler.now_ms + LEASE_MS)
    successor.take_lease()
    for use in (zombie.renew, zombie.checkpoint, zombie.resume, lambda: zombie.cut_before(1)):
        with pytest.raises(Fenced):
            use()
    with pytest.raises(Fenced):
        zombie.append(frames[-1].tip.next_frame(zombie.epoch, b"too late"))
    assert extend(successor, 1)[0].epoch == 2
    assert successor.holder()[:2] == ("successor", 2)


@pytest.mark.parametrize("torn", [False, True])
def test_a_crash_in_an_append_costs_that_frame_at_most(torn: bool) -> None:
    for attempt in range(20):
        shelf = Shelf()
        journal = shelf.writer()
        acknowledged = extend(journal, attempt % 4)
        shelf.strike(Fault.CRASH_IN_APPEND, Fault.WRITE_TORN if torn else Fault.WRITE_LOST)
        with pytest.raises(NodeCrashed):
            extend(journal, 1)
        journal.abandon()
        shelf.disk.lose_power()
        shelf.calm()
        assert opens_with(shelf) == [frame.height for frame in acknowledged]


def test_every_torn_tail_is_cut_to_the_acknowledged_frames() -> None:
    shelf = Shelf()
    journal = shelf.writer()
    extend(journal, 3)
    before = shelf.disk.size(LOG)
    extend(journal, 1)
    journal.abandon()
    whole = shelf.disk.read(LOG)
    for size in range(before, len(whole)):
        shelf.disk.put_back(LOG, whole[:size])
        assert opens_with(shelf) == [1, 2, 3], f"cut at byte {size}"
        assert shelf.disk.size(LOG) == before


def test_a_flipped_bit_anywhere_before_the_last_frame_is_refused() -> None:
    shelf = Shelf()
    journal = shelf.writer()
    extend(journal, 2)
    before = shelf.disk.size(LOG)
    extend(journal, 1)
    journal.abandon()
    for bit in range(0, 8 * before, 3):
        shelf.disk.flip(LOG, bit)
        with pytest.raises(JournalCorrupted):
            opens_with(shelf)
        shelf.disk.flip(LOG, bit)
    assert opens_with(shelf) == [1, 2, 3]


def test_a_flipped_bit_in_a_last_frame_that_was_noted_as_durable_is_refused() -> None:
    shelf = Shelf()
    journal = shelf.writer()
    extend(journal, 2)
    journal.close()
    shelf.disk.flip(LOG, 8 * shelf.disk.size(LOG) - 1)
    with pytest.raises(JournalCorrupted, match="height 2"):
        opens_with(shelf)


def test_a_full_disk_takes_nothing_and_the_lease_stays() -> None:
    shelf = Shelf()
    journal = shelf.writer()
    extend(journal, 2)
    size = shelf.disk.size(LOG)
    shelf.is_full = True
    with pytest.raises(FrameNotAppended):
        extend(journal, 1)
    assert shelf.disk.size(LOG) == size
    shelf.is_full = False
    assert extend(journal, 1)[0].height == 3


def test_after_an_outcome_that_is_unknown_the_tip_tells_and_nothing_arrives_late() -> None:
    seen: set[int] = set()
    for _ in range(30):
        shelf = Shelf(is_server=True)
        journal = shelf.writer()
        extend(journal, 1)
        for _ in range(len(seen)):  # another draw of how it fails
            shelf.chaos.between(Fault.STORE_DOWN, 0, 1)
        shelf.strike(Fault.STORE_DOWN)
        with pytest.raises(OutcomeUnknown):
            extend_blindly(journal)
        with pytest.raises(StoreFailed):
            journal.resume()
        shelf.calm()
        shelf.scheduler.run_until(shelf.store.down_until_ms)
        tip = journal.resume()
        shelf.scheduler.run_until(shelf.scheduler.now_ms + 10_000)
        assert journal.tip() == tip
        seen.add(tip.height)
        assert extend(journal, 1)[0].height == tip.height + 1
        if seen == {1, 2}:
            return
    raise AssertionError(f"only tips {seen} were seen")


def extend_blindly(journal: SimJournal) -> None:
    tip = journal.tip()
    journal.append(tip.next_frame(journal.epoch, b"lost or not"))


def test_frames_that_were_pruned_are_named_and_the_chain_holds_from_there() -> None:
    shelf = Shelf()
    journal = shelf.writer()
    frames = extend(journal, 6)
    assert journal.cut_before(4) == 3
    assert journal.start() == frames[2].tip
    assert list(journal.frames()) == frames[3:]
    assert journal.verify() == frames[-1].tip
    with pytest.raises(FramesPruned, match="begins at height 4"):
        journal.frames(2)
    with pytest.raises(ValueError, match="ends at 6"):
        journal.cut_before(9)
    extend(journal, 1)
    journal.close()
    assert opens_with(shelf) == [4, 5, 6, 7]
    with pytest.raises(FramesPruned, match="begins at height 4"):
        shelf.open(verify_after=frames[1].tip)
