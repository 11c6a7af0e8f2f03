"""A block, from a frame to its result: the one place where the order of phases is written (docs/block.md).

`run_block` is a generator without I/O: it yields calls and is sent their replies, so the same text drives Ray, a
replica in one process and the simulator. Fusion is speculation: A(h) pays out and admits at once; if any shard reports
a rung all of them drop it, the ladder runs, and the call after the last round admits again.

    seal      registry   frame -> rows, refusals, parameters
    mark      oracle     ticks -> marks
    A(h)      shards     settle, mark and fund, take, scan, (pay out, admit)
    ladder    coordinator, shards   while somebody is below a rung, at most four rounds
    M(h)      desks      funding, seizures, closes, LP moves, opens, account
    commit    here       number events, roots, conservation
"""

from collections.abc import Generator, Iterable
from typing import Any

from actors.columns import array, join, pick, row_count, split_by_shard
from actors.risk.ladder import MAX_ROUNDS
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from cluster.chain_state import ChainState
from cluster.commit import BlockResult, commit
from cluster.topology import COORDINATOR, ORACLE, REGISTRY, desk_name, shard_name
from cluster.transport.transport import Call

Phases = tuple["batches.ShardPhase", ...]
_BEFORE_LADDER: Phases = (
    batches.SHARD_PHASE_SETTLE,
    batches.SHARD_PHASE_MARK,
    batches.SHARD_PHASE_TAKE,
    batches.SHARD_PHASE_SCAN,
)
_ROUND: Phases = (batches.SHARD_PHASE_DROP, batches.SHARD_PHASE_LADDER, batches.SHARD_PHASE_SCAN)
_ADMIT: Phases = (batches.SHARD_PHASE_PAY_OUT, batches.SHARD_PHASE_ADMIT)

BlockRun = Generator[list[Call], list[bytes], BlockResult]


class _Block:
    """What one run keeps between its calls."""

    def __init__(self, state: ChainState, block: commands.BlockInput, frame_hash: bytes, epoch: int) -> None:
        self.state = state
        self.block = block
        self.frame_hash = frame_hash
        self.epoch = epoch
        self.root = block.root or block.block_time_ms // 1000 != state.last_root_second
        self.steps: dict[str, int] = {}
        self.sealed = batches.RegistryReply()
        self.marked = batches.OracleReply()
        self.events = batches.PendingEvents()
        self.outcomes = batches.Outcomes()
        self.funding = batches.FundingNets()
        self.seizures = batches.Seizures()

    def header(self, actor: str) -> batches.CallHeader:
        """Heads the next call to an actor."""
        step = self.steps[actor] = self.steps.get(actor, -1) + 1
        previous_height, previous_hash = self.state.applied(actor)
        return batches.CallHeader(
            height=self.block.height,
            step=step,
            frame_hash=self.frame_hash,
            previous_height=previous_height,
            previous_frame_hash=previous_hash,
            block_time_ms=self.block.block_time_ms,
            root=self.root,
        )

    def take(self, events: batches.PendingEvents, outcomes: batches.Outcomes) -> None:
        """Gathers what an actor said."""
        self.events.MergeFrom(events)
        self.outcomes.MergeFrom(outcomes)


def run_block(
    state: ChainState, block: commands.BlockInput, frame_hash: bytes, epoch: int, voided: Iterable[int] = ()
) -> BlockRun:
    """Runs one block on the state of the chain and moves it on. The caller answers every yielded list of calls."""
    assert block.height == state.height + 1, f"height {block.height} does not follow {state.height}"
    assert block.block_time_ms >= state.block_time_ms, f"block time goes back to {block.block_time_ms} ms"
    run = _Block(state, block, frame_hash, epoch)
    yield from _seal(run, voided)
    yield from _mark(run)
    replies = yield from _shards(run, _BEFORE_LADDER + _ADMIT, _split_settle(run))
    if _anyone_below(replies):
        replies = yield from _ladder(run, replies)
    for reply in replies:
        run.take(reply.staged_events, reply.staged_outcomes)
    desks = yield from _desks(run, replies)
    return commit(run, replies, desks)


def _seal(run: _Block, voided: Iterable[int]) -> Generator[list[Call], list[bytes], None]:
    call = batches.RegistryCall(header=run.header(REGISTRY), input=run.block, voided=sorted(voided))
    (reply,) = yield [Call(REGISTRY, call.SerializeToString())]
    run.sealed = batches.RegistryReply.FromString(reply)
    run.state.change_parameters(run.sealed.changes)
    run.take(run.sealed.events, run.sealed.outcomes)
    if run.root:
        run.state.digests[REGISTRY] = run.sealed.digest


def _mark(run: _Block) -> Generator[list[Call], list[bytes], None]:
    call = batches.OracleCall(header=run.header(ORACLE), changes=run.sealed.changes, ticks=run.sealed.ticks)
    (reply,) = yield [Call(ORACLE, call.SerializeToString())]
    run.marked = batches.OracleReply.FromString(reply)
    run.take(run.marked.events, run.marked.outcomes)
    if run.root:
        run.state.digests[ORACLE] = run.marked.digest


