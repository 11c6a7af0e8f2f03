"""Keys in arrays answer like a dict, and lists through columns like sets, whatever comes and goes in which order."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ledger.key_index import KeyIndex, find_key
from actors.ledger.row_chains import RowChains

SEEDS = st.integers(0, 1 << 30)


def some_keys(draw: random.Random, among: int) -> list[int]:
    """Keys without repetitions; few of many, so that hashes meet, some of them wide."""
    return [key << draw.choice((0, 16, 40)) for key in draw.sample(range(among), draw.randint(0, min(among, 40)))]


def step(index: KeyIndex, known: dict[int, int], draw: random.Random) -> None:
    """Adds and takes out keys, one by one or many at once; `known` has their slots."""
    fresh = [key for key in dict.fromkeys(some_keys(draw, 300)) if key not in known]
    gone = draw.sample(sorted(known), draw.randint(0, len(known)))
    if draw.random() < 0.5:
        known.update(zip(fresh, index.add_many(np.array(fresh, dtype=np.int64)).tolist(), strict=True))
        slots = index.discard_many(np.array(gone, dtype=np.int64)).tolist()
        assert slots == [known.pop(key) for key in gone]
        return
    for key in fresh:
        known[key] = index.add(key)
    for key in gone:
        assert index.discard(key) == known.pop(key)


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 30))
def test_an_index_is_a_dict_of_slots(seed: int, steps: int) -> None:
    draw, index, known = random.Random(seed), KeyIndex(), dict[int, int]()
    for _ in range(steps):
        step(index, known, draw)
        assert len(set(known.values())) == len(known) == len(index)
    asked = [*known, *some_keys(draw, 400), -1, -(1 << 62)]
    expected = [known.get(key, -1) for key in asked]
    assert [index.find(key) for key in asked] == expected
    assert index.find_many(np.array(asked, dtype=np.int64)).tolist() == expected
    assert [find_key(*index.arrays, key) for key in asked] == expected
    keys, slots = index.listed()
    assert keys.tolist() == sorted(known) and slots.tolist() == [known[key] for key in sorted(known)]
    assert index.keys_at(slots).tolist() == keys.tolist() == [index.key_at(slot) for slot in slots.tolist()]
    assert index.slots_made >= len(known)


def test_slots_are_given_again_before_new_ones_are_made() -> None:
    index = KeyIndex()
    first = index.add_many(np.arange(5_000))
    index.discard_many(np.arange(1_000, 2_000))
    again = index.add_many(np.arange(9_000, 10_000))
    assert again.tolist() == first[1_000:2_000].tolist() and index.slots_made == 5_000


def test_a_key_is_added_once_and_taken_out_once() -> None:
    index = KeyIndex()
    index.add(7)
    with pytest.raises(AssertionError, match="row 7 exists"):
        index.add(7)
    with pytest.raises(AssertionError, match="exists already"):
        index.add_many(np.array([8, 8]))
    with pytest.raises(AssertionError, match="no row 9"):
        index.discard(9)
    with pytest.raises(AssertionError, match="not there"):
        index.discard_many(np.array([9]))


def test_what_is_remembered_of_single_keys_is_bounded() -> None:
    index = KeyIndex()
    index.add_many(np.arange(100_000))
    assert [index.find(key) for key in range(100_000)] == list(range(100_000))
    assert len(index._near) <= 1 << 12


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 40))
def test_chains_are_sets_of_slots(seed: int, steps: int) -> None:
    draw, chains = random.Random(seed), RowChains()
    known: dict[int, int] = {}
    for _ in range(steps):
        fresh = [slot for slot in draw.sample(range(3_000), 20) if slot not in known]
        added = {slot: draw.choice((0, 3, 2_999)) for slot in fresh}
        gone = draw.sample(sorted(known), len(known) // 2)
        if draw.random() < 0.5:
            chains.link_many(
                *np.array([(owner, slot) for slot, owner in added.items()], dtype=np.int64).reshape(-1, 2).T
            )
            chains.unlink_many(*np.array([(known[slot], slot) for slot in gone], dtype=np.int64).reshape(-1, 2).T)
        else:
            for slot, owner in added.items():
                chains.link(owner, slot)
            for slot in gone:
                chains.unlink(known[slot], slot)
        known |= added
        for slot in gone:
            del known[slot]
    for owner in (0, 3, 2_999, 4_000, -1):
        own = sorted(slot for slot in known if known[slot] == owner)
        assert sorted(chains.slots_of(owner)) == own
        first, following = chains.columns(5_000)
        found, link = [], int(first[owner]) if owner >= 0 else 0
        while link:
            found.append(link - 1)
            link = int(following[link - 1])
        assert sorted(found) == own
