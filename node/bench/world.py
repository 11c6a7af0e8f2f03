"""A venue to measure on: the node's own actors on any transport, with a journal beside it or without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.sealing.block_bytes import block_bytes
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.journal import GENESIS_TIP, Frame, JournalWriter, SqliteJournal, Tip
from cluster.pipeline import run_block
from cluster.placement import even
from cluster.replica import drive
from cluster.topology import standing_actors
from cluster.transport.transport import Transport
from node.genesis import genesis_batches
from node.presets import TWILIGHT_VENUE, VenueWithMarkets, twilight_venue

START_MS = 1_760_000_400_000
BLOCK_MS = 20
TICK_MS = 500
KEY_LIFE_MS = 60_000
PRICE_TICKS = 100_000
PRINCIPAL = 1
MARGIN_ATOMS = 10_000
POOL_ATOMS = 1_000_000_000_000
ACCOUNT_ATOMS = 1_000_000
PUBLISHERS = (1, 2, 3)
_REFUSED = common_pb2.OUTCOME_STATUS_REFUSED


class Chain:
    """Blocks are made as the node makes them: sealed once, the append beside the execution."""

    def __init__(self, transport: Transport, shards: int, journal: SqliteJournal | None = None) -> None:
        self.transport = transport
        self.state = ChainState(even(shards))
        self.frames: list[Frame] = []
        self._journal = journal
        self._writer = JournalWriter(journal) if journal is not None else None
        self.now_ms = START_MS
        self._keys = 0
        for actor in standing_actors(shards):
            transport.make(actor)

    def close(self) -> None:
        """Ends the journal's thread; journal and transport are their owners' to close."""
        if self._writer is not None:
            self._writer.close()

    def seal(self, batches: Sequence[cmd.CommandBatch | bytes] = (), after_ms: int = BLOCK_MS) -> BlockResult:
        """One block, executed and, where there is a journal, durable."""
        return self.run(self.frame(batches, after_ms))

    def frame(self, batches: Sequence[cmd.CommandBatch | bytes] = (), after_ms: int = BLOCK_MS) -> Frame:
        """The next block's frame; batches may be serialised already."""
        self.now_ms += after_ms
        state = self.state
        block = cmd.BlockInput(
            height=state.height + 1,
            block_time_ms=self.now_ms,
            previous_events_root=state.events_root,
            previous_state_root=state.state_root,
        )
        sealed = [batch if isinstance(batch, bytes) else batch.SerializeToString() for batch in batches]
        payload = block_bytes(block, sealed)
        epoch = self._journal.epoch if self._journal is not None else 1
        tip = Tip(state.height, state.frame_hash, epoch) if state.height else GENESIS_TIP
        self.frames.append(tip.next_frame(epoch, payload))
        return self.frames[-1]

    def run(self, frame: Frame) -> BlockResult:
        """Executes a frame, and appends it where there is a journal."""
        appended = self._writer.submit(frame) if self._writer is not None else None
        block = cmd.BlockInput.FromString(frame.payload)
        result = drive(run_block(self.state, block, frame.hash, frame.epoch), self.transport)
        if appended is not None:
            appended.result()
        return result

    def batch(self, venue: int, **body: Any) -> cmd.CommandBatch:
        """A batch of one body, or of none yet, under a new key."""
        self._keys += 1
        return cmd.CommandBatch(
            request_key=b"bench/%d" % self._keys,
            expires_ms=self.now_ms + KEY_LIFE_MS,
            venue=venue,
            principal=PRINCIPAL,
            **body,
        )

    def list_venues(self, venues: Sequence[VenueWithMarkets]) -> None:
        """Lists venues and their markets in one block."""
        accepted(self.seal(genesis_batches(list(venues), self.now_ms + KEY_LIFE_MS)))


class World(Chain):
    """Twilight with one market and a pool."""

    def batch_here(self, **body: Any) -> cmd.CommandBatch:
        """A batch of its venue."""
        return self.batch(TWILIGHT_VENUE, **body)

    def ticks(self, price_ticks: int = PRICE_TICKS, ahead_ms: int = BLOCK_MS) -> cmd.CommandBatch:
        """The price of every publisher, published when the next block is sealed `ahead_ms` from now."""
        return self.batch_here(
            ticks=cmd.Ticks(
                market=[1] * len(PUBLISHERS),
                publisher=PUBLISHERS,
                price_ticks=[price_ticks] * len(PUBLISHERS),
                published_ms=[self.now_ms + ahead_ms] * len(PUBLISHERS),
            )
        )

    def opens(
        self, accounts: Sequence[int], leverage_hundredths: int = 200, longs_only: bool = False
    ) -> cmd.CommandBatch:
        """A batch that opens a position at the mark for every account, longs and shorts in turn."""
        count = len(accounts)
        sides = [1 if longs_only or place % 2 == 0 else -1 for place in range(count)]
        columns = cmd.OpenPositions(
            account=accounts,
            market=[1] * count,
            side=sides,
            kind=[common_pb2.ORDER_KIND_MARKET] * count,
            margin_atoms=[MARGIN_ATOMS] * count,
            leverage_hundredths=[leverage_hundredths] * count,
            limit_ticks=[0] * count,
        )
        return self.batch_here(open_positions=columns)

    def found(self) -> None:
        """Lists Twilight, publishes a price, fills the pool from account 1."""
        self.list_venues([twilight_venue()])
        accepted(self.seal([self.batch_here(open_accounts=cmd.OpenAccounts(count=1))]))
        accepted(self.seal([self.batch_here(deposits=cmd.Deposits(account=[1], amount_atoms=[POOL_ATOMS]))]))
        accepted(self.seal([self.ticks(ahead_ms=TICK_MS)], TICK_MS))
        moves = cmd.LiquidityDeposits(account=[1], amount_atoms=[POOL_ATOMS])
        accepted(self.seal([self.batch_here(liquidity_deposits=moves)]))
        self.seal()

    def people(self, count: int) -> list[int]:
        """Opens and funds accounts; their numbers."""
        result = self.seal([self.batch_here(open_accounts=cmd.OpenAccounts(count=count))])
        numbers = list(accepted(result).outcomes.reference)
        deposits = cmd.Deposits(account=numbers, amount_atoms=[ACCOUNT_ATOMS] * count)
        accepted(self.seal([self.batch_here(deposits=deposits)]))
        return numbers


def accepted(result: BlockResult) -> BlockResult:
    """The result, every command of which was carried out: a bench of refusals would measure something else."""
    status = np.asarray(result.outcomes.status, dtype=np.int64)
    refused = np.flatnonzero(status == _REFUSED)
    assert refused.size == 0, f"{refused.size} commands refused, the first by {result.outcomes.refusal[refused[0]]}"
    return result
