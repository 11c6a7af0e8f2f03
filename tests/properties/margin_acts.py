"""What traders, makers, LPs, operators and sources do on a Margin Trade venue: batches drawn from what they see."""

import random
from typing import Protocol

from actors.units import PPM, PRICE_BOUND
from breakwater.v1.commands_pb2 import CommandBatch
from tests.properties.margin_money import MarginMoney, Row, columns
from tests.properties.margin_moods import MarginMood
from tests.properties.margin_operators import margin_operation, margin_parameter_change
from tests.properties.margin_sight import VAULT, MarginSight
from tests.properties.margin_venues import ASSETS, MARGIN_VENUE, MAX_ORDER_LOTS, margin_genesis

APPETITES = (
    "takers",
    "makers",
    "orders",
    "triggers",
    "amends",
    "cancels",
    "leverages",
    "deposits",
    "withdrawals",
    "liquidity",
    "insurance",
    "operators",
    "parameters",
    "malformed",
    "jumps",
    "gaps",
    "stalls",
)
MAKERS = (1, 2)
ORDER_COLUMNS = (
    "account",
    "market",
    "side",
    "kind",
    "size_lots",
    "limit_ticks",
    "time_in_force",
    "flags",
    "self_trade",
    "trigger",
    "trigger_ticks",
    "client_order_id",
)
MARKET, LIMIT = 1, 2
GTC, IOC, FOK = 1, 2, 3
POST_ONLY, REDUCE_ONLY = 1, 2
STOP, TAKE_PROFIT = 1, 2


class Sender(Protocol):
    """Who sends: its clock and its way to make a batch."""

    time_ms: int
    height: int

    def batch(self, venue: int, body: str, /, **columns: object) -> CommandBatch: ...


