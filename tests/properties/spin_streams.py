"""Seeded streams of a Spin venue, alone or beside venues of the other three rulebooks, played on the naive engine."""

from collections.abc import Iterator

from tests.properties.margin_moods import MARGIN_MOODS
from tests.properties.margin_streams import MixedStream, sight_of
from tests.properties.margin_venues import MARGIN_VENUE
from tests.properties.perennial_acts import PerennialActs
from tests.properties.perennial_streams import Acts, VenueStream
from tests.properties.perennial_venues import PERENNIAL_MOODS
from tests.properties.spin_acts import SpinActs
from tests.properties.spin_venues import SPIN_CRASH, SPIN_MOODS, SPIN_VENUE
from tests.properties.streams import Play
from tests.properties.venues import genesis

# Streams of this mood have a second Spin venue, which crashes.
TWINS = 2


class SpinStream(VenueStream):
    """One Spin venue, at times two."""

    def drawn_acts(self) -> list[Acts]:
        mood = SPIN_MOODS[self.seed % len(SPIN_MOODS)]
        self.mood_steps_ms = mood.steps_ms
        acts: list[Acts] = [SpinActs(self.random, self, mood, self.appetite)]
        if self.seed % len(SPIN_MOODS) == TWINS:
            acts.append(SpinActs(self.random, self, SPIN_CRASH, self.appetite, SPIN_VENUE + 1))
        return acts


class FourStream(MixedStream):
    """The venues of a mixed stream, a Spin and a Perennial venue, in the same blocks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        spin, perennial = SPIN_MOODS[self.seed % len(SPIN_MOODS)], PERENNIAL_MOODS[self.seed % len(PERENNIAL_MOODS)]
        self.newer: list[Acts] = [
            SpinActs(self.random, self, spin, self.appetite),
            PerennialActs(self.random, self, perennial, self.appetite),
        ]
        assert self.acts.mood in MARGIN_MOODS

    def play(self, blocks: int) -> Iterator[Play]:
        """As `MixedStream`, with two venues more."""
        opening = genesis(self.random, self, self.mood) + self.acts.genesis()
        yield self._seal(opening + [batch for acts in self.newer for batch in acts.genesis()])
        money = self.acts.first_money(sight_of(self.engine)) + self._first_money()
        money += [self._ticks(key) for key in self._twilight_markets() if key[0] != MARGIN_VENUE]
        yield self._seal(money + [batch for acts in self.newer for batch in acts.first_money(self.engine)])
        for _ in range(blocks - 2):
            self._advance()
            batches = self._batches() + self.acts.batches(sight_of(self.engine))
            batches += [batch for acts in self.newer for batch in acts.batches(self.engine)]
            self.random.shuffle(batches)
            yield self._seal(batches)
