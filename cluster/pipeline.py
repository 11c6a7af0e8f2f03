"""A block, from a frame to its result: the one place where the order of phases is written (docs/block.md).

`run_block` is a generator without I/O: it yields calls and is sent their replies, so the same text drives Ray, a
replica in one process and the simulator. Fusion is speculation: A(h) pays out and admits at once; if any shard reports
a rung all of them drop it, the ladder runs, and the call after the last round admits again.

    seal      registry   frame -> rows, refusals, parameters
    mark      oracle     ticks -> marks
    A(h)      shards     settle, mark and fund, take, scan, (pay out, admit)
    ladder    coordinator, shards, desks   while somebody is below a rung, at most as many rounds as the venue allows
    take over shards     only with `Liquidate` of a Spin venue: A(h) reserved, owners give up, then admit
    M(h)      desks      pools: funding, seizures, closes, LP moves, opens; books: match; backstops: LP moves;
                         insurance: claims; version desks: changes, then versions whose time has come; account
    commit    here       number events, roots, conservation
"""

from collections.abc import Generator, Iterable
from typing import Any

from actors.column_bytes import field_parts
from actors.columns import join, row_count, sort_rows
from actors.risk.ladder import Action
from actors.wide_messages import read_message
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from cluster.block_run import BlockRun, Parts, in_leg_order
from cluster.chain_state import ChainState
from cluster.commit import BlockResult, commit
from cluster.desk_calls import carry_out_round, deleverage, match_and_account
from cluster.topology import COORDINATOR, ORACLE, REGISTRY, shard_name
from cluster.transport.transport import Call

Phases = tuple["batches.ShardPhase", ...]
_BEFORE_LADDER: Phases = (
    batches.SHARD_PHASE_SETTLE,
    batches.SHARD_PHASE_MARK,
    batches.SHARD_PHASE_TAKE,
    batches.SHARD_PHASE_SCAN,
)
_ADMIT: Phases = (batches.SHARD_PHASE_PAY_OUT, batches.SHARD_PHASE_ADMIT)
# Liquidators of a Spin venue set aside what they may take over; then owners give it up, and its orders are admitted.
# Books of other venues do all of ADMIT in the first of the two calls.
_RESERVE: Phases = (batches.SHARD_PHASE_PAY_OUT, batches.SHARD_PHASE_RESERVE)
_TAKE_OVER: Phases = (batches.SHARD_PHASE_TAKE_OVER, batches.SHARD_PHASE_ADMIT)
# A round without desks: the pool is told of seizures in M(h).
_ROUND: Phases = (batches.SHARD_PHASE_DROP, batches.SHARD_PHASE_LADDER, batches.SHARD_PHASE_SCAN)
# A round with desks: act, then settle what the desks made of it, and scan.
_ACT: Phases = (batches.SHARD_PHASE_DROP, batches.SHARD_PHASE_LADDER)
_RANK: Phases = (batches.SHARD_PHASE_SETTLE_LADDER, batches.SHARD_PHASE_RANK)
_AFTER_DESKS: Phases = (batches.SHARD_PHASE_SETTLE_LADDER, batches.SHARD_PHASE_SCAN)
_END: Phases = (batches.SHARD_PHASE_DROP,)

BlockCalls = Generator[list[Call], list[bytes], BlockResult]
_Shards = Generator[list[Call], list[bytes], list[batches.ShardReply]]


def run_block(
    state: ChainState,
    block: commands.BlockInput,
    frame_hash: bytes,
    epoch: int,
    voided: Iterable[int] = (),
    payload: bytes = b"",
) -> BlockCalls:
    """Runs one block on the state of the chain and moves it on. The caller answers every yielded list of calls.

    `payload` is the block serialised, deterministic, where the caller has that already.
    """
    assert block.height == state.height + 1, f"height {block.height} does not follow {state.height}"
    assert block.block_time_ms >= state.block_time_ms, f"block time goes back to {block.block_time_ms} ms"
    run = BlockRun(state, block, frame_hash, epoch, payload)
    yield from _seal(run, voided)
    yield from _mark(run)
    shared, legs = run.settle_fields()
    replies = yield from _shards(run, _BEFORE_LADDER + _admission(run), legs, **shared)
    if _anyone_below(replies):
        replies = yield from _ladder(run, replies)
    if run.has_takeovers():
        replies += yield from _take_over(run, replies)
    run.take_staged(replies)
    desks = yield from match_and_account(run, replies)
    return commit(run, desks)


def _admission(run: BlockRun) -> Phases:
    """What A(h) stages after the scan."""
    return _RESERVE if run.has_takeovers() else _ADMIT


def _take_over(run: BlockRun, replies: list[batches.ShardReply]) -> _Shards:
    """SP-07: every owner's shard decides on what liquidators anywhere have reserved, in command order."""
    reserved = sort_rows(join(batches.Reservations(), (reply.reservations for reply in replies)), "command")
    fields = [{"reservations": part} for part in run.cut(reserved)]
    return (yield from _shards(run, _TAKE_OVER, fields))