class MarginActs:
    """Draws the batches of one venue, block by block."""

    def __init__(
        self,
        draw: random.Random,
        sender: Sender,
        mood: MarginMood,
        appetite: dict[str, float],
        venue: int = MARGIN_VENUE,
    ) -> None:
        self.random = draw
        self.sender = sender
        self.mood = mood
        self.venue = venue
        drawn = {name: draw.choice((0.0, 0.3, 0.6, 1.0)) for name in APPETITES}
        some = {"takers": draw.choice((0.5, 1.0)), "makers": draw.choice((0.5, 1.0)), "stalls": draw.choice((0.0, 0.2))}
        self.appetite = {**drawn, **some, **mood.appetite, **appetite}
        self.money = MarginMoney(draw, mood, self._wants, self._send)
        self.prices: dict[int, int] = {}
        self.last_tick_ms: dict[tuple[int, int], int] = {}
        self.stalled: dict[int, int] = {}

    def genesis(self) -> list[CommandBatch]:
        """The first block."""
        return margin_genesis(self.random, self.sender, self.mood, self.venue)

    def first_money(self, sight: MarginSight) -> list[CommandBatch]:
        """The second block: prices, deposits, the vault's first LP, perhaps a fund."""
        accounts = sight.traders
        amounts = [self.random.choice(self.mood.deposits_atoms) for _ in accounts]
        amounts[: len(MAKERS)] = [self.mood.makers_atoms] * len(MAKERS)
        vault, fund = self.random.choice(self.mood.vaults_atoms), self.random.choice(self.mood.funds_atoms)
        batches = [self._ticks(sight, market) for market in sorted(sight.markets)]
        batches.append(self._send("deposits", account=accounts, amount_atoms=amounts))
        if vault:
            batches.append(self._send("deposits", account=[MAKERS[0]], amount_atoms=[vault]))
            batches.append(self._send("liquidity_deposits", account=[MAKERS[0]], amount_atoms=[vault]))
        if fund:
            batches.append(self._send("insurance_deposit", amount_atoms=fund))
        return batches

    def batches(self, sight: MarginSight) -> list[CommandBatch]:
        """What one block brings, in no order."""
        batches = [self._ticks(sight, market) for market in sorted(sight.markets) if self._publishes(market)]
        batches += self._trading(sight) + self.money.moves(sight)
        if self._wants("operators", 0.25):
            batches.append(margin_operation(self.random, self.sender, sight))
        if self._wants("parameters", 0.15):
            batches.append(margin_parameter_change(self.random, self.sender, sight))
        return batches

    def _send(self, body: str, **columns: object) -> CommandBatch:
        return self.sender.batch(self.venue, body, **columns)

    def _wants(self, appetite: str, chance: float = 1.0) -> bool:
        return self.random.random() < self.appetite[appetite] * chance

    # ------------------------------------------------------------------ sources

    def _publishes(self, market: int) -> bool:
        """A market's sources stop for some blocks at times."""
        if self.stalled.get(market, 0) > 0:
            self.stalled[market] -= 1
            return False
        if self._wants("stalls", 0.15):
            self.stalled[market] = self.random.choice((1, 3, 6))
        return self.random.random() < 0.85

    def _next_price(self, sight: MarginSight, market: int) -> int:
        """Near the last, far from it, or where somebody is liquidated."""
        draw = self.random
        last = self.prices.get(market) or ASSETS[(market - 1) % len(ASSETS)].price_ticks
        waiting = [held.liquidation_ticks for _, held in sight.positions(market) if held.liquidation_ticks]
        waiting += [order.trigger_ticks for _, order in sight.orders() if order.market == market and order.trigger]
        near = [ticks for ticks in waiting if last < 2 * ticks < 4 * last]
        if near and draw.random() < self.mood.aim:
            # Mostly the next to go, so that one after the other stands just below its rung.
            nearest = sorted(near, key=lambda ticks: (abs(ticks - last), ticks))[: draw.choice((1, 2, 9))]
            price = draw.choice(nearest) + draw.choice(
                (-1, 0, 0, 1, -last // 200, last // 200, -last // 50, last // 50)
            )
        else:
            span = draw.choice(self.mood.jumps_permille) if self._wants("jumps", 0.4) else draw.choice((0, 1, 3))
            price = last + last * draw.randint(-span, span) // 1_000 + draw.randint(-1, 1)
        return max(2, min(price, 4 * ASSETS[(market - 1) % len(ASSETS)].price_ticks))

    def _ticks(self, sight: MarginSight, market: int) -> CommandBatch:
        draw, now_ms = self.random, self.sender.time_ms
        price = self.prices[market] = self._next_price(sight, market)
        publishers = [source.publisher for source in sight.markets[market].oracle.sources]
        chosen = publishers if draw.random() < 0.8 else draw.sample(publishers, draw.randint(1, len(publishers)))
        rows: list[Row] = []
        for publisher in chosen:
            last_ms = self.last_tick_ms.get((market, publisher), 0)
            published_ms = max(now_ms - draw.choice((0, 0, 1, 40)), last_ms + 1)
            if self._wants("malformed", 0.05):
                published_ms = now_ms + draw.choice((-60_000, -10_001, 1_000, 1_001, 10**6))
            if published_ms <= now_ms + 1_000:
                self.last_tick_ms[market, publisher] = max(last_ms, published_ms)
            rows.append([market, publisher, max(1, price + draw.choice((0, 0, 0, -1, 1))), published_ms])
        if self._wants("malformed", 0.1):
            rows.append(
                draw.choice(([9, 1, 5, 5], [market, 9, 5, now_ms], [market, 1, 0, 5], [market, 1, PRICE_BOUND, 5]))
            )
        return self._send("ticks", **columns(("market", "publisher", "price_ticks", "published_ms"), rows))

    # ------------------------------------------------------------------ orders

    def _trading(self, sight: MarginSight) -> list[CommandBatch]:
        batches: list[CommandBatch] = []
        known = [market for market in sorted(sight.markets) if sight.mark_ticks(market)]
        if not known:
            return batches
        if self._wants("makers", 0.7):
            batches += self._make(sight, known)
        if self._wants("takers"):
            batches.append(self._place([self._taker(sight, known) for _ in range(self.random.choice((1, 2, 5)))]))
        if self._wants("orders", 0.6):
            batches.append(self._place([self._any_order(sight, known) for _ in range(self.random.choice((1, 3, 8)))]))
        if self._wants("triggers", 0.4):
            batches.append(self._place([self._trigger(sight, known) for _ in range(self.random.choice((1, 2)))]))
        if self._wants("amends", 0.5):
            batches.append(self._amends(sight))
        if self._wants("cancels", 0.4):
            batches.append(self._cancels(sight))
        if self._wants("leverages", 0.3):
            batches.append(self._leverages(sight))
        return batches + (self._flips(sight) if "flips" in self.appetite else [])

    def _flips(self, sight: MarginSight) -> list[CommandBatch]:
        """Who fails margin closes twice over: what reduces at admission would open at the book, but for the caps."""
        rows: list[Row] = []
        for market in sight.markets:
            for account, held in sight.positions(market):
                if account != VAULT and sight.free_margin(account) < 0:
                    side, size, mark = (-1 if held.lots > 0 else 1), abs(held.lots), sight.mark_ticks(market)
                    limit = max(1, mark + side * mark // 50)
                    rows += [[account, market, side, LIMIT, size, limit, IOC, flags, 1, 0, 0, 0] for flags in (2, 0)]
        return [self._send("place_orders", **columns(ORDER_COLUMNS, rows))] if rows else []

    def _place(self, rows: list[Row]) -> CommandBatch:
        for row in rows:
            if self._wants("malformed", 0.06):
                self._spoil_order(row)
        return self._send("place_orders", **columns(ORDER_COLUMNS, rows))

    def _make(self, sight: MarginSight, known: list[int]) -> list[CommandBatch]:
        """Makers take their quotes back and quote anew around the mark."""
        draw, rows = self.random, []
        makers = [maker for maker in MAKERS if maker in sight.accounts]
        batches = []
        if draw.random() < 0.7:
            zeros = [0] * len(makers)
            batches.append(
                self._send("cancel_book_orders", account=makers, market=zeros, order=zeros, client_order_id=zeros)
            )
        for maker in makers:
            for market in known:
                mark, k = sight.mark_ticks(market), sight.k(market)
                most = sight.markets[market].margin_trade.max_order_lots
                worth = max(1, min(most, self.mood.makers_atoms // (4 * mark * k)))
                for level in range(1, draw.choice(self.mood.depths) + 1):
                    gap = max(1, mark * level * draw.choice((1, 2, 5)) // 1_000)
                    for side in (1, -1):
                        size = max(1, worth * draw.choice((1, 2, 3)) // 3)
                        rows.append([maker, market, side, LIMIT, size, max(1, mark - side * gap), GTC, 0, 1, 0, 0, 0])
        batches.append(self._place(rows))
        return batches

    def _account(self, sight: MarginSight) -> int:
        return self.money.account(sight)

    def _lots(self, sight: MarginSight, account: int, market: int, slip_ppm: int = 0) -> int:
        """Lots that a part of the account's free margin carries at its leverage, fee and a worse price included."""
        view, mark, k = sight.accounts.get(account), sight.mark_ticks(market), sight.k(market)
        if view is None:
            return 1
        rules = sight.markets[market].margin_trade
        chosen = [held.leverage for held in view.cross.positions if held.market == market]
        leverage = min(chosen[0] if chosen else PPM, rules.tiers[0].max_leverage)
        cost_ppm = -(-PPM // leverage) + slip_ppm + rules.taker_fee_e9 // 1_000
        worth = view.cross.free_margin_atoms * self.random.choice(self.mood.spends_percent) // 100 * PPM // cost_ppm
        return max(1, min(rules.max_order_lots, worth // (mark * k)))

    def _taker(self, sight: MarginSight, known: list[int]) -> Row:
        """An order that crosses, with much leverage; at times one that closes."""
        draw, account, market = self.random, self._account(sight), self.random.choice(known)
        held = sight.lots(account, market) if account in sight.accounts else 0
        if held and draw.random() < 0.25:
            side, size, flags = (-1 if held > 0 else 1), max(1, abs(held) * draw.choice((1, 2, 4)) // 2), REDUCE_ONLY
        else:
            side, size, flags = draw.choice((1, -1)), 0, 0
        mark, slip_ppm = sight.mark_ticks(market), draw.choice((0, 0, 2_000, 20_000))
        if flags and draw.random() < 0.5:
            # As bad a price as the band lets it name.
            limit = max(1, mark + side * mark * draw.choice((10, 50, 90)) // 100)
            return [
                account,
                market,
                side,
                LIMIT,
                size,
                limit,
                draw.choice((GTC, IOC)),
                draw.choice((0, flags)),
                1,
                0,
                0,
                0,
            ]
        if draw.random() < 0.4:
            size = size or self._lots(sight, account, market, sight.markets[market].margin_trade.market_protection_ppm)
            return [account, market, side, MARKET, size, 0, draw.choice((0, GTC, IOC)), flags, 0, 0, 0, 0]
        limit, size = max(1, mark + side * mark * slip_ppm // PPM), size or self._lots(sight, account, market, slip_ppm)
        return [account, market, side, LIMIT, size, limit, draw.choice((GTC, GTC, IOC, FOK)), flags, 1, 0, 0, 0]

    def _near(self, sight: MarginSight, market: int) -> int:
        """A price at or around the mark, or one that somebody quotes."""
        draw, mark = self.random, sight.mark_ticks(market)
        quoted = [order.limit_ticks for _, order in sight.orders() if order.market == market and order.limit_ticks]
        if quoted and draw.random() < 0.4:
            return draw.choice(quoted)
        span = max(1, mark // 100)
        return max(1, mark + draw.choice((0, 0, 1, -1, draw.randint(-span, span))))

    def _any_order(self, sight: MarginSight, known: list[int]) -> Row:
        draw, account, market = self.random, self._account(sight), self.random.choice(known)
        held = sight.lots(account, market) if account in sight.accounts else 0
        size = draw.choice((1, 3, abs(held) or 2, self._lots(sight, account, market)))
        flags = draw.choice((0, 0, 0, POST_ONLY, REDUCE_ONLY, POST_ONLY | REDUCE_ONLY))
        if held and flags & REDUCE_ONLY:
            side = draw.choice((-1, -1, 1)) * (1 if held > 0 else -1)
        else:
            side = draw.choice((1, -1))
        time = GTC if flags & POST_ONLY else draw.choice((0, GTC, GTC, IOC, FOK))
        limit = self._near(sight, market)
        if draw.random() < 0.05:
            limit = max(1, sight.mark_ticks(market) * draw.choice((1, 3, 30)) // 10)
        client = draw.choice((0, 0, draw.randint(1, 9), draw.randint(1, 10**9)))
        return [account, market, side, LIMIT, size, limit, time, flags, draw.choice((0, 1, 2, 3)), 0, 0, client]

    def _trigger(self, sight: MarginSight, known: list[int]) -> Row:
        draw, account, market = self.random, self._account(sight), self.random.choice(known)
        mark = sight.mark_ticks(market)
        held = sight.lots(account, market) if account in sight.accounts else 0
        side = draw.choice((1, -1)) if not held else (-1 if held > 0 else 1)
        kind, trigger = draw.choice((MARKET, LIMIT)), draw.choice((STOP, TAKE_PROFIT))
        away = max(1, mark * draw.choice((1, 5, 20)) // 1_000)
        level = mark + (side if trigger == STOP else -side) * away
        if draw.random() < 0.1:
            level = mark
        size = draw.choice((abs(held) or 1, 2 * abs(held) or 1, 3, self._lots(sight, account, market)))
        limit = 0 if kind == MARKET else max(1, level + side * draw.choice((0, away)))
        time = IOC if kind == MARKET else draw.choice((GTC, IOC, FOK))
        flags, client = draw.choice((REDUCE_ONLY, REDUCE_ONLY, 0)), draw.choice((0, draw.randint(1, 9)))
        return [account, market, side, kind, size, limit, time, flags, 1, trigger, max(1, level), client]

    def _spoil_order(self, row: Row) -> None:
        column, value = self.random.choice(
            (
                (1, 99),
                (1, 9),
                (1, 9),
                (2, 0),
                (2, 2),
                (3, 0),
                (3, 3),
                (4, 0),
                (4, -5),
                (4, MAX_ORDER_LOTS + 1),
                (4, 1 << 40),
                (5, 0),
                (5, 1 << 40),
                (5, 1 << 33),
                (6, 4),
                (7, 4),
                (7, 1),
                (8, 4),
                (9, 3),
                (9, 1),
                (10, 5),
                (11, -1),
            )
        )
        row[column] = value

    def _amends(self, sight: MarginSight) -> CommandBatch:
        draw, live, rows = self.random, sight.orders(), []
        for _ in range(draw.choice((1, 2, 4))):
            if not live or self._wants("malformed", 0.1):
                rows.append([self._account(sight), *draw.choice(((5, 0), (0, 3), (0, 0), (-1, 0))), 3, 0])
                continue
            account, order = draw.choice(live)
            named = (order.order, 0) if not order.client_order_id or draw.random() < 0.5 else (0, order.client_order_id)
            filled = order.size_lots - order.remaining_lots
            sizes = (order.size_lots - 1, order.size_lots - 1, order.size_lots, order.size_lots + 1)
            size = draw.choice((*sizes, filled, filled + 1, 2 * order.size_lots, MAX_ORDER_LOTS + 1))
            limit = draw.choice((0, 0, order.limit_ticks, self._near(sight, order.market)))
            if self._wants("malformed", 0.05):
                account, limit = draw.choice(
                    ((account, -1), (account, 1 << 40), (account, 10**9), (self._account(sight), 0))
                )
            rows.append([account, *named, max(size, draw.choice((0, 1, 1))), limit])
        names = ("account", "order", "client_order_id", "size_lots", "limit_ticks")
        return self._send("amend_orders", **columns(names, rows))

    def _cancels(self, sight: MarginSight) -> CommandBatch:
        draw, live, rows = self.random, sight.orders(), []
        for account, order in draw.sample(live, min(len(live), draw.choice((1, 3)))):
            by_client = order.client_order_id and draw.random() < 0.5
            rows.append([account, 0, *((0, order.client_order_id) if by_client else (order.order, 0))])
        if draw.random() < 0.3:
            rows.append([self._account(sight), draw.choice((0, 1)), 0, 0])
        if not rows or self._wants("malformed", 0.3):
            rows.append(
                [self._account(sight), draw.choice((0, 99)), draw.choice((0, 5, -3, 1 << 40)), draw.choice((0, -1, 7))]
            )
        return self._send("cancel_book_orders", **columns(("account", "market", "order", "client_order_id"), rows))

    def _leverages(self, sight: MarginSight) -> CommandBatch:
        draw, rows = self.random, []
        for _ in range(draw.choice((1, 2))):
            market = draw.choice(sorted(sight.markets))
            most = sight.markets[market].margin_trade.tiers[0].max_leverage
            rows.append([self._account(sight), market, draw.choice((1, 2, most // 2, most - 1, most, most + 1, 0))])
        return self._send("set_leverage", **columns(("account", "market", "leverage"), rows))
