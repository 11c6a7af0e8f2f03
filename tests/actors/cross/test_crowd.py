"""Ten thousand accounts below their rungs at one tick: one shard, every rung, in one block, conserved and in time."""

import time
from collections import Counter
from typing import Any

from actors.columns import BUCKETS
from actors.liquidation_coordinator import LiquidationCoordinator
from actors.position_book import PositionBook
from actors.risk.ladder import Action
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import Caller, table
from tests.actors.cross.laddering import LOT, MARK, VENUE, K, ladder_book

CROWD, WHALE, VAULT = 10_000, 10_001, 0
FALL_TICKS = 500
NOW_MS = 1_000_000
# What each kind of account has: lots and, a lot, the equity before prices fall 5%. 23,750 a lot are required after it.
KINDS = ((20, 70_000), (2_000, 70_000), (20, 60_000), (20, 45_000))
VAULT_LOTS, VAULT_CASH = 1_000, 60_000_000
FILL, CASH, DELEVERAGED = (
    events.CROSS_LEG_KIND_FILL,
    events.CROSS_LEG_KIND_CASH,
    events.CROSS_LEG_KIND_DELEVERAGED,
)
FIRST = (
    batches.SHARD_PHASE_SETTLE,
    batches.SHARD_PHASE_MARK,
    batches.SHARD_PHASE_TAKE,
    batches.SHARD_PHASE_SCAN,
    batches.SHARD_PHASE_PAY_OUT,
    batches.SHARD_PHASE_ADMIT,
)
NEXT = (batches.SHARD_PHASE_SETTLE_LADDER, batches.SHARD_PHASE_SCAN)
LADDER = (batches.SHARD_PHASE_DROP, batches.SHARD_PHASE_LADDER)
# Many times what the calls of the block need together: more is a bug, not a slow machine.
LIMIT_S = 5.0


class Shard(Caller):
    """One shard, and the time its calls took on the processor."""

    def __init__(self) -> None:
        super().__init__(PositionBook(range(BUCKETS)), batches.ShardReply)
        self.taken_s: list[float] = []

    def _call(self, now_ms: int, root: bool, fields: dict[str, Any]) -> Any:
        begun_s = time.process_time()
        reply = super()._call(now_ms, root, fields)
        self.taken_s.append(time.process_time() - begun_s)
        return reply

    def rest(self, ticks: int, **fields: Any) -> Any:
        """The first call of a block in which everything trades at these ticks."""
        mark = common.Mark(
            venue=VENUE, market=1, mark_ticks=ticks, index_ticks=ticks, version=1, state=common.MARK_STATE_FRESH
        )
        return self.block(NOW_MS, root=False, phases=FIRST, marks=[mark], speculative=True, **fields)


def leg(account: int, kind: int, order: int = 0, lots: int = 0, quote: int = 0, amount: int = 0) -> tuple[int, ...]:
    return (1, account, 1, 0, VENUE, account, kind, order, lots, quote, 0, 0, amount, 0)


def legs(*listed: tuple[int, ...]) -> batches.CrossLegs:
    return table(batches.CrossLegs, *listed)


def net(reply: batches.ShardReply) -> int:
    """cash + held + pending - cost of the venue."""
    (row,) = zip(
        *(getattr(reply.sums, name) for name in ("free_atoms", "held_atoms", "margin_atoms", "pending_atoms")),
        strict=True,
    )
    return sum(row)


def terms() -> parameters.VenueParameters:
    made = ladder_book().terms
    made.rulebook = common.RULEBOOK_MARGIN_TRADE
    return made


def founded() -> Shard:
    """A crowd that is long from the mark on, a whale that sold to all of them, a vault with an inventory."""
    shard = Shard()
    crowd = range(1, CROWD + 1)
    held = {account: KINDS[account % 4][0] for account in crowd} | {VAULT: VAULT_LOTS}
    cash = {account: lots * KINDS[account % 4][1] for account, lots in held.items() if account} | {WHALE: 10**15}
    shard.rest(
        MARK,
        changes=batches.ParameterChanges(venues=[terms()], markets=[ladder_book().markets[1]]),
        commands=batches.ShardCommands(
            opened=table(batches.AccountRows, *((account, VENUE, account, 0) for account in cash)),
            deposits=table(batches.AmountRows, *((account, VENUE, account, atoms) for account, atoms in cash.items())),
        ),
    )
    bought = [leg(account, DELEVERAGED, lots=lots, quote=lots * LOT) for account, lots in sorted(held.items())]
    total = sum(held.values())
    sold = leg(WHALE, DELEVERAGED, lots=-total, quote=-total * LOT)
    reply = shard.rest(MARK, cross_legs=legs(leg(VAULT, CASH, amount=VAULT_CASH), *bought, sold))
    assert len(reply.candidates.account) == 0
    return shard