def _seal(run: BlockRun, voided: Iterable[int]) -> Generator[list[Call], list[bytes], None]:
    call = batches.RegistryCall(header=run.header(REGISTRY), voided=sorted(voided))
    payload = b"".join([call.SerializeToString(), *field_parts(call, "input", [run.payload])])
    (reply,) = yield [Call(REGISTRY, payload)]
    run.sealed = read_message(batches.RegistryReply, reply)
    if run.sealed.HasField("changes"):
        run.state.change_parameters(run.sealed.changes)
    run.take(run.sealed)
    if run.root:
        run.state.digests[REGISTRY] = run.sealed.digest


def _mark(run: BlockRun) -> Generator[list[Call], list[bytes], None]:
    """The books it reads are those of block h-2: oracle(h) may then run beside M(h-1)."""
    tops = run.state.tops_before_message()
    call = batches.OracleCall(header=run.header(ORACLE), changes=run.sealed.changes, ticks=run.sealed.ticks, tops=tops)
    (reply,) = yield [Call(ORACLE, call.SerializeToString())]
    run.marked = batches.OracleReply.FromString(reply)
    run.marks = {(mark.venue, mark.market): mark for mark in run.marked.marks}
    run.take(run.marked)
    if run.root:
        run.state.digests[ORACLE] = run.marked.digest


def _shards(
    run: BlockRun, phases: Phases, columns: list[dict[str, Parts]], ladder_round: int = 0, **shared: Any
) -> _Shards:
    """One fan-out to every shard; what it says for certain is gathered, what it staged is the caller's.

    `columns` are fields of each shard's call, serialised; `shared` are fields of all of them.
    """
    calls, may_be_last = [], phases not in (_ACT, _RANK)
    alike = batches.ShardCall(phases=phases, speculative=True, round=ladder_round, **shared).SerializeToString()
    for shard, (rows, fields) in enumerate(zip(run.shard_commands(), columns, strict=True)):
        name = shard_name(shard)
        own = {"header": [run.header(name, may_be_last).SerializeToString()], "commands": rows, **fields}
        parts = [part for field, held in own.items() if held for part in field_parts(batches.ShardCall, field, held)]
        calls.append(Call(name, b"".join([alike, *parts])))
    replies = [read_message(batches.ShardReply, reply) for reply in (yield calls)]
    run.take_shards(replies, scanned=batches.SHARD_PHASE_SCAN in phases)
    return replies


def _anyone_below(replies: list[batches.ShardReply]) -> bool:
    return any(row_count(reply.candidates) for reply in replies)


def _ladder(run: BlockRun, replies: list[batches.ShardReply]) -> _Shards:
    """Rounds until nobody is below a rung; who is left after a venue's last is queued, the block goes on without."""
    ladder_round = 1
    while True:
        orders = yield from _coordinate(run, replies, ladder_round)
        if not row_count(orders):
            return (yield from _shards(run, _END + _admission(run), [{} for _ in range(run.state.shards)]))
        ladder = [{"ladder": part} for part in run.cut(orders)]
        if set(orders.action) == {int(Action.FULL_CLOSE_AT_MARK)}:
            replies = yield from _shards(run, _ROUND + _admission(run), ladder, ladder_round)
        else:
            acted = yield from _shards(run, _ACT, ladder, ladder_round)
            replies = yield from _round_at_desks(run, acted, ladder_round)
        if not _anyone_below(replies):
            return replies
        ladder_round += 1


def _round_at_desks(run: BlockRun, acted: list[batches.ShardReply], ladder_round: int) -> _Shards:
    """Liquidation orders and takeovers, then deleveraging of what the vault refused, each settled at once."""
    desks = yield from carry_out_round(run, acted, ladder_round)
    run.note_offered(reply.offers for reply in acted)
    legs, demands = in_leg_order(desks.cross_legs()), desks.demands()
    if row_count(demands):
        fields = [{"cross_legs": part} for part in run.cut(legs)]
        ranked = yield from _shards(run, _RANK, fields, ladder_round, demands=demands)
        desks = yield from deleverage(run, demands, ranked, ladder_round)
        legs = in_leg_order(desks.cross_legs())
    fields = [{"cross_legs": part} for part in run.cut(legs)]
    return (yield from _shards(run, _AFTER_DESKS + _admission(run), fields, ladder_round))


def _coordinate(
    run: BlockRun, replies: list[batches.ShardReply], ladder_round: int
) -> Generator[list[Call], list[bytes], batches.LadderOrders]:
    candidates = join(batches.Candidates(), (reply.candidates for reply in replies))
    call = batches.CoordinatorCall(
        header=run.header(COORDINATOR),
        round=ladder_round,
        candidates=candidates,
        venues=run.state.venue_list(),
        demanded=run.demanded,
    )
    (reply,) = yield [Call(COORDINATOR, call.SerializeToString())]
    decided = batches.CoordinatorReply.FromString(reply)
    run.events.append(decided.events)
    run.state.digests[COORDINATOR] = decided.digest
    return decided.orders
