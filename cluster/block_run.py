"""What one run of a block keeps between its calls, and how what actors said is gathered."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from actors.columns import join, row_count, rows, sort_rows, split_by_shard
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from cluster.chain_state import ChainState, Key

M = TypeVar("M", bound=Message)


class BlockRun:
    """The block under way. Everything a desk has yet to be told waits here until its next call."""

    def __init__(self, state: ChainState, block: commands.BlockInput, frame_hash: bytes, epoch: int) -> None:
        self.state = state
        self.block = block
        self.frame_hash = frame_hash
        self.epoch = epoch
        self.root = block.root or block.block_time_ms // 1000 != state.last_root_second
        self.steps: dict[str, int] = {}
        self.sealed = batches.RegistryReply()
        self.marked = batches.OracleReply()
        self.marks: dict[Key, common.Mark] = {}
        self.events: list[batches.PendingEvents] = []
        self.outcomes = batches.Outcomes()
        self.funding = batches.FundingNets()
        self.seizures = batches.Seizures()
        self.sums = batches.VenueSums()
        self.order_ops = batches.OrderOps()
        self.caps = batches.PositionCaps()
        self.dues = batches.CrossDues()
        self.open_interest = batches.OpenInterest()
        self.vaults: dict[int, batches.VaultState] = {}
        self.demanded = batches.DeleverageDemands()
        self.tops: dict[Key, tuple[int, ...]] = {}
        self.claims = batches.InsuranceClaims()
        self.shard_legs = batches.CrossLegs()
        self.holdings = batches.VersionHoldings()
        self.debts = batches.VersionDebts()
        self.standings = batches.StandingRows()
        self._commands: list[batches.ShardCommands] | None = None

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

    def take(self, events: batches.PendingEvents, outcomes: batches.Outcomes) -> None:
        """Gathers what an actor said."""
        self.events.append(events)
        self.outcomes.MergeFrom(outcomes)

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
            self.caps = join(batches.PositionCaps(), (reply.caps for reply in replies))
        for reply in replies:
            self.take(reply.events, reply.outcomes)
            self.funding.MergeFrom(reply.funding)
            self.seizures.MergeFrom(reply.seizures)
            self.order_ops.MergeFrom(reply.order_ops)
            self.dues.MergeFrom(reply.dues)
            self.claims.MergeFrom(reply.insurance_claims)
            self.debts.MergeFrom(reply.version_debts)
            self.vaults.update({vault.venue: vault for vault in reply.vaults})
            self.state.take_buckets(reply.digests)
        self.sums = join(batches.VenueSums(), (reply.sums for reply in replies))
        self.open_interest = join(batches.OpenInterest(), (reply.open_interest for reply in replies))
        self.holdings = join(batches.VersionHoldings(), (reply.version_holdings for reply in replies))
        self.standings = join(batches.StandingRows(), (reply.standings for reply in replies))

    def take_staged(self, replies: Iterable[batches.ShardReply]) -> None:
        """What admission staged and no later call of the block drops."""
        for reply in replies:
            self.take(reply.staged_events, reply.staged_outcomes)
            self.order_ops.MergeFrom(reply.staged_order_ops)
            self.caps.MergeFrom(reply.staged_caps)
            self.claims.MergeFrom(reply.staged_insurance_claims)
            self.shard_legs.MergeFrom(reply.staged_cross_legs)

    def has_takeovers(self) -> bool:
        """Liquidators of a Spin venue ask for something: owners are asked in a call of their own (SP-07)."""
        return row_count(self.sealed.commands.takeovers) > 0

    def split(self, message: M) -> list[M]:
        """The rows of every shard, by their accounts."""
        return split_by_shard(message, self.state.owners.array, self.state.shards)

    def settle_fields(self) -> list[dict[str, Any]]:
        """What only the first call of a block brings to a shard: legs, marks, totals, parameters."""
        state = self.state
        shared = {
            "changes": self.sealed.changes,
            "marks": self.marked.marks,
            "totals": state.all_totals(),
            "versions": state.all_versions(),
        }
        parts = zip(
            self.split(state.outbox),
            self.split(state.cross_outbox),
            self.split(state.version_outbox),
            strict=True,
        )
        return [{"legs": one, "cross_legs": cross, "version_legs": legs, **shared} for one, cross, legs in parts]

    def shard_commands(self) -> list[batches.ShardCommands]:
        """The sealed rows, one message a shard; cut once, however many fan-outs carry them."""
        if self._commands is None:
            self._commands = self._cut_commands()
        return self._commands

    def _cut_commands(self) -> list[batches.ShardCommands]:
        parts = [batches.ShardCommands() for _ in range(self.state.shards)]
        for field, gathered in self.sealed.commands.ListFields():
            for part, columns in zip(parts, self.split(gathered), strict=True):
                if row_count(columns):
                    getattr(part, field.name).CopyFrom(columns)
        return parts


def in_leg_order(parts: Sequence[batches.CrossLegs]) -> batches.CrossLegs:
    """Legs of several desks in the order they are settled in."""
    return sort_rows(join(batches.CrossLegs(), parts), "venue", "class", "command", "market", "leg")
