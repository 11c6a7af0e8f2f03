"""A whole node with one Perennial market: shards, desk, registry and oracle, driven slot by slot, its money counted."""

from typing import Any

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from cluster.commit import BlockResult
from cluster.replica import Replica
from tests.building import Maker, parsed, refused
from tests.building import bodies as told_bodies

VENUE, MARKET = 4, 1
USD, UNIT = 10**6, 10**6
PRICE = 100 * USD
SLOT_MS, GRACE_MS = 10_000, 3_000
START_MS = 1_760_000_000_000
KEEP, ALL_OUT = -1, -(1 << 63)
FUNDS = 10_000 * USD
PENDING, DONE = common.OUTCOME_STATUS_PENDING, common.OUTCOME_STATUS_DONE


def venue_parameters(exact: bool = False) -> parameters.VenueParameters:
    """Bounds as wide as a market of the tests may need."""
    return parameters.VenueParameters(
        venue=VENUE,
        name="perennial",
        rulebook=common.RULEBOOK_PERENNIAL,
        asset="USDC",
        asset_decimals=6,
        perennial=parameters.PerennialParameters(
            protocol_fee_ppm=100_000,
            max_fee_ppm=1_000_000,
            max_fee_absolute_atoms=10_000 * USD,
            max_cut_ppm=500_000,
            max_rate_ppm=10_000_000,
            min_maintenance_ppm=0,
            v2_exact=exact,
        ),
    )


def market_parameters(**rules: Any) -> parameters.MarketParameters:
    """20% maintenance, no fees and no funding, with these rules altered."""
    plain = {
        "maintenance_ppm": 200_000,
        "min_maintenance_atoms": 10 * USD,
        "liquidation_fee_ppm": 200_000,
        "min_liquidation_fee_atoms": 2 * USD,
        "max_liquidation_fee_atoms": 1_000 * USD,
        "maker_limit_lots": 10_000 * UNIT,
        "efficiency_limit_ppm": 200_000,
        "target_utilisation_ppm": 800_000,
        "controller_k_e6": 40_000 * USD,
        "stale_after_ms": 120_000,
        "max_pending": 3,
        "max_pending_versions": 5,
        "version_ms": SLOT_MS,
        "grace_ms": GRACE_MS,
    }
    return parameters.MarketParameters(
        venue=VENUE,
        market=MARKET,
        symbol="BTC-PERP",
        tick_size_e9=1_000,
        oracle=parameters.OracleParameters(
            sources=[parameters.OracleSource(publisher=1, weight=1, kind=common.SOURCE_KIND_SPOT)],
            tick_interval_ms=1,
            source_fresh_ms=SLOT_MS,
            warn_age_ms=SLOT_MS,
            min_fresh_sources=1,
            mark_rule=common.MARK_RULE_INDEX,
        ),
        perennial=parameters.PerennialMarket(**(plain | rules)),
    )


