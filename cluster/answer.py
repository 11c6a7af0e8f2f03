"""What a batch came to, as bytes: encoded once for the client who waits, the archive, and whoever asks again.

Columns of answers are long. Between the block that made them and the wire nobody has to read more of them than
which rows were refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from actors.column_bytes import tagged_parts, varint
from actors.columns import array, field_names
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import batches_pb2 as batches

_LENGTH_DELIMITED: Final = 2
_NAMES: Final = field_names(batches.Outcomes)
_FIELDS: Final = answers.BatchOutcome.DESCRIPTOR.fields_by_name
_TAGS: Final = tuple(varint(_FIELDS[name].number << 3 | _LENGTH_DELIMITED) for name in _NAMES)
_STATUS, _REFUSAL = _NAMES.index("status"), _NAMES.index("refusal")


class Answer:
    """A `BatchOutcome`: its height (0: it reached no block), its bytes, and two of its columns as int64."""

    __slots__ = ("height", "refusal", "serialised", "status")

    def __init__(self, height: int, serialised: bytes, status: np.ndarray, refusal: np.ndarray) -> None:
        self.height = height
        self.serialised = serialised
        self.status = status
        self.refusal = refusal

    @classmethod
    def of(cls, outcome: answers.BatchOutcome) -> Answer:
        """An answer that is there as a message."""
        serialised = outcome.SerializeToString()
        return cls(outcome.height, serialised, array(outcome.status), array(outcome.refusal))

    @classmethod
    def read(cls, serialised: bytes) -> Answer:
        """An answer that was kept."""
        outcome = answers.BatchOutcome.FromString(serialised)
        return cls(outcome.height, serialised, array(outcome.status), array(outcome.refusal))

    @property
    def rows(self) -> int:
        """Commands answered."""
        return len(self.status)

    def outcome(self) -> answers.BatchOutcome:
        """All of it, read anew at every call."""
        return answers.BatchOutcome.FromString(self.serialised)


def split_answers(height: int, told: np.ndarray, batch_rows: Sequence[int]) -> list[Answer]:
    """A block's answers, batch by batch, from the matrix of its `Outcomes`: bytes are cut out and read nowhere."""
    count = told.shape[1]
    assert sum(batch_rows) == count, f"{count} answers for {sum(batch_rows)} commands"
    if not count:
        return []
    head = answers.BatchOutcome(height=height).SerializeToString()
    found, begin = [], 0
    for rows in batch_rows:
        mine = told[:, begin : begin + rows]
        found.append(Answer(height, b"".join([head, *tagged_parts(_TAGS, mine)]), mine[_STATUS], mine[_REFUSAL]))
        begin += rows
    return found
