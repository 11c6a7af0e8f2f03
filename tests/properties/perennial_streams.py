"""Seeded streams of a Perennial venue, played on the naive engine; and streams of any venues in the same blocks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

from breakwater.v1.commands_pb2 import CommandBatch
from tests.engine.naive import NaiveEngine
from tests.properties.malformed import spoil
from tests.properties.margin_streams import MarginStream
from tests.properties.moods import HOUR_MS
from tests.properties.perennial_acts import PerennialActs
from tests.properties.perennial_venues import CRASH, PERENNIAL_MOODS, PERENNIAL_VENUE
from tests.properties.streams import Play

# Streams of this mood have a second Perennial venue, which crashes.
TWINS = 3


class Acts(Protocol):
    """Who sends to one venue."""

    appetite: dict[str, float]

    def genesis(self) -> list[CommandBatch]: ...

    def first_money(self, engine: NaiveEngine) -> list[CommandBatch]: ...

    def batches(self, engine: NaiveEngine) -> list[CommandBatch]: ...


class VenueStream(MarginStream, ABC):
    """A stream of the venues whose acts `drawn_acts` makes; the first one's appetites are the stream's."""

    mood_steps_ms: tuple[int, ...] = ()

    @abstractmethod
    def drawn_acts(self) -> list[Acts]:
        """Who sends; made once, from the stream's randomness."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.every_acts = self.drawn_acts()

    def play(self, blocks: int) -> Iterator[Play]:
        """The first blocks set the venues up, the others are drawn."""
        yield self._seal([batch for acts in self.every_acts for batch in acts.genesis()])
        yield self._seal([batch for acts in self.every_acts for batch in acts.first_money(self.engine)])
        for _ in range(blocks - 2):
            step = self.random.choice(self.mood_steps_ms)
            if self._wants("gaps", 0.1):
                to_the_hour = HOUR_MS - self.time_ms % HOUR_MS
                step = self.random.choice((10_000, 30_000, to_the_hour, to_the_hour - 1, HOUR_MS))
            self.time_ms += step
            batches = [batch for acts in self.every_acts for batch in acts.batches(self.engine)]
            if self._wants("malformed", 0.2):
                batches.append(spoil(self.random, self, self.random.choice(self.sent[-30:]), batches))
            self.random.shuffle(batches)
            yield self._seal(batches)

    def _wants(self, appetite: str, chance: float) -> bool:
        return self.random.random() < self.every_acts[0].appetite[appetite] * chance


class PerennialStream(VenueStream):
    """One Perennial venue, at times two."""

    def drawn_acts(self) -> list[Acts]:
        mood = PERENNIAL_MOODS[self.seed % len(PERENNIAL_MOODS)]
        self.mood_steps_ms = mood.steps_ms
        acts: list[Acts] = [PerennialActs(self.random, self, mood, self.appetite)]
        if self.seed % len(PERENNIAL_MOODS) == TWINS:
            acts.append(PerennialActs(self.random, self, CRASH, self.appetite, PERENNIAL_VENUE + 1))
        return acts
