"""One venue of a replay while it runs: its plan, its people and bots, who says its prices, and what counts it all."""

from collections.abc import Callable, Iterator, Sequence

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import events_pb2 as evt
from node.bots.intents import Feed
from node.load.asks import Ask
from node.load.plan import Plan


class VenueRun:
    """What the driver asks of a venue, block by block."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.venue = plan.venue.venue
        self.people = plan.people()
        self.tally = plan.tally()
        self.bots = plan.bots(self.people)
        self._publishers = plan.publishers()

    @property
    def is_bot_run(self) -> bool:
        """Whether its liquidations are left to bots, which are told of every block."""
        return self.bots is not None

    @property
    def accounts(self) -> list[int]:
        """Of people and bots, once they are open."""
        return [*self.people.accounts, *(self.bots.accounts if self.bots else [])]

    def setup(self) -> Iterator[Callable[[], list[Ask]]]:
        """The asks of the blocks before the first price, each made when the one before is answered."""
        people, bots = self.people, self.bots
        yield self._found
        yield lambda: [*people.open_accounts(), *(bots.open_accounts() if bots else [])]
        yield lambda: [*people.deposit(), *(bots.deposit(people.custody) if bots else [])]
        yield people.fill_pool

    def ticks(self, time_ms: int, step: int) -> Ask:
        """What the publishers say at a step of the paths."""
        return self._publishers.say(time_ms, self.plan.prices(step))

    def act(self, number: int, feed: Feed | None) -> list[Ask]:
        """What people ask for at price step `number` (from 1), and what bots answer to the block before."""
        asks = self.people.act(number, self.plan.prices(number - 1))
        return [*asks, *(self.bots.act(feed) if self.bots is not None and feed is not None else [])]

    def told(self, feed: Feed) -> None:
        """What a block left of the venue's accounts: bots look, and the tally sees whom they may liquidate."""
        assert self.bots is not None, "only bots are told"
        self.bots.take(feed)
        self.tally.saw(self.bots.watch, feed.block_time_ms)

    def happened(self, events: Sequence[evt.Event]) -> None:
        """Tally and people learn from the venue's events of a block."""
        self.tally.happened(events)
        self.people.happened(events)

    def _found(self) -> list[Ask]:
        markets = [Ask("create_market", cmd.CreateMarket(parameters=market)) for market in self.plan.markets]
        return [Ask("create_venue", cmd.CreateVenue(parameters=self.plan.venue)), *markets]
