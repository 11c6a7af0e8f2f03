"""Phase 12: events numbered, roots taken, conservation checked; the state of the chain moves to the block's end."""

from dataclasses import dataclass

import numpy as np

from actors.chain.event_tree import events_root
from actors.chain.numbered_events import NumberedEvents
from actors.chain.numbering import number_events
from actors.chain.roots import commands_root, header_hash, serialise_header, state_root
from actors.columns import from_matrix, join, sort_rows, sorted_columns
from actors.rulebooks.versions import header_name
from actors.sealing.block_bytes import batches_of
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import common_pb2 as common
from cluster.block_run import BlockRun, in_leg_order
from cluster.conservation import (
    check_conservation,
    check_insurance,
    check_longs_equal_shorts,
    check_markets,
    check_versioned_venues,
)
from cluster.desk_calls import DeskReplies


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What one block came to. `events` are serialised and numbered; `told` is the matrix of `Outcomes`, by command."""

    height: int
    block_time_ms: int
    events: NumberedEvents
    told: np.ndarray
    batch_rows: list[int]
    header: blocks.BlockHeader
    header_bytes: bytes
    marks: list[common.Mark]
    pools: list[batches.PoolSums]
    backstops: list[batches.BackstopSums]
    outbox_rows: int
    # Accounts of bot-run venues that the block changed, and versions it settled.
    standings: batches.StandingRows
    versions: list[batches.VersionRecord]

    @property
    def outcomes(self) -> batches.Outcomes:
        """What became of every command, by command."""
        return from_matrix(batches.Outcomes, self.told)

    @property
    def events_root(self) -> bytes:
        """Merkle root of the events."""
        return self.header.events_root

    @property
    def state_root(self) -> bytes:
        """The state root, empty where the block took none."""
        return self.header.state_root


def commit(run: BlockRun, desks: DeskReplies) -> BlockResult:
    """Ends the block. Raises InvariantBroken."""
    state, block = run.state, run.block
    legs = join(batches.Legs(), (desk.legs for desk in desks.pools))
    state.outbox = sort_rows(legs, "venue", "class", "command", "leg")
    # What version desks said in the block before is what the shards have settled now.
    check_markets(state.version_sums, run.holdings)
    state.cross_outbox = in_leg_order([*desks.cross_legs(), *run.shard_legs])
    new_versions = state.take_versions(desks.version_desks)
    for desk in desks.pools:
        state.totals.update({(total.venue, total.market): total for total in desk.totals})
    state.take_tops(run.tops)
    state.marks = run.marks
    state.validated_height = run.sealed.validated_height
    for venue, market, rate in zip(run.funding.venue, run.funding.market, run.funding.rate_e9, strict=True):
        state.funding_rates_e9[venue, market] = rate
    pools, backstops = [desk.sums for desk in desks.pools], [desk.sums for desk in desks.backstops]
    check_conservation(run.sums, state.outbox, state.cross_outbox, pools, backstops)
    for insurance in desks.insurances:
        check_insurance(run.sums, state.cross_outbox, insurance.sums)
    check_versioned_venues(run.sums, state.version_outbox, state.version_sums.values())
    check_longs_equal_shorts(run.open_interest, state.cross_outbox)
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
        told=sorted_columns(batches.Outcomes, run.outcomes.matrix(), "command"),
        batch_rows=list(run.sealed.batch_rows),
        header=header,
        header_bytes=header_bytes,
        marks=list(run.marked.marks),
        pools=pools,
        backstops=backstops,
        outbox_rows=state.outbox_rows(),
        standings=join(run.standings, (reply.standings for reply in desks.version_desks)),
        versions=new_versions,
    )


def _header(run: BlockRun, events: NumberedEvents) -> blocks.BlockHeader:
    state, block = run.state, run.block
    root = b""
    if run.root:
        state.last_root_second = block.block_time_ms // 1000
        outboxes = (state.outbox, state.cross_outbox, state.version_outbox)
        root = state_root(state.buckets, state.digests, *outboxes)
    return blocks.BlockHeader(
        height=block.height,
        block_time_ms=block.block_time_ms,
        previous_header_hash=state.header_hash,
        commands_root=commands_root(batches_of(run.payload)),
        command_count=sum(run.sealed.batch_rows),
        events_root=events_root(events),
        event_count=len(events),
        state_root=root,
        marks=run.marked.marks,
        rulebooks=[header_name(venue) for venue in state.venue_list()],
        epoch=run.epoch,
    )
