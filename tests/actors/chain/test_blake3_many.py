"""Many hashes at once are the library's, one by one: all lengths of a chunk and longer, with a prefix or none."""

import numpy as np
import pytest
from blake3 import blake3

from actors.chain.blake3_many import CHUNK_BYTES, NO_PREFIX, hash_many


def laid_out(lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Messages of these lengths in shuffled order, with something between them, so that no two places agree."""
    draw = np.random.default_rng(len(lengths))
    gaps = draw.integers(0, 5, len(lengths))
    starts = np.cumsum(np.array(lengths, dtype=np.int64) + gaps) - lengths
    bounds = np.column_stack((starts, starts + lengths)).reshape(-1, 2).astype(np.int64)
    data = draw.integers(0, 256, int(bounds.max(initial=0)) + 3, dtype=np.uint8)
    return data, bounds[draw.permutation(len(bounds))]


def one_by_one(data: np.ndarray, bounds: np.ndarray, prefix: int) -> list[bytes]:
    front = b"" if prefix == NO_PREFIX else bytes([prefix])
    return [blake3(front + data[begin:end].tobytes()).digest() for begin, end in bounds.tolist()]


@pytest.mark.parametrize("prefix", [NO_PREFIX, 0, 1, 255])
def test_every_length_up_to_a_chunk_and_beyond(prefix: int) -> None:
    data, bounds = laid_out([*range(CHUNK_BYTES + 70), 0, 1, 5_000, 70_000])
    assert [row.tobytes() for row in hash_many(data, bounds, prefix)] == one_by_one(data, bounds, prefix)


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 33])
def test_lanes_may_be_left_empty(count: int) -> None:
    data, bounds = laid_out([40 * (place % 5) for place in range(count)])
    assert [row.tobytes() for row in hash_many(data, bounds)] == one_by_one(data, bounds, NO_PREFIX)


def test_bytes_that_cannot_be_written_are_read_all_the_same() -> None:
    data, bounds = laid_out([70] * 20)
    given = np.frombuffer(data.tobytes(), dtype=np.uint8)
    assert [row.tobytes() for row in hash_many(given, bounds, 7)] == one_by_one(data, bounds, 7)
