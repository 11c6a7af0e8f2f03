"""The naive engine: every phase of docs/block.md one after the other, nothing fused, sharded or kept in columns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from breakwater.v1 import batches_pb2, commands_pb2
from tests.engine.admit import admit
from tests.engine.book import fund, pay_out, scan_and_ladder, settle, take
from tests.engine.desk import desks
from tests.engine.oracle import mark
from tests.engine.registry import seal
from tests.engine.state import Block, Outcome, State
from tests.engine.views import account_view, pool_view

PHASES: tuple[Callable[[State, Block], None], ...] = (
    seal,
    mark,
    settle,
    fund,
    take,
    scan_and_ladder,
    pay_out,
    admit,
    desks,
)


@dataclass(frozen=True)
class NaiveResult:
    """One block's outcome: events as they leave the node, one outcome a command, what is kept per venue."""

    height: int
    events: list[bytes]
    outcomes: dict[int, Outcome]
    accounts: list[batches_pb2.AccountView]
    pools: list[batches_pb2.PoolView]
    conserved: bool


class NaiveEngine:
    """Applies blocks one by one."""

    def __init__(self) -> None:
        self.state = State()
        self.block = Block(commands_pb2.BlockInput())

    def apply(self, block_input: commands_pb2.BlockInput, voided: Iterable[int] = ()) -> NaiveResult:
        """Runs one block; `voided` are the commands of it an operator has voided since."""
        block = Block(block_input, voided=frozenset(voided))
        for phase in PHASES:
            phase(self.state, block)
        self.block = block
        return NaiveResult(
            height=block.height,
            events=_numbered(block),
            outcomes=block.outcomes,
            accounts=[account_view(self.state, block, key) for key in sorted(self.state.accounts)],
            pools=[pool_view(self.state, block, venue) for venue in sorted(self.state.pools)],
            conserved=all(self.imbalance(venue) == 0 for venue in self.state.pools),
        )

    def imbalance(self, venue: int) -> int:
        """What the venue has more than was brought in, atoms; 0 when it is conserved."""
        state, pool = self.state, self.state.pools[venue]
        accounts = [account for account in state.accounts.values() if account.venue == venue]
        held = sum(account.free + account.held + sum(account.withdrawals.values()) for account in accounts)
        margin = sum(position.margin_held for position in state.positions.values() if position.venue == venue)
        outbox = sum(leg.free + leg.held + leg.margin for leg in state.outbox if leg.venue == venue)
        brought = sum(account.deposited - account.withdrawn for account in accounts)
        return held + margin + outbox + pool.nav - pool.shortfall - brought


def _numbered(block: Block) -> list[bytes]:
    """Events in the order of their keys; no two facts of a block share one."""
    keys = [key for key, _ in block.events]
    assert len(set(keys)) == len(keys), "two events with one key"
    serialised = []
    for index, (_, event) in enumerate(sorted(block.events, key=lambda said: said[0])):
        event.height, event.index, event.block_time_ms = block.height, index, block.time_ms
        serialised.append(event.SerializeToString(deterministic=True))
    return serialised
