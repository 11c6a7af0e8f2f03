"""Amounts of accounts, kept while a block's orders come in: by kernels in columns, one by one in a dictionary.

An amount is at one of the two places, never at both; who works orders one by one takes it over when it asks, and a run
of a kernel is lent all that is there. One that leaves 64 bits stays in the dictionary, and its account's orders are
worked by hand.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from actors.compiling import inlined
from actors.ledger.slot_map import LOWER, home, is_tagged, put, tag_of

# Columns of a row: which amounts are known (bits), then the amounts.
ACCOUNT, KNOWN, FIRST, SECOND, THIRD = range(5)
WIDTH: Final = 5
# Bits of KNOWN by the column of the amount; an account worked by hand only.
BY_HAND_ONLY: Final = 1
# Amounts stay so far inside a word that one more term cannot wrap.
CARRIED_BOUND: Final = 1 << 61
_FIRST_CAPACITY = 256

Int64Array = NDArray[np.int64]


@inlined
def bit_of(column: np.int64) -> np.int64:
    """The bit that says the amount in this column is known."""
    return np.int64(1) << column


@inlined
def row_of(rows: np.ndarray, words: np.ndarray, made: np.ndarray, account: np.int64) -> np.int64:
    """The row of an account, made where there is none; there must be room."""
    tag = tag_of(account)
    place = home(words, tag)
    while words[place] != 0:
        if is_tagged(words[place], tag):
            row = (words[place] & LOWER) - 1
            if rows[row, ACCOUNT] == account:
                return row
        place = (place + 1) & (words.shape[0] - 1)
    row = made[0]
    made[0] = row + 1
    rows[row, ACCOUNT] = account
    rows[row, KNOWN] = 0
    put(words, tag, row)
    return row


@inlined
def _fill(rows: np.ndarray, words: np.ndarray, made: np.ndarray) -> None:
    for row in range(made[0]):
        put(words, tag_of(rows[row, ACCOUNT]), row)


class CarriedColumns:
    """The rows, an account's found by open addressing (`slot_map`)."""

    def __init__(self) -> None:
        self._made = np.zeros(1, dtype=np.int64)
        self._rows = np.zeros((0, WIDTH), dtype=np.int64)
        self._words = np.zeros(0, dtype=np.int64)

    def arrays(self, room: int) -> tuple[Int64Array, Int64Array, Int64Array]:
        """Rows, words and number of rows made, with room for so many accounts more."""
        needed = int(self._made[0]) + room
        if needed > self._rows.shape[0]:
            capacity = max(_FIRST_CAPACITY, 1 << (needed - 1).bit_length())
            rows = np.zeros((capacity, WIDTH), dtype=np.int64)
            rows[: self._rows.shape[0]] = self._rows
            self._rows, self._words = rows, np.zeros(2 * capacity, dtype=np.int64)
            _fill(self._rows, self._words, self._made)
        return self._rows, self._words, self._made

    def lend(self, column: int, account: int, atoms: int) -> bool:
        """Takes an amount over if it is within CARRIED_BOUND; otherwise the account is to be worked by hand."""
        arrays = self.arrays(1)
        row = arrays[0][row_of(*arrays, account)]
        fits = -CARRIED_BOUND < atoms < CARRIED_BOUND
        if fits:
            row[column] = atoms
        row[KNOWN] |= (1 << column) if fits else BY_HAND_ONLY
        return fits

    def take_over(self, column: int, account: int) -> int | None:
        """Gives an amount back, where it is here."""
        if not self._made[0]:
            return None
        arrays = self.arrays(1)
        row = arrays[0][row_of(*arrays, account)]
        if not row[KNOWN] & (1 << column):
            return None
        row[KNOWN] &= ~(1 << column)
        return int(row[column])
