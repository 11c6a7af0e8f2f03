"""A Perennial stream of a venue made under the first version and raised by an operator in the middle."""

from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.parameters_pb2 import VenueParameters
from tests.engine.naive import NaiveEngine
from tests.properties.perennial_acts import PerennialActs
from tests.properties.perennial_streams import Acts, PerennialStream
from tests.properties.perennial_venues import PERENNIAL_MOODS

RAISED_AT_HEIGHT = 20
FROM, TO = 1, 2


class RaisedActs(PerennialActs):
    """The acts of any Perennial venue, and an operator who raises its logic."""

    def genesis(self) -> list[CommandBatch]:
        """The venue is made as programs before version 2 made it."""
        batches = super().genesis()
        batches[0].create_venue.parameters.ClearField("logic_version")
        return batches

    def batches(self, engine: NaiveEngine) -> list[CommandBatch]:
        """What a block brings; once also the new version, another time the old one again, which is refused."""
        batches = super().batches(engine)
        height = self.sender.height + 1
        if height in (RAISED_AT_HEIGHT, RAISED_AT_HEIGHT + 2):
            terms = VenueParameters()
            terms.CopyFrom(engine.state.venues[self.venue])
            terms.logic_version = TO if height == RAISED_AT_HEIGHT else FROM
            batches.append(self._send("set_parameters", venue=terms))
        return batches


class RaisedStream(PerennialStream):
    """One venue of the seed's mood."""

    def drawn_acts(self) -> list[Acts]:
        mood = PERENNIAL_MOODS[self.seed % len(PERENNIAL_MOODS)]
        self.mood_steps_ms = mood.steps_ms
        return [RaisedActs(self.random, self, mood, {**self.appetite, "parameters": 0.0})]
