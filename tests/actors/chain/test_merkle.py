"""The Merkle tree against a naive recursive twin written straight from RFC 6962."""

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from actors.chain import merkle
from actors.chain.event_tree import events_root
from actors.chain.numbered_events import NumberedEvents

LEAVES = st.lists(st.binary(max_size=80), max_size=70)


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return blake3(b"").digest()
    if len(leaves) == 1:
        return blake3(b"\x00" + leaves[0]).digest()
    split = naive_split(len(leaves))
    return blake3(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_path(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = naive_split(len(leaves))
    if index < split:
        return [*naive_path(leaves[:split], index), naive_root(leaves[split:])]
    return [*naive_path(leaves[split:], index - split), naive_root(leaves[:split])]


def naive_split(count: int) -> int:
    split = 1
    while split * 2 < count:
        split *= 2
    return split


@given(LEAVES)
def test_roots_and_paths_equal_the_naive_twin(leaves: list[bytes]) -> None:
    root = merkle.root(leaves)
    assert root == naive_root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle.path(leaves, index)
        assert path == naive_path(leaves, index)
        assert merkle.verify(root, leaf, index, len(leaves), path)


@given(LEAVES.filter(lambda leaves: len(leaves) > 1), st.data())
def test_any_change_is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    root, count = merkle.root(leaves), len(leaves)
    index = data.draw(st.integers(0, count - 1))
    path = merkle.path(leaves, index)
    leaf = leaves[index]
    assert not merkle.verify(root, leaf + b"\x00", index, count, path)
    assert not merkle.verify(root, leaf, index, count, path[:-1])
    assert not merkle.verify(root, leaf, index, count, [*path, bytes(32)])
    assert not merkle.verify(root, leaf, count, count, path)
    assert not merkle.verify(root, leaf, -1, count, path)
    bit = data.draw(st.integers(0, 255))
    step = data.draw(st.integers(0, len(path) - 1))
    damaged = bytearray(path[step])
    damaged[bit // 8] ^= 1 << bit % 8
    assert not merkle.verify(root, leaf, index, count, [*path[:step], bytes(damaged), *path[step + 1 :]])
    other = data.draw(st.integers(0, count - 1).filter(lambda place: leaves[place] != leaf or place == index))
    assert merkle.verify(root, leaf, other, count, path) == (other == index)


@given(st.lists(st.binary(max_size=1_100), max_size=40))
def test_events_in_one_piece_have_the_root_of_their_list(leaves: list[bytes]) -> None:
    numbered = NumberedEvents.of(leaves)
    assert events_root(numbered) == naive_root(leaves) == merkle.root(numbered)
    if leaves:
        assert merkle.path(numbered, len(leaves) - 1) == naive_path(leaves, len(leaves) - 1)


def test_an_odd_leaf_is_not_doubled() -> None:
    assert merkle.root([b"a", b"b", b"c"]) != merkle.root([b"a", b"b", b"c", b"c"])


def test_a_node_cannot_pose_as_a_leaf() -> None:
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.root([left + right]) != merkle.root([b"a", b"b"])


def test_a_path_of_wrong_hash_length_or_an_index_outside_is_refused() -> None:
    leaves = [b"a", b"b"]
    assert not merkle.verify(merkle.root(leaves), b"a", 0, 2, [b"short"])
    for index in (-1, 2):
        with pytest.raises(IndexError):
            merkle.path(leaves, index)
