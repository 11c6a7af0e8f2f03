"""The desk and a naive shard under whatever happens: the market's equation holds to 1e-6 atoms after every block.

One version in twenty has no price. The desk is replaced by a copy of itself now and then.
"""

import random
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from actors.rulebooks.perennial import requirement_floor_atoms
from actors.version_desk import VersionDesk
from tests.actors.calling import pending_list
from tests.actors.versioning.market import (
    ALL_OUT,
    GRACE_MS,
    KEEP,
    MARKET,
    PENDING,
    SLOT_MS,
    START_MS,
    UNIT,
    USD,
    VENUE,
    Market,
    outcomes,
)
from tests.actors.versioning.naive_shard import NOTHING, SETTLED
from tests.building import bodies, parsed

ACCOUNTS = range(1, 7)
# Makers, longs and shorts at the start, in units.
FIRST = {1: (30, 0, 0), 2: (7, 0, 0), 3: (0, 20, 0), 4: (0, 0, 11), 5: (0, 9, 0)}
accounts = st.sampled_from(ACCOUNTS)
# Sizes that do not divide, prices that move by 1e-6 of themselves.
sizes = st.integers(0, 40 * UNIT)
moves = st.one_of(st.integers(-90_000, 90_000), st.integers(-400_000, 600_000))
amounts = st.one_of(st.just(0), st.integers(-900 * USD, 2_000 * USD), st.just(ALL_OUT))
rates = st.sampled_from([0, 777, 12_345])


