"""A block's events as one piece of bytes and where in it each begins and ends."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, overload

import numpy as np
from numba import njit

from actors.columns import among
from actors.compiling import inlined
from breakwater.v1 import events_pb2 as events

_VENUE_FIELD: Final = 4
_MARKET_FIELD: Final = 5
_ACCOUNT_FIELD: Final = 6
_LENGTH_DELIMITED: Final = 2
_TYPE_MASK: Final = 7
_TAG_BITS: Final = 3
_VARINT_BITS: Final = 7
_VARINT_MORE: Final = 128
_VARINT_MASK: Final = 127


class EventFacts(NamedTuple):
    """What every event says of where it belongs, int64[n] each; `kind` is the number of its body in `Event`."""

    venue: np.ndarray
    market: np.ndarray
    account: np.ndarray
    kind: np.ndarray


class NumberedEvents(Sequence[bytes]):
    """The serialised events of a block in their order, without an object an event until one is asked for.

    `bounds` is int64[n, 2]: begin and end of every event in `data`.
    """

    __slots__ = ("bounds", "data")

    def __init__(self, data: bytes, bounds: np.ndarray) -> None:
        self.data = data
        self.bounds = bounds

    @classmethod
    def of(cls, serialised: Iterable[bytes]) -> "NumberedEvents":
        """Events that come one by one."""
        listed = list(serialised)
        ends = np.cumsum([len(event) for event in listed], dtype=np.int64)
        return cls(b"".join(listed), np.column_stack((ends - [len(event) for event in listed], ends)))

    def __len__(self) -> int:
        return len(self.bounds)

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return self._cut(self.bounds[index])
        begin, end = self.bounds[index].tolist()
        return self.data[begin:end]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._cut(self.bounds))

    def _cut(self, bounds: np.ndarray) -> list[bytes]:
        data = self.data
        return [data[begin:end] for begin, end in bounds.tolist()]

    def __eq__(self, other: object) -> bool:
        """Equal to any list, tuple or other NumberedEvents with the same events."""
        if isinstance(other, NumberedEvents | list | tuple):
            return len(self) == len(other) and list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def of_kinds(self, kinds: Collection[int]) -> list[events.Event]:
        """Parsed, those whose body has one of these numbers; the others cost nothing."""
        at = np.flatnonzero(among(self.facts().kind, kinds))
        return [events.Event.FromString(event) for event in self._cut(self.bounds[at])]

    def facts(self) -> EventFacts:
        """Venue, market, account and kind of every event, read from the bytes; 0 where an event names none."""
        read = np.zeros((len(EventFacts._fields), len(self)), dtype=np.int64)
        if len(self):
            _read_facts(np.frombuffer(self.data, dtype=np.uint8), self.bounds, read)
        return EventFacts(*read)


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def _read_facts(data: np.ndarray, bounds: np.ndarray, read: np.ndarray) -> None:
    """The fields before the body are varints, their numbers ascend; the body is the first that has a length."""
    for event in range(bounds.shape[0]):
        place, end = bounds[event, 0], bounds[event, 1]
        while place < end:
            tag, place = _varint(data, place, end)
            field = tag >> _TAG_BITS
            if tag & _TYPE_MASK == _LENGTH_DELIMITED:
                read[3, event] = field
                break
            if field < _VENUE_FIELD:
                while place < end and data[place] >= _VARINT_MORE:
                    place += 1
                place += 1
                continue
            value, place = _varint(data, place, end)
            if field == _VENUE_FIELD:
                read[0, event] = value
            elif field == _MARKET_FIELD:
                read[1, event] = value
            elif field == _ACCOUNT_FIELD:
                read[2, event] = value


@inlined
def _varint(data: np.ndarray, place: np.int64, end: np.int64) -> tuple[np.int64, np.int64]:
    """The number that begins here and where it ends; what is cut off counts as nothing."""
    value, shift = np.uint64(0), np.uint64(0)
    while place < end:
        byte = np.uint64(data[place])
        place += 1
        value |= (byte & np.uint64(_VARINT_MASK)) << shift
        if byte < np.uint64(_VARINT_MORE):
            break
        shift += np.uint64(_VARINT_BITS)
    return np.int64(value), place
