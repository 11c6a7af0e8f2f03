"""Rows of a call as the books of a shard get them: Twilight's venues together, each Margin Trade venue alone."""

from collections.abc import Collection
from typing import TypeVar

import numpy as np
from google.protobuf.message import Message

from actors.columns import among, array, pick, row_count
from actors.wide_messages import wide
from breakwater.v1 import batches_pb2 as batches

M = TypeVar("M", bound=Message)


def rows_of_venues(message: M, venues: Collection[int]) -> M:
    """The rows of these venues in their order; the message itself where it has no others."""
    if not row_count(message):
        return message
    mine = among(array(getattr(message, "venue")), venues)  # noqa: B009 - a column known by name only
    return message if mine.all() else pick(message, np.flatnonzero(mine))


class VenueCommands:
    """The commands of one call, split once however many phases read them. `everyone`: all venues of the shard."""

    def __init__(self, commands: batches.ShardCommands, everyone: Collection[int]) -> None:
        self._commands = commands
        self._everyone = set(everyone)
        self._parts: dict[frozenset[int], batches.ShardCommands] = {}

    def of(self, venues: Collection[int]) -> batches.ShardCommands:
        """The commands of these venues."""
        if self._everyone <= set(venues):
            return self._commands
        key = frozenset(venues)
        if key not in self._parts:
            mine = self._parts[key] = wide(batches.ShardCommands)
            for field, rows in self._commands.ListFields():
                getattr(mine, field.name).take(rows_of_venues(rows, key))
        return self._parts[key]
