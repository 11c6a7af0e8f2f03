"""What simulated people ask for in a block: batches of one kind each, with somebody who wants to know the answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf.message import Message

from breakwater.v1 import answers_pb2 as ans
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com

# The key is remembered this long in block time, far beyond any re-sending.
KEY_LIFE_MS = 300_000
ROWS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Answers:
    """The columns of a BatchOutcome that simulated people learn from, one row a command, int64."""

    height: int
    status: np.ndarray
    refusal: np.ndarray
    required: np.ndarray
    actual: np.ndarray
    reference: np.ndarray
    price_ticks: np.ndarray
    amount_atoms: np.ndarray
    filled_lots: np.ndarray

    @classmethod
    def of(cls, outcome: ans.BatchOutcome) -> "Answers":
        """The columns of this outcome."""
        columns = (
            outcome.status,
            outcome.refusal,
            outcome.required,
            outcome.actual,
            outcome.reference,
            outcome.price_ticks,
            outcome.amount_atoms,
            outcome.filled_lots,
        )
        return cls(outcome.height, *(np.asarray(column, dtype=np.int64) for column in columns))

    @property
    def refused(self) -> np.ndarray:
        """Which rows were refused."""
        return self.status == com.OUTCOME_STATUS_REFUSED

    @property
    def filled(self) -> np.ndarray:
        """Which rows were filled at once."""
        return self.status == com.OUTCOME_STATUS_FILLED

    @property
    def done(self) -> np.ndarray:
        """Which rows were carried out."""
        return self.status == com.OUTCOME_STATUS_DONE


Learn = Callable[[Answers], None]


def ignore(answers: Answers) -> None:
    """For those who do not want to know."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One batch: the name of its body in CommandBatch, the body, and who learns the answers."""

    field: str
    body: Message
    learn: Learn = ignore

    @property
    def rows(self) -> int:
        """Commands in the batch."""
        if isinstance(self.body, cmd.OpenAccounts):
            return self.body.count
        column = self.body.DESCRIPTOR.fields[0]
        return len(getattr(self.body, column.name)) if column.is_repeated else 1


def column_ask(field: str, body: type[Message], learn: Learn, **columns: Sequence[int] | np.ndarray) -> Ask:
    """An ask whose body is columns of equal length."""
    values = {name: np.asarray(column, dtype=np.int64).tolist() for name, column in columns.items()}
    return Ask(field, body(**values), learn)


def command_batches(
    asked: Iterable[tuple[int, Sequence[Ask]]], block: int, block_time_ms: int
) -> list[cmd.CommandBatch]:
    """The batches of a block, (venue, asks), under keys that only say the block and the place in it, so that a
    repetition is one."""
    flat = [(venue, ask) for venue, asks in asked for ask in asks]
    return [
        cmd.CommandBatch(
            request_key=b"replay/%d/%d" % (block, number),
            expires_ms=block_time_ms + KEY_LIFE_MS,
            venue=venue,
            **{ask.field: ask.body},  # type: ignore[arg-type]  # one name of a oneof and its message
        )
        for number, (venue, ask) in enumerate(flat)
    ]
