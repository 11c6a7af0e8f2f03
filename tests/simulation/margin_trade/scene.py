"""A Margin Trade venue by hand: accounts, deposits, orders and prices, block after block, on a replica.

Round numbers: a lot is worth 1,000,000 atoms (one USDC) at a mark of 10,000, 100 atoms at a tick; every market is one
tier of 20x, so a lot needs 25,000 atoms of maintenance margin and 50,000 of initial. No fees unless a scene asks.
"""

from collections.abc import Iterable
from typing import Any

from actors.cross.book import CrossBook
from actors.ways import Way
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from cluster.commit import BlockResult
from cluster.invariants import check_after_block
from cluster.replica import Replica

VENUE, VAULT = 7, 0
START_MS, SECOND_MS, HOUR_MS = 1_760_001_000_000, 1_000, 3_600_000
MARK, K = 10_000, 100
LOT = MARK * K
IM, MM = LOT // 20, LOT // 40
USDC = 10**6
IOC, POST_ONLY, REDUCE_ONLY = common.TIME_IN_FORCE_IOC, 1, 2
DEEP = 10**15
_EXPIRES_MS = 60 * SECOND_MS


def venue_rules(**rules: Any) -> parameters.VenueParameters:
    """Partial liquidation above 1,000 lots, 30 s of cooldown, a vault of 5x that may lose a quarter."""
    made = {
        "partial_threshold_atoms": 1_000 * LOT,
        "partial_fraction_ppm": 200_000,
        "cooldown_ms": 30_000,
        "partial_liquidation": True,
        "backstop_numerator": 2,
        "backstop_denominator": 3,
        "ladder_rounds": 6,
        "deleverage_policy": common.DELEVERAGE_POLICY_QUEUE,
        "deleverage_price": common.DELEVERAGE_PRICE_BANKRUPTCY,
        "vault_lock_ms": 4 * 24 * HOUR_MS,
        "vault_max_leverage_hundredths": 500,
        "vault_loss_limit_ppm": 250_000,
        "notice_ms": 60_000,
        "max_orders_per_account": 100,
    }
    return parameters.VenueParameters(
        venue=VENUE,
        name="scene",
        rulebook=common.RULEBOOK_MARGIN_TRADE,
        asset="USDC",
        asset_decimals=6,
        margin_trade=parameters.MarginTradeParameters(**(made | rules)),
    )


def market_rules(market: int, **rules: Any) -> parameters.MarketParameters:
    """A market of one publisher whose price is the mark; names of the oracle's parameters are taken as such."""
    oracle = {
        "tick_interval_ms": 1,
        "source_fresh_ms": 10_000,
        "warn_age_ms": 10_000,
        "halt_age_ms": 0,
        "future_tolerance_ms": 1_000,
        "funding_interval_ms": HOUR_MS,
        "mark_rule": common.MARK_RULE_INDEX,
        "reduce_only_age_ms": 0,
    }
    made = {
        "lot_size_e9": 10**9,
        "quote_atoms_per_tick_lot": K,
        "max_order_lots": 10**9,
        "open_interest_cap_lots": 10**9,
        "price_band_ppm": 950_000,
        "market_protection_ppm": 50_000,
        "impact_notional_atoms": 10 * LOT,
        "interest_rate_e9": 100_000,
        "interest_clamp_e9": 500_000,
        "funding_cap_e9": 40_000_000,
        "unwind_step_ms": HOUR_MS,
        "unwind_fraction_ppm": 100_000,
        "unwind_depth_ppm": 10**6,
        "unwind_slippage_ppm": 20_000,
    }
    unknown = set(rules) - set(oracle)
    return parameters.MarketParameters(
        venue=VENUE,
        market=market,
        symbol=f"M{market}",
        tick_size_e9=10**5,
        oracle=parameters.OracleParameters(
            sources=[parameters.OracleSource(publisher=1, weight=1, kind=common.SOURCE_KIND_SPOT)],
            **(oracle | {name: rules[name] for name in rules if name in oracle}),
        ),
        margin_trade=parameters.MarginTradeMarket(
            **(made | {name: rules[name] for name in unknown}),
            tiers=[parameters.MarginTier(lower_notional_atoms=0, max_leverage=20)],
        ),
    )


