"""Seeded streams of blocks that go where things break: equal levels, thresholds, gaps, halts, bad rows, the same block.

The generator plays its own blocks on the naive engine, so it knows the levels, thresholds and balances to aim at.
`Appetite` is the swarm: every seed likes some kinds of command and leaves others out.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from actors.units import PRICE_BOUND
from breakwater.v1.commands_pb2 import BlockInput, CommandBatch
from tests.engine.book import threshold
from tests.engine.naive import NaiveEngine, NaiveResult
from tests.engine.state import LIMIT, MARKET, STOP_LOSS, TAKE_PROFIT, Account, Position, State
from tests.properties.malformed import spoil
from tests.properties.moods import HOUR_MS, MOODS
from tests.properties.operators import operation, parameter_change
from tests.properties.venues import START_MS, genesis

APPETITES = (
    "opens",
    "closes",
    "cancels",
    "deposits",
    "withdrawals",
    "liquidity",
    "operators",
    "parameters",
    "malformed",
    "jumps",
    "gaps",
)


@dataclass(frozen=True)
class Play:
    """One block and what the naive engine says of it."""

    block: BlockInput
    voided: tuple[int, ...]
    result: NaiveResult


@dataclass
class Stream:
    """A stream in the making."""

    seed: int
    appetite: dict[str, float] = field(default_factory=dict)
    engine: NaiveEngine = field(default_factory=NaiveEngine)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.mood = MOODS[self.seed % len(MOODS)]
        drawn = {name: self.random.choice((0.0, 0.3, 0.6, 1.0)) for name in APPETITES}
        self.appetite = {**drawn, "opens": self.random.choice((0.5, 1.0)), **self.mood.appetite, **self.appetite}
        self.sides = self.random.choice(self.mood.sides)
        self.time_ms = START_MS
        self.height = 0
        self.keys = 0
        self.sent: list[CommandBatch] = []

    @property
    def state(self) -> State:
        return self.engine.state

    def play(self, blocks: int) -> Iterator[Play]:
        """The first blocks set the venues up, the others are drawn."""
        yield self._seal(genesis(self.random, self, self.mood))
        markets = sorted(self.state.markets) if self.random.random() < 0.9 else []
        yield self._seal([self._ticks(key) for key in markets] + self._first_money())
        for _ in range(blocks - 2):
            self._advance()
            yield self._seal(self._batches())

    def batch(self, venue: int, body: str, /, **columns: object) -> CommandBatch:
        """A batch under a new key; `columns` are the fields of its body."""
        self.keys += 1
        batch = CommandBatch(
            request_key=b"%d/%d" % (self.seed, self.keys),
            expires_ms=self.time_ms + self.random.choice((0, 1_000, 600_000, 24 * HOUR_MS)),
            venue=venue,
            principal=self.random.choice((1, 1, 2)),
        )
        getattr(batch, body).SetInParent()
        for name, value in columns.items():
            target = getattr(batch, body)
            if isinstance(value, list):
                getattr(target, name).extend(value)
            elif hasattr(value, "CopyFrom"):
                getattr(target, name).CopyFrom(value)
            else:
                setattr(target, name, value)
        return batch

    def wants(self, appetite: str, chance: float = 1.0) -> bool:
        return self.random.random() < self.appetite[appetite] * chance

    def _seal(self, batches: list[CommandBatch]) -> Play:
        self.height += 1
        block = BlockInput(
            height=self.height, block_time_ms=self.time_ms, batches=batches, root=self.random.random() < 0.2
        )
        self.sent.extend(batches)
        voided = (self.random.randrange(8),) if self.height > 2 and self.wants("operators", 0.1) else ()
        return Play(block, voided, self.engine.apply(block, voided))

    def _advance(self) -> None:
        step = self.random.choice(self.mood.steps_ms)
        if self.wants("gaps", 0.15):
            to_the_hour = HOUR_MS - self.time_ms % HOUR_MS
            step = self.random.choice((10_000, 30_000, to_the_hour, to_the_hour - 1, HOUR_MS, 3 * HOUR_MS + 17))
        self.time_ms += step

    def _first_money(self) -> list[CommandBatch]:
        batches = []
        for venue in self._inhabited():
            numbers = list(range(1, self.state.next_account[venue]))
            amounts = [self.random.choice(self.mood.deposits_atoms) for _ in numbers]
            amounts[:2] = [2 * 10**9, 10**8]
            batches.append(self.batch(venue, "deposits", account=numbers, amount_atoms=amounts))
            if self.random.random() < 0.9:
                pool = self.random.choice(self.mood.pools_atoms)
                batches.append(self.batch(venue, "liquidity_deposits", account=[1], amount_atoms=[pool]))
        return batches

    def _batches(self) -> list[CommandBatch]:
        """What one block brings, in any order."""
        batches = [self._ticks(key) for key in self._twilight_markets() if self.random.random() < 0.75]
        for venue in self._inhabited():
            batches += self._trading(venue) + self._money(venue)
            if self.wants("operators", 0.25):
                batches.append(operation(self.random, self, self.state, venue))
            if self.wants("parameters", 0.15):
                batches.append(parameter_change(self.random, self, self.state, venue))
        if self.sent and self.wants("malformed", 0.4):
            batches.append(spoil(self.random, self, self.random.choice(self.sent[-30:]), batches))
        self.random.shuffle(batches)
        return batches

    def _inhabited(self) -> list[int]:
        """Venues with accounts; operators make others too."""
        opened = sorted(self.state.next_account.items())
        return [venue for venue, following in opened if following > 1 and venue in self.state.pools]

    def _twilight_markets(self) -> list[tuple[int, int]]:
        return [key for key in sorted(self.state.markets) if key[0] in self.state.pools]

    def _price(self, key: tuple[int, int]) -> int:
        """The next price: near the mark, far from it, or exactly on, just before or just past something that waits."""
        mark = self.state.feeds[key].mark_ticks if key in self.state.feeds else 0
        if not mark:
            return self.random.choice(self.mood.prices_ticks)
        waiting = [order.limit_ticks for order in self.state.orders.values() if (order.venue, order.market) == key]
        for position in self.state.positions.values():
            if (position.venue, position.market) == key:
                waiting += [threshold(self.state, position), position.entry_ticks, *position.levels.values()]
        near = [level for level in waiting if 0 < level < 4 * mark and 4 * level > mark]
        if near and self.random.random() < self.mood.aim:
            return min(PRICE_BOUND - 1, max(1, self.random.choice(near) + self.random.choice((-1, 0, 0, 1))))
        span = self.random.choice(self.mood.spans_permille) if self.wants("jumps", 0.3) else self.random.choice((1, 5))
        moved = mark + mark * self.random.randint(-span, span) // 1_000 + self.random.randint(-1, 1)
        moved += mark * self.mood.lean_permille * self.sides[0] // 1_000
        return min(PRICE_BOUND - 1, max(1, moved))

    def _publishers(self, key: tuple[int, int]) -> list[int]:
        """Who may publish, and now and then somebody who may not."""
        known = [source.publisher for source in self.state.markets[key].oracle.sources]
        strangers = [9] if self.wants("malformed", 0.2) else []
        return (known + strangers) * 3

    def _ticks(self, key: tuple[int, int]) -> CommandBatch:
        price, rows = self._price(key), []
        for publisher in self.random.sample(self._publishers(key), self.random.choice((1, 2, 3, 3))):
            feed = self.state.feeds.get(key)
            last_ms = feed.sources.get(publisher, (0, 0))[1] if feed else 0
            published = max(self.time_ms - self.random.choice((0, 0, 1, 40, 900)), last_ms + 1)
            if self.random.random() < 0.1:
                published = self.time_ms + self.random.choice((-60_001, -60_000, -5_000, 500, 1_000, 1_001, 10**6))
            rows.append((key[1], publisher, max(1, price - self.random.choice((0, 0, 0, 1))), published))
        if self.wants("malformed", 0.1):
            rows.append(
                self.random.choice(
                    ((9, 1, 5, 5), (key[1], 9, 5, self.time_ms), (key[1], 1, 0, 5), (key[1], 1, 1 << 40, 5))
                )
            )
        market, publisher, price_ticks, published_ms = (list(column) for column in zip(*rows, strict=True))
        return self.batch(
            key[0], "ticks", market=market, publisher=publisher, price_ticks=price_ticks, published_ms=published_ms
        )

    def _trading(self, venue: int) -> list[CommandBatch]:
        batches = []
        if self.wants("opens"):
            batches.append(self._opens(venue))
        positions = [held for held in self.state.positions.values() if held.venue == venue]
        if positions and self.wants("closes", 0.8):
            batches.append(self._closes(venue, positions))
        if self.wants("cancels", 0.5):
            batches.append(self._cancels(venue, positions))
        return batches

    def _account(self, venue: int) -> int:
        if self.wants("malformed", 0.05):
            return self.random.choice((0, -1, self.state.next_account[venue], 1 << 62))
        return self.random.randrange(1, self.state.next_account[venue])

    def _near(self, venue: int, market: int) -> int:
        """A level at or around the mark."""
        feed = self.state.feeds.get((venue, market))
        mark = feed.mark_ticks if feed and feed.mark_ticks else 50_000
        span = max(1, mark // 50)
        return max(1, mark + self.random.choice((0, 0, 1, -1, self.random.randint(-span, span))))

    def _opens(self, venue: int) -> CommandBatch:
        rows = []
        markets = [market for name, market in sorted(self.state.markets) if name == venue]
        for _ in range(self.random.choice((1, 2, 5))):
            market = self.random.choice(markets)
            free = self._account_state(venue, account := self._account(venue)).free
            tenth = self.state.pools[venue].nav // 10 + 1
            mixed = (1, 2, 3, 1_000, 50_000, tenth, tenth, 10**6, 10**7, max(1, free), free + 1)
            rows.append(
                [
                    account,
                    market,
                    self.random.choice(self.sides),
                    self.random.choice((MARKET, MARKET, LIMIT)),
                    self.random.choice(self.mood.margins_atoms or mixed),
                    self.random.choice(self.mood.leverages),
                    self._near(venue, market),
                ]
            )
            if self.wants("malformed", 0.15):
                column, value = self.random.choice(
                    (
                        (1, 99),
                        (2, 0),
                        (3, 0),
                        (3, 3),
                        (4, 0),
                        (4, -5),
                        (4, 1 << 60),
                        (4, 10**7 + 1),
                        (5, 99),
                        (5, 5_001),
                    )
                )
                rows[-1][column] = value
        names = ("account", "market", "side", "kind", "margin_atoms", "leverage_hundredths", "limit_ticks")
        return self.batch(venue, "open_positions", **columns(names, rows))

    def _account_state(self, venue: int, account: int) -> Account:
        return self.state.accounts.get((venue, account)) or Account(venue, account)

    def _closes(self, venue: int, positions: list[Position]) -> CommandBatch:
        rows = []
        for _ in range(self.random.choice((1, 2, 4))):
            position = self.random.choice(positions)
            kind = self.random.choice((MARKET, LIMIT, STOP_LOSS, TAKE_PROFIT))
            rows.append([position.account, position.number, kind, self._near(venue, position.market)])
            if self.wants("malformed", 0.15):
                column, value = self.random.choice(((0, 1), (1, 0), (1, -7), (2, 0), (2, 5), (3, 0), (3, 1 << 40)))
                rows[-1][column] = value
        return self.batch(venue, "close_positions", **columns(("account", "position", "kind", "level_ticks"), rows))

    def _cancels(self, venue: int, positions: list[Position]) -> CommandBatch:
        rows = [[self._account(venue), 0, 0]] if self.random.random() < 0.2 else []
        resting = self.random.sample(sorted(self.state.orders), min(2, len(self.state.orders)))
        rows += [[self.state.orders[order].account, order, 0] for order in resting]
        kinds = (LIMIT, STOP_LOSS, TAKE_PROFIT)
        held = self.random.sample(positions, min(2, len(positions)))
        rows += [[position.account, position.number, self.random.choice(kinds)] for position in held]
        if not rows or self.wants("malformed", 0.3):
            rows.append([self._account(venue), self.random.choice((-3, 5, 1 << 40)), self.random.choice((0, 1, 2, 5))])
        return self.batch(venue, "cancel_orders", **columns(("account", "order", "kind"), rows))

    def _money(self, venue: int) -> list[CommandBatch]:
        batches, draw = [], self.random
        some = [self._account(venue) for _ in range(draw.choice((1, 3)))]
        amounts = [draw.choice((1, 999, 10**6, max(1, self._account_state(venue, number).free))) for number in some]
        if self.wants("malformed", 0.1):
            amounts[0] = draw.choice((0, -1, 1 << 60))
        if self.wants("deposits", 0.5):
            batches.append(self.batch(venue, "deposits", account=some, amount_atoms=amounts))
        if self.wants("withdrawals", 0.5):
            batches.append(self.batch(venue, "withdrawals", account=some, amount_atoms=amounts))
        pending = [(key[1], number) for key, kept in self.state.accounts.items() for number in kept.withdrawals]
        if pending and self.wants("withdrawals", 0.5):
            account, number = draw.choice(pending)
            again = [account, draw.choice((number, 12)), draw.choice((0, 1, 2))]
            rows = [[account, number, draw.choice((0, 1))], again]
            batches.append(
                self.batch(venue, "withdrawal_decisions", **columns(("account", "withdrawal", "confirm"), rows))
            )
        if self.wants("liquidity", 0.4):
            batches.append(self.batch(venue, "liquidity_deposits", account=some, amount_atoms=amounts))
        owners = sorted(self.state.pools[venue].shares.items())
        if owners and self.wants("liquidity", 0.5):
            account, shares = draw.choice(owners)
            asked = max(1, draw.choice((1, shares // 3, shares - 1, shares, shares + 1)))
            batches.append(self.batch(venue, "liquidity_withdrawals", account=[account], micro_shares=[asked]))
        return batches


def columns(names: tuple[str, ...], rows: list[list[int]]) -> dict[str, list[int]]:
    """Rows as the columns of a body."""
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def streams() -> st.SearchStrategy[tuple[int, dict[str, float]]]:
    """A seed and the appetites that hypothesis itself decides; it shrinks them to few."""
    appetites = st.fixed_dictionaries({}, optional={name: st.sampled_from((0.0, 1.0)) for name in APPETITES})
    return st.tuples(st.integers(0, 2**32 - 1), appetites)
