"""The numbering of a block's events: sorted by their keys, headed by height, index and time, in one piece of bytes."""

from collections.abc import Iterable
from itertools import accumulate
from typing import Final

import numpy as np

from actors.byte_words import WORD_BYTES, copy_bytes, put_varint
from actors.chain.numbered_events import NumberedEvents
from actors.compiling import inlined, kernel
from actors.pending_events import KEYS, EventPile, pending_columns
from actors.row_order import order_of
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

_INDEX_TAG: Final = events.Event.DESCRIPTOR.fields_by_name["index"].number << 3
_INDEX_BYTES_MAX: Final = 6
# So many Python puts together in less than a kernel takes to be called.
_FEW_EVENTS: Final = 8


def number_events(
    pending: Iterable[batches.PendingEvents | EventPile], height: int, block_time_ms: int
) -> NumberedEvents:
    """The block's events in their order, serialised with height, index and time.

    The numbers are prepended as bytes of their own: fields 1 to 3 come first in the canonical order anyway.
    """
    said = [part for part in pending if part.bodies]
    if not said:
        return NumberedEvents(b"", np.empty((0, 2), dtype=np.int64))
    columns = np.concatenate([pending_columns(part) for part in said], axis=1)
    data = bytearray().join(piece for part in said for piece in part.bodies)
    before = bytearray(events.Event(height=height).SerializeToString())
    after = bytearray(events.Event(block_time_ms=block_time_ms).SerializeToString())
    if columns.shape[1] <= _FEW_EVENTS:
        return _numbered_one_by_one(columns, data, before, after)
    return _numbered_at_once(columns, *(np.frombuffer(piece, dtype=np.uint8) for piece in (data, before, after)))


def _numbered_one_by_one(columns: np.ndarray, data: bytearray, before: bytearray, after: bytearray) -> NumberedEvents:
    keys, ends = list(zip(*columns[:KEYS].tolist(), strict=True)), list(accumulate(columns[KEYS].tolist()))
    numbered, bounds = bytearray(), []
    for index, event in enumerate(sorted(range(len(keys)), key=keys.__getitem__)):
        begin = len(numbered)
        numbered += before
        if index:
            numbered += bytes((_INDEX_TAG, index))
        numbered += after
        numbered += data[ends[event - 1] if event else 0 : ends[event]]
        bounds.append((begin, len(numbered)))
    return NumberedEvents(bytes(numbered), np.array(bounds, dtype=np.int64))


def _numbered_at_once(columns: np.ndarray, bodies: np.ndarray, before: np.ndarray, after: np.ndarray) -> NumberedEvents:
    order = order_of(columns[:KEYS])
    count = columns.shape[1]
    numbered = np.empty(
        len(bodies) + count * (len(before) + _INDEX_BYTES_MAX + len(after)) + WORD_BYTES, dtype=np.uint8
    )
    bounds = np.empty((count, 2), dtype=np.int64)
    order = np.arange(count) if order is None else order
    sizes = columns[KEYS]
    used = _number(bodies, sizes, np.cumsum(sizes), order, before, after, numbered, bounds)
    return NumberedEvents(numbered[:used].tobytes(), bounds)


@kernel
def _number(
    bodies: np.ndarray,
    sizes: np.ndarray,
    ends: np.ndarray,
    order: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    numbered: np.ndarray,
    bounds: np.ndarray,
) -> np.int64:
    """Writes the events of `order` with their heads; returns how many bytes that took."""
    place = np.int64(0)
    for index in range(len(order)):
        bounds[index, 0] = place
        place = copy_bytes(numbered, place, before, np.int64(0), np.int64(len(before)))
        place = _put_index(numbered, place, index)
        place = copy_bytes(numbered, place, after, np.int64(0), np.int64(len(after)))
        end = ends[order[index]]
        place = copy_bytes(numbered, place, bodies, end - sizes[order[index]], end)
        bounds[index, 1] = place
    return place


@inlined
def _put_index(target: np.ndarray, place: np.int64, index: np.int64) -> np.int64:
    """`Event.index` as the library writes it: nothing for 0."""
    if index == 0:
        return place
    target[place] = _INDEX_TAG
    return put_varint(target, place + 1, np.uint64(index))
