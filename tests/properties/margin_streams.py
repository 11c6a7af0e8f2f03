"""Seeded streams of a Margin Trade venue, alone or beside Twilight venues, played on the naive engine."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from breakwater.v1.commands_pb2 import BlockInput, CommandBatch
from tests.engine.margin.state import MarginVenue, Sight
from tests.engine.margin.views import cross_account_view
from tests.engine.naive import NaiveEngine
from tests.properties.malformed import spoil
from tests.properties.margin_acts import MarginActs
from tests.properties.margin_moods import CRASH, MARGIN_MOODS
from tests.properties.margin_sight import MarginSight
from tests.properties.margin_venues import MARGIN_VENUE
from tests.properties.moods import HOUR_MS
from tests.properties.streams import Play, Stream
from tests.properties.venues import START_MS, genesis

# Streams of this mood have a second Margin Trade venue, which crashes.
TWINS = 6


def sight_of(engine: NaiveEngine, venue: int = MARGIN_VENUE) -> MarginSight:
    """What the naive engine knows of a venue."""
    seen = Sight(engine.state, engine.block, venue)
    own: MarginVenue = engine.state.margin[venue]
    accounts = {number: cross_account_view(seen, number) for number in seen.accounts()}
    marks = {market: mark for (owner, market), mark in engine.block.marks.items() if owner == venue}
    shares = {account: own.backstop.of(account) for account in sorted(own.backstop.shares) if own.backstop.of(account)}
    return MarginSight(seen.terms, seen.markets, marks, accounts, shares)


@dataclass
class MarginStream:
    """A stream in the making."""

    seed: int
    appetite: dict[str, float] = field(default_factory=dict)
    engine: NaiveEngine = field(default_factory=NaiveEngine)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.time_ms = START_MS
        self.height = 0
        self.keys = 0
        self.sent: list[CommandBatch] = []
        self.mood = MARGIN_MOODS[self.seed % len(MARGIN_MOODS)]
        self.acts = MarginActs(self.random, self, self.mood, self.appetite)
        self.all_acts = [self.acts]
        if self.seed % len(MARGIN_MOODS) == TWINS:
            self.all_acts.append(MarginActs(self.random, self, CRASH, self.appetite, MARGIN_VENUE + 1))

    def play(self, blocks: int) -> Iterator[Play]:
        """The first blocks set the venues up, the others are drawn."""
        yield self._seal([batch for acts in self.all_acts for batch in acts.genesis()])
        sights = [(acts, sight_of(self.engine, acts.venue)) for acts in self.all_acts]
        yield self._seal([batch for acts, sight in sights for batch in acts.first_money(sight)])
        for _ in range(blocks - 2):
            step = self.random.choice(self.mood.steps_ms)
            if self._wants("gaps", 0.1):
                to_the_hour = HOUR_MS - self.time_ms % HOUR_MS
                step = self.random.choice((10_000, 30_000, to_the_hour, to_the_hour - 1, HOUR_MS, 3 * HOUR_MS + 17))
            self.time_ms += step
            sights = [(acts, sight_of(self.engine, acts.venue)) for acts in self.all_acts]
            batches = [batch for acts, sight in sights for batch in acts.batches(sight)]
            if self._wants("malformed", 0.2):
                batches.append(spoil(self.random, self, self.random.choice(self.sent[-30:]), batches))
            self.random.shuffle(batches)
            yield self._seal(batches)

    def batch(self, venue: int, body: str, /, **columns: object) -> CommandBatch:
        """A batch under a new key; `columns` are the fields of its body."""
        self.keys += 1
        batch = CommandBatch(
            request_key=b"%d/%d" % (self.seed, self.keys),
            expires_ms=self.time_ms + self.random.choice((0, 1_000, 600_000, 24 * HOUR_MS)),
            venue=venue,
            principal=self.random.choice((1, 1, 2)),
        )
        target = getattr(batch, body)
        target.SetInParent()
        for name, value in columns.items():
            if isinstance(value, list):
                getattr(target, name).extend(value)
            elif hasattr(value, "CopyFrom"):
                getattr(target, name).CopyFrom(value)
            else:
                setattr(target, name, value)
        return batch

    def _wants(self, appetite: str, chance: float) -> bool:
        return self.random.random() < self.acts.appetite[appetite] * chance

    def _seal(self, batches: list[CommandBatch]) -> Play:
        self.height += 1
        root = self.random.random() < 0.2
        block = BlockInput(height=self.height, block_time_ms=self.time_ms, batches=batches, root=root)
        self.sent.extend(batches)
        voided = (self.random.randrange(12),) if self.height > 2 and self._wants("operators", 0.1) else ()
        return Play(block, voided, self.engine.apply(block, voided))


class MixedStream(Stream):
    """The two Twilight venues of a stream and a Margin Trade venue in the same blocks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        mood = MARGIN_MOODS[self.seed % len(MARGIN_MOODS)]
        self.acts = MarginActs(self.random, self, mood, self.appetite)

    def play(self, blocks: int) -> Iterator[Play]:
        """As `Stream`, with one venue more."""
        yield self._seal(genesis(self.random, self, self.mood) + self.acts.genesis())
        markets = [key for key in sorted(self.state.markets) if key[0] != MARGIN_VENUE]
        money = self.acts.first_money(sight_of(self.engine))
        yield self._seal([self._ticks(key) for key in markets] + self._first_money() + money)
        for _ in range(blocks - 2):
            self._advance()
            batches = self._batches() + self.acts.batches(sight_of(self.engine))
            self.random.shuffle(batches)
            yield self._seal(batches)
