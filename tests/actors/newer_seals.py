"""A registry by hand that also has Spin as venue 3 and Perennial as venue 4, by their presets."""

from typing import Any

from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import parameters_pb2 as parameters
from node.presets import perennial_listing, spin_listing
from tests.actors.seals import Seals

SPIN, PERENNIAL = 3, 4


class NewerSeals(Seals):
    """Venue 1 is Twilight; venue 3 lists BTC and NEAR, venue 4 BTC and ETH; each has five accounts."""

    def __init__(self, notice_ms: int = 60_000) -> None:
        super().__init__()
        for terms, markets in (spin_listing(), perennial_listing()):
            rules = terms.spin if terms.HasField("spin") else terms.perennial
            rules.notice_ms = notice_ms
            listings = [self.batch("create_market", terms.venue, parameters=market) for market in markets]
            self.seal(
                self.batch("create_venue", parameters=terms),
                *listings,
                self.batch("open_accounts", terms.venue, count=5),
            )

    def row(self, body: str, venue: int, **columns: int) -> commands.CommandBatch:
        """One command of account 1 in market 1, the other columns 0 where they are not given."""
        made = self.batch(body, venue)
        target: Any = getattr(made, body)
        for field in target.DESCRIPTOR.fields:
            standard = 1 if field.name in ("account", "market", "owner") else 0
            getattr(target, field.name).append(columns.get(field.name, standard))
        return made

    def market_of(self, venue: int, number: int = 1) -> parameters.MarketParameters:
        """A copy of a market's parameters as they are in force."""
        made = parameters.MarketParameters()
        made.CopyFrom(self.registry.directory.venues[venue].markets[number])
        return made

    def alter(self, wanted: parameters.MarketParameters) -> commands.CommandBatch:
        """These parameters for the market they name."""
        made = self.batch("set_parameters", wanted.venue)
        made.set_parameters.market.CopyFrom(wanted)
        return made
