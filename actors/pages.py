"""Columns that may grow large: memory whose pages are taken as they are written, and given back with the array.

The heap would keep what a column leaves behind each time it grows, and write zeros where nobody has been yet.
"""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Smaller arrays are the heap's.
_OWN_BYTES = 1 << 18


def zeros(shape: tuple[int, ...], dtype: type[np.generic] = np.int64) -> NDArray[Any]:
    """`np.zeros`."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < _OWN_BYTES:
        return np.zeros(shape, dtype=dtype)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, dtype=dtype).reshape(shape)