class Told:
    """What one block came to: its events by kind, and what was refused."""

    def __init__(self, result: BlockResult) -> None:
        self.result = result
        self.events = [events.Event.FromString(event) for event in result.events]

    def of(self, kind: str, account: int | None = None) -> list[Any]:
        """Bodies of one kind in their order, of everybody or of one account."""
        return [
            getattr(event, kind)
            for event in self.events
            if event.WhichOneof("body") == kind and account in (None, event.account)
        ]

    def who(self, kind: str) -> list[int]:
        """Accounts of the events of one kind, in their order."""
        return [event.account for event in self.events if event.WhichOneof("body") == kind]

    def kinds(self, *kinds: str) -> list[str]:
        """The order in which events of these kinds were told."""
        bodies = (event.WhichOneof("body") for event in self.events)
        return [body for body in bodies if body in kinds]

    @property
    def refused(self) -> list[str]:
        """Names of the refusals answered, by command."""
        names = (refusals.Refusal.Name(number) for number in self.result.outcomes.refusal if number)
        return [name.removeprefix("REFUSAL_") for name in names]


class Scene:
    """One venue with some markets at 10,000 ticks and accounts 1 to `accounts`.

    What is asked for between two seals is one block, in the order asked. Prices are published again in every block, so
    that marks stay fresh unless a scene takes a market's publisher away.
    """

    def __init__(
        self, accounts: int = 8, markets: int = 1, shards: int = 1, market: dict[str, Any] | None = None, **rules: Any
    ) -> None:
        self.replica = Replica(shards)
        self.blocks: list[commands.BlockInput] = []
        self.roots: list[bytes] = []
        self.now_ms = START_MS
        self.prices = dict.fromkeys(range(1, markets + 1), MARK)
        self._pending: list[commands.CommandBatch] = []
        self._keys = 0
        self._batch("create_venue").create_venue.parameters.CopyFrom(venue_rules(**rules))
        for number in self.prices:
            made = market_rules(number, **(market or {}))
            self._batch("create_market").create_market.parameters.CopyFrom(made)
        self._batch("open_accounts").open_accounts.count = accounts
        founded = self.seal()
        assert not founded.refused, founded.refused

    def deposit(self, **atoms: int) -> None:
        """Cash of accounts, written as a3=100."""
        self.deposits({int(name[1:]): amount for name, amount in atoms.items()})

    def deposits(self, atoms: dict[int, int]) -> None:
        """Cash by account."""
        batch = self._batch("deposits").deposits
        batch.account.extend(atoms)
        batch.amount_atoms.extend(atoms.values())

    def withdraw(self, account: int, atoms: int) -> None:
        batch = self._batch("withdrawals").withdrawals
        batch.account.append(account)
        batch.amount_atoms.append(atoms)

    def insure(self, atoms: int) -> None:
        """The operator pays into the insurance fund."""
        self._batch("insurance_deposit").insurance_deposit.amount_atoms = atoms

    def provide(self, account: int, atoms: int) -> None:
        batch = self._batch("liquidity_deposits").liquidity_deposits
        batch.account.append(account)
        batch.amount_atoms.append(atoms)

    def redeem(self, account: int, micro_shares: int) -> None:
        batch = self._batch("liquidity_withdrawals").liquidity_withdrawals
        batch.account.append(account)
        batch.micro_shares.append(micro_shares)

    def lever(self, account: int, leverage: int, market: int = 1) -> None:
        batch = self._batch("set_leverage").set_leverage
        batch.account.append(account)
        batch.market.append(market)
        batch.leverage.append(leverage)

    def order(
        self, account: int, lots: int, ticks: int = 0, market: int = 1, in_force: int = 0, flags: int = 0, **cells: int
    ) -> int:
        """Buys (lots above 0) or sells; without a price it is a market order. The number it has if it lives."""
        row = {
            "account": account,
            "market": market,
            "side": 1 if lots > 0 else -1,
            "kind": common.ORDER_KIND_LIMIT if ticks else common.ORDER_KIND_MARKET,
            "size_lots": abs(lots),
            "limit_ticks": ticks,
            "time_in_force": in_force,
            "flags": flags,
            "self_trade": 0,
            "trigger": 0,
            "trigger_ticks": 0,
            "client_order_id": 0,
        } | cells
        self.orders([row])
        return self.replica.state.height + 1 << 20 | self._rows_so_far() - 1

    def orders(self, rows: Iterable[dict[str, int]]) -> None:
        """Many orders in one batch; cells by the names of the columns."""
        batch = self._batch("place_orders").place_orders
        for row in rows:
            for name, value in row.items():
                getattr(batch, name).append(value)

    def cancel(self, account: int) -> None:
        """All orders and triggers of the account."""
        batch = self._batch("cancel_book_orders").cancel_book_orders
        for name, value in (("account", account), ("market", 0), ("order", 0), ("client_order_id", 0)):
            getattr(batch, name).append(value)

    def halt(self, market: int, halted: bool = True) -> None:
        batch = self._batch("halt_market").halt_market
        batch.market, batch.halted, batch.reason = market, halted, "a scene"

    def change(self, **rules: Any) -> None:
        """The venue's rules from the next block on."""
        self._batch("set_parameters").set_parameters.venue.CopyFrom(venue_rules(**rules))

    def seal(self, step_ms: int = SECOND_MS, **ticks: int) -> Told:
        """Seals what was asked for at new prices, written as m1=9_500, and checks every invariant after it."""
        self.prices.update({int(name[1:]): price for name, price in ticks.items()})
        self.now_ms += step_ms
        sealed = [*self._pending, self._ticks()] if self.prices else self._pending
        for batch in sealed:
            batch.expires_ms = self.now_ms + _EXPIRES_MS
        self._pending = []
        block = commands.BlockInput(
            height=self.replica.state.height + 1, block_time_ms=self.now_ms, batches=sealed, root=True
        )
        self.blocks.append(block)
        result = self.replica.apply(block)
        self.roots.append(result.state_root)
        faults = check_after_block(self.replica, result)
        assert not faults, f"height {block.height}: {faults}"
        return Told(result)

    def trade(self, buyer: int, seller: int, lots: int, ticks: int = MARK, market: int = 1) -> None:
        """A trade between two, settled: two blocks."""
        self.order(seller, -lots, ticks, market)
        self.order(buyer, lots, ticks, market)
        self.seal()
        self.seal()

    def away(self, market: int) -> None:
        """The market's publisher falls silent."""
        del self.prices[market]

    def view(self, account: int) -> Any:
        """The account's cross view."""
        (view,) = self.replica.accounts(VENUE, [account]).accounts
        return view.cross

    def lots(self, account: int, market: int = 1) -> int:
        return next((held.lots for held in self.view(account).positions if held.market == market), 0)

    def equity(self, account: int) -> int:
        return self.view(account).equity_atoms

    @property
    def funds(self) -> Any:
        """The backstop's sums."""
        return self.replica.backstop(VENUE).sums

    @property
    def book(self) -> CrossBook:
        """The first shard's columns."""
        return self.replica.cross_books(VENUE)[0]

    def same_everywhere(self) -> None:
        """The history has the same roots over 2 and 4 shards and by the scalar rulebook."""
        for shards, way in ((2, Way.BY_COLUMNS), (4, Way.LIQUIDATIONS_BY_ROW), (1, Way.BY_ROW)):
            replica = Replica(shards, way)
            roots = [replica.apply(block).state_root for block in self.blocks]
            assert roots == self.roots, f"{shards} shards, {way}"

    def _ticks(self) -> commands.CommandBatch:
        self._keys += 1
        batch = commands.CommandBatch(request_key=b"%d" % self._keys, venue=VENUE)
        batch.ticks.market.extend(self.prices)
        batch.ticks.publisher.extend([1] * len(self.prices))
        batch.ticks.price_ticks.extend(self.prices.values())
        batch.ticks.published_ms.extend([self.now_ms] * len(self.prices))
        return batch

    def _batch(self, body: str) -> commands.CommandBatch:
        self._keys += 1
        batch = commands.CommandBatch(request_key=b"%d" % self._keys, venue=VENUE)
        getattr(batch, body).SetInParent()
        self._pending.append(batch)
        return batch

    def _rows_so_far(self) -> int:
        return sum(_row_count(batch) for batch in self._pending)


def _row_count(batch: commands.CommandBatch) -> int:
    body = getattr(batch, batch.WhichOneof("body"))
    if batch.HasField("open_accounts"):
        return int(body.count)
    return len(body.account) if hasattr(body, "account") else 1
