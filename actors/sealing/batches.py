"""Whether a batch as a whole may be read: its key, its expiry, its shape, its venue. In the order of refusals.proto."""

from typing import Any

from blake3 import blake3

from actors import columns
from actors.sealing.directory import Directory
from actors.sealing.rulebooks import RULEBOOKS_OF
from actors.sinks import Refused
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals

MAX_KEY_BYTES = 64
MAX_BATCH_ROWS = 50_000
EXPIRY_HORIZON_MS = 24 * 3_600_000

# Bodies that are not columns: one row each.
SINGLE = frozenset(
    (
        "create_venue",
        "create_market",
        "set_parameters",
        "halt_market",
        "insurance_deposit",
        "validator_progress",
        "void_command",
    )
)
# Bodies that name no venue that must exist already.
VENUELESS = frozenset(("create_venue", "validator_progress", "void_command"))


def key_digest(principal: int, request_key: bytes) -> bytes:
    """Under what a request key is remembered; keys of different principals never meet."""
    return blake3(principal.to_bytes(4, "big") + request_key).digest()


class BatchChecks:
    """Checks of one block's batches; `keys` are the registry's, digest -> (expiry, height)."""

    def __init__(self, directory: Directory, block: commands.BlockInput, keys: dict[bytes, tuple[int, int]]) -> None:
        self._directory = directory
        self._block = block
        self._keys = keys

    def key_digest(self, batch: commands.CommandBatch) -> bytes:
        """See `key_digest`."""
        return key_digest(batch.principal, batch.request_key)

    def row_count(self, batch: commands.CommandBatch) -> int:
        """Commands of the batch; one whose shape is refused counts as a single command."""
        return _shape(batch)[0]

    def check(self, batch: commands.CommandBatch) -> tuple[int, Refused | None]:
        """`row_count`, and why the whole batch is refused, or None."""
        count, bad_shape = _shape(batch)
        return count, self._bad_key(batch) or bad_shape or self._bad_venue(batch)

    def _bad_key(self, batch: commands.CommandBatch) -> Refused | None:
        length, now_ms = len(batch.request_key), self._block.block_time_ms
        if not 0 < length <= MAX_KEY_BYTES:
            return Refused(refusals.REFUSAL_BAD_REQUEST_KEY, MAX_KEY_BYTES, length)
        known = self._keys.get(self.key_digest(batch))
        if known:
            return Refused(refusals.REFUSAL_REQUEST_KEY_REUSED, 0, known[1])
        if batch.expires_ms < now_ms:
            return Refused(refusals.REFUSAL_EXPIRED, now_ms, batch.expires_ms)
        if batch.expires_ms > now_ms + EXPIRY_HORIZON_MS:
            return Refused(refusals.REFUSAL_EXPIRY_TOO_FAR, now_ms + EXPIRY_HORIZON_MS, batch.expires_ms)
        return None

    def _bad_venue(self, batch: commands.CommandBatch) -> Refused | None:
        kind = batch.WhichOneof("body")
        if kind in VENUELESS:
            return None
        venues = self._directory.venues
        if batch.venue not in venues:
            return Refused(refusals.REFUSAL_UNKNOWN_VENUE, len(venues), batch.venue)
        rulebook = venues[batch.venue].terms.rulebook
        wanted = RULEBOOKS_OF.get(str(kind), (rulebook,))
        return None if rulebook in wanted else Refused(refusals.REFUSAL_WRONG_RULEBOOK, wanted[0], rulebook)


def _shape(batch: commands.CommandBatch) -> tuple[int, Refused | None]:
    """Commands of the batch, 1 where its shape is refused; and that refusal."""
    count, ragged = _rows(batch)
    if count == 0:
        return 1, Refused(refusals.REFUSAL_EMPTY_BATCH, 1, 0)
    if count > MAX_BATCH_ROWS:
        return 1, Refused(refusals.REFUSAL_BATCH_TOO_LARGE, MAX_BATCH_ROWS, count)
    if ragged:
        return 1, Refused(refusals.REFUSAL_RAGGED_COLUMNS, *ragged)
    return count, None


def _rows(batch: commands.CommandBatch) -> tuple[int, tuple[int, int] | None]:
    """Rows the batch asks for, and the lengths of two columns that differ, if any do.

    The longest column counts, so that nothing is smuggled behind a short one.
    """
    kind: Any = batch.WhichOneof("body")
    if kind is None:
        return 0, None
    if kind in SINGLE:
        return 1, None
    body = getattr(batch, kind)
    if kind == "open_accounts":
        return int(body.count), None
    ragged = columns.ragged_column(body)
    if ragged is None:
        return columns.row_count(body), None
    return max(len(getattr(body, name)) for name in columns.field_names(body)), ragged
