"""What one run of a block keeps between its calls, and how what actors said is gathered."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actors.column_bytes import columns_parts, field_parts
from actors.columns import (
    RowGatherer,
    columns_by_shard,
    kind_of,
    matrix,
    row_count,
    rows,
    sorted_columns,
)
from actors.pending_events import EventPile
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from cluster.chain_state import ChainState, Key

# A message serialised, or nothing, in pieces to be strung together: columns show the memory they lie in.
Parts = list[Any]

# Fields of a shard's reply: what of the run takes them, and how. Most replies have few, so only those are looked at.
_CERTAIN = {
    "events": ("events", "append"),
    "outcomes": ("outcomes", "take"),
    "funding": ("funding", "MergeFrom"),
    "seizures": ("seizures", "MergeFrom"),
    "order_ops": ("order_ops", "take"),
    "caps": ("caps", "take"),
    "dues": ("dues", "MergeFrom"),
    "insurance_claims": ("claims", "MergeFrom"),
    "version_debts": ("debts", "MergeFrom"),
    "sums": ("sums", "MergeFrom"),
    "open_interest": ("open_interest", "MergeFrom"),
    "version_holdings": ("holdings", "MergeFrom"),
    "standings": ("standings", "MergeFrom"),
    "digests": ("state", "take_buckets"),
}
_STAGED = {
    "staged_events": ("events", "append"),
    "staged_outcomes": ("outcomes", "take"),
    "staged_order_ops": ("order_ops", "take"),
    "staged_caps": ("caps", "take"),
    "staged_insurance_claims": ("claims", "MergeFrom"),
    "staged_cross_legs": ("shard_legs", "append"),
}


class BlockRun:
    """The block under way. Everything a desk has yet to be told waits here until its next call."""

    def __init__(
        self, state: ChainState, block: commands.BlockInput, frame_hash: bytes, epoch: int, payload: bytes = b""
    ) -> None:
        """`payload` is the block serialised, deterministic; without it that is done here."""
        self.state = state
        self.payload = payload or block.SerializeToString(deterministic=True)
        self.block = block
        self.frame_hash = frame_hash
        self.epoch = epoch
        self.root = block.root or block.block_time_ms // 1000 != state.last_root_second
        self.steps: dict[str, int] = {}
        self.sealed = batches.RegistryReply()
        self.marked = batches.OracleReply()
        self.marks: dict[Key, common.Mark] = {}
        self.events: list[batches.PendingEvents | EventPile] = []
        self.outcomes = RowGatherer(batches.Outcomes)
        self.funding = batches.FundingNets()
        self.seizures = batches.Seizures()
        self.sums = batches.VenueSums()
        self.order_ops = RowGatherer(batches.OrderOps)
        self.caps = RowGatherer(batches.PositionCaps)
        self.dues = batches.CrossDues()
        self.open_interest = batches.OpenInterest()
        self.vaults: dict[int, batches.VaultState] = {}
        self.demanded = batches.DeleverageDemands()
        self.tops: dict[Key, tuple[int, ...]] = {}
        self.claims = batches.InsuranceClaims()
        self.shard_legs: list[batches.CrossLegs] = []
        self.holdings = batches.VersionHoldings()
        self.debts = batches.VersionDebts()
        self.standings = batches.StandingRows()
        self._commands: list[Parts] | None = None

    def header(self, actor: str, may_be_last: bool = True) -> batches.CallHeader:
        """Heads the next call to an actor; only one that may be its last of the block is asked for digests."""
        step = self.steps[actor] = self.steps.get(actor, -1) + 1
        previous_height, previous_hash = self.state.applied(actor)
        return batches.CallHeader(
            height=self.block.height,
            step=step,
            frame_hash=self.frame_hash,
            previous_height=previous_height,
            previous_frame_hash=previous_hash,
            block_time_ms=self.block.block_time_ms,
            root=self.root and may_be_last,
        )

    def take(self, reply: Any) -> None:
        """Gathers what an actor said, in its reply's `events` and `outcomes`."""
        if reply.HasField("events"):
            self.events.append(reply.events)
        if reply.HasField("outcomes"):
            self.outcomes.take(reply.outcomes)

    def note_offered(self, offers: Iterable[batches.Offers]) -> None:
        """Accounts the backstop decided on: whoever of them is below zero after it, nobody can carry (MT-16).

        An account without positions is among them, though nothing is demanded of anybody for it.
        """
        for table in offers:
            self.demanded.venue.extend(table.venue)
            self.demanded.account.extend(table.account)

    def take_tops(self, tops: batches.BookTops) -> None:
        """Tops of a book after a call; the last of the block stands."""
        self.tops.update({(row[0], row[1]): row for row in rows(tops)})

    def take_shards(self, replies: Sequence[batches.ShardReply], scanned: bool) -> None:
        """What the shards said for certain. After a scan their caps replace those of the scan before."""
        if scanned:
            self.caps = RowGatherer(batches.PositionCaps)
        self.sums, self.open_interest = batches.VenueSums(), batches.OpenInterest()
        self.holdings, self.standings = batches.VersionHoldings(), batches.StandingRows()
        for reply in replies:
            self._take_fields(reply, _CERTAIN)
            self.vaults.update({vault.venue: vault for vault in reply.vaults})

    def _take_fields(self, reply: batches.ShardReply, takers: Mapping[str, tuple[str, str]]) -> None:
        for field, said in reply.ListFields():
            if field.name in takers:
                attribute, method = takers[field.name]
                getattr(getattr(self, attribute), method)(said)

    def take_staged(self, replies: Iterable[batches.ShardReply]) -> None:
        """What admission staged and no later call of the block drops."""
        for reply in replies:
            self._take_fields(reply, _STAGED)

    def has_takeovers(self) -> bool:
        """Liquidators of a Spin venue ask for something: owners are asked in a call of their own (SP-07)."""
        return row_count(self.sealed.commands.takeovers) > 0

    def settle_fields(self) -> tuple[dict[str, Any], list[dict[str, Parts]]]:
        """What only the first call of a block brings to a shard: parameters, marks, totals; and each shard's legs."""
        state = self.state
        shared = {
            "changes": self.sealed.changes if self.sealed.HasField("changes") else None,
            "marks": self.marked.marks,
            "totals": state.all_totals(),
            "versions": state.all_versions(),
        }
        parts = zip(self.cut(state.outbox), self.cut(state.cross_outbox), self.cut(state.version_outbox), strict=True)
        return shared, [{"legs": one, "cross_legs": cross, "version_legs": legs} for one, cross, legs in parts]

    def cut(self, message: Any) -> list[Parts]:
        """The rows of every shard, by their accounts, serialised, in pieces to be strung together."""
        shards, kind = self.state.shards, kind_of(message)
        if not row_count(message):
            return [[] for _ in range(shards)]
        if shards == 1:
            return [message.parts() if isinstance(message, RowGatherer) else [message.SerializeToString()]]
        parts = columns_by_shard(kind, matrix(message), self.state.owners.array, shards)
        return [columns_parts(kind, part) for part in parts]

    def shard_commands(self) -> list[Parts]:
        """The sealed rows in such pieces, one message a shard; cut once, however many fan-outs carry them."""
        if self._commands is None:
            self._commands = self._cut_commands()
        return self._commands

    def _cut_commands(self) -> list[Parts]:
        fields: list[Parts] = [[] for _ in range(self.state.shards)]
        for field, rows_of in self.sealed.commands.ListFields():
            for parts, columns in zip(fields, self.cut(rows_of), strict=True):
                if columns:
                    parts.extend(field_parts(batches.ShardCommands, field.name, columns))
        return fields


def in_leg_order(parts: Iterable[Any]) -> RowGatherer[batches.CrossLegs]:
    """Legs of several desks in the order they are settled in."""
    legs = RowGatherer(batches.CrossLegs)
    for part in parts:
        legs.take(part)
    if not len(legs):
        return legs
    ordered = sorted_columns(batches.CrossLegs, legs.matrix(), "venue", "class", "command", "market", "leg")
    return RowGatherer(batches.CrossLegs, ordered)
