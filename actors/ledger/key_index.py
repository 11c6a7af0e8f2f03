"""Where the row of a key is: slots of a table by integer key, in three arrays instead of a dict an entry.

`words` is the map (see `slot_map`), `keys` has the key of every slot, and the free slots are a list threaded through
the keys of them: a link is one more than a slot, 0 ends it. Kernels take `words` and `keys` as they are.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.fetching import fetch
from actors.ledger.slot_map import (
    LOWER,
    ROWS_AHEAD,
    WORDS_AHEAD,
    fetch_home,
    first_tagged,
    home,
    is_tagged,
    put,
    tag_of,
    take_out,
)
from actors.pages import zeros

Int64Array = NDArray[np.int64]

_FIRST_SLOTS = 1_024
# So many keys asked for one by one are remembered where Python finds them at once.
_NEAR_KEYS = 1 << 12
# Cells of the state: the first free slot's link, slots ever in use, keys.
_FREE, _MADE, _LIVE = range(3)
_STATE: Final = 3
# Of so many words that many may be in use.
_FULL, _WORDS = 3, 4


@njit(cache=True)
def find_key(words: np.ndarray, keys: np.ndarray, key: np.int64) -> np.int64:
    """The slot of a key, or -1."""
    tag = tag_of(key)
    place = home(words, tag)
    while words[place] != 0:
        if is_tagged(words[place], tag):
            slot = (words[place] & LOWER) - 1
            if keys[slot] == key:
                return slot
        place = (place + 1) & (words.shape[0] - 1)
    return np.int64(-1)


@njit(cache=True)
def _find_keys(words: np.ndarray, keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    slots = np.empty(wanted.shape[0], np.int64)
    for place in range(-WORDS_AHEAD, wanted.shape[0]):
        if place + WORDS_AHEAD < wanted.shape[0]:
            fetch_home(words, tag_of(wanted[place + WORDS_AHEAD]))
        if 0 <= place + ROWS_AHEAD < wanted.shape[0]:
            fetch(keys, first_tagged(words, tag_of(wanted[place + ROWS_AHEAD])) * keys.itemsize)
        if place >= 0:
            slots[place] = find_key(words, keys, wanted[place])
    return slots


@njit(cache=True)
def _add_key(words: np.ndarray, keys: np.ndarray, state: np.ndarray, key: np.int64) -> np.int64:
    """The slot the key has from here on; -1, and nothing changes, where it is there already. There must be room."""
    if find_key(words, keys, key) >= 0:
        return np.int64(-1)
    slot = state[_FREE] - 1
    if slot >= 0:
        state[_FREE] = keys[slot]
    else:
        slot = state[_MADE]
        state[_MADE] = slot + 1
    keys[slot] = key
    put(words, tag_of(key), slot)
    state[_LIVE] += 1
    return slot


@njit(cache=True)
def _add_keys(words: np.ndarray, keys: np.ndarray, state: np.ndarray, added: np.ndarray) -> np.ndarray:
    slots = np.empty(added.shape[0], np.int64)
    for place in range(added.shape[0]):
        slots[place] = _add_key(words, keys, state, added[place])
    return slots


@njit(cache=True)
def _ensure_keys(
    words: np.ndarray, keys: np.ndarray, state: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    slots, is_new = np.empty(wanted.shape[0], np.int64), np.empty(wanted.shape[0], np.bool_)
    for place in range(wanted.shape[0]):
        if place + WORDS_AHEAD < wanted.shape[0]:
            fetch_home(words, tag_of(wanted[place + WORDS_AHEAD]))
        slot = _add_key(words, keys, state, wanted[place])
        is_new[place] = slot >= 0
        slots[place] = slot if slot >= 0 else find_key(words, keys, wanted[place])
    return slots, is_new


@njit(cache=True)
def _discard_key(words: np.ndarray, keys: np.ndarray, state: np.ndarray, key: np.int64) -> np.int64:
    """The slot the key had, which is free now; -1 where there is none."""
    slot = find_key(words, keys, key)
    if slot >= 0:
        take_out(words, tag_of(key), slot)
        keys[slot] = state[_FREE]
        state[_FREE] = slot + 1
        state[_LIVE] -= 1
    return slot


@njit(cache=True)
def _discard_keys(words: np.ndarray, keys: np.ndarray, state: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """From the last to the first, so that they come back to the slots they had."""
    slots = np.empty(gone.shape[0], np.int64)
    for place in range(gone.shape[0] - 1, -1, -1):
        slots[place] = _discard_key(words, keys, state, gone[place])
    return slots


@njit(cache=True)
def _spread(words: np.ndarray, wider: np.ndarray) -> None:
    """Fills a larger map, which is empty, from a map."""
    mask = wider.shape[0] - 1
    for word in words:
        if word != 0:
            place = home(wider, word)
            while wider[place] != 0:
                place = (place + 1) & mask
            wider[place] = word


class KeyArrays(NamedTuple):
    """What `find_key` asks; valid until the next insert."""

    words: Int64Array
    keys: Int64Array


class KeyIndex:
    """Slots by key. A slot of a key that went is given to a later one."""

    def __init__(self) -> None:
        self._keys: Int64Array = np.zeros(_FIRST_SLOTS, dtype=np.int64)
        self._words: Int64Array = np.zeros(2 * _FIRST_SLOTS, dtype=np.int64)
        self._state: Int64Array = np.zeros(_STATE, dtype=np.int64)
        self._near: dict[int, int] = {}

    def __len__(self) -> int:
        return int(self._state[_LIVE])

    @property
    def slots_made(self) -> int:
        """How many slots were ever in use."""
        return int(self._state[_MADE])

    @property
    def arrays(self) -> KeyArrays:
        """For kernels."""
        return KeyArrays(self._words, self._keys)

    def find(self, key: int) -> int:
        """The slot of a key, or -1."""
        slot = self._near.get(key, -1)
        if slot < 0:
            slot = int(find_key(self._words, self._keys, key))
            if slot >= 0:
                self._remember(key, slot)
        return slot

    def _remember(self, key: int, slot: int) -> None:
        if len(self._near) >= _NEAR_KEYS:
            self._near.clear()
        self._near[key] = slot

    def find_many(self, keys: Int64Array) -> Int64Array:
        """The slot of each key, -1 where there is none."""
        found: Int64Array = _find_keys(self._words, self._keys, keys)
        return found

    def add(self, key: int) -> int:
        """The slot of a key that is new."""
        self._make_room(1)
        slot = int(_add_key(self._words, self._keys, self._state, key))
        assert slot >= 0, f"row {key} exists"
        self._remember(key, slot)
        return slot

    def add_many(self, keys: Int64Array) -> Int64Array:
        """The slots of keys that are new."""
        self._make_room(keys.size)
        slots: Int64Array = _add_keys(self._words, self._keys, self._state, keys)
        assert not slots.size or int(slots.min()) >= 0, "a row exists already"
        return slots

    def ensure_many(self, keys: Int64Array) -> tuple[Int64Array, NDArray[np.bool_]]:
        """The slot of each key, which may repeat, and who was given one now: of a key named twice the first."""
        self._make_room(keys.size)
        slots, is_new = _ensure_keys(self._words, self._keys, self._state, keys)
        return slots, is_new

    def discard(self, key: int) -> int:
        """Frees the slot of a key that is there, and returns it."""
        self._near.pop(key, None)
        slot = int(_discard_key(self._words, self._keys, self._state, key))
        assert slot >= 0, f"there is no row {key}"
        return slot

    def discard_many(self, keys: Int64Array) -> Int64Array:
        """Frees the slots of keys that are there, and returns them."""
        self._near.clear()
        slots: Int64Array = _discard_keys(self._words, self._keys, self._state, keys)
        assert not slots.size or int(slots.min()) >= 0, "a row to go is not there"
        return slots

    def _make_room(self, added: int) -> None:
        made, live = self.slots_made + added, len(self) + added
        if made > self._keys.size:
            wider = zeros((max(made, 2 * self._keys.size),))
            wider[: self._keys.size] = self._keys
            self._keys = wider
        size = self._words.size
        while live * _WORDS > size * _FULL:
            size *= 2
        if size > self._words.size:
            words = zeros((size,))
            _spread(self._words, words)
            self._words = words

    def key_at(self, slot: int) -> int:
        """Whose row a slot in use holds."""
        return int(self._keys[slot])

    def keys_at(self, slots: Int64Array) -> Int64Array:
        """Whose rows slots in use hold."""
        return self._keys[slots]

    def listed(self) -> tuple[Int64Array, Int64Array]:
        """All keys, ascending, and their slots."""
        slots = (self._words[self._words != 0] & LOWER) - 1
        keys = self._keys[slots]
        order = np.argsort(keys)
        return keys[order], slots[order]
