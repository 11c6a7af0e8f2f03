"""A venue to measure on: the node's own actors on any transport, with a journal beside it or without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.journal import GENESIS_TIP, JournalWriter, SqliteJournal, Tip
from cluster.pipeline import run_block
from cluster.placement import even
from cluster.replica import drive
from cluster.topology import pool_name, standing_actors
from cluster.transport.transport import Transport
from node.genesis import genesis_batches
from node.presets import TWILIGHT_VENUE, twilight_venue

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


class World:
    """One venue, one market, a pool; blocks are made as the node makes them: the append beside the execution."""

    def __init__(self, transport: Transport, shards: int, journal: SqliteJournal | None = None) -> None:
        self.transport = transport
        self.state = ChainState(even(shards))
        self.blocks: list[cmd.BlockInput] = []
        self._journal = journal
        self._writer = JournalWriter(journal) if journal is not None else None
        self._now_ms = START_MS
        self._keys = 0
        for actor in (*standing_actors(shards), pool_name(TWILIGHT_VENUE)):
            transport.make(actor)

    def close(self) -> None:
        """Ends the journal's thread; journal and transport are their owners' to close."""
        if self._writer is not None:
            self._writer.close()

    def seal(self, batches: Sequence[cmd.CommandBatch] = (), after_ms: int = BLOCK_MS) -> BlockResult:
        """One block, executed and, where there is a journal, durable."""
        self._now_ms += after_ms
        state = self.state
        block = cmd.BlockInput(
            height=state.height + 1,
            block_time_ms=self._now_ms,
            batches=batches,
            previous_events_root=state.events_root,
            previous_state_root=state.state_root,
        )
        self.blocks.append(block)
        epoch = self._journal.epoch if self._journal is not None else 1
        tip = Tip(state.height, state.frame_hash, epoch) if state.height else GENESIS_TIP
        frame = tip.next_frame(epoch, block.SerializeToString(deterministic=True))
        appended = self._writer.submit(frame) if self._writer is not None else None
        result = drive(run_block(state, block, frame.hash, frame.epoch), self.transport)
        if appended is not None:
            appended.result()
        return result

    def batch(self, **body: Any) -> cmd.CommandBatch:
        """A batch of one body under a new key."""
        self._keys += 1
        return cmd.CommandBatch(
            request_key=b"bench/%d" % self._keys,
            expires_ms=self._now_ms + KEY_LIFE_MS,
            venue=TWILIGHT_VENUE,
            principal=PRINCIPAL,
            **body,
        )

    def ticks(self, price_ticks: int = PRICE_TICKS, ahead_ms: int = BLOCK_MS) -> cmd.CommandBatch:
        """The price of every publisher, published when the next block is sealed `ahead_ms` from now."""
        return self.batch(
            ticks=cmd.Ticks(
                market=[1] * len(PUBLISHERS),
                publisher=PUBLISHERS,
                price_ticks=[price_ticks] * len(PUBLISHERS),
                published_ms=[self._now_ms + ahead_ms] * len(PUBLISHERS),
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
        return self.batch(open_positions=columns)

    def found(self) -> None:
        """Lists Twilight, publishes a price, fills the pool from account 1."""
        listings = genesis_batches([twilight_venue()], self._now_ms + KEY_LIFE_MS)
        accepted(self.seal([*listings, self.batch(open_accounts=cmd.OpenAccounts(count=1))]))
        accepted(self.seal([self.batch(deposits=cmd.Deposits(account=[1], amount_atoms=[POOL_ATOMS]))]))
        accepted(self.seal([self.ticks(ahead_ms=TICK_MS)], TICK_MS))
        moves = cmd.LiquidityDeposits(account=[1], amount_atoms=[POOL_ATOMS])
        accepted(self.seal([self.batch(liquidity_deposits=moves)]))
        self.seal()

    def people(self, count: int) -> list[int]:
        """Opens and funds accounts; their numbers."""
        result = self.seal([self.batch(open_accounts=cmd.OpenAccounts(count=count))])
        numbers = list(accepted(result).outcomes.reference)
        deposits = cmd.Deposits(account=numbers, amount_atoms=[ACCOUNT_ATOMS] * count)
        accepted(self.seal([self.batch(deposits=deposits)]))
        return numbers


def accepted(result: BlockResult) -> BlockResult:
    """The result, every command of which was carried out: a bench of refusals would measure something else."""
    status = np.asarray(result.outcomes.status, dtype=np.int64)
    refused = np.flatnonzero(status == _REFUSED)
    assert refused.size == 0, f"{refused.size} commands refused, the first by {result.outcomes.refusal[refused[0]]}"
    return result
