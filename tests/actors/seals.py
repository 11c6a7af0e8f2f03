"""A registry by hand: frames of batches in, replies and refusals out."""

from collections.abc import Iterable
from typing import Any

from actors.registry import Registry
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from tests.actors.calling import Caller
from tests.building import Maker, market, refused, venue


class Seals(Maker):
    """A registry with venue 1, market 1 and five accounts."""

    def __init__(self, **rules: int) -> None:
        super().__init__()
        self.registry = Registry()
        self.calls = Caller(self.registry, batches.RegistryReply)
        self.seal(
            self.batch("create_venue", parameters=venue(**rules)),
            self.batch("create_market", parameters=market()),
            self.batch("open_accounts", count=5),
        )

    def seal(self, *frame: commands.CommandBatch, step_ms: int = 1_000, voided: Iterable[int] = ()) -> Any:
        """One frame at `now_ms`, then the clock moves on."""
        block = commands.BlockInput(height=self.calls.height + 1, block_time_ms=self.now_ms, batches=frame)
        reply = self.calls.block(self.now_ms, input=block, voided=list(voided))
        self.now_ms += step_ms
        return reply

    def refusal(self, batch: commands.CommandBatch) -> tuple[str, int, int]:
        """Why the only command of the batch is refused; ("", 0, 0) when it is not."""
        found = refused(self.seal(batch).outcomes)
        return found[0][1:] if found else ("", 0, 0)


def alter(seals: Seals, expected_version: int = 0, **rules: int) -> commands.CommandBatch:
    """New parameters of venue 1."""
    made = seals.batch("set_parameters", expected_version=expected_version)
    made.set_parameters.venue.CopyFrom(venue(**rules))
    return made
