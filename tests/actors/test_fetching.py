"""Memory asked for ahead: any place may be named, nothing changes."""

import numpy as np

from actors.compiling import kernel
from actors.fetching import fetch


@kernel
def _fetch_all(cells: np.ndarray, offsets: np.ndarray) -> None:
    for offset in offsets:
        fetch(cells, offset)


def test_places_outside_an_array_may_be_asked_for_and_change_nothing() -> None:
    cells = np.arange(32, dtype=np.int64).reshape(4, 8)
    for view in (cells, cells.T, cells[1:3, ::2]):
        before = view.copy()
        _fetch_all(view, np.array([0, 8, 255, -64, -(1 << 40), 1 << 40], dtype=np.int64))
        assert np.array_equal(view, before)
