"""One short history of all four venues at once, for the rulebooks whose liquidations are left to bots.

Takeovers in part and whole, two liquidators after one account, a fund too small, a deficit, funding, a subaccount;
locks, an invalid version, a debt and its repayment. `at` names the blocks where something is on its way.
"""

from dataclasses import dataclass
from functools import cache

from actors.ways import Way
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.commit import BlockResult
from cluster.replica import Replica
from node.presets import margin_trade_listing, perennial_listing, spin_listing
from tests.building import LONG, SHORT, Chain, market, venue

TWILIGHT, BOOKS, SPIN, PERENNIAL = 1, 2, 3, 4
USDC, UNIT, E9 = 10**6, 10**6, 10**9
VERSION_MS, GRACE_MS = 2_000, 1_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
START_USD = 100_000

# Accounts of the Spin venue and of the Perennial one.
WHALE, VICTIM, FIRST_BOT, SECOND_BOT, LOSER, SAVER = range(1, 7)
MAKER, LONGER, KEEPER, SHORTER, FRIEND = range(1, 6)
KEEP, ALL_IT_MAY = -1, -1


def listing() -> list[tuple[parameters.VenueParameters, list[parameters.MarketParameters]]]:
    """The venues, one market of bitcoin each, marked at the index; Perennial with versions every two seconds."""
    listed = [margin_trade_listing(["BTC"]), spin_listing(["BTC"]), perennial_listing(["BTC"])]
    for rules, (bitcoin,) in listed:
        bitcoin.oracle.mark_rule = common.MARK_RULE_INDEX
        if rules.venue == PERENNIAL:
            bitcoin.perennial.version_ms, bitcoin.perennial.grace_ms = VERSION_MS, GRACE_MS
    return [(venue(TWILIGHT), [market(1, TWILIGHT)]), *listed]