def _split_settle(run: _Block) -> list[dict[str, Any]]:
    """What only the first call of a block brings to a shard: legs, marks, totals, parameters."""
    state = run.state
    shared = {"changes": run.sealed.changes, "marks": run.marked.marks, "totals": state.all_totals()}
    return [{"legs": legs, **shared} for legs in split_by_shard(state.outbox, state.shards)]


def _split_commands(run: _Block) -> list[batches.ShardCommands]:
    parts = [batches.ShardCommands() for _ in range(run.state.shards)]
    for field in batches.ShardCommands.DESCRIPTOR.fields:
        split = split_by_shard(getattr(run.sealed.commands, field.name), run.state.shards)
        for part, rows in zip(parts, split, strict=True):
            if row_count(rows):
                getattr(part, field.name).CopyFrom(rows)
    return parts


def _shards(
    run: _Block, phases: Phases, extra: list[dict[str, Any]]
) -> Generator[list[Call], list[bytes], list[batches.ShardReply]]:
    """One fan-out to every shard; what it says for certain is gathered, what it staged is the caller's."""
    calls = []
    for shard, (commands_of_shard, fields) in enumerate(zip(_split_commands(run), extra, strict=True)):
        name = shard_name(shard)
        call = batches.ShardCall(
            header=run.header(name), phases=phases, commands=commands_of_shard, speculative=True, **fields
        )
        calls.append(Call(name, call.SerializeToString()))
    replies = [batches.ShardReply.FromString(reply) for reply in (yield calls)]
    for reply in replies:
        run.take(reply.events, reply.outcomes)
        run.funding.MergeFrom(reply.funding)
        run.seizures.MergeFrom(reply.seizures)
        run.state.take_buckets(reply.digests)
    return replies


def _anyone_below(replies: list[batches.ShardReply]) -> bool:
    return any(row_count(reply.candidates) for reply in replies)


def _ladder(
    run: _Block, replies: list[batches.ShardReply]
) -> Generator[list[Call], list[bytes], list[batches.ShardReply]]:
    """Rounds until nobody is below a rung; who is left after the last is queued, and the block goes on without them."""
    for ladder_round in range(1, MAX_ROUNDS + 1):
        orders = yield from _coordinate(run, replies, ladder_round)
        ladder = [{"ladder": part} for part in split_by_shard(orders, run.state.shards)]
        replies = yield from _shards(run, _ROUND + _ADMIT, ladder)
        if not _anyone_below(replies):
            return replies
    yield from _coordinate(run, replies, MAX_ROUNDS + 1)
    phases = (batches.SHARD_PHASE_DROP, *_ADMIT)
    return (yield from _shards(run, phases, [{} for _ in range(run.state.shards)]))


def _coordinate(
    run: _Block, replies: list[batches.ShardReply], ladder_round: int
) -> Generator[list[Call], list[bytes], batches.LadderOrders]:
    candidates = join(batches.Candidates(), (reply.candidates for reply in replies))
    call = batches.CoordinatorCall(
        header=run.header(COORDINATOR), round=ladder_round, candidates=candidates, venues=run.state.venue_list()
    )
    (reply,) = yield [Call(COORDINATOR, call.SerializeToString())]
    decided = batches.CoordinatorReply.FromString(reply)
    run.take(decided.events, batches.Outcomes())
    run.state.digests[COORDINATOR] = decided.digest
    return decided.orders


def _desks(
    run: _Block, replies: list[batches.ShardReply]
) -> Generator[list[Call], list[bytes], list[batches.DeskReply]]:
    """M(h): every venue's desk, each with the rows of its venue."""
    closes = join(batches.CloseOps(), (reply.closes for reply in replies))
    opens = join(batches.OpenOps(), (reply.opens for reply in replies))
    liquidity = join(batches.LiquidityOps(), (reply.liquidity for reply in replies))
    names = [desk_name(venue) for venue in run.sealed.venues]
    calls = []
    for venue, name in zip(run.sealed.venues, names, strict=True):
        call = batches.DeskCall(
            header=run.header(name),
            changes=run.sealed.changes,
            marks=run.marked.marks,
            funding=run.funding,
            seizures=_of_venue(run.seizures, venue, names),
            closes=_of_venue(closes, venue, names),
            liquidity=_of_venue(liquidity, venue, names),
            opens=_of_venue(opens, venue, names),
            account=True,
        )
        calls.append(Call(name, call.SerializeToString()))
    if not calls:
        return []
    desks = [batches.DeskReply.FromString(reply) for reply in (yield calls)]
    for name, desk in zip(names, desks, strict=True):
        run.take(desk.events, desk.outcomes)
        if run.root:
            run.state.digests[name] = desk.digest
    return desks


def _of_venue(message: Any, venue: int, names: list[str]) -> Any:
    if len(names) == 1 or not row_count(message):
        return message
    return pick(message, (array(message.venue) == venue).nonzero()[0])