class MarketMachine(RuleBasedStateMachine):
    """Blocks of operations; a valid or an invalid version at the end of every interval."""

    @initialize(
        taker=rates,
        impact=rates,
        maker=rates,
        cut=st.sampled_from([0, 333_333]),
        settlement=st.sampled_from([0, 7, 3 * USD]),
        always=st.booleans(),
        exact=st.booleans(),
    )
    def open(self, taker: int, impact: int, maker: int, cut: int, settlement: int, always: bool, exact: bool) -> None:
        self.market = Market(
            exact,
            taker_fee_ppm=taker,
            taker_impact_ppm=impact,
            taker_skew_ppm=impact,
            maker_fee_ppm=maker,
            maker_impact_ppm=impact,
            position_fee_ppm=cut,
            funding_fee_ppm=cut,
            interest_fee_ppm=cut,
            oracle_fee_ppm=cut,
            risk_fee_ppm=cut,
            settlement_fee_atoms=settlement,
            controller_k_e6=1_000,
            controller_max_ppm=50_000_000,
            min_rate_ppm=1_000_000,
            target_rate_ppm=20_000_000,
            max_rate_ppm=90_000_000,
            stale_after_ms=10**9,
            efficiency_limit_ppm=0,
            min_maintenance_atoms=0,
            min_liquidation_fee_atoms=0,
            taker_close_always=always,
        )
        self.exact = exact
        self.told: Counter[str] = Counter()
        self.certain: set[int] = set()
        self.marked: set[int] = set()
        self.market.start()
        self.market.settle()
        for account, asked in FIRST.items():
            self.market.change(account, *(units * UNIT for units in asked), collateral=sum(asked) * 27 * USD)
        self.work()
        self.version(0, 0, False)

    def work(self) -> None:
        """The block, and what must hold whatever was in it."""
        reply = self.market.work(root=False)
        self.told.update(str(event.WhichOneof("body")) for event in parsed(pending_list(reply.events)))
        told = {command: status for command, status, _, _ in outcomes(reply)}
        assert all(told[command] == PENDING for command in self.certain), "a liquidation failed that must not"
        self.certain.clear()
        self.marked.clear()
        for leg, flags, kind in zip(_sizes(reply), reply.legs.flags, reply.legs.kind, strict=True):
            if kind == SETTLED and flags & 2:
                assert flags & 1 and leg == NOTHING
        for locked in bodies(pending_list(reply.events), "position_locked"):
            assert 0 <= locked.reward_atoms <= locked.reward_limit_atoms
            assert self.exact or locked.reward_limit_atoms <= max(locked.collateral_atoms, 0)
        self.market.settle()  # the equation, the sizes and all the money
        self.check_pending()

    def check_pending(self) -> None:
        """Totals with everything pending are the sum of what accounts pinned last; debts are what is below zero."""
        market = self.market
        view = market.view(everyone=True)
        target = {account: market.position(account)[:3] for account in market.shard.positions}
        target |= {one.account: (one.maker_lots, one.long_lots, one.short_lots) for one in view.pending}
        totals = tuple(sum(one[side] for one in target.values()) for side in range(3))
        assert totals == (view.pending_maker_lots, view.pending_long_lots, view.pending_short_lots)
        assert sorted({one.version_ms for one in view.pending}) == list(view.requested_ms)
        assert all(version > market.now_ms - GRACE_MS - SLOT_MS for version in view.requested_ms)
        debts = {one.account: one.amount_atoms for one in view.debts} | dict(market.debts)
        waiting = {one.account for one in view.pending}
        for account, position in market.shard.positions.items():
            if account not in waiting and position.sizes == NOTHING:
                assert debts.get(account, 0) == max(-position.collateral, 0)

    @rule(account=accounts, side=st.integers(0, 2), lots=sizes, margin=st.integers(19, 60), more=st.booleans())
    def trade(self, account: int, side: int, lots: int, margin: int, more: bool) -> None:
        """A new size, with about as much collateral as it needs or with none."""
        asked = [0, 0, 0]
        asked[side] = lots
        collateral = lots * self.market.shard.price * margin // 100 // UNIT if more else 0
        self.market.change(account, *asked, collateral=collateral)

    @rule(account=accounts, collateral=amounts)
    def move(self, account: int, collateral: int) -> None:
        self.market.change(account, KEEP, KEEP, KEEP, collateral=collateral)

    @rule(account=accounts)
    def go_to_the_edge(self, account: int) -> None:
        """Takes out all the settled position can do without."""
        self.market.settle()
        *lots, collateral = self.market.shard.standing(account)
        spare = collateral - requirement_floor_atoms(max(lots), self.market.shard.price, 200_000, 0)
        self.market.change(account, collateral=min(-spare, 0))

    @rule(account=accounts, liquidator=accounts, reward=st.sampled_from([-1, 0, USD]))
    def liquidate(self, account: int, liquidator: int, reward: int) -> None:
        self.market.liquidate(account, liquidator, reward)
        self.marked.add(account)

    @rule(liquidator=accounts)
    def sweep(self, liquidator: int) -> None:
        """Whoever is below the requirement and not locked can be liquidated, whatever closing costs."""
        market = self.market
        market.settle()
        for account in ACCOUNTS:
            *lots, collateral = market.shard.standing(account)
            pending = market.view(account).pending
            left = collateral - sum(one.fee_atoms + one.settlement_fee_atoms for one in pending)
            required = requirement_floor_atoms(max(lots), market.shard.price, 200_000, 0)
            locked = any(one.is_liquidation for one in pending)
            if not locked and account not in self.marked and max(left, 0) < required:
                self.certain.add(market.liquidate(account, liquidator))
                self.marked.add(account)
        self.work()

    @rule(payer=accounts, part=st.integers(1, 4))
    def repay(self, payer: int, part: int) -> None:
        for debt in self.market.view(everyone=True).debts:
            self.market.repay(debt.account, payer, 1 + debt.amount_atoms // part)

    @rule()
    def wait(self) -> None:
        self.market.now_ms += 17
        self.work()

    @rule(move=moves, late_ms=st.integers(0, GRACE_MS), missing=st.sampled_from([False] * 19 + [True]))
    def version(self, move: int, late_ms: int, missing: bool) -> None:
        """The block of the next slot, with its price; or the first one after its grace, without."""
        market = self.market
        place = (market.now_ms - START_MS) // SLOT_MS + 1
        if missing:
            market.now_ms = market.slot(place) + GRACE_MS + 1
        else:
            market.now_ms = market.slot(place) + late_ms
            market.publish(market.shard.price * (10**6 + move) // 10**6 + 1)
        self.work()

    @precondition(lambda self: not self.market.is_busy)
    @rule()
    def restart(self) -> None:
        copy = VersionDesk(VENUE, MARKET)
        copy.restore([self.market.actor.snapshot()])
        self.market.actor = copy


def _sizes(reply: object) -> list[tuple[int, int, int]]:
    legs = reply.legs  # type: ignore[attr-defined]
    return list(zip(legs.maker_lots, legs.long_lots, legs.short_lots, strict=True))


TestMarketMachine = MarketMachine.TestCase
TestMarketMachine.settings = settings(max_examples=60, stateful_step_count=50)


def stream(machine: MarketMachine, chance: random.Random, blocks: int) -> None:
    """Blocks of a few operations each; one version in twenty without a price."""
    machine.open(*(chance.choice([0, 777, 12_345]) for _ in range(3)), 333_333, 3 * USD, True, False)
    for _ in range(blocks):
        for _ in range(chance.randrange(4)):
            size = chance.randrange(40 * UNIT)
            machine.trade(chance.choice(ACCOUNTS), chance.randrange(3), size, chance.randrange(19, 60), True)
        one, other = chance.choice(ACCOUNTS), chance.choice(ACCOUNTS)
        chance.choice([machine.go_to_the_edge, lambda account: machine.move(account, 500 * USD)])(one)
        if chance.random() < 0.1:
            machine.repay(other, 2)
        machine.sweep(other)
        if chance.random() < 0.7:
            machine.version(chance.randrange(-200_000, 250_000), chance.randrange(GRACE_MS), chance.random() < 0.05)


def test_long_streams_balance_with_everything_in_them() -> None:
    told: Counter[str] = Counter()
    for seed in range(4):
        machine = MarketMachine()
        stream(machine, random.Random(seed), 250)
        told += machine.told
    rare = ("position_repinned", "shortfall_recorded", "shortfall_repaid", "position_locked", "position_pinned")
    assert min(told[name] for name in rare) >= 5, told
