"""The chain of frames and how it may end: the same policy for every store, on disk, on a server or simulated.

A write that a crash interrupted leaves invalid frames at the end and nothing valid behind them: they are cut. An
invalid frame with a valid one behind it, or an end below what was known to be durable (the anchor), is corruption: the
node must not start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cluster.journal.frame import GENESIS_TIP, Frame, Tip, frame_hash
from cluster.journal.journal import JournalCorrupted


class SettledTail(NamedTuple):
    """What a look at the stored frames decided: the chain ends at `tip`; rows from `cut_from` on are to be removed.

    `cut_from` is None, and `reason` empty, where all of them are whole.
    """

    tip: Tip
    cut_from: int | None
    reason: str


def settle_tail(rows: Iterable[Frame], before: Tip, anchor: Tip) -> SettledTail:
    """Walk the stored frames that should follow `before`, a place known to be good, and decide how the chain ends.

    `rows` are all stored frames above `before`, as they are, in the order of their heights; `anchor` is the last place
    the store noted as durable (its epoch is not looked at). Raises JournalCorrupted, naming the first wrong height.
    """
    rows = iter(rows)
    for frame in rows:
        error = chain_error(frame, before)
        if error is not None:
            _require_torn(before, error, [frame, *rows])
            _require_reached(before, anchor)
            return SettledTail(before, before.height + 1, error)
        _require_anchored(frame, anchor)
        before = frame.tip
    _require_reached(before, anchor)
    return SettledTail(before, None, "")


def checked(frames: Iterable[Frame], before: Tip = GENESIS_TIP) -> Iterator[Frame]:
    """Pass on the frames that follow `before`; raises JournalCorrupted at the first that breaks the chain."""
    for frame in frames:
        error = chain_error(frame, before)
        if error is not None:
            raise JournalCorrupted(before.height + 1, error)
        before = frame.tip
        yield frame


def chain_error(frame: Frame, before: Tip) -> str | None:
    """Say what is wrong with `frame` as the successor of `before`, or None when nothing is."""
    if frame.height != before.height + 1:
        return f"the next frame in the store has height {frame.height}"
    if frame.prev_hash != before.hash:
        return "it does not name the hash of the frame before"
    if frame.epoch < before.epoch:
        return f"its epoch {frame.epoch} is below {before.epoch}, the epoch before"
    return content_error(frame)


def content_error(frame: Frame) -> str | None:
    """Say whether a frame's own bytes disagree with its hash; needs no neighbour."""
    try:
        expected = frame_hash(frame.height, frame.epoch, frame.prev_hash, frame.payload)
    except (ValueError, TypeError) as error:  # a damaged store can hand out any type in any column
        return f"it is malformed ({error})"
    return None if frame.hash == expected else "its content does not match its hash"


def _require_torn(tip: Tip, error: str, rest: list[Frame]) -> None:
    if any(content_error(frame) is None for frame in rest):
        raise JournalCorrupted(tip.height + 1, f"{error}, and valid frames follow")


def _require_reached(tip: Tip, anchor: Tip) -> None:
    if anchor.height > tip.height:
        raise JournalCorrupted(tip.height + 1, f"frames up to {anchor.height} were durable, the last is {tip.height}")


def _require_anchored(frame: Frame, anchor: Tip) -> None:
    if frame.height == anchor.height and frame.hash != anchor.hash:
        raise JournalCorrupted(frame.height, "it is not the frame that was noted as durable")
