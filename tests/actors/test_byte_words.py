"""Words and varints written by compiled code are those the library writes."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.byte_words import VARINT_BYTES_MAX, WORD_BYTES, copy_bytes, put_varint, varint_size
from actors.column_bytes import varint


@given(st.integers(0, (1 << 64) - 1) | st.integers(0, 65).map(lambda bits: max(0, (1 << min(bits, 64)) - 1 - bits % 2)))
@example(0)
@example((1 << 56) - 1)
@example(1 << 56)
@example((1 << 64) - 1)
def test_varints_are_the_library_s(number: int) -> None:
    data = np.full(3 + VARINT_BYTES_MAX + WORD_BYTES, 255, dtype=np.uint8)
    end = put_varint(data, 3, np.uint64(number))
    assert data[3:end].tobytes() == varint(number)
    assert varint_size(np.uint64(number)) == len(varint(number))
    assert data[:3].tolist() == [255] * 3


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 17, 40])
def test_bytes_are_copied_from_anywhere_to_anywhere(size: int) -> None:
    source = np.arange(60, dtype=np.uint8)
    for begin in range(9):
        target = np.full(60, 255, dtype=np.uint8)
        assert copy_bytes(target, 11 - begin, source, begin, begin + size) == 11 - begin + size
        expected = [255] * 60
        expected[11 - begin : 11 - begin + size] = range(begin, begin + size)
        assert target.tolist() == expected
