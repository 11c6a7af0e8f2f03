"""Frames that left the journal: Parquet files, one a range of heights, hash chain included, readable by anybody.

An archive begins where the first file does and each file follows the one before, frame by frame. Together with the
journal that was cut it is the whole chain again (`Rejoined`), so an audit can still begin at the first block.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final

from cluster.journal import FIRST_HEIGHT, GENESIS_TIP, Frame, JournalCorrupted, ReadableJournal, Tip
from cluster.journal.journal import FramesPruned
from cluster.journal.tail import checked

FORMAT: Final = b"breakwater/frames/v1"
_FILE: Final = re.compile(r"frames-(\d{20})-(\d{20})\.parquet")
_TEMPORARY_PREFIX: Final = ".writing-"
_FILE_BYTES: Final = 64 << 20
_GROUP_FRAMES: Final = 256
_COLUMNS: Final = ("height", "epoch", "prev_hash", "hash", "payload")


class FrameArchive:
    """The files of one directory, read as a journal that ends somewhere; nothing is changed but by `add`."""

    def __init__(self, directory: Path) -> None:
        """It need not exist. Raises JournalCorrupted where files do not follow one another."""
        self._directory = directory
        self._files = _listed(directory)

    def start(self) -> Tip:
        """The place the first archived frame follows; GENESIS_TIP where there is none."""
        if not self._files or self._files[0][0] == FIRST_HEIGHT:
            return GENESIS_TIP
        first = next(self._read(self._files[0][2]))
        return Tip(first.height - 1, first.prev_hash)

    def tip(self) -> Tip:
        """The last archived frame's place, verified by itself; GENESIS_TIP where there is none."""
        if not self._files:
            return GENESIS_TIP
        *_, last = self._read(self._files[-1][2])
        (frame,) = checked([last], Tip(last.height - 1, last.prev_hash))
        return frame.tip

    def frames(self, from_height: int | None = None) -> Iterator[Frame]:
        """Yield the frames from a height on (the first), verified; raises JournalCorrupted, FramesPruned."""
        start = self.start()
        wanted = start.height + 1 if from_height is None else from_height
        if wanted <= start.height:
            raise FramesPruned(wanted, start.height + 1)
        before: Tip | None = start
        for first, last, path in self._files:
            if last >= wanted:
                frames = self._read(path)
                if before is None:  # begins in the middle: the file's first frame is checked by itself
                    opening = next(frames)
                    frames, before = chain([opening], frames), Tip(first - 1, opening.prev_hash)
                for frame in checked(frames, before):
                    before = frame.tip
                    if frame.height >= wanted:
                        yield frame
            else:
                before = None

    def verify(self) -> Tip:
        """Read and check everything; raises JournalCorrupted."""
        tip = self.start()
        for frame in self.frames():
            tip = frame.tip
        return tip

    def close(self) -> None:
        """Nothing is held."""

    def add(self, frames: Iterable[Frame]) -> list[Path]:
        """Append frames that follow the last one here; each file is durable and was read again when this returns.

        Raises JournalCorrupted where they do not follow, OSError.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        for leftover in self._directory.glob(f"{_TEMPORARY_PREFIX}*"):
            leftover.unlink()
        added = []
        for file in _in_files(frames, self.tip() if self._files else None):
            path = _write(self._directory, file)
            if list(self._read(path)) != file:
                raise JournalCorrupted(file[0].height, f"{path} does not hold what was written into it")
            self._files.append((file[0].height, file[-1].height, path))
            added.append(path)
        return added

    def _read(self, path: Path) -> Iterator[Frame]:
        # Imported here: a node that archives nothing needs no Parquet.
        import pyarrow as arrow
        from pyarrow import parquet

        height = int(path.name.split("-")[1])
        try:
            with parquet.ParquetFile(path, page_checksum_verification=True) as file:
                if (file.schema_arrow.metadata or {}).get(b"format") != FORMAT:
                    raise JournalCorrupted(height, f"{path} is no archive of frames")
                for batch in file.iter_batches(_GROUP_FRAMES, columns=list(_COLUMNS)):
                    for row in zip(*(batch.column(name).to_pylist() for name in _COLUMNS), strict=True):
                        frame = Frame(*row)
                        height = frame.height + 1
                        yield frame
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise JournalCorrupted(height, f"{path} cannot be read ({error})") from error


class Rejoined:
    """An archive and the journal whose beginning it holds, read as the one chain they are."""

    def __init__(self, archive: FrameArchive, journal: ReadableJournal) -> None:
        """Raises JournalCorrupted where the archive ends before the journal begins, or is of another chain."""
        self._archive = archive
        self._journal = journal
        self._seam = journal.start()
        reached = archive.tip()
        if reached.height < self._seam.height:
            raise JournalCorrupted(
                reached.height + 1,
                f"the archive ends at height {reached.height} and the journal begins at {self._seam.height + 1}",
            )
        if self._seam.height > archive.start().height:
            sewn = next(archive.frames(self._seam.height))
            if sewn.hash != self._seam.hash:
                raise JournalCorrupted(self._seam.height, "the archive holds another chain than the journal")

    def start(self) -> Tip:
        """The earlier of both beginnings."""
        return min(self._archive.start(), self._seam, key=lambda place: place.height)

    def tip(self) -> Tip:
        """The journal's."""
        return self._journal.tip()

    def frames(self, from_height: int | None = None) -> Iterator[Frame]:
        """Yield frames from a height on (the first), verified across the seam; raises JournalCorrupted."""
        wanted = self.start().height + 1 if from_height is None else from_height
        if wanted <= self._seam.height:
            for frame in self._archive.frames(wanted):
                if frame.height > self._seam.height:
                    break
                yield frame
        yield from self._journal.frames(max(wanted, self._seam.height + 1))

    def verify(self) -> Tip:
        """Check both and the seam between them."""
        self._archive.verify()
        return self._journal.verify()

    def close(self) -> None:
        """Let the journal go."""
        self._journal.close()


