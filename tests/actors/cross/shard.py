"""A shard of a Margin Trade venue by hand: four accounts, two markets, rows of commands in, replies and views out."""

from typing import Any

from actors.columns import BUCKETS
from actors.position_book import PositionBook
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.placement import even
from tests.actors.calling import Caller, table
from tests.building import LONG

SETTLE, MARK, TAKE, SCAN, DROP, PAY_OUT, ADMIT = (
    batches.SHARD_PHASE_SETTLE,
    batches.SHARD_PHASE_MARK,
    batches.SHARD_PHASE_TAKE,
    batches.SHARD_PHASE_SCAN,
    batches.SHARD_PHASE_DROP,
    batches.SHARD_PHASE_PAY_OUT,
    batches.SHARD_PHASE_ADMIT,
)
FIRST = (SETTLE, MARK, TAKE, SCAN, PAY_OUT, ADMIT)
VENUE, MARKETS, ACCOUNTS = 3, (1, 2), (1, 2, 3, 4)
CASH = 1_000_000_000
PRICE = 1_000
FILL, GONE = 1, 2

ROWS = {
    "opened": batches.AccountRows,
    "deposits": batches.AmountRows,
    "decisions": batches.DecisionRows,
    "freezes": batches.AccountRows,
    "cancels": batches.CancelRows,
    "withdrawals": batches.AmountRows,
    "orders": batches.OrderRows,
    "amends": batches.AmendRows,
    "book_cancels": batches.BookCancelRows,
    "leverages": batches.LeverageRows,
    "liquidity": batches.LiquidityRows,
}


def terms(venue: int = VENUE) -> parameters.VenueParameters:
    """A Margin Trade venue."""
    made = parameters.VenueParameters(venue=venue, rulebook=common.RULEBOOK_MARGIN_TRADE, version=1)
    rules = made.margin_trade
    rules.backstop_numerator, rules.backstop_denominator = 2, 3
    rules.ladder_rounds, rules.max_orders_per_account = 4, 100
    rules.partial_liquidation, rules.partial_fraction_ppm, rules.cooldown_ms = True, 200_000, 30_000
    rules.partial_threshold_atoms = 100_000_000_000
    return made


def market(number: int, venue: int = VENUE) -> parameters.MarketParameters:
    """A market up to ten times leverage; a lot at a tick is worth 1,000 atoms."""
    rules = parameters.MarginTradeMarket(
        lot_size_e9=1,
        quote_atoms_per_tick_lot=1_000,
        tiers=[parameters.MarginTier(lower_notional_atoms=0, max_leverage=10)],
        maker_fee_e9=150_000,
        taker_fee_e9=450_000,
        min_notional_atoms=1,
        max_order_lots=1 << 30,
        open_interest_cap_lots=1 << 40,
        price_band_ppm=950_000,
        market_protection_ppm=50_000,
        unwind_step_ms=1_000,
        unwind_fraction_ppm=1_000_000,
        unwind_full_lots=10,
        unwind_depth_ppm=1_000_000,
        unwind_slippage_ppm=50_000,
    )
    return parameters.MarketParameters(venue=venue, market=number, margin_trade=rules)


def order_row(
    command: int, account: int, number: int = 1, side: int = LONG, limit: int = PRICE, size: int = 10, **cells: int
) -> tuple[int, ...]:
    """A limit order; cells: flags, trigger, trigger_ticks, client."""
    head = (command, VENUE, account, number, side, common.ORDER_KIND_LIMIT, size, limit, 0, cells.get("flags", 0), 0)
    return (*head, cells.get("trigger", 0), cells.get("trigger_ticks", 0), cells.get("client", 0))


def leg(
    account: int, kind: int, number: int, order: int, lots: int = 0, price: int = PRICE, fee: int = 0
) -> tuple[int, ...]:
    """What the book owes the account."""
    return (1, 0, number, 0, VENUE, account, kind, order, lots, lots * price * 1_000, fee, 0, 0, 0)


