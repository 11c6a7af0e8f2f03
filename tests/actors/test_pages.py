"""Large columns are zeros that can be written, and cost what was written."""

import numpy as np
import psutil
import pytest

from actors.pages import zeros

MEGABYTE = 1 << 20


@pytest.mark.parametrize("rows", [1, 3, 1 << 12, 1 << 17])
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_they_are_zeros_of_their_shape(rows: int, dtype: type[np.generic]) -> None:
    made = zeros((rows, 7), dtype)
    assert made.shape == (rows, 7) and made.dtype == dtype and not made.any()
    assert made.flags.c_contiguous and made.flags.writeable
    made[-1, 6] = 5
    assert made.sum() == 5


def test_pages_are_taken_when_they_are_written_and_given_back() -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    made = zeros((32 * MEGABYTE,))
    assert process.memory_info().rss - before < 16 * MEGABYTE
    made[: 8 * MEGABYTE] = 1
    written = process.memory_info().rss - before
    assert 48 * MEGABYTE < written < 96 * MEGABYTE
    del made
    assert process.memory_info().rss - before < 16 * MEGABYTE
