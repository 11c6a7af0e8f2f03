"""A replay without a node: the same driver on a replica in this process, for tests and to compile every kernel."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import actors
from breakwater.v1 import admin_pb2, batches_pb2
from breakwater.v1 import answers_pb2 as ans
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import events_pb2 as evt
from cluster.commit import BlockResult
from cluster.replica import Replica
from node.load.driver import Driver, Events
from node.load.options import VENUES, ReplayOptions, plan_of

PRINCIPAL = 1
_WARM_POINTS = 160
_WARM_TRADERS = 80


class ReplicaSealer:
    """Seals blocks on a replica. It keeps no journal and forgets everything with the process."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._events: Sequence[evt.Event] = ()

    def seal(self, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
        """Run the block as a node in driver mode would."""
        state = self.replica.state
        block = cmd.BlockInput(
            height=state.height + 1,
            block_time_ms=request.block_time_ms,
            batches=request.batches,
            previous_events_root=state.events_root,
            previous_state_root=state.state_root,
            root=request.root,
        )
        for batch in block.batches:
            batch.principal = PRINCIPAL
        result = self.replica.apply(block)
        self._events = [evt.Event.FromString(event) for event in result.events]
        return admin_pb2.SealBlockResponse(
            height=result.height,
            outcomes=_by_batch(result),
            header=result.header,
            outbox_pending=result.outbox_rows > 0,
        )

    def events_later(self, height: int) -> Events:
        """The events of the block sealed last."""
        assert height == self.replica.state.height, "a replica remembers its last block only"
        events = self._events
        return lambda: events


def forget_compiled() -> int:
    """Delete what Numba cached of the kernels; answers how many files.

    Its cache knows the file a kernel is in, not the files of what the kernel calls: after a change there it would go
    on with the old code.
    """
    cached = [path for kind in ("nbi", "nbc") for path in Path(actors.__file__).parent.rglob(f"__pycache__/*.{kind}")]
    for path in cached:
        path.unlink(missing_ok=True)
    return len(cached)


def rehearse() -> dict[str, Any]:
    """Drive short synthetic crashes through a replica, one a venue: every kernel is compiled and cached afterwards."""
    began = time.monotonic()
    blocks = commands = 0
    for venue in VENUES:
        plan = plan_of(ReplayOptions(venue, None, _WARM_TRADERS, 1, 1, "inline", 4))
        # The fast part of the fall, where everything happens.
        driver = Driver(plan.part(40, 40 + _WARM_POINTS), ReplicaSealer(Replica()), lambda _: None)
        driver.run()
        blocks, commands = blocks + driver.tally.blocks, commands + driver.tally.commands
    return {
        "blocks": blocks,
        "commands": commands,
        "venues": list(VENUES),
        "wall_s": round(time.monotonic() - began, 3),
    }


def _by_batch(result: BlockResult) -> list[ans.BatchOutcome]:
    """The outcomes of the block, which are sorted by command, cut into its batches."""
    columns = {
        field.name: list(getattr(result.outcomes, field.name)) for field in batches_pb2.Outcomes.DESCRIPTOR.fields
    }
    cut, start = [], 0
    for rows in result.batch_rows:
        part = {name: column[start : start + rows] for name, column in columns.items()}
        cut.append(ans.BatchOutcome(height=result.height, **part))
        start += rows
    return cut
