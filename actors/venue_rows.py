"""Rows of a call as the books of a shard get them: Twilight's venues together, each Margin Trade venue alone."""

from collections.abc import Collection
from typing import TypeVar, cast

import numpy as np
from google.protobuf.message import Message

from actors.columns import among, array, kind_of, pick, row_count
from actors.wide_messages import wide
from breakwater.v1 import batches_pb2 as batches

M = TypeVar("M", bound=Message)

# Up to so many rows are read as Python's integers.
_FEW = 12


def rows_of_venues(message: M, venues: Collection[int]) -> M:
    """The rows of these venues in their order; the message itself where it has no others."""
    count = row_count(message)
    if not count:
        return message
    column = getattr(message, "venue")  # noqa: B009 - a column known by name only
    if count <= _FEW:
        named = set(column)
        if named.issubset(venues):
            return message
        if named.isdisjoint(venues):
            return cast(M, kind_of(message)())
    mine = among(array(column), venues)
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
            self._parts[key] = self._part(key)
        return self._parts[key]

    def _part(self, venues: frozenset[int]) -> batches.ShardCommands:
        """In the form the commands have, or these themselves: most blocks are of one venue only."""
        fields = [(field.name, rows, rows_of_venues(rows, venues)) for field, rows in self._commands.ListFields()]
        if all(mine is rows for _, rows, mine in fields):
            return self._commands
        is_small = isinstance(self._commands, batches.ShardCommands)
        part = batches.ShardCommands() if is_small else wide(batches.ShardCommands)
        for name, _, mine in fields:
            if row_count(mine):
                getattr(part, name).MergeFrom(mine)
        return part
