"""The naive engine: every phase of docs/block.md one after the other, nothing fused, sharded or kept in columns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from breakwater.v1 import batches_pb2, commands_pb2
from breakwater.v1.events_pb2 import CROSS_LEG_KIND_CASH, CROSS_LEG_KIND_MINTED, CROSS_LEG_KIND_REDEMPTION
from tests.engine.admit import admit
from tests.engine.book import fund, pay_out, settle, take
from tests.engine.desk import desks
from tests.engine.ladder import ladder
from tests.engine.margin.admit import admit as margin_admit
from tests.engine.margin.desks import match_and_account
from tests.engine.margin.payout import pay_out as margin_pay_out
from tests.engine.margin.settle import fund as margin_fund
from tests.engine.margin.settle import settle as margin_settle
from tests.engine.margin.state import MarginVenue
from tests.engine.margin.take import cancel
from tests.engine.oracle import mark
from tests.engine.perennial.admit import admit as versioned_admit
from tests.engine.perennial.desk import version_desks
from tests.engine.perennial.settle import settle as versioned_settle
from tests.engine.perennial.state import version_sights
from tests.engine.perennial.views import version_breaches
from tests.engine.registry import seal
from tests.engine.spin.admit import admit as ratio_admit
from tests.engine.spin.payout import scan_and_pay_out
from tests.engine.spin.settle import settle as ratio_settle
from tests.engine.spin.state import spin_sights
from tests.engine.spin.takeover import take_over
from tests.engine.spin.views import ratio_breaches
from tests.engine.state import Block, Outcome, State
from tests.engine.views import account_view, pool_view

LADDER_PHASE, QUEUED, LADDER_SETTLE = 7, 99, 1 << 53

PHASES: tuple[Callable[[State, Block], None], ...] = (
    seal,
    mark,
    settle,
    margin_settle,
    versioned_settle,
    ratio_settle,
    fund,
    margin_fund,
    take,
    cancel,
    ladder,
    pay_out,
    margin_pay_out,
    scan_and_pay_out,
    take_over,
    admit,
    margin_admit,
    versioned_admit,
    ratio_admit,
    desks,
    match_and_account,
    version_desks,
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
            accounts=[
                account_view(self.state, block, key)
                for key in sorted(self.state.accounts)
                if key[0] in self.state.pools
            ],
            pools=[pool_view(self.state, block, venue) for venue in sorted(self.state.pools)],
            conserved=all(self.imbalance(venue) == 0 for venue in self.state.pools)
            and all(self.cross_imbalance(own) == 0 for own in self.state.margin.values())
            and not any(version_breaches(sight) for sight in version_sights(self.state, block))
            and not any(ratio_breaches(sight) for sight in spin_sights(self.state, block)),
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

    def cross_imbalance(self, own: MarginVenue) -> int:
        """The same of a Margin Trade venue: cash less cost, what legs bring, the funds less the shortfall."""
        accounts = [account for account in self.state.accounts.values() if account.venue == own.venue]
        held = sum(account.free + account.held + sum(account.withdrawals.values()) for account in accounts)
        cost = sum(position.cost for position in own.positions.values())
        signs = {CROSS_LEG_KIND_CASH: 1, CROSS_LEG_KIND_REDEMPTION: 1, CROSS_LEG_KIND_MINTED: -1}
        outbox = sum(signs.get(leg.kind, 0) * leg.amount - leg.quote for leg in own.outbox)
        funds = own.backstop.fees + own.backstop.fund - own.backstop.shortfall
        brought = sum(account.deposited - account.withdrawn for account in accounts) + own.backstop.deposited
        return held - cost + outbox + funds - brought


def _numbered(block: Block) -> list[bytes]:
    """Events in the order of their keys; no two facts of a block share one."""
    keys = [key for key, _ in block.events]
    # Where legs of a round settle twice a position may be told twice, and venues queue after rounds of their own.
    once = [key for key in keys if not (key[0] == LADDER_PHASE and (key[1] == QUEUED or key[2] >= LADDER_SETTLE))]
    assert len(set(once)) == len(once), "two events with one key"
    serialised = []
    for index, (_, event) in enumerate(sorted(block.events, key=lambda said: said[0])):
        event.height, event.index, event.block_time_ms = block.height, index, block.time_ms
        serialised.append(event.SerializeToString(deterministic=True))
    return serialised
