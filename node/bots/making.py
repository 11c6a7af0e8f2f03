"""Which mind a venue's rulebook asks for, and the watch that minds of one venue may share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from breakwater.v1 import common_pb2, parameters_pb2
from node.bots.intents import Mind
from node.bots.keeper_mind import KeeperMind, KeeperSettings
from node.bots.keeper_watch import KeeperWatch
from node.bots.spin_mind import SpinMind, SpinSettings
from node.bots.spin_watch import SpinWatch

BOT_RUN: Final = (common_pb2.RULEBOOK_PERENNIAL, common_pb2.RULEBOOK_SPIN)

Watch = SpinWatch | KeeperWatch


@dataclass(frozen=True, slots=True)
class BotSettings:
    """What a bot does on whichever venue it is put."""

    spin: SpinSettings = field(default_factory=SpinSettings)
    keeper: KeeperSettings = field(default_factory=KeeperSettings)


def watch_of(venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]) -> Watch:
    """A watch that knows nobody yet. Raises ValueError where the venue liquidates by itself."""
    if venue.rulebook == common_pb2.RULEBOOK_SPIN:
        return SpinWatch(venue, markets)
    if venue.rulebook == common_pb2.RULEBOOK_PERENNIAL:
        return KeeperWatch(venue, markets)
    rulebook = common_pb2.Rulebook.Name(venue.rulebook).removeprefix("RULEBOOK_").lower()
    raise ValueError(f"venue {venue.venue} is {rulebook}: only Spin and Perennial leave liquidations to bots")


def mind_of(account: int, watch: Watch, settings: BotSettings) -> Mind:
    """A mind for an account of the watch's venue."""
    if isinstance(watch, SpinWatch):
        return SpinMind(account, watch, settings.spin)
    return KeeperMind(account, watch, settings.keeper)
