"""The validator's progress as a sequenced command, so that the state knows how far blocks are signed."""

from actors.sealing.batches import EXPIRY_HORIZON_MS
from breakwater.v1 import commands_pb2 as commands
from cluster.engine_settings import Validation

# Blocks between two reports: to a driver, and on a live node.
PROGRESS_EVERY = 100
LIVE_PROGRESS_EVERY = 10
_PATIENCE_S = 120.0


def progress(
    validation: Validation | None, driver_mode: bool, known_height: int, height: int, block_time_ms: int
) -> list[commands.CommandBatch]:
    """What block `height` says of it, every so many blocks; `known_height` is what the state knows.

    A driver's node waits for its validator: the same journal each time.
    """
    if validation is None:
        return []
    if not driver_mode:
        validated = validation.validated_height if height % LIVE_PROGRESS_EVERY == 0 else 0
    elif height % PROGRESS_EVERY == 0:
        validation.wait_for(height - PROGRESS_EVERY, _PATIENCE_S)
        validated = min(validation.validated_height, height - PROGRESS_EVERY)
    else:
        validated = 0
    if validated <= known_height:
        return []
    batch = commands.CommandBatch(request_key=b"validator/%d" % height, expires_ms=block_time_ms + EXPIRY_HORIZON_MS)
    batch.validator_progress.validated_height = validated
    return [batch]
