"""What operators send into a stream: accounts, halts, freezes, switches, progress, parameters good and bad."""

import random
from typing import Protocol

from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.common_pb2 import RULEBOOK_SPIN
from breakwater.v1.parameters_pb2 import MarketParameters, OracleSource, VenueParameters
from tests.engine.state import State
from tests.properties.moods import HOUR_MS
from tests.properties.venues import market_parameters, venue_parameters


class Sender(Protocol):
    """Who sends: its height and its way to make a batch."""

    height: int

    def batch(self, venue: int, body: str, /, **columns: object) -> CommandBatch: ...


def operation(draw: random.Random, sender: Sender, state: State, venue: int) -> CommandBatch:
    """One word of an operator, the custodian's clerk or the validator."""
    account = draw.randrange(1, state.next_account[venue])
    market = draw.choice([number for owner, number in sorted(state.markets) if owner == venue])
    match draw.randrange(8):
        case 0:
            return sender.batch(venue, "open_accounts", count=draw.choice((1, 2)))
        case 1:
            number, reason = draw.choice((market, market, 77)), draw.choice(("a test", "a test", "r" * 257))
            return sender.batch(venue, "halt_market", market=number, halted=draw.random() < 0.4, reason=reason)
        case 2:
            flags = [draw.choice((0, 0, 1, 2)), 0]
            return sender.batch(venue, "freeze_accounts", account=[account, 1], frozen=flags)
        case 3:
            after = [draw.choice((0, 1, 500, 5_000, -1, 24 * HOUR_MS, 24 * HOUR_MS + 1))]
            return sender.batch(venue, "cancel_all_after", account=[account], after_ms=after)
        case 4:
            reached = max(0, sender.height - draw.choice((-1, 0, 1, 1, 3)))
            return sender.batch(venue, "validator_progress", validated_height=reached)
        case 5:
            return sender.batch(venue, "void_command", height=max(1, sender.height - 1), index=draw.randrange(4))
        case 6:
            return sender.batch(venue, "create_venue", parameters=_spoilt_venue(draw))
        case _:
            return sender.batch(venue, "create_market", parameters=_spoilt_market(draw, venue))


def _spoilt_venue(draw: random.Random) -> VenueParameters:
    """A venue that may not be, or an empty one."""
    parameters = venue_parameters(draw.choice((1, 2, 3, 4, 1_024)), True)
    parameters.name = draw.choice(("twilight-1", "", "n" * 33, "another"))
    if parameters.venue == 3:
        parameters.rulebook = RULEBOOK_SPIN
    return parameters


def _spoilt_market(draw: random.Random, venue: int) -> MarketParameters:
    """A market that may not be, or a late one."""
    parameters = market_parameters(venue, draw.choice((1, 0, 9, 9)))
    match draw.randrange(7) if parameters.market == 9 else 9:
        case 0:
            parameters.symbol = draw.choice(("", "BTC-PERP-1", "s" * 33))
        case 1:
            parameters.tick_size_e9 = 0
        case 2:
            del parameters.oracle.sources[:]
        case 3:
            parameters.oracle.sources[0].weight = draw.choice((0, 10**6 + 1))
        case 4:
            parameters.oracle.tick_interval_ms = draw.choice((0, 60_001))
        case 9:
            parameters.symbol = "BTC-PERP-1"
    return parameters


def parameter_change(draw: random.Random, sender: Sender, state: State, venue: int) -> CommandBatch:
    """Other parameters of the venue or of one of its markets; at times out of bounds or of another version."""
    if draw.random() < 0.05:
        return sender.batch(venue, "set_parameters", expected_version=0)
    if draw.random() < 0.6:
        now = state.venues[venue]
        version = draw.choice((0, now.version, now.version + 1))
        return sender.batch(venue, "set_parameters", **{"venue": _venue_change(draw, now), "expected_version": version})
    market = draw.choice([known for (owner, _), known in sorted(state.markets.items()) if owner == venue])
    return sender.batch(venue, "set_parameters", market=_market_change(draw, market))


def _venue_change(draw: random.Random, now: VenueParameters) -> VenueParameters:
    changed = VenueParameters()
    changed.CopyFrom(now)
    rules = changed.twilight
    rules.maintenance_ratio_e9 = draw.choice((2_000_000, 4_000_000, 6_000_000, 10_000_000))
    rules.taker_fee_e9 = draw.choice((400_000, 600_000))
    rules.maker_fee_e9 = draw.choice((200_000, 100_000))
    rules.margin_cap_atoms = draw.choice((10**7, 10**6))
    rules.price_shares_marked = draw.random() < 0.5
    rules.limits_on = draw.random() < 0.5
    rules.notice_ms = draw.choice((0, 1_000, 4_000))
    match draw.randrange(10):
        case 0:
            rules.psi = 0
        case 1:
            rules.max_leverage_hundredths = 10_001
        case 2:
            rules.min_leverage_hundredths = 5_001
        case 3:
            rules.margin_cap_atoms = 1 << 36
    return changed


def _market_change(draw: random.Random, now: MarketParameters) -> MarketParameters:
    changed = MarketParameters()
    changed.CopyFrom(now)
    oracle = changed.oracle
    oracle.tick_interval_ms = draw.choice((1, 500, 1_000))
    oracle.halt_age_ms = draw.choice((0, 15_000, 30_000))
    oracle.breaker_move_ppm = draw.choice((0, 0, 20_000, 100_000))
    oracle.funding_interval_ms = draw.choice((60_000, 7 * 60_000, HOUR_MS // 2, HOUR_MS))
    if draw.random() < 0.2:
        del oracle.sources[:]
        oracle.sources.extend(OracleSource(publisher=number, weight=number) for number in draw.sample((1, 2, 3, 4), 2))
    if draw.random() < 0.1:
        changed.market = 77
    return changed
