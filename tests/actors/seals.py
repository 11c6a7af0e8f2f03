"""A registry by hand: frames of batches in, replies and refusals out."""

from collections.abc import Iterable
from typing import Any

from actors.columns import field_names
from actors.registry import Registry
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import parameters_pb2 as parameters
from node.margin_presets import margin_trade_market, margin_trade_venue
from tests.actors.calling import Caller
from tests.building import Maker, market, refused, venue


class Seals(Maker):
    """A registry with venue 1, market 1 and five accounts."""

    def __init__(self, **rules: int) -> None:
        super().__init__()
        self.registry = Registry()
        self.calls = Caller(self.registry, batches.RegistryReply)
        self.seal(
            self.batch("create_venue", parameters=venue(**rules)),
            self.batch("create_market", parameters=market()),
            self.batch("open_accounts", count=5),
        )

    def seal(self, *frame: commands.CommandBatch, step_ms: int = 1_000, voided: Iterable[int] = ()) -> Any:
        """One frame at `now_ms`, then the clock moves on."""
        block = commands.BlockInput(height=self.calls.height + 1, block_time_ms=self.now_ms, batches=frame)
        reply = self.calls.block(self.now_ms, input=block, voided=list(voided))
        self.now_ms += step_ms
        return reply

    def refusal(self, batch: commands.CommandBatch) -> tuple[str, int, int]:
        """Why the only command of the batch is refused; ("", 0, 0) when it is not."""
        found = refused(self.seal(batch).outcomes)
        return found[0][1:] if found else ("", 0, 0)


def alter(seals: Seals, expected_version: int = 0, **rules: int) -> commands.CommandBatch:
    """New parameters of venue 1."""
    made = seals.batch("set_parameters", expected_version=expected_version)
    made.set_parameters.venue.CopyFrom(venue(**rules))
    return made


class BookSeals(Seals):
    """A registry that also has Margin Trade as venue 2: market 1 is BTC, five accounts."""

    def __init__(self, **rules: int) -> None:
        super().__init__()
        terms = margin_trade_venue()
        for name, value in rules.items():
            setattr(terms.margin_trade, name, value)
        self.seal(
            self.batch("create_venue", parameters=terms),
            self.batch("create_market", 2, parameters=margin_trade_market(1, "BTC")),
            self.batch("open_accounts", 2, count=5),
        )

    def order(self, **altered: int) -> commands.CommandBatch:
        """A limit buy of account 1, 1,000 lots at 500,000 ticks, with these columns altered."""
        row = dict.fromkeys(field_names(commands.PlaceOrders), 0) | {
            "account": 1,
            "market": 1,
            "side": 1,
            "kind": 2,
            "size_lots": 1_000,
            "limit_ticks": 500_000,
        }
        assert altered.keys() <= row.keys()
        return self.batch("place_orders", 2, **{name: [value] for name, value in (row | altered).items()})


def alter_market(seals: Seals, market: parameters.MarketParameters, expected_version: int = 0) -> commands.CommandBatch:
    """These parameters for a market of venue 2."""
    made = seals.batch("set_parameters", 2, expected_version=expected_version)
    made.set_parameters.market.CopyFrom(market)
    return made
