"""What an owner does with an archive before it is used: what a crash or a loss of power left is taken back."""

from __future__ import annotations

from cluster.archiving.account_index import AccountIndex
from cluster.archiving.catalogue import BlockPlace, Catalogue
from cluster.archiving.flusher import Reached
from cluster.archiving.segments import SEGMENT_BYTES, Segments


def repair(catalogue: Catalogue, segments: Segments, index: AccountIndex) -> Reached:
    """Cuts the blocks whose bytes are lost, and everything where older bytes are; up to where it was flushed.

    What is cut is replayed from the journal. Raises OSError, sqlite3.Error.
    """
    synced = _synced(catalogue)
    last = _last(catalogue)
    flushed = next(iter(catalogue.blocks("WHERE height <= ? ORDER BY height DESC LIMIT 1", synced)), None)
    if last is None or not _has_segments(segments, flushed):
        _cut(catalogue, 0)
        flushed = last = None
    else:
        for block in catalogue.blocks("WHERE height > ? ORDER BY height", synced):
            if not segments.is_whole(block):
                _cut(catalogue, block.height)
                last = _last(catalogue)
                break
    reached = Reached(flushed.height, flushed.end_event, flushed.segment) if flushed else Reached(0, 0, 1)
    index.cut(reached.end_event)
    segments.drop_above(last.segment if last else 0)
    return reached


def _synced(catalogue: Catalogue) -> int:
    """The height up to which the archive was flushed; its row is made where there is none."""
    height: int | None = catalogue.value("SELECT height FROM synced")
    if height is None:
        catalogue.writer.execute("INSERT INTO synced VALUES (0)")
    return height or 0


def _last(catalogue: Catalogue) -> BlockPlace | None:
    return next(iter(catalogue.blocks("ORDER BY height DESC LIMIT 1")), None)


def _has_segments(segments: Segments, flushed: BlockPlace | None) -> bool:
    """Whether the files are there up to what was flushed; one is left for the next only when it is full."""
    if flushed is None:
        return True
    is_there = all(segments.reaches(number, SEGMENT_BYTES) for number in range(1, flushed.segment))
    return is_there and segments.reaches(flushed.segment, flushed.place + flushed.size)


def _cut(catalogue: Catalogue, height: int) -> None:
    """Forgets the blocks from a height on."""
    writer = catalogue.writer
    with writer:
        writer.execute("BEGIN IMMEDIATE")
        for table in ("blocks", "kinds", "outcomes"):
            writer.execute(f"DELETE FROM {table} WHERE height >= ?", (height,))
        writer.execute("UPDATE synced SET height = MIN(height, ?)", (max(height - 1, 0),))
