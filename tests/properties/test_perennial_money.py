"""Perennial on a whole node, whatever accounts do and prices jump, one version in twenty without a price.

Every block conserves all money to the atom (the node checks its books, the test what anybody can read); liquidations
are never blocked for ever, locks end, nobody is liquidated twice under one, and what was withdrawn was covered.
"""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.columns import rows
from actors.rulebooks.perennial import is_liquidatable, requirement_floor_atoms
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from tests.simulation.perennial.node import ALL_OUT, FUNDS, GRACE_MS, KEEP, PRICE, SLOT_MS, UNIT, USD, Node

MAKERS, TAKERS, LIQUIDATORS = (1, 2), (3, 4, 5), (6, 7)
EVERYONE = MAKERS + TAKERS + LIQUIDATORS
MAINTENANCE_PPM, MIN_MAINTENANCE = 100_000, 10 * USD
RULES = {
    "maintenance_ppm": MAINTENANCE_PPM,
    "min_maintenance_atoms": MIN_MAINTENANCE,
    "min_liquidation_fee_atoms": 5 * USD,
    "taker_fee_ppm": 3_001,
    "maker_fee_ppm": 1_003,
    "taker_impact_ppm": 2_000,
    "settlement_fee_atoms": 70_007,
    "position_fee_ppm": 300_000,
    "interest_fee_ppm": 100_000,
    "funding_fee_ppm": 100_000,
    "max_rate_ppm": 9_000_000,
    "target_rate_ppm": 2_000_000,
    "controller_max_ppm": 9_000_000,
    "controller_k_e6": 600 * USD,
    "taker_close_always": True,
    "stale_after_ms": 10 * SLOT_MS,
}
INVALID_PERCENT = 5

# What somebody asks for: who, a size in thousandths of a unit (None keeps), collateral in hundredths of what it needs.
makes = st.tuples(st.just("make"), st.sampled_from(MAKERS), st.integers(0, 40_000), st.sampled_from([0, 60, 105, 150]))
takes = st.tuples(
    st.sampled_from(["long", "short"]),
    st.sampled_from(TAKERS),
    st.integers(0, 12_000),
    st.sampled_from([0, 90, 106, 115]),
)
moves = st.tuples(st.just("move"), st.sampled_from(MAKERS + TAKERS), st.integers(-800 * USD, 300 * USD), st.booleans())
liquidations = st.tuples(
    st.just("liquidate"), st.sampled_from(MAKERS + TAKERS), st.sampled_from(EVERYONE), st.sampled_from([-1, -1, 0, USD])
)
repayments = st.tuples(
    st.just("repay"), st.sampled_from(MAKERS + TAKERS), st.sampled_from(EVERYONE), st.sampled_from([1, USD, 10**10])
)
acts = st.lists(st.one_of(makes, takes, takes, moves, liquidations, liquidations, repayments), max_size=5)
# Permille of the price before; far jumps leave debts.
jumps = st.one_of(st.integers(970, 1_030), st.integers(970, 1_030), st.integers(650, 1_500))
slots = st.tuples(acts, acts, jumps, st.integers(1, 100))


