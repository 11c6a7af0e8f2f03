"""Phase 12: events numbered, roots taken, conservation checked; the state of the chain moves to the block's end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.chain.roots import commands_root, events_root, header_hash, number_events, serialise_header, state_root
from actors.columns import join, sort_rows
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import common_pb2 as common

if TYPE_CHECKING:
    from cluster.pipeline import _Block

RULEBOOK_VERSIONS = {common.RULEBOOK_TWILIGHT: "twilight/1"}


class InvariantBroken(Exception):
    """A block left the books in a state that must not be; it is not acknowledged and the node stops."""


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What one block came to. `events` are serialised and numbered, `outcomes` by command."""

    height: int
    block_time_ms: int
    events: list[bytes]
    outcomes: batches.Outcomes
    batch_rows: list[int]
    header: blocks.BlockHeader
    header_bytes: bytes
    marks: list[common.Mark]
    pools: list[batches.PoolSums]
    outbox_rows: int

    @property
    def events_root(self) -> bytes:
        """Merkle root of the events."""
        return self.header.events_root

    @property
    def state_root(self) -> bytes:
        """The state root, empty where the block took none."""
        return self.header.state_root


def commit(run: "_Block", shards: list[batches.ShardReply], desks: list[batches.DeskReply]) -> BlockResult:
    """Ends the block. Raises InvariantBroken."""
    state, block = run.state, run.block
    state.outbox = sort_rows(join(batches.Legs(), (desk.legs for desk in desks)), "venue", "class", "command", "leg")
    for desk in desks:
        state.totals.update({(total.venue, total.market): total for total in desk.totals})
    state.marks = {(mark.venue, mark.market): mark for mark in run.marked.marks}
    state.validated_height = run.sealed.validated_height
    for venue, market, rate in zip(run.funding.venue, run.funding.market, run.funding.rate_e9, strict=True):
        state.funding_rates_e9[venue, market] = rate
    check_conservation(state.outbox, [reply.sums for reply in shards], [desk.sums for desk in desks])
    events = number_events(run.events, block.height, block.block_time_ms)
    header = _header(run, events)
    header_bytes = serialise_header(header)
    state.height, state.block_time_ms, state.frame_hash = block.height, block.block_time_ms, run.frame_hash
    state.header_hash = header_hash(header_bytes)
    state.events_root, state.state_root = header.events_root, header.state_root
    state.note_applied(list(run.steps), block.height, run.frame_hash)
    return BlockResult(
        height=block.height,
        block_time_ms=block.block_time_ms,
        events=events,
        outcomes=sort_rows(run.outcomes, "command"),
        batch_rows=list(run.sealed.batch_rows),
        header=header,
        header_bytes=header_bytes,
        marks=list(run.marked.marks),
        pools=[desk.sums for desk in desks],
        outbox_rows=len(state.outbox.account),
    )


def _header(run: "_Block", events: list[bytes]) -> blocks.BlockHeader:
    state, block = run.state, run.block
    root = b""
    if run.root:
        state.last_root_second = block.block_time_ms // 1000
        root = state_root(state.buckets, state.digests, state.outbox)
    serialised = [batch.SerializeToString(deterministic=True) for batch in block.batches]
    return blocks.BlockHeader(
        height=block.height,
        block_time_ms=block.block_time_ms,
        previous_header_hash=state.header_hash,
        commands_root=commands_root(serialised),
        command_count=sum(run.sealed.batch_rows),
        events_root=events_root(events),
        event_count=len(events),
        state_root=root,
        marks=run.marked.marks,
        rulebooks=[RULEBOOK_VERSIONS[venue.rulebook] for venue in state.venue_list()],
        epoch=run.epoch,
    )


def check_conservation(outbox: batches.Legs, shards: list[batches.VenueSums], pools: list[batches.PoolSums]) -> None:
    """The equation of docs/block.md for every venue, to the atom. Raises InvariantBroken."""
    sums = join(batches.VenueSums(), shards)
    for pool in pools:
        held = pool.nav_realised_atoms - pool.shortfall_atoms
        margin = deposited = withdrawn = 0
        for row in zip(
            sums.venue,
            sums.free_atoms,
            sums.held_atoms,
            sums.margin_atoms,
            sums.pending_atoms,
            sums.deposited_atoms,
            sums.withdrawn_atoms,
            strict=True,
        ):
            if row[0] == pool.venue:
                held += sum(row[1:5])
                margin += row[3]
                deposited += row[5]
                withdrawn += row[6]
        legs_margin = 0
        for venue, free, owed, margin_leg in zip(
            outbox.venue, outbox.free_atoms, outbox.held_atoms, outbox.margin_atoms, strict=True
        ):
            if venue == pool.venue:
                held += free + owed + margin_leg
                legs_margin += margin_leg
        if held != deposited - withdrawn:
            raise InvariantBroken(
                f"venue {pool.venue}: {held} atoms held against {deposited} deposited - {withdrawn} withdrawn"
            )
        if margin + legs_margin != pool.trader_margin_atoms:
            raise InvariantBroken(
                f"venue {pool.venue}: traders hold {margin + legs_margin} atoms of margin, the pool counts "
                f"{pool.trader_margin_atoms}"
            )
