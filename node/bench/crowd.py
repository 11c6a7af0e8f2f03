"""Ten thousand cross accounts below their rungs at one tick: every rung of the ladder, in one block, on one shard.

A quarter each: small longs on rung 1 (sold whole), large ones on rung 1 (sold in part), longs on rung 2, and longs
below zero. The vault takes a few of the last, the insurance fund pays for a few more, the whale on the other side is
deleveraged for the rest; and one account has a debt without a position, which is written off.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from actors.ways import Way
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2, parameters_pb2
from cluster.commit import BlockResult
from cluster.replica import Replica
from node.bench.table import Row
from node.bench.timing import percentile
from node.bench.world import KEY_LIFE_MS, START_MS, accepted
from node.margin_presets import MARGIN_TRADE_VENUE, margin_trade_market, margin_trade_venue

CROWD = 10_000
REACH_S = 1.0
SECOND_MS = 1_000
MARKETS = (1, 2, 3)
MARK_TICKS = 1_000_000  # a lot is worth a USDC there, an atom a tick
USDC = 10**6
LOT = MARK_TICKS
DEEP_ATOMS = 10**15
# A percentage of the mark in ticks.
PERCENT = MARK_TICKS // 100
FALL_TICKS = 97 * PERCENT
# What each quarter has: lots, and cash a lot in atoms. The fall takes 30,000, and 12,125 are required after it.
KINDS = ((20_000, 41_000), (200_000, 41_000), (20_000, 36_500), (20_000, 26_000))
VAULT_ATOMS, FUND_ATOMS, DEBT_ATOMS = 100_000 * USDC, 1_000 * USDC, 2_000 * USDC
_DEBT_LOTS, _DEBTOR_ATOMS = 100_000, 10_000 * USDC
_ORDER_LOTS = 10**8
_GTC, _LIMIT, _REDUCE_ONLY = common_pb2.TIME_IN_FORCE_GTC, common_pb2.ORDER_KIND_LIMIT, 2


def rows(quick: bool) -> Iterator[Row]:
    """Median time of that one block, execution only; a quick run takes it once less."""
    yield crowd_row(CROWD, repeats=2 if quick else 5)


def crowd_row(accounts: int, repeats: int) -> Row:
    """Each repeat starts from the same cut, a block earlier; the first, which compiles, is not counted."""
    crowd = Crowd(accounts)
    crowd.gather()
    cut = crowd.replica.cut()
    before, fall = crowd.debt_and_fall()
    taken_s = []
    for _ in range(repeats + 1):
        replica = Replica()
        replica.restore(cut)
        replica.apply(before)
        begun = time.perf_counter()
        replica.apply(fall)
        taken_s.append(time.perf_counter() - begun)
    name = f"{accounts:,} cross accounts liquidated by one tick, all rungs"
    return Row(name, percentile(taken_s[1:], 50), "s", REACH_S if accounts == CROWD else None)


def crowd_venue() -> parameters_pb2.VenueParameters:
    """The preset, with as many rounds as the block may need."""
    venue = margin_trade_venue()
    venue.margin_trade.ladder_rounds = 16
    return venue


def crowd_market(market: int) -> parameters_pb2.MarketParameters:
    """A bitcoin of one publisher, whose price is the mark; no funding is due and no fee in the way of the numbers."""
    made = margin_trade_market(market, "BTC")
    made.symbol = f"BTC-{market}"
    del made.oracle.sources[:]
    made.oracle.sources.add(publisher=1, weight=1, kind=common_pb2.SOURCE_KIND_SPOT)
    made.oracle.min_fresh_sources = 1
    made.oracle.mark_rule = common_pb2.MARK_RULE_INDEX
    made.margin_trade.maker_fee_e9 = made.margin_trade.taker_fee_e9 = 0
    return made


class Crowd:
    """A venue with accounts 1 to `accounts` and four more: a whale, a bidder, a provider, a debtor."""

    def __init__(self, accounts: int, shards: int = 1, way: Way = Way.BY_COLUMNS) -> None:
        self.replica = Replica(shards, way)
        self.accounts = accounts
        self.whale, self.bidder, self.provider, self.debtor = range(accounts + 1, accounts + 5)
        self._now_ms = START_MS
        self._keys = 0
        self._prices = dict.fromkeys(MARKETS, MARK_TICKS)

    def lots_of(self, account: int) -> int:
        """What an account of the crowd holds."""
        return KINDS[account % 4][0]

    def gather(self) -> None:
        """Everybody long of the whale at the mark; bids below it; the debt about to settle."""
        accepted(self._seal(self._batch(create_venue=cmd.CreateVenue(parameters=crowd_venue()))))
        listed = [self._batch(create_market=cmd.CreateMarket(parameters=crowd_market(number))) for number in MARKETS]
        accepted(self._seal(*listed, self._batch(open_accounts=cmd.OpenAccounts(count=self.accounts + 4))))
        crowd = range(1, self.accounts + 1)
        cash = {account: self.lots_of(account) * KINDS[account % 4][1] for account in crowd}
        cash |= {self.whale: DEEP_ATOMS, self.bidder: DEEP_ATOMS, self.provider: VAULT_ATOMS}
        cash[self.debtor] = _DEBTOR_ATOMS
        deposits = cmd.Deposits(account=list(cash), amount_atoms=list(cash.values()))
        fund = cmd.InsuranceDeposit(amount_atoms=FUND_ATOMS)
        accepted(self._seal(self._ticks(), self._batch(deposits=deposits), self._batch(insurance_deposit=fund)))
        provided = cmd.LiquidityDeposits(account=[self.provider], amount_atoms=[VAULT_ATOMS])
        total = sum(map(self.lots_of, crowd))
        asks = [(self.whale, 1, -min(_ORDER_LOTS, total - sold), 0) for sold in range(0, total, _ORDER_LOTS)]
        bought = [(account, 1, self.lots_of(account), 0) for account in crowd]
        legs = [(self.whale, 2, -_DEBT_LOTS, 0), (self.debtor, 2, _DEBT_LOTS, 0)]
        legs += [(self.whale, 3, _DEBT_LOTS, 0), (self.debtor, 3, -_DEBT_LOTS, 0)]
        orders = self._orders([*asks, *bought, *legs])
        accepted(self._seal(self._ticks(), self._batch(liquidity_deposits=provided), orders))
        bids = self._orders([(self.bidder, 1, _ORDER_LOTS, FALL_TICKS - MARK_TICKS) for _ in range(3)])
        resting = self._orders([(self.debtor, 2, -_DEBT_LOTS, PERCENT)], _REDUCE_ONLY)
        accepted(self._seal(self._ticks(), bids, resting))
        self._prices |= {2: 110 * PERCENT, 3: 113 * PERCENT}
        accepted(self._seal(self._ticks()))

    def debt_and_fall(self) -> tuple[cmd.BlockInput, cmd.BlockInput]:
        """Two blocks, not executed yet.

        The debtor's winner is sold far below its mark by an order of old, his loser closed at its own; then that
        settles, and all of the crowd are below their rungs.
        """
        closing = [(self.bidder, 3, -_DEBT_LOTS, 13 * PERCENT), (self.debtor, 3, _DEBT_LOTS, 13 * PERCENT)]
        debt = self._block(self._ticks(), self._orders([*closing, (self.whale, 2, _DEBT_LOTS, PERCENT)]))
        self._prices[1] = FALL_TICKS
        return debt, self._block(self._ticks(), after=1)

    def _seal(self, *batches: cmd.CommandBatch) -> BlockResult:
        return self.replica.apply(self._block(*batches))

    def _block(self, *batches: cmd.CommandBatch, after: int = 0) -> cmd.BlockInput:
        """The next block but `after`."""
        self._now_ms += SECOND_MS
        height = self.replica.state.height + 1 + after
        return cmd.BlockInput(height=height, block_time_ms=self._now_ms, batches=batches, root=True)

    def _batch(self, **body: Any) -> cmd.CommandBatch:
        self._keys += 1
        expires_ms = self._now_ms + KEY_LIFE_MS
        return cmd.CommandBatch(
            request_key=b"crowd/%d" % self._keys, expires_ms=expires_ms, venue=MARGIN_TRADE_VENUE, **body
        )

    def _ticks(self) -> cmd.CommandBatch:
        count = len(MARKETS)
        ticks = cmd.Ticks(market=MARKETS, publisher=[1] * count, price_ticks=[self._prices[m] for m in MARKETS])
        ticks.published_ms.extend([self._now_ms + SECOND_MS] * count)
        return self._batch(ticks=ticks)

    def _orders(self, orders: Sequence[tuple[int, int, int, int]], flags: int = 0) -> cmd.CommandBatch:
        """Limit orders: (account, market, signed lots, ticks off the first mark)."""
        count, nothing = len(orders), [0] * len(orders)
        account, market, lots, away = (list(column) for column in zip(*orders, strict=True))
        return self._batch(
            place_orders=cmd.PlaceOrders(
                account=account,
                market=market,
                side=[1 if size > 0 else -1 for size in lots],
                kind=[_LIMIT] * count,
                size_lots=[abs(size) for size in lots],
                limit_ticks=[MARK_TICKS + ticks for ticks in away],
                time_in_force=[_GTC] * count,
                flags=[flags] * count,
                self_trade=nothing,
                trigger=nothing,
                trigger_ticks=nothing,
                client_order_id=nothing,
            )
        )