class FourVenues(Chain):
    """A chain on which every block carries a price of all four venues unless it is left out."""

    def __init__(self, shards: int = 1, way: Way = Way.BY_COLUMNS) -> None:
        super().__init__(shards, way)
        self.listing = listing()
        self.results: list[BlockResult] = []
        self.cuts: list[dict[str, bytes]] = []
        self.at: dict[str, int] = {}

    def step(self, usd: int | None, *batches: commands.CommandBatch, step_ms: int = 1_000) -> BlockResult:
        """One block at a price in USD; None: no publisher says anything."""
        ticks = [self.price(*entry, usd) for entry in self.listing] if usd else []
        result = self.seal(*ticks, *batches, step_ms=step_ms)
        self.results.append(result)
        self.cuts.append(self.replica.cut())
        return result

    def name(self, moment: str) -> None:
        """Remembers the height of the block that was sealed last."""
        self.at[moment] = self.blocks[-1].height

    def price(
        self, rules: parameters.VenueParameters, markets: list[parameters.MarketParameters], usd: int
    ) -> commands.CommandBatch:
        """The same price from every source of a venue's only market, published now."""
        sources, ticks = markets[0].oracle.sources, usd * E9 // markets[0].tick_size_e9
        count = len(sources)
        return self.batch(
            "ticks",
            rules.venue,
            market=[1] * count,
            publisher=[source.publisher for source in sources],
            price_ticks=[ticks] * count,
            published_ms=[self.now_ms] * count,
        )

    def paid_in(self, venue_number: int, **usdc: int) -> commands.CommandBatch:
        """Deposits in USDC, account numbers written as a2=5."""
        made = self.amounts("deposits", **{name: amount * USDC for name, amount in usdc.items()})
        made.venue = venue_number
        return made

    def orders(self, venue_number: int, *rows: tuple[int, int, int, int]) -> commands.CommandBatch:
        """Limit orders: (account, side, size in 1e-4 bitcoin, price in USD)."""
        count = len(rows)
        account, side, size, usd = (list(column) for column in zip(*rows, strict=True))
        tick = next(markets[0].tick_size_e9 for rules, markets in self.listing if rules.venue == venue_number)
        zeros = [0] * count
        return self.batch(
            "place_orders",
            venue_number,
            account=account,
            market=[1] * count,
            side=side,
            kind=[common.ORDER_KIND_LIMIT] * count,
            size_lots=size,
            limit_ticks=[price * E9 // tick for price in usd],
            **dict.fromkeys(("time_in_force", "flags", "self_trade", "trigger", "trigger_ticks"), zeros),
            client_order_id=zeros,
        )

    def change(
        self, account: int, maker: int = KEEP, long: int = KEEP, short: int = KEEP, usdc: int = 0
    ) -> commands.CommandBatch:
        """A change on Perennial: sizes in millionths of a bitcoin."""
        return self.batch(
            "change_positions",
            PERENNIAL,
            account=[account],
            market=[1],
            maker_lots=[maker],
            long_lots=[long],
            short_lots=[short],
            collateral_atoms=[usdc * USDC],
        )

    def liquidate(self, venue_number: int, *rows: tuple[int, int, int]) -> commands.CommandBatch:
        """By bots: (liquidator, target, lots); on Perennial lots are 0 and the reward is all it may be."""
        account, target, lots = (list(column) for column in zip(*rows, strict=True))
        count = len(rows)
        reward = [ALL_IT_MAY if venue_number == PERENNIAL else 0] * count
        return self.batch(
            "liquidations",
            venue_number,
            account=account,
            target=target,
            market=[1] * count,
            lots=lots,
            reward_atoms=reward,
        )

    def closable(self, account: int) -> int:
        """Most lots of the account on Spin that may be taken over at the last block's mark."""
        (view,) = self.replica.accounts(SPIN, [account]).accounts
        return view.ratio.positions[0].liquidatable_lots


@dataclass(frozen=True)
class BotStory:
    """Blocks, what a replica of one shard made of them, its cut after each, and the heights of moments by name."""

    blocks: list[commands.BlockInput]
    results: list[BlockResult]
    cuts: list[dict[str, bytes]]
    at: dict[str, int]

    @property
    def roots(self) -> list[tuple[bytes, bytes]]:
        """(events root, state root) of every block."""
        return [(result.events_root, result.state_root) for result in self.results]


@cache
def bot_story() -> BotStory:
    """The whole history, on one shard."""
    chain = FourVenues()
    _open(chain)
    _calm(chain)
    _fall(chain)
    _crash(chain)
    _aftermath(chain)
    return BotStory(chain.blocks, chain.results, chain.cuts, chain.at)


def _open(chain: FourVenues) -> None:
    """Venues and markets, accounts, money."""
    created = []
    for rules, markets in chain.listing:
        created.append(chain.batch("create_venue", rules.venue, parameters=rules))
        created += [chain.batch("create_market", rules.venue, parameters=listed) for listed in markets]
    chain.step(None, *created)
    chain.step(START_USD, *(chain.batch("open_accounts", number, count=8) for number in (1, 2, 3, 4)))
    chain.step(
        START_USD,
        chain.amounts("deposits", a1=10**9, a2=10**8, a3=10**8),
        chain.paid_in(BOOKS, a1=100_000, a2=11_000, a3=100_000),
        chain.paid_in(SPIN, a1=400_000, a2=11_000, a3=50_000, a4=50_000, a5=11_500, a6=30_000),
        chain.paid_in(PERENNIAL, a1=200_000, a2=10_000, a3=100, a4=20_000, a5=40_000),
        chain.batch("insurance_deposit", SPIN, amount_atoms=500 * USDC),
        chain.batch("open_subaccounts", SPIN, owner=[SAVER]),
    )
    chain.step(START_USD, chain.amounts("liquidity_deposits", a1=5 * 10**8))


def _calm(chain: FourVenues) -> None:
    """Everybody gets a position; makers and takers of Perennial are pinned."""
    chain.step(
        START_USD,
        chain.opens((2, LONG, 10**6, 2_000), (3, SHORT, 10**6, 500)),
        chain.orders(BOOKS, (1, SHORT, 10_000, START_USD), (2, LONG, 10_000, START_USD)),
        chain.orders(SPIN, (WHALE, SHORT, 20_000, START_USD), (VICTIM, LONG, 10_000, START_USD)),
        chain.change(MAKER, maker=10 * UNIT, usdc=150_000),
    )
    chain.step(
        START_USD,
        chain.orders(SPIN, (LOSER, LONG, 10_000, START_USD), (WHALE, LONG, 5_000, 90_000)),
        chain.orders(SPIN, (VICTIM, LONG, 20, 95_000), (LOSER, SHORT, 30, 120_000)),
        chain.batch("transfers", SPIN, account=[SAVER], to_account=[9], amount_atoms=[10_000 * USDC]),
        chain.batch("transfers", SPIN, account=[SAVER], to_account=[WHALE], amount_atoms=[USDC]),
    )
    chain.name("transfer on its way")
    chain.step(
        START_USD,
        chain.change(LONGER, long=5 * UNIT, usdc=6_000),
        chain.change(SHORTER, short=UNIT, usdc=10_000),
    )
    chain.name("orders pinned")
    for _ in range(3):
        chain.step(START_USD)
    chain.step(START_USD, chain.batch("withdrawals", SPIN, account=[SAVER, VICTIM], amount_atoms=[USDC, 5_000 * USDC]))


def _fall(chain: FourVenues) -> None:
    """A tier down: in part on Spin, two after the same lots; a lock on Perennial that meets an invalid version."""
    chain.step(96_000)
    chain.step(
        95_500,
        chain.liquidate(SPIN, (FIRST_BOT, VICTIM, 100), (FIRST_BOT, VICTIM, 11_000), (KEEPER, WHALE, 1)),
        chain.orders(SPIN, (VICTIM, LONG, 100, 95_000)),
    )
    chain.name("first part taken")
    lots = chain.closable(VICTIM)
    chain.step(95_500, chain.liquidate(SPIN, (SECOND_BOT, VICTIM, lots), (FIRST_BOT, VICTIM, lots)))
    chain.name("raced for")
    while chain.now_ms % VERSION_MS:
        chain.step(99_000)
    chain.step(99_000)
    chain.step(99_000, chain.liquidate(PERENNIAL, (KEEPER, LONGER, 0), (FRIEND, LONGER, 0), (KEEPER, MAKER, 0)))
    chain.name("locked")
    chain.step(None, chain.change(LONGER, long=UNIT), chain.change(SHORTER, short=2 * UNIT), step_ms=4_000)
    chain.step(None, chain.change(LONGER, usdc=-1), chain.change(LONGER, usdc=1))
    chain.name("repinned")
    chain.step(96_000)
    chain.step(96_000)


def _crash(chain: FourVenues) -> None:
    """The whole of what is left, with less in the fund than is owed; a close on the book that ends below zero."""
    for _ in range(4):
        chain.step(86_000)
    lots = chain.closable(LOSER)
    chain.step(86_000, chain.liquidate(SPIN, (FIRST_BOT, LOSER, lots), (SECOND_BOT, LOSER, lots)))
    chain.name("taken whole")
    left = chain.closable(VICTIM)
    chain.step(86_000, chain.liquidate(SPIN, (SECOND_BOT, VICTIM, left // 2)))
    chain.name("half taken")
    chain.step(80_000, chain.orders(SPIN, (WHALE, LONG, 20_000, 80_000), (VICTIM, SHORT, left - left // 2, 80_000)))
    chain.name("closed below zero")
    chain.step(80_000)
    chain.name("deficit on its way")
    chain.step(80_000)


def _aftermath(chain: FourVenues) -> None:
    """The debt of Perennial is repaid; an hour passes, and funding with it."""
    (debt,) = chain.replica.versions(PERENNIAL, 1, everyone=True).debts
    half = debt.amount_atoms // 2
    chain.step(80_000, _repay(chain, FRIEND, debt.account, half), _repay(chain, FRIEND, debt.account, 2 * half + 2))
    chain.name("repaid in part")
    chain.step(80_000, _repay(chain, FRIEND, debt.account, debt.amount_atoms - half), step_ms=HOUR_MS)
    chain.step(80_000, chain.orders(SPIN, (FIRST_BOT, SHORT, 50, 80_000), (SAVER, LONG, 50, 80_000)))
    chain.step(80_000, chain.change(MAKER, maker=9 * UNIT))
    for _ in range(4):
        chain.step(80_000)


def _repay(chain: FourVenues, payer: int, debtor: int, atoms: int) -> commands.CommandBatch:
    return chain.batch(
        "shortfall_repayments", PERENNIAL, account=[payer], market=[1], debtor=[debtor], amount_atoms=[atoms]
    )


def replica_at(height: int, shards: int = 1, way: Way = Way.BY_COLUMNS) -> Replica:
    """A replica of its own, restored from the cut at the end of a block."""
    replica = Replica(shards, way)
    replica.restore(bot_story().cuts[height - 1])
    return replica


def after(name: str) -> tuple[Replica, BlockResult]:
    """A replica as a named block left it, and that block."""
    height = bot_story().at[name]
    replica = replica_at(height - 1)
    return replica, replica.apply(bot_story().blocks[height - 1])
