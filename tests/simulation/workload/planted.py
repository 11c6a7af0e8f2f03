"""Wrongs planted into what an auditor is shown of a block that was right: each on a copy of the auditor of its own."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace

from actors.chain.numbered_events import NumberedEvents
from actors.columns import matrix
from breakwater.v1.batches_pb2 import Outcomes
from breakwater.v1.blocks_pb2 import BlockHeader
from breakwater.v1.commands_pb2 import BlockInput
from breakwater.v1.common_pb2 import MARK_STATE_HALTED, OUTCOME_STATUS_DONE
from breakwater.v1.events_pb2 import Event
from cluster.commit import BlockResult
from cluster.replica import Replica
from node.simulation.auditor import WatchfulAuditor

Shown = tuple[BlockInput, BlockResult]
# What an auditor is shown instead; None where the block has nothing of the kind.
Plant = Callable[[BlockInput, BlockResult], Shown | None]


def _with_events(result: BlockResult, changed: list[Event]) -> BlockResult:
    """The events, numbered anew."""
    for index, event in enumerate(changed):
        event.index = index
    told = [event.SerializeToString(deterministic=True) for event in changed]
    return replace(result, events=NumberedEvents.of(told))


def _events(result: BlockResult) -> list[Event]:
    return [Event.FromString(event) for event in result.events]


def bumped(kind: str, name: str, by: int = 1) -> Plant:
    """The first event of a kind says one more."""

    def plant(block: BlockInput, result: BlockResult) -> Shown | None:
        told = _events(result)
        for event in told:
            if event.HasField(kind):
                body = getattr(event, kind)
                setattr(body, name, getattr(body, name) + by)
                return block, _with_events(result, told)
        return None

    return plant


def dropped(kind: str) -> Plant:
    """The first event of a kind is not told."""

    def plant(block: BlockInput, result: BlockResult) -> Shown | None:
        told = _events(result)
        index = next((index for index, event in enumerate(told) if event.HasField(kind)), None)
        if index is None:
            return None
        del told[index]
        return block, _with_events(result, told)

    return plant


def doubled(kind: str) -> Plant:
    """The first event of a kind is told twice."""

    def plant(block: BlockInput, result: BlockResult) -> Shown | None:
        told = _events(result)
        for index, event in enumerate(told):
            if event.HasField(kind):
                told.insert(index, deepcopy(event))
                return block, _with_events(result, told)
        return None

    return plant


def as_if_healthy(kind: str) -> Plant:
    """Where somebody is liquidated the mark is shown on the good side: a third of it for shorts, else threefold."""

    def plant(block: BlockInput, result: BlockResult) -> Shown | None:
        event = next((event for event in _events(result) if event.HasField(kind)), None)
        if event is None:
            return None
        body = getattr(event, kind)
        is_long = body.side == 1 if hasattr(body, "side") else (getattr(body, "position_lots", 0) or body.lots) > 0
        marks = [deepcopy(mark) for mark in result.marks]
        for mark in marks:
            if (mark.venue, mark.market) == (event.venue, event.market):
                mark.mark_ticks = mark.mark_ticks * 3 if is_long else mark.mark_ticks // 3
        return block, replace(result, marks=marks)

    return plant


def at_unusable_marks(kind: str) -> Plant:
    """A fill or a liquidation in a market that is shown as halted."""

    def plant(block: BlockInput, result: BlockResult) -> Shown | None:
        event = next((event for event in _events(result) if event.HasField(kind)), None)
        if event is None:
            return None
        marks = [deepcopy(mark) for mark in result.marks]
        for mark in marks:
            if (mark.venue, mark.market) == (event.venue, event.market):
                mark.state = MARK_STATE_HALTED
        return block, replace(result, marks=marks)

    return plant


def header(change: Callable[[BlockHeader], None]) -> Plant:
    """The header says something else."""

    def plant(block: BlockInput, result: BlockResult) -> Shown | None:
        other = BlockHeader()
        other.CopyFrom(result.header)
        change(other)
        return block, replace(result, header=other)

    return plant


def batch_used_before(earlier: list[bytes]) -> Plant:
    """A batch that was taken comes under a key that was used; `earlier` gathers keys as blocks go by."""

    def plant(block: BlockInput, result: BlockResult) -> Shown | None:
        keys = [batch.request_key for batch in block.batches]
        other = BlockInput()
        other.CopyFrom(block)
        if len(earlier) > 3 and other.batches and not result.outcomes.refusal[0]:
            other.batches[0].request_key = earlier[0]
            other.batches[0].principal = 1
            return other, result
        earlier.extend(keys)
        return None

    return plant


def expired(block: BlockInput, result: BlockResult) -> Shown | None:
    """A batch that was taken had expired."""
    other = BlockInput()
    other.CopyFrom(block)
    if not other.batches or result.outcomes.refusal[0]:
        return None
    other.batches[0].expires_ms = block.block_time_ms - 1
    return other, result


def earlier_block(block: BlockInput, result: BlockResult) -> Shown | None:
    """Block time falls."""
    other = BlockInput()
    other.CopyFrom(block)
    other.block_time_ms = 1
    return (other, result) if block.height > 1 else None


def frozen_before(kind: str) -> Plant:
    """An operator froze the first account of a body that was taken, in the batch before it."""

    def plant(block: BlockInput, result: BlockResult) -> Shown | None:
        if result.outcomes.refusal and not any(result.outcomes.refusal):
            for batch in block.batches:
                if batch.WhichOneof("body") == kind:
                    return _freezing(block, result, batch.venue, getattr(batch, kind).account[0])
        return None

    return plant


def _freezing(block: BlockInput, result: BlockResult, venue: int, account: int) -> Shown:
    """A freeze that was answered DONE comes last in the block: it acts before what it forbids all the same."""
    other, outcomes = BlockInput(), Outcomes()
    other.CopyFrom(block)
    freeze = other.batches.add(request_key=b"freeze", venue=venue, expires_ms=block.block_time_ms)
    freeze.freeze_accounts.account.append(account)
    freeze.freeze_accounts.frozen.append(1)
    outcomes.CopyFrom(result.outcomes)
    for column in outcomes.DESCRIPTOR.fields:
        getattr(outcomes, column.name).append(0)
    outcomes.command[-1], outcomes.status[-1] = len(outcomes.command) - 1, OUTCOME_STATUS_DONE
    return other, replace(result, told=matrix(outcomes), batch_rows=[*result.batch_rows, 1])


@dataclass
class Planter:
    """Looks on at a world with an auditor that must find nothing, and plants each wrong once where it can be."""

    plants: dict[str, Plant]
    auditor: WatchfulAuditor = field(default_factory=WatchfulAuditor)
    complaints: list[str] = field(default_factory=list)
    found: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, view: Replica, block: BlockInput, result: BlockResult) -> None:
        for name, plant in self.plants.items():
            shown = plant(block, result) if name not in self.found else None
            if shown is not None:
                said = deepcopy(self.auditor).block(view, *shown)
                if said:
                    self.found[name] = said
        self.complaints += self.auditor.block(view, block, result)
