"""What the door looks at in a batch of columns: its body against the roles, its shape, its accounts and publishers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from breakwater.v1 import commands_pb2, refusals_pb2
from node.config import Limits
from node.guards.auth import Caller
from node.guards.refusals import Refused

# Body -> its columns in the order of the message; a body without columns is one row, but for open_accounts.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    field.name: tuple(column.name for column in field.message_type.fields if column.is_repeated)
    for field in commands_pb2.CommandBatch.DESCRIPTOR.oneofs_by_name["body"].fields
    if field.message_type is not None
}
# Who acts; accounts that are merely named (target, debtor, the receiver of a transfer) may be anybody's.
ACTING_COLUMNS: Final = ("account", "owner")


def body_of(batch: commands_pb2.CommandBatch) -> str:
    """Name of the body; raises EMPTY_BATCH where there is none."""
    body = batch.WhichOneof("body")
    if body is None:
        raise Refused(refusals_pb2.REFUSAL_EMPTY_BATCH, 1, 0, "body")
    return body


def rows_of(batch: commands_pb2.CommandBatch) -> int:
    """How many commands a batch holds; of ragged columns the longest, of none 0."""
    body = batch.WhichOneof("body")
    if body is None:
        return 0
    if body == "open_accounts":
        return batch.open_accounts.count
    if not COLUMNS[body]:
        return 1
    content = getattr(batch, body)
    return max(len(getattr(content, column)) for column in COLUMNS[body])


def check_shape(batch: commands_pb2.CommandBatch, limits: Limits) -> None:
    """Raises BAD_REQUEST_KEY, EMPTY_BATCH, BATCH_TOO_LARGE or RAGGED_COLUMNS: what the registry would say, sooner."""
    if len(batch.request_key) > limits.key_bytes:
        raise Refused(refusals_pb2.REFUSAL_BAD_REQUEST_KEY, limits.key_bytes, len(batch.request_key), "request_key")
    body = body_of(batch)
    rows = rows_of(batch)
    if rows == 0:
        raise Refused(refusals_pb2.REFUSAL_EMPTY_BATCH, 1, 0, body)
    if rows > limits.batch_rows:
        raise Refused(refusals_pb2.REFUSAL_BATCH_TOO_LARGE, limits.batch_rows, rows, body)
    content = getattr(batch, body)
    lengths = [len(getattr(content, column)) for column in COLUMNS[body]]
    for column, length in zip(COLUMNS[body], lengths, strict=True):
        if length != lengths[0]:
            raise Refused(refusals_pb2.REFUSAL_RAGGED_COLUMNS, lengths[0], length, f"{body}.{column}")


def check_rights(batch: commands_pb2.CommandBatch, caller: Caller, from_faucet: bool = False) -> None:
    """Raises NOT_ALLOWED unless the key may send this body for every account and publisher in its columns.

    A deposit from the faucet needs the account only, not the custodian's role.
    """
    body = body_of(batch)
    if not from_faucet:
        caller.require_body(body)
    content = getattr(batch, body)
    for name in ACTING_COLUMNS:
        if name in COLUMNS[body]:
            caller.require_accounts(batch.venue, column(content, name))
    if body == "ticks":
        caller.require_publishers(column(content, "publisher"))


def column(content: Any, name: str) -> np.ndarray:
    """A column as int64."""
    return np.asarray(getattr(content, name), dtype=np.int64)