class Crowd:
    """A node and what must be true of all it tells."""

    def __init__(self, shards: int) -> None:
        self.node = Node(accounts=len(EVERYONE), shards=shards, **RULES)
        self.price = PRICE
        self.number = 0
        # By locked account: the version its close is pinned to.
        self.locks: dict[int, int] = {}

    def command(self, act: tuple[Any, ...]) -> commands.CommandBatch:
        """The act as a command."""
        node, (kind, account, *rest) = self.node, act
        if kind == "liquidate":
            return node.liquidate(account, *rest)
        if kind == "repay":
            payer, amount = rest
            debts = {debt.account: debt.amount_atoms for debt in node.market().debts}
            return node.repay(payer, account, min(amount, debts.get(account, amount)))
        if kind == "move":
            amount, everything = rest
            return node.change(account, collateral=ALL_OUT if everything and amount < 0 else amount)
        lots, percent = rest[0] * UNIT // 1_000, rest[1]
        needed = max(lots * self.price // UNIT * MAINTENANCE_PPM // UNIT, MIN_MAINTENANCE) * percent // 100
        sides = {"make": (lots, 0, 0), "long": (0, lots, 0), "short": (0, 0, lots)}[kind]
        collateral = needed - max(node.collateral(account), 0) if percent else 0
        return node.change(account, *(sides if lots else (KEEP, KEEP, KEEP)), collateral=collateral)

    def block(self, time_ms: int, wanted: list[tuple[Any, ...]], price: int | None = None) -> None:
        """A block with these acts, and all that is checked of it."""
        sent = [self.command(act) for act in wanted]
        before = {account: self.node.locked_ms(account) for account in MAKERS + TAKERS}
        self.node.at(time_ms, *sent, price=price)
        self._check_told(before)
        self._check_withdrawals()

    def _check_told(self, before: dict[int, int]) -> None:
        for event in self.node.told():
            body = getattr(event, event.WhichOneof("body"))
            if event.HasField("position_locked"):
                assert event.account not in self.locks, "liquidated twice under one lock"
                assert not before[event.account]
                assert is_liquidatable(body.collateral_atoms, body.requirement_atoms)
                assert 0 <= body.reward_atoms <= body.reward_limit_atoms
                self.locks[event.account] = body.version_ms
            elif event.HasField("position_repinned"):
                assert self.locks[event.account] == body.version_ms < body.next_version_ms
                self.locks[event.account] = body.next_version_ms
            elif event.HasField("position_settled") and body.is_liquidation:
                assert (body.valid, body.lots, self.locks.pop(event.account)) == (True, 0, body.version_ms)
            elif event.HasField("position_pinned"):
                assert body.collateral_atoms >= body.requirement_atoms

    def _check_withdrawals(self) -> None:
        """Whose collateral left in this block has what all its positions require, at the price there is."""
        moved: dict[int, list[int]] = {}
        for leg_class, _, _, _, _, account, kind, collateral, *_ in rows(self.node.replica.state.version_outbox):
            if leg_class:
                return  # a version has settled since
            if kind == batches.VERSION_LEG_KIND_MOVED:
                moved.setdefault(account, []).append(collateral)
        for account, amounts in moved.items():
            if min(amounts) < 0:
                self._check_covered(account, sum(amounts))

    def _check_covered(self, account: int, moved: int) -> None:
        market = self.node.market()
        pending = [order for order in market.pending if order.account == account]
        assert not any(order.is_liquidation for order in pending), "withdrawn while locked"
        fees = sum(order.fee_atoms + order.settlement_fee_atoms for order in pending)
        left = self.node.collateral(account) + moved - fees
        sizes = [max(order.maker_lots, order.long_lots, order.short_lots) for order in pending]
        size = max([self.node.lots(account), *sizes])
        needed = requirement_floor_atoms(size, market.record.price_ticks, MAINTENANCE_PPM, MIN_MAINTENANCE)
        assert left >= needed, f"account {account} is left with {left} where it needs {needed}"

    def slot(self, early: list[Any], late: list[Any], jump: int, luck: int) -> None:
        """One slot: two blocks of acts, then its price, or, one time in twenty, none until its grace is over."""
        self.number += 1
        start_ms = self.node.slot(self.number - 1)
        self.block(max(start_ms + 1, self.node.now_ms), early)
        self.block(max(start_ms + SLOT_MS // 2, self.node.now_ms), late)
        self.price = min(max(self.price * jump // 1_000, USD), 1_000 * PRICE)
        if luck > INVALID_PERCENT:
            self.block(self.node.slot(self.number), [], self.price)
        else:
            self.block(self.node.slot(self.number) + GRACE_MS + 1, [])
        self.block(self.node.now_ms, [])

    def end(self) -> None:
        """Two more prices: everybody who may be liquidated then is, nothing stands in the way, and all locks end."""
        for _ in range(2):
            self.slot([], [], 1_000, 100)
        assert not self.locks and not self.node.market().pending
        for account in MAKERS + TAKERS:
            self.block(self.node.now_ms, [("liquidate", account, LIQUIDATORS[0], 0)])
            assert self._is_safe(account) == bool(self.node.refusals())
            assert {name for name, *_ in self.node.refusals()} <= {"NOT_LIQUIDATABLE"}
        self.slot([], [], 1_000, 100)
        assert not self.locks and not self.node.market().pending
        self.block(self.node.now_ms, [])
        debts = {debt.account: debt.amount_atoms for debt in self.node.market().debts}
        assert debts == {
            account: -self.node.collateral(account)
            for account in MAKERS + TAKERS
            if not self.node.lots(account) and self.node.collateral(account) < 0
        }

    def _is_safe(self, account: int) -> bool:
        """PE-02 by what anybody can read, closing fees included: those of the close that was pinned, or none was."""
        pinned = [order for order in self.node.market().pending if order.account == account]
        fees = sum(order.fee_atoms + order.settlement_fee_atoms for order in pinned)
        price = self.node.market().record.price_ticks
        needed = requirement_floor_atoms(self.node.lots(account), price, MAINTENANCE_PPM, MIN_MAINTENANCE)
        safe_without_fees = not is_liquidatable(self.node.collateral(account), needed)
        return safe_without_fees if not pinned else not is_liquidatable(self.node.collateral(account) - fees, needed)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(slots, min_size=3, max_size=14), st.sampled_from([1, 2, 3]))
def test_money_is_conserved_and_nobody_is_stuck(history: list[Any], shards: int) -> None:
    crowd = Crowd(shards)
    opening = [("make", 1, 30_000, 150), ("make", 2, 20_000, 105), ("long", 3, 5_000, 106), ("short", 4, 3_000, 106)]
    crowd.slot(opening, [("long", 5, 4_000, 115)], 1_000, 100)
    assert [crowd.node.lots(account) > 0 for account in MAKERS + TAKERS] == [True] * 5
    for early, late, jump, luck in history:
        crowd.slot(early, late, jump, luck)
    crowd.end()
    assert sum(crowd.node.money(account) for account in EVERYONE) <= FUNDS * len(EVERYONE)
