"""Mutants of what carries a block: pipeline, calls, placement."""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from typing import Any

from actors.columns import RowGatherer, join
from actors.contract import Actor
from breakwater.v1 import batches_pb2 as batches
from cluster import commit, pipeline, resharding
from cluster.block_run import BlockRun, Parts
from cluster.call_log import CallLog
from tests.mutants.mutant import Mutant, constant, instead

_SETTLE, _MARK, _TAKE, _SCAN = (
    batches.SHARD_PHASE_SETTLE,
    batches.SHARD_PHASE_MARK,
    batches.SHARD_PHASE_TAKE,
    batches.SHARD_PHASE_SCAN,
)
_LEGS: dict[str, Any] = {
    "legs": batches.Legs,
    "cross_legs": batches.CrossLegs,
    "version_legs": batches.VersionLegs,
}


def _without_last_leg(settle_fields: Any) -> Any:
    """The last leg of every kind gets lost on its way to its shard."""

    def mutated(run: BlockRun) -> Any:
        shared, fields = settle_fields(run)
        for name in _LEGS:
            last = next((part for part in reversed(fields) if part[name]), None)
            if last is not None:
                last[name] = _picked(name, last[name], lambda rows: rows[:-1])
        return shared, fields

    return mutated


def _with_a_leg_twice(settle_fields: Any) -> Any:
    """A shard gets its first leg of every kind twice."""

    def mutated(run: BlockRun) -> Any:
        shared, fields = settle_fields(run)
        for part in fields:
            for name in _LEGS:
                if part[name]:
                    part[name] = _picked(name, part[name], lambda rows: [*rows, rows[0]])
        return shared, fields

    return mutated


def _picked(name: str, parts: Parts, of: Callable[[list[int]], list[int]]) -> Parts:
    """Legs in pieces with other rows of theirs; `of` is given the indices of all."""
    legs = RowGatherer(_LEGS[name])
    legs.MergeFromString(b"".join(parts))
    return RowGatherer(_LEGS[name], legs.matrix()[:, of(list(range(len(legs))))]).parts()


def _as_sent(in_leg_order: Any) -> Any:
    """Legs are settled in the order in which desks and shards happened to say them."""

    def mutated(parts: Any) -> Any:
        return join(RowGatherer(batches.CrossLegs), parts)

    return mutated


@contextmanager
def _legs_as_sent() -> Any:
    with ExitStack() as stack:
        for module in (commit, pipeline):
            stack.enter_context(instead(module, "in_leg_order", _as_sent)())
        yield


def _always_decides(apply: Any) -> Any:
    """A call that comes again is decided again."""

    def mutated(actor: Actor, call: bytes) -> bytes:
        message = actor.read(call)
        header = message.header
        if header.height == actor._height and header.step == actor._step and header.frame_hash == actor._frame_hash:
            said = actor.decide(message)
            return said if isinstance(said, bytes) else said.SerializeToString(deterministic=True)
        return apply(actor, call)

    return mutated


def _forgets_every_tenth(append: Any) -> Any:
    """Every tenth call is not kept: an actor made again misses it."""
    count = 0

    def mutated(log: CallLog, actor: str, payload: bytes) -> None:
        nonlocal count
        count += 1
        if count % 10:
            append(log, actor, payload)

    return mutated


def _first_rows_only(cut: Any) -> Any:
    """What belongs to the last shard of several goes to the first: serialised messages joined are one."""

    def mutated(run: BlockRun, message: Any) -> Any:
        first, *others = cut(run, message)
        return [first + others[-1], *others[:-1], []] if others else [first]

    return mutated


@contextmanager
def _fusion_kept() -> Any:
    drop = batches.SHARD_PHASE_DROP
    with ExitStack() as stack:
        for name in ("_ROUND", "_ACT", "_END"):
            phases = tuple(phase for phase in getattr(pipeline, name) if phase != drop)
            stack.enter_context(constant(pipeline, name, phases)())
        yield


def _a_giver_less(sources: Any) -> Any:
    """Rows of one shard that gives buckets away never arrive."""
    return lambda *move: sources(*move)[:-1] or sources(*move)


CARRYING = (
    Mutant(
        "pipeline",
        "settle skipped",
        "cluster/pipeline.py: _BEFORE_LADDER",
        "legs of the block before are never settled",
        constant(pipeline, "_BEFORE_LADDER", (_MARK, _TAKE, _SCAN)),
    ),
    Mutant(
        "pipeline",
        "scan before mark",
        "cluster/pipeline.py: _BEFORE_LADDER",
        "who is below a rung is asked at the marks of the block before",
        constant(pipeline, "_BEFORE_LADDER", (_SETTLE, _TAKE, _SCAN, _MARK)),
    ),
    Mutant(
        "pipeline",
        "fusion not dropped",
        "cluster/pipeline.py: _ROUND, _ACT, _END",
        "admissions staged beside the ladder stay when it runs",
        _fusion_kept,
    ),
    Mutant(
        "pipeline",
        "leg lost",
        "cluster/block_run.py: BlockRun.settle_fields",
        "the last leg of every kind never arrives",
        instead(BlockRun, "settle_fields", _without_last_leg),
    ),
    Mutant(
        "pipeline",
        "leg doubled",
        "cluster/block_run.py: BlockRun.settle_fields",
        "the first leg of every kind arrives twice",
        instead(BlockRun, "settle_fields", _with_a_leg_twice),
    ),
    Mutant(
        "pipeline",
        "legs in order of senders",
        "cluster/block_run.py: in_leg_order",
        "legs of several desks are settled as they were said",
        _legs_as_sent,
    ),
    Mutant(
        "pipeline",
        "repeated call decided again",
        "actors/contract.py: Actor.apply",
        "the same call twice is applied twice",
        instead(Actor, "apply", _always_decides),
    ),
    Mutant(
        "supervision",
        "call not kept",
        "cluster/call_log.py: CallLog.append",
        "an actor made again misses every tenth call",
        instead(CallLog, "append", _forgets_every_tenth),
    ),
    Mutant(
        "placement",
        "rows at another shard",
        "cluster/block_run.py: BlockRun.cut",
        "rows of the last shard go to the first",
        instead(BlockRun, "cut", _first_rows_only),
    ),
    Mutant(
        "placement",
        "a giver forgotten",
        "cluster/resharding.py: _sources",
        "rows of one shard that gives buckets away never arrive",
        instead(resharding, "_sources", _a_giver_less),
    ),
)