def _listed(directory: Path) -> list[tuple[int, int, Path]]:
    """Files with their first and last heights, ascending. Raises JournalCorrupted where one is missing."""
    found = sorted(directory.iterdir()) if directory.is_dir() else []
    files = [(int(match[1]), int(match[2]), path) for path in found if (match := _FILE.fullmatch(path.name))]
    for (_, last, _), (first, _, path) in pairwise(files):
        if first != last + 1:
            raise JournalCorrupted(last + 1, f"the archive has no frames between {last} and {path.name}")
    return files


def _in_files(frames: Iterable[Frame], before: Tip | None) -> Iterator[list[Frame]]:
    """Cut a run of frames, each checked against the one before, into what one file holds."""
    file: list[Frame] = []
    size = 0
    for frame in frames:
        place = before or Tip(frame.height - 1, frame.prev_hash)
        file.extend(checked([frame], place))
        before, size = frame.tip, size + len(frame.payload)
        if size >= _FILE_BYTES:
            yield file
            file, size = [], 0
    if file:
        yield file


def _write(directory: Path, frames: list[Frame]) -> Path:
    import pyarrow as arrow
    from pyarrow import parquet

    kinds: dict[str, Any] = {"height": arrow.int64(), "epoch": arrow.int64(), "payload": arrow.large_binary()}
    schema = arrow.schema(
        [arrow.field(name, kinds.get(name, arrow.binary(32)), nullable=False) for name in _COLUMNS],
        metadata={"format": FORMAT, "hash": "BLAKE3, docs/stores.md"},
    )
    columns = [[getattr(frame, name) for frame in frames] for name in _COLUMNS]
    table = arrow.table([arrow.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema)
    path = directory / f"frames-{frames[0].height:020d}-{frames[-1].height:020d}.parquet"
    temporary = path.with_name(f"{_TEMPORARY_PREFIX}{path.name}")
    with temporary.open("wb") as file:
        parquet.write_table(
            table,
            file,
            compression="zstd",
            row_group_size=_GROUP_FRAMES,
            write_page_checksum=True,
            write_statistics=["height", "epoch"],  # of payloads they would repeat the payloads
            use_dictionary=False,
        )
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path
