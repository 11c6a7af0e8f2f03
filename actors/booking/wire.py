"""A book's events as protobuf bytes, without a message object a row: its hot path.

The bytes are those the protobuf library writes; a test holds them against it.
"""

import numpy as np

from actors.columns import columns_bytes
from actors.event_rows import events_field, places
from breakwater.v1 import batches_pb2 as batches


def pending_events(rows: np.ndarray, keys: np.ndarray, venue: int, market: int) -> bytes:
    """`PendingEvents`, serialised: events of a market; the rows of `keys` are their sort keys (phase, a, b, c)."""
    return columns_bytes(batches.PendingEvents, keys, events_field(rows, places(len(rows), venue, market))[0])