class CrossShard(Caller):
    """A shard with accounts 1 to 4, a thousand USDC each, and two markets at a price."""

    def __init__(self, shard: int = 0, shards: int = 1) -> None:
        super().__init__(PositionBook(even(shards).buckets(shard)), batches.ShardReply)
        self.prices = dict.fromkeys(MARKETS, PRICE)
        self.buckets: dict[int, bytes] = {}
        self.owned = [account for account in ACCOUNTS if account % BUCKETS % shards == shard]
        self.changes = batches.ParameterChanges(venues=[terms()], markets=[market(number) for number in MARKETS])
        self.run(
            opened=[(account, VENUE, account, 0) for account in self.owned],
            deposits=[(10 + account, VENUE, account, CASH) for account in self.owned],
        )

    def run(self, *, legs: Any = (), phases: Any = FIRST, **rows: Any) -> Any:
        """The first call of a block; rows of commands by the name of their field, of the accounts that are here."""
        reply = self.block(
            now_ms=1_000 * self.height,
            phases=phases,
            changes=self.changes,
            marks=[self.mark(number) for number in MARKETS],
            cross_legs=table(batches.CrossLegs, *(row for row in legs if row[5] in self.owned)),
            commands=self.commands(**rows),
            speculative=True,
        )
        self.changes = batches.ParameterChanges()
        return reply

    def _call(self, now_ms: int, root: bool, fields: dict[str, Any]) -> Any:
        reply = super()._call(now_ms, root, fields)
        self.buckets |= dict(zip(reply.digests.bucket, reply.digests.digest, strict=True))
        return reply

    def mark(self, number: int) -> common.Mark:
        price = self.prices[number]
        return common.Mark(
            venue=VENUE, market=number, mark_ticks=price, index_ticks=price, version=1, state=common.MARK_STATE_FRESH
        )

    def commands(self, **rows: Any) -> batches.ShardCommands:
        mine = {name: [row for row in listed if row[2] in self.owned] for name, listed in rows.items()}
        return batches.ShardCommands(**{name: table(ROWS[name], *listed) for name, listed in mine.items()})

    def view(self, account: int) -> batches.AccountView:
        query = batches.ShardQuery(accounts=batches.AccountQuery(venue=VENUE, accounts=[account]))
        (view,) = batches.AccountViews.FromString(self.actor.query(query.SerializeToString())).accounts
        return view

    def rank(self, **asked: int) -> tuple[int, int]:
        query = batches.ShardQuery(deleverage_rank=batches.DeleverageRankQuery(venue=VENUE, **asked))
        view = batches.DeleverageRankView.FromString(self.actor.query(query.SerializeToString()))
        return view.before, view.positions


def number_of(height: int, command: int) -> int:
    """The order of a command."""
    return height << 20 | command


def trade(shards: list[CrossShard]) -> None:
    """1 long, 2 short of 100 lots of market 1; 4 long, 3 short of 50 of market 2; orders rest, a trigger waits."""
    for shard in shards:
        shard.run(
            orders=[
                order_row(account, account, 1 + account // 3, 1 if account in (1, 4) else -1, PRICE, 100)
                for account in ACCOUNTS
            ]
        )
    height = shards[0].height
    fills = []
    for account, number, lots in ((1, 1, 100), (2, 1, -100), (3, 2, -50), (4, 2, 50)):
        fills.append(leg(account, FILL, number, number_of(height, account), lots, fee=7))
    for shard in shards:
        shard.run(
            legs=fills,
            orders=[
                order_row(0, 1, 2, size=5, limit=990, client=9),
                order_row(1, 2, 1, size=20, limit=900, flags=2),
                order_row(2, 3, 1, size=3, limit=1_200, trigger=1, trigger_ticks=1_100),
            ],
            withdrawals=[(3, VENUE, 4, 1_000)],
            leverages=[(4, VENUE, 1, 1, 5)],
        )
