"""What became of orders that are known by ids: their numbers, once the node has answered."""

from __future__ import annotations

from typing import Final

import numpy as np

from breakwater.v1 import common_pb2

# Orders remembered, a power of two. One that is older counts as gone.
ROOM: Final = 1 << 20
UNANSWERED: Final = 0
GONE: Final = -1
# By status: whether an order with it may rest or be a position. One unknown here counts as the last, which is none.
_LIVES: Final = np.zeros(64, dtype=bool)
_LIVES[
    [
        common_pb2.OUTCOME_STATUS_RESTING,
        common_pb2.OUTCOME_STATUS_PARTIALLY_FILLED,
        common_pb2.OUTCOME_STATUS_FILLED,
    ]
] = True


class KnownOrders:
    """Numbers by id, ids counting up. An id is asked about once it was given out."""

    def __init__(self) -> None:
        """Nobody has answered yet."""
        self._ids = np.zeros(ROOM, dtype=np.int64)
        self._numbers = np.zeros(ROOM, dtype=np.int64)
        self._filled = np.zeros(ROOM, dtype=bool)

    def answered(self, ids: np.ndarray, numbers: np.ndarray, status: np.ndarray, remaining: np.ndarray) -> None:
        """Orders that rest, or became positions, have these numbers now; the others are gone.

        `remaining` are the lots still open where the venue counts them, else empty.
        """
        places = ids & (ROOM - 1)
        alive = _LIVES[np.minimum(status, len(_LIVES) - 1)]
        if len(remaining):
            alive &= remaining > 0
        self._ids[places] = ids
        self._numbers[places] = np.where(alive, numbers, GONE)
        self._filled[places] = status == common_pb2.OUTCOME_STATUS_FILLED

    def lost(self, ids: np.ndarray) -> None:
        """Nobody knows about these: they are treated as gone."""
        places = ids & (ROOM - 1)
        self._ids[places] = ids
        self._numbers[places] = GONE

    def numbers(self, ids: np.ndarray) -> np.ndarray:
        """The number of each, UNANSWERED or GONE."""
        places = ids & (ROOM - 1)
        held = self._ids[places]
        return np.where(held == ids, self._numbers[places], np.where(held > ids, GONE, UNANSWERED))

    def filled(self, ids: np.ndarray) -> np.ndarray:
        """Of orders with a number: whether they were filled at once (and are positions on a venue that has such)."""
        return self._filled[ids & (ROOM - 1)]
