"""Looks into SQLite's write-ahead log before SQLite does.

SQLite ends its recovery at the first damaged page of the log and forgets all that follows, silently: acknowledged
frames included. Its checksums are chained, but each link can be tested from the stored checksum of the page before,
so a damaged page followed by a later, whole transaction can be told from a log that just ends early.
Format: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 32
_PAGE_HEADER_BYTES = 24
_MAGIC_LITTLE = 0x377F0682  # checksum words are little-endian; 0x377F0683 when they are big-endian
_LITTLE, _BIG = np.dtype("<u4"), np.dtype(">u4")
_U32 = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class WalReport:
    """What the log holds: whole pages SQLite will accept, whether a torn transaction follows, what is damaged."""

    accepted_pages: int
    torn: bool
    damage: str | None


_EMPTY = WalReport(0, False, None)


def scan_wal(path: Path, page_bytes: int) -> WalReport:
    """Read the log at `path` without changing it. A missing or empty log is a whole one."""
    raw = path.read_bytes() if path.exists() else b""
    if len(raw) <= _HEADER_BYTES:
        return _EMPTY
    header = np.frombuffer(raw[:_HEADER_BYTES], dtype=">u4").astype(np.uint32)
    stride = _PAGE_HEADER_BYTES + page_bytes
    count = (len(raw) - _HEADER_BYTES) // stride
    if count == 0:
        return WalReport(0, True, None)
    pages = np.frombuffer(raw, np.uint8, count * stride, _HEADER_BYTES).reshape(count, stride)
    fields = pages[:, :_PAGE_HEADER_BYTES].copy().view(">u4").astype(np.uint32)
    before = np.vstack([header[6:8], fields[:-1, 4:6]])
    word = _LITTLE if header[0] == _MAGIC_LITTLE else _BIG
    if not _header_is_whole(raw, header, word):
        # Nothing in the header can be trusted, the order of bytes in a word neither.
        follows = any(bool(_linked(pages, fields, before, order)[1:].any()) for order in (_LITTLE, _BIG))
        return WalReport(0, True, "the write-ahead log's header is damaged and whole pages follow" if follows else None)
    current = (fields[:, 2:4] == header[4:6]).all(axis=1)
    return _judge(_linked(pages, fields, before, word), current, fields[:, 1] != 0)


def _linked(pages: NDArray[np.uint8], fields: _U32, before: _U32, word: np.dtype[np.uint32]) -> NDArray[np.bool_]:
    """Say of each page whether its stored checksum follows from the one stored before it."""
    return (_checksums(_checksummed_words(pages, word), before) == fields[:, 4:6]).all(axis=1)


def _judge(linked: NDArray[np.bool_], current: NDArray[np.bool_], commits: NDArray[np.bool_]) -> WalReport:
    """Decide from three columns: checksum follows, salts are the log's own, page ends a transaction."""
    whole = linked & current
    end = len(whole) if whole.all() else int(np.argmin(whole))
    ends = np.flatnonzero(commits[:end])
    accepted = int(ends[-1]) + 1 if len(ends) else 0
    torn = bool(current[accepted:].any())
    later = np.flatnonzero(whole[end:]) + end
    # A commit is synchronous: once a later transaction exists, an earlier page cannot be missing by a crash.
    if len(later) and bool((commits & current)[end : int(later[-1])].any()):
        return WalReport(accepted, torn, f"page {end + 1} of the write-ahead log is damaged and whole ones follow")
    return WalReport(accepted, torn, None)


def _header_is_whole(raw: bytes, header: _U32, word: np.dtype[np.uint32]) -> bool:
    words = np.frombuffer(raw[:24], word).astype(np.uint32).reshape(1, 6)
    return bool((_checksums(words, np.zeros((1, 2), np.uint32)) == header[6:8]).all())


def _checksummed_words(pages: NDArray[np.uint8], word: np.dtype[np.uint32]) -> _U32:
    covered = np.concatenate([pages[:, :8], pages[:, _PAGE_HEADER_BYTES:]], axis=1)
    return covered.view(word).astype(np.uint32)


def _checksums(words: _U32, before: _U32) -> _U32:
    """SQLite's checksum of each row of words, started from each row of `before`.

    One step is s0 += x0 + s1; s1 += x1 + s0, modulo 2^32: a linear recurrence whose coefficients are Fibonacci
    numbers, so n steps are four dot products instead of a loop.
    """
    steps = words.shape[1] // 2
    fib = _fibonacci(2 * steps + 2)
    even, odd = words[:, 0::2], words[:, 1::2]
    remaining = np.arange(steps - 1, -1, -1) * 2
    first = fib[2 * steps - 1] * before[:, 0] + fib[2 * steps] * before[:, 1]
    first = first + even @ fib[remaining + 1] + odd @ fib[remaining]
    second = fib[2 * steps] * before[:, 0] + fib[2 * steps + 1] * before[:, 1]
    second = second + even @ fib[remaining + 2] + odd @ fib[remaining + 1]
    return np.stack([first, second], axis=1)


@cache
def _fibonacci(count: int) -> _U32:
    values = [0, 1]
    while len(values) < count:
        values.append((values[-1] + values[-2]) & 0xFFFFFFFF)
    return np.array(values, dtype=np.uint32)
