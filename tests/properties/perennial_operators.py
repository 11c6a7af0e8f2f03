"""What operators send to a Perennial venue: accounts, halts, freezes, switches, parameters good and bad."""

import random

from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.common_pb2 import RULEBOOK_SPIN
from breakwater.v1.parameters_pb2 import MarketParameters, SpinParameters, VenueParameters
from tests.engine.perennial.state import VersionSight
from tests.properties.margin_operators import Sender
from tests.properties.perennial_venues import COINS, NEWEST, USDC, PerennialMood, perennial_rules


def perennial_operation(draw: random.Random, sender: Sender, sight: VersionSight) -> CommandBatch:
    """One word of an operator, the custodian's clerk or the validator."""
    venue = sight.venue
    account, market = draw.choice(sight.accounts()), draw.choice(sorted(sight.parameters))
    match draw.randrange(8):
        case 0:
            return sender.batch(venue, "open_accounts", count=draw.choice((1, 2)))
        case 1 | 2:
            number, halted = draw.choice((market, market, 77)), draw.random() < 0.4
            return sender.batch(venue, "halt_market", market=number, halted=halted, reason="a test")
        case 3:
            holders = [holder for (holder, _), row in sorted(sight.own.rows.items()) if row.lots]
            chosen = draw.choice((account, *holders))
            return sender.batch(venue, "freeze_accounts", account=[chosen, 1], frozen=[draw.choice((0, 1, 1, 2)), 0])
        case 4:
            # Nothing rests here: the switch is another rulebook's.
            return sender.batch(venue, "cancel_all_after", account=[account], after_ms=[500])
        case 5:
            reached = max(0, sender.height - draw.choice((-1, 0, 1, 1, 3)))
            return sender.batch(venue, "validator_progress", validated_height=reached)
        case 6:
            return sender.batch(venue, "create_venue", parameters=_spoilt_venue(draw, sight.terms))
        case _:
            return sender.batch(venue, "create_market", parameters=_spoilt_market(draw, sight.parameters[market]))


def _spoilt_venue(draw: random.Random, now: VenueParameters) -> VenueParameters:
    """A venue that may not be, or one more that stays empty."""
    parameters = VenueParameters()
    parameters.CopyFrom(now)
    parameters.venue = draw.choice((now.venue, 40, 40, 41))
    parameters.name = f"other-{parameters.venue}"
    match draw.randrange(7):
        case 0:
            parameters.asset_decimals = 9
        case 1:
            parameters.perennial.max_cut_ppm = 10**6 + 1
        case 2:
            parameters.perennial.protocol_fee_ppm = parameters.perennial.max_cut_ppm + 1
        case 3:
            parameters.ClearField("perennial")
        case 4:
            parameters.ClearField("perennial")
            parameters.spin.CopyFrom(SpinParameters(max_orders_per_account=5))
        case 5:
            parameters.rulebook = RULEBOOK_SPIN
    return parameters


def _spoilt_market(draw: random.Random, now: MarketParameters) -> MarketParameters:
    """A market that may not be, or a late one."""
    parameters = MarketParameters()
    parameters.CopyFrom(now)
    parameters.market = draw.choice((now.market, 9, 9, 1 << 16))
    parameters.symbol = f"late-{parameters.market}"
    rules = parameters.perennial
    match draw.randrange(10):
        case 0:
            parameters.ClearField("perennial")
        case 1:
            parameters.margin_trade.lot_size_e9 = 1
        case 2:
            rules.min_liquidation_fee_atoms, rules.max_liquidation_fee_atoms = 2, 1
            rules.min_maintenance_atoms = 3
        case 3:
            rules.maintenance_ppm = 1
        case 4:
            rules.controller_k_e6 = 0
        case 5:
            parameters.oracle.funding_interval_ms = 3_600_000
        case 6:
            parameters.tick_size_e9 = 10**6
        case 7:
            rules.oracle_fee_ppm, rules.risk_fee_ppm = 600_000, 600_000
    return parameters


def perennial_parameter_change(
    draw: random.Random, sender: Sender, mood: PerennialMood, sight: VersionSight
) -> CommandBatch:
    """Other parameters of the venue or of a market; at times out of bounds or of another version."""
    if draw.random() < 0.3:
        terms = VenueParameters()
        terms.CopyFrom(sight.terms)
        terms.perennial.protocol_fee_ppm = draw.choice((0, 100_000, 600_000))
        terms.perennial.notice_ms = draw.choice((0, 1_000))
        terms.logic_version = draw.choice((0, 0, 0, 1, terms.logic_version, NEWEST))
        terms.rulebook = draw.choice((terms.rulebook,) * 4 + (RULEBOOK_SPIN,))
        version = draw.choice((0, sight.terms.version, sight.terms.version + 1))
        return sender.batch(sight.venue, "set_parameters", venue=terms, expected_version=version)
    number = draw.choice(sorted(sight.parameters))
    market = MarketParameters()
    market.CopyFrom(sight.parameters[number])
    version_ms = market.perennial.version_ms
    market.perennial.CopyFrom(perennial_rules(draw, mood, COINS[(number - 1) % len(COINS)]))
    market.perennial.version_ms = version_ms
    market.perennial.closed = draw.random() < 0.2
    match draw.randrange(8):
        case 0:
            market.perennial.version_ms += 1
        case 1:
            market.perennial.min_maintenance_atoms = 2_000 * USDC
        case 2:
            market.market = 77
        case 3:
            market.oracle.mark_rule = 2
    return sender.batch(sight.venue, "set_parameters", market=market)