def test_ten_thousand_accounts_climb_every_rung_in_one_block() -> None:
    shard, coordinator = founded(), Caller(LiquidationCoordinator(), batches.CoordinatorReply)
    fallen = shard.rest(MARK - FALL_TICKS)
    before = net(fallen)
    assert Counter(fallen.candidates.rung) == {1: CROWD // 2, 2: CROWD // 2, 3: 1}
    orders = coordinator.block(round=1, candidates=fallen.candidates, venues=[terms()]).orders
    assert Counter(orders.action) == {
        Action.REDUCE_INTO_BOOK: CROWD // 2,
        Action.TAKEOVER_BY_VAULT: CROWD // 2,
        Action.DELEVERAGE: 1,
    }
    first = shard.again(NOW_MS, root=False, phases=LADDER, ladder=orders, round=1)
    sent = dict(zip(first.order_ops.account, first.order_ops.size_lots, strict=True))
    assert Counter((account % 4, lots) for account, lots in sent.items()) == {
        (0, 20): CROWD // 4,
        (1, 400): CROWD // 4,
    }
    assert list(first.offers.sequence) == sorted(first.offers.sequence)
    assert sum(first.offers.direct) == 1
    assert len(first.offers.account) == len(first.offer_positions.account) == CROWD // 2 + 1

    demands = [
        (sequence, VENUE, 1, account, lots, quote - equity)
        for sequence, account, lots, quote, equity in zip(
            first.offers.sequence,
            first.offers.account,
            first.offer_positions.lots,
            first.offer_positions.mark_quote_atoms,
            first.offers.equity_atoms,
            strict=True,
        )
    ]
    demanded = table(batches.DeleverageDemands, *demands)
    ranked = shard.again(NOW_MS, root=False, phases=[batches.SHARD_PHASE_RANK], demands=demanded, round=1)
    assert list(ranked.deleverage_candidates.account) == [WHALE]
    assert list(ranked.deleverage_candidates.budget_atoms) == list(ranked.deleverage_candidates.equity_atoms)

    settled = shard.again(
        NOW_MS, root=False, phases=NEXT, cross_legs=first_round_legs(first.order_ops, demands), round=1
    )
    assert net(settled) == before
    # Who was sold in part waits for its cooldown; who was closed at its bankruptcy price has nothing left to lose.
    left = sorted(settled.candidates.account)
    assert left == [account for account in range(1, CROWD + 1) if account % 4 == 3]
    write_offs = coordinator.again(round=2, candidates=settled.candidates, venues=[terms()], demanded=demanded).orders
    assert set(write_offs.action) == {Action.WRITE_OFF}
    second = shard.again(NOW_MS, root=False, phases=LADDER, ladder=write_offs, round=2)
    lost = KINDS[3][0] * (FALL_TICKS * K - KINDS[3][1]) * CROWD // 4
    assert second.dues.kind == [batches.CROSS_DUE_KIND_WRITE_OFF] * (CROWD // 4)
    assert sum(second.dues.amount_atoms) == lost
    assert net(second) == before + lost
    assert sum(shard.taken_s[2:]) < LIMIT_S


def first_round_legs(ops: batches.OrderOps, demands: list[tuple[int, ...]]) -> batches.CrossLegs:
    """The whale buys at the limits of the ladder's orders, and closes the demands of those still above zero."""
    listed, bought, paid = [], 0, 0
    for account, order, lots, limit in zip(ops.account, ops.order, ops.size_lots, ops.price_ticks, strict=True):
        listed.append(leg(account, FILL, order, -lots, -lots * limit * K))
        bought, paid = bought + lots, paid + lots * limit * K
    for _, _, _, account, lots, quote in demands:
        if account == VAULT or account % 4 == 2:
            listed.append(leg(account, DELEVERAGED, lots=-lots, quote=-quote))
            bought, paid = bought + lots, paid + quote
    return legs(*listed, leg(WHALE, DELEVERAGED, lots=bought, quote=paid))
