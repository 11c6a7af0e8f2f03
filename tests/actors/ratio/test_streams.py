"""Random blocks on a Spin venue, its books and its insurance desk played by the test: nothing is made or lost.

After every block the page's equation holds to the atom, lots sum to 0 in every market, sums follow from rows, and a
book that is taken through a snapshot is the same book.
"""

import random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import BUCKETS
from actors.ledger.book_orders import MARKET_ORDER
from actors.ledger.table import StagingLog
from actors.ratio.book import RatioBook
from actors.ratio.health import Terms, health, orders_collateral_e9
from actors.ratio.views import account_view
from actors.rulebooks import spin
from actors.units import E9
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from tests.actors.ratio.venue import (
    ACCOUNTS,
    ADMIT,
    BUY,
    CERTAIN,
    LIMIT,
    LIQUIDATED,
    MARKET,
    MARKETS,
    PAY_OUT,
    REDUCE_ONLY,
    RESERVE,
    SELL,
    TAKE_OVER,
    VENUE,
    Done,
    K,
    Venue,
    cash,
)

DEPOSIT = 2_000_000
TRADING_FEES, FUNDING = batches.CROSS_DUE_KIND_TRADING_FEES, batches.CROSS_DUE_KIND_FUNDING


class Stream:
    """A venue, what desks around it would do, and what is on its way to it."""

    def __init__(self, seed: int, way: Way) -> None:
        self.draw = random.Random(seed)
        self.venue = Venue(way, cash_atoms=DEPOSIT)
        self.outbox: list[tuple[int, ...]] = []
        self.fees = self.funding = self.fund = self.shortfall = 0
        self.indices = dict.fromkeys(MARKETS, 0)
        self.liquidations = 0

    def block(self) -> None:
        """One block: prices move, everybody acts, takeovers happen, then orders are filled or gone."""
        for market in MARKETS:
            self._move(market)
        legs, self.outbox = sorted(self.outbox, key=lambda leg: leg[:4]), []
        self._take_dues(self.venue.call(CERTAIN, legs, deposits=self._deposits()))
        self._strike()
        actions = self._actions()
        before = self.venue.state()
        speculative = self.venue.stage(PAY_OUT, RESERVE, ADMIT, **actions)
        self.venue.log.roll_back()
        assert self.venue.state() == before
        first = self.venue.stage(PAY_OUT, RESERVE, **actions)
        assert first.rows("reservations") == speculative.rows("reservations")
        second = self.venue.call((TAKE_OVER, ADMIT), reservations=first.reply.reservations, **actions)
        for done in (first, second):
            self._take_dues(done)
            self.outbox += done.rows("staged_cross_legs")
        self._match(second)
        self._check(second)

    def _move(self, market: int) -> None:
        ticks = self.venue.marks[market][0]
        self.indices[market] += self.draw.choice((0, 0, 1_000_000_007, -700_000_001))
        state = self.draw.choice((common.MARK_STATE_FRESH,) * 9 + (common.MARK_STATE_HALTED,))
        moved = max(4_000, min(16_000, ticks + self.draw.randint(-900, 900)))
        self.venue.mark(moved, market, state, self.indices[market])

    def _strike(self) -> None:
        """Bad luck beyond what prices bring: somebody's equity is a part of what its positions need, or less."""
        account = self.draw.choice(ACCOUNTS[:3])
        health = self.venue.book.health(account)
        wanted = health.positions_e9 * self.draw.randint(-2, 9) // (10 * E9)
        if health.positions_e9 and wanted < health.equity and self.draw.random() < 0.3:
            self.venue.book.accounts.post(account, free=wanted - health.equity)
            self.fees += health.equity - wanted

    def _actions(self) -> dict[str, Any]:
        commands = iter(range(100))
        orders = [self._order(next(commands)) for _ in range(self.draw.randint(4, 16))]
        takeovers = [self._takeover(next(commands)) for _ in range(self.draw.randint(0, 5))]
        transfers, withdrawals = [], []
        for _ in range(self.draw.randint(0, 1)):
            sender, receiver = self.draw.sample(ACCOUNTS, 2)
            transfers.append((next(commands), VENUE, sender, receiver, self.draw.randint(1, 500_000)))
            withdrawals.append((next(commands), VENUE, receiver, self.draw.randint(1, 100_000)))
        made = {"orders": orders, "takeovers": takeovers, "transfers": transfers, "withdrawals": withdrawals}
        return {name: sorted(listed) for name, listed in made.items()}

    def _deposits(self) -> list[tuple[int, ...]]:
        """Who has lost nearly everything comes back; two are rich from the first block on."""
        poor = [account for account in ACCOUNTS[:3] if self.venue.book.health(account).equity < DEPOSIT // 8]
        rich = ACCOUNTS[3:] if self.venue.height == 1 else ()
        amounts = [(account, DEPOSIT) for account in poor] + [(account, 1_000 * DEPOSIT) for account in rich]
        return [(command, VENUE, *amount) for command, amount in enumerate(amounts)]

    def _order(self, command: int) -> tuple[int, ...]:
        market, side = self.draw.choice(MARKETS), self.draw.choice((BUY, SELL))
        limit = self.venue.marks[market][0] + self.draw.randint(-300, 300)
        kind, flags = self.draw.choice(((LIMIT, 0), (LIMIT, 0), (LIMIT, REDUCE_ONLY), (MARKET, 0)))
        head = (command, VENUE, self.draw.choice(ACCOUNTS[:3]), market, side, kind, self.draw.randint(1, 20))
        return (*head, 0 if kind == MARKET else limit, 0, flags, 0, 0, 0, 0)

    def _takeover(self, command: int) -> tuple[int, ...]:
        """Of somebody who may be liquidated where there is somebody, and often of too much."""
        liquidator, target = self.draw.choice((*ACCOUNTS[2:], *ACCOUNTS[3:])), self.draw.choice(ACCOUNTS)
        market, lots = self.draw.choice(MARKETS), 5 * self.draw.randint(1, 3)
        views = [account_view(self.venue.book, account) for account in ACCOUNTS]
        below = [(view.account, one) for view in views for one in view.ratio.positions if one.liquidatable_lots]
        if below and self.draw.random() < 0.95:
            target, position = self.draw.choice(below)
            market, lots = position.market, self.draw.choice((lots, -(-position.liquidatable_lots // 5) * 5))
        return (command, VENUE, liquidator, market, target, lots)

    def _match(self, done: Done) -> None:
        """Fills live orders against somebody with deep pockets outside: account 5 takes what nobody limits."""
        book = self.venue.book
        for number in book.orders.numbers():
            order = book.orders.read(number)
            is_market = order.flags & MARKET_ORDER != 0
            if self.draw.random() < 0.3:
                if is_market:
                    self._gone(order.account, order.market, number)
                continue
            lots = self.draw.randint(1, order.remaining)
            held = book.positions.lots(order.account, order.market)
            if order.is_reduce_only or not book.health(order.account).is_open:
                lots = min(lots, max(0, -order.side * held))
            if lots:
                self._fill(order.account, order.market, number, order.side * lots, order.limit, 800_000)
                self._fill(ACCOUNTS[-1], order.market, 0, -order.side * lots, order.limit, -400_000)
            if (order.flags & 4 and lots < order.remaining) or not lots:
                self._gone(order.account, order.market, number)

    def _fill(self, account: int, market: int, number: int, lots: int, price: int, rate_e9: int) -> None:
        quote = lots * price * K
        fee = spin.trading_fee_ceil_atoms(quote, rate_e9)
        place = (1, len(self.outbox), market, 0, VENUE, account)
        self.outbox.append((*place, 1, number, lots, quote, fee, 0, 0, 0))

    def _gone(self, account: int, market: int, number: int) -> None:
        self.outbox.append((1, len(self.outbox), market, 0, VENUE, account, 2, number, *[0] * 6))

    def _take_dues(self, done: Done) -> None:
        """The insurance desk: dues, then claims in their order."""
        for _, kind, amount in done.rows("dues"):
            assert kind in (TRADING_FEES, FUNDING)
            if kind == FUNDING:
                self.funding += amount
            else:
                self.fees += amount
        claims = done.rows("insurance_claims") + done.rows("staged_insurance_claims")
        for _, _, _, account, _, kind, amount, _ in sorted(claims):
            assert amount > 0
            if kind == batches.INSURANCE_CLAIM_KIND_SHARE:
                self.fund += amount
                continue
            paid = min(self.fund, amount)
            self.fund -= paid
            if kind == batches.INSURANCE_CLAIM_KIND_DEFICIT:
                self.shortfall += amount - paid
                paid = amount
            if paid:
                self.outbox.append(cash(account, paid))

    def _check(self, done: Done) -> None:
        book = self.venue.book
        _, free, held, minus_costs, pending, deposited, withdrawn, _ = book.sums()
        moving = sum(leg[12] - leg[9] for leg in self.outbox)
        inside = self.fees + self.fund + self.funding - self.shortfall
        # Fees of fills on their way are in nobody's cash yet, and in no desk.
        assert free + held + pending + minus_costs + moving + inside == deposited - withdrawn
        for market in MARKETS:
            lots = sum(book.positions.lots(account, market) for account in ACCOUNTS)
            assert lots + sum(leg[8] for leg in self.outbox if leg[2] == market) == 0
        self._check_takeovers(done)
        self._check_sums(book)
        twin = RatioBook(VENUE, StagingLog(), book.way)
        twin.set_terms(book.terms)
        for market in MARKETS:
            twin.set_market(book.markets[market])
        twin.marks = dict(book.marks)
        twin.fill(book.dump(), np.ones(BUCKETS, dtype=np.bool_))
        self._check_sums(twin)
        assert (twin.dump(), twin.sums(), twin.open_interest()) == (book.dump(), book.sums(), book.open_interest())

    def _check_takeovers(self, done: Done) -> None:
        """No more than the calculator's step over 0.7, no reward twice, and every reservation has its leg."""
        ended = {leg[13] for leg in self.outbox if leg[0] == 0}
        reserved = {number for account in ACCOUNTS for number in self.venue.book.reservations.of_account(account)}
        assert ended == reserved
        for leg in self.outbox:
            assert leg[6] != LIQUIDATED or leg[12] <= abs(leg[9]) * 15 // 1_000
        for event in [event for _, event in done.events if event.HasField("account_liquidated")]:
            body = event.account_liquidated
            self.liquidations += 1
            assert abs(body.lots) <= body.liquidatable_lots
            assert body.equity_atoms * 10 < 7 * body.collateral_atoms
            paid = body.reward_atoms + body.insurance_atoms
            assert paid <= max(0, body.equity_atoms)
            if body.tier == spin.Tier.PARTIAL and abs(body.lots) == body.liquidatable_lots:
                self._check_overshoot(body)

    def _check_overshoot(self, body: Any) -> None:
        """With one step less the account would still be below 0.7, but for the atom that rounding asks for."""
        rate = 100_000_000
        per_lot = body.mark.mark_ticks * K
        fewer = abs(body.lots) - 5
        equity = body.equity_atoms - fewer * per_lot * 25 // 1_000 - 1
        collateral_e9 = body.collateral_atoms * 10**9 - fewer * per_lot * rate
        assert fewer <= 0 or not spin.reaches(equity, collateral_e9, spin.TARGET_TENTHS)

    def _check_sums(self, book: RatioBook) -> None:
        """Rows carry what their orders and reservations add up to, and columns find what single orders find."""
        terms = Terms(book)
        for key in book.positions.table.keys():  # noqa: SIM118 - a table is no dict
            row = book.positions.read(*divmod(key, 1 << 16))
            by_sums = orders_collateral_e9(book, row, terms[row.market])
            was, book.way = book.way, Way.BY_ROW
            assert by_sums == orders_collateral_e9(book, row, terms[row.market])
            book.way = was
            reserved = [book.reservations.table.row(number) for number in book.reservations.of_account(row.account)]
            assert row.reserved == sum(lots for _, market, lots in reserved if market == row.market)
            assert row.lots or not row.paid_e9
        for account in ACCOUNTS:
            assert health(book, account, terms).collateral_e9 >= 0


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), way=st.sampled_from(Way))
def test_nothing_is_made_or_lost(seed: int, way: Way) -> None:
    stream = Stream(seed, way)
    for _ in range(12):
        stream.block()


def test_columns_and_scalar_rulebook_make_the_same_venue() -> None:
    dumps = []
    for way in (Way.BY_COLUMNS, Way.BY_ROW):
        stream = Stream(5, way)
        for _ in range(60):
            stream.block()
        assert stream.liquidations > 5
        dumps.append((stream.venue.book.dump(), stream.fees, stream.fund, stream.funding, stream.shortfall))
    assert dumps[0] == dumps[1]