class Node(Maker):
    """Accounts from 1, each with FUNDS; the market has a first version at slot 0. Money is counted in every block."""

    def __init__(self, accounts: int = 6, shards: int = 2, exact: bool = False, **rules: Any) -> None:
        super().__init__()
        self.now_ms = START_MS
        self.replica = Replica(shards)
        self.everyone = list(range(1, accounts + 1))
        self.result: BlockResult | None = None
        self.block(
            self.batch("create_venue", VENUE, parameters=venue_parameters(exact)),
            self.batch("create_market", VENUE, parameters=market_parameters(**rules)),
            self.batch("open_accounts", VENUE, count=accounts),
            self.batch("deposits", VENUE, account=self.everyone, amount_atoms=[FUNDS] * accounts),
        )
        self.publish(PRICE)

    def block(self, *sent: commands.CommandBatch) -> BlockResult:
        """One block now; what accounts, markets and the outbox hold is what came in."""
        height = self.replica.state.height + 1
        block = commands.BlockInput(height=height, block_time_ms=self.now_ms, batches=sent, root=True)
        self.result = self.replica.apply(block)
        self.count()
        return self.result

    def at(self, time_ms: int, *sent: commands.CommandBatch, price: int | None = None) -> BlockResult:
        """The same at a later time, with a price of that time where there is one."""
        self.now_ms = time_ms
        ticks = [self.ticks(price, MARKET, VENUE)] if price else []
        return self.block(*ticks, *sent)

    def publish(self, price: int) -> BlockResult:
        """A price of now, and the block that settles what it settled."""
        result = self.at(self.now_ms, price=price)
        self.block()
        return result

    @staticmethod
    def slot(number: int) -> int:
        """The time of a slot, counted from the first version's."""
        return START_MS + number * SLOT_MS

    def until(self, number: int, price: int = PRICE) -> BlockResult:
        """The price of a slot, at its time, settled."""
        self.now_ms = self.slot(number)
        return self.publish(price)

    def change(
        self, account: int, maker: int = KEEP, long: int = KEEP, short: int = KEEP, collateral: int = 0
    ) -> commands.CommandBatch:
        """A change of one account."""
        return self.batch(
            "change_positions",
            VENUE,
            account=[account],
            market=[MARKET],
            maker_lots=[maker],
            long_lots=[long],
            short_lots=[short],
            collateral_atoms=[collateral],
        )

    def liquidate(self, target: int, liquidator: int, reward: int = -1) -> commands.CommandBatch:
        """A liquidation; by default for all it may earn."""
        return self.batch(
            "liquidations",
            VENUE,
            account=[liquidator],
            target=[target],
            market=[MARKET],
            lots=[0],
            reward_atoms=[reward],
        )

    def repay(self, payer: int, debtor: int, amount: int) -> commands.CommandBatch:
        """A repayment."""
        return self.batch(
            "shortfall_repayments",
            VENUE,
            account=[payer],
            market=[MARKET],
            debtor=[debtor],
            amount_atoms=[amount],
        )

    def alter(self, **rules: Any) -> commands.CommandBatch:
        """Other rules of the market."""
        return self.batch("set_parameters", VENUE, market=market_parameters(**rules))

    def refusals(self) -> list[tuple[str, int, int]]:
        """What the last block refused, in the order of its commands."""
        assert self.result is not None
        return [(name, required, actual) for _, name, required, actual in refused(self.result.outcomes)]

    def bodies(self, kind: str) -> list[Any]:
        """Bodies of one kind the last block told of."""
        assert self.result is not None
        return told_bodies(self.result, kind)

    def told(self) -> list[events.Event]:
        """Everything the last block told of."""
        assert self.result is not None
        return parsed(self.result)

    def market(self) -> batches.VersionView:
        """The market with everybody's pending orders and debts."""
        return self.replica.versions(VENUE, MARKET, everyone=True)

    def money(self, account: int) -> int:
        """What an account has outside of the market, atoms."""
        (view,) = self.replica.accounts(VENUE, [account]).accounts
        return view.free_atoms + view.held_atoms

    def position(self, account: int) -> tuple[int, int, int]:
        """(kind, lots, collateral) of an account at the latest version; zeros where it has nothing."""
        (view,) = self.replica.accounts(VENUE, [account]).accounts
        row = view.versioned[0] if view.versioned else batches.VersionedView()
        return row.kind, row.lots, row.collateral_atoms

    def lots(self, account: int) -> int:
        """The size of an account's position."""
        return self.position(account)[1]

    def collateral(self, account: int) -> int:
        """The collateral of an account at the latest version."""
        return self.position(account)[2]

    def locked_ms(self, account: int) -> int:
        """The version a liquidation of the account is pinned to, 0 without one."""
        orders = self.market().pending
        return next((order.version_ms for order in orders if order.account == account and order.is_liquidation), 0)

    def count(self) -> None:
        """Wallets, the market and what is on its way are what was deposited; the market owes no more than it has."""
        state = self.replica.state
        if (VENUE, MARKET) not in state.version_sums:
            return
        outbox = state.version_outbox
        on_its_way = sum(outbox.free_atoms) + sum(outbox.held_atoms)
        views = self.replica.accounts(VENUE, self.everyone).accounts
        wallets = sum(view.free_atoms + view.held_atoms + view.pending_withdrawal_atoms for view in views)
        balance = self.market().sums.balance_atoms
        came_in = sum(view.deposited_atoms - view.withdrawn_atoms for view in views)
        assert wallets + balance + on_its_way == came_in, "money was made or lost"
        owed_rows = [row for view in views for row in view.versioned]
        market = self.market()
        is_settled = all(row.version_ms == market.record.version_ms for row in owed_rows)
        if len(outbox.account) or not is_settled:
            return  # what the desk settled in this block its shards settle in the next
        owed = sum(row.collateral_atoms for row in owed_rows) + market.sums.fees_atoms
        assert owed <= balance, "the market owes more than it has"
