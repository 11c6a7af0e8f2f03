"""The slots of a market's versions: which one an order is pinned to, and which are settled by a block (PE-04)."""

from collections.abc import Iterable
from typing import NamedTuple

from actors.units import div_ceil, div_floor


class Due(NamedTuple):
    """A slot that a block settles, and whether there was a price for it."""

    version_ms: int
    valid: bool


def first_slot_after_ms(time_ms: int, width_ms: int) -> int:
    """The first multiple of the width later than a time."""
    return (div_floor(time_ms, width_ms) + 1) * width_ms


def due_slots(
    settled_ms: int, requested: Iterable[int], published_ms: int, now_ms: int, width_ms: int, grace_ms: int
) -> list[Due]:
    """The slots after the last settled one that a block settles, ascending; PE-04, PE-05, PE-06.

    published_ms is that of a usable mark, -1 where there is none. No slot is settled before its own time, however far
    ahead a publisher's clock is: orders of this block may be pinned to it. Slots nobody asked for are settled where the
    price is theirs and passed over otherwise; the first that still waits holds back all later ones.
    """
    slots = {slot for slot in requested if slot > settled_ms}
    if published_ms >= 0:
        first = max(published_ms - grace_ms, settled_ms + 1)
        last = div_floor(min(published_ms, now_ms), width_ms)
        slots.update(place * width_ms for place in range(div_ceil(first, width_ms), last + 1))
    due = []
    for slot in sorted(slots):
        if slot <= min(published_ms, now_ms) and published_ms <= slot + grace_ms:
            due.append(Due(slot, True))
        elif now_ms > slot + grace_ms:
            due.append(Due(slot, False))
        else:
            break
    return due
