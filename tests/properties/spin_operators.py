"""What operators send to a Spin venue: accounts, subaccounts, halts, freezes, switches, parameters good and bad."""

import random

from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.common_pb2 import RULEBOOK_PERENNIAL
from breakwater.v1.parameters_pb2 import MarketParameters, VenueParameters
from tests.engine.spin.state import SpinSight
from tests.properties.margin_moods import MarginMood
from tests.properties.margin_operators import Sender
from tests.properties.moods import HOUR_MS
from tests.properties.spin_venues import spin_rules


def spin_operation(draw: random.Random, sender: Sender, sight: SpinSight) -> CommandBatch:
    """One word of an operator, the custodian's clerk or the validator."""
    venue = sight.venue
    account, market = draw.choice(sight.accounts()), draw.choice(sorted(sight.markets))
    match draw.randrange(9):
        case 0:
            return sender.batch(venue, "open_accounts", count=draw.choice((1, 2)))
        case 1:
            return sender.batch(venue, "open_subaccounts", owner=[account, draw.choice((account, 0, 999))])
        case 2 | 3:
            number, halted = draw.choice((market, market, 77)), draw.random() < 0.4
            return sender.batch(venue, "halt_market", market=number, halted=halted, reason="a test")
        case 4:
            flags = [draw.choice((0, 0, 1, 2)), 0]
            return sender.batch(venue, "freeze_accounts", account=[account, 1], frozen=flags)
        case 5:
            after = [draw.choice((0, 1, 500, 5_000, -1, 24 * HOUR_MS, 24 * HOUR_MS + 1))]
            return sender.batch(venue, "cancel_all_after", account=[account], after_ms=after)
        case 6:
            reached = max(0, sender.height - draw.choice((-1, 0, 1, 1, 3)))
            return sender.batch(venue, "validator_progress", validated_height=reached)
        case 7:
            return sender.batch(venue, "create_venue", parameters=_spoilt_venue(draw, sight.terms))
        case _:
            return sender.batch(venue, "create_market", parameters=_spoilt_market(draw, sight.markets[market]))


def _spoilt_venue(draw: random.Random, now: VenueParameters) -> VenueParameters:
    """A venue that may not be, or one more that stays empty."""
    parameters = VenueParameters()
    parameters.CopyFrom(now)
    parameters.venue = draw.choice((now.venue, 50, 50, 51))
    parameters.name = f"other-{parameters.venue}"
    match draw.randrange(6):
        case 0:
            parameters.asset_decimals = 10
        case 1:
            parameters.spin.liquidator_reward_e9 = 10**9
        case 2:
            parameters.ClearField("spin")
        case 3:
            parameters.rulebook = RULEBOOK_PERENNIAL
    return parameters


def _spoilt_market(draw: random.Random, now: MarketParameters) -> MarketParameters:
    """A market that may not be, or a late one."""
    parameters = MarketParameters()
    parameters.CopyFrom(now)
    parameters.market = draw.choice((now.market, 9, 9, 1 << 16))
    parameters.symbol = f"late-{parameters.market}"
    rules = parameters.spin
    match draw.randrange(11):
        case 0:
            parameters.ClearField("spin")
        case 1:
            rules.quote_atoms_per_tick_lot += 1
        case 2:
            rules.max_order_lots = rules.open_interest_cap_lots + 1
        case 3:
            rules.maker_fee_e9 = -rules.taker_fee_e9 - 1
        case 4:
            rules.step_lots = draw.choice((0, rules.max_position_lots + 1))
        case 5:
            parameters.oracle.min_fresh_sources = 30
        case 6:
            rules.max_position_lots = rules.open_interest_cap_lots + 1
        case 7:
            parameters.margin_trade.lot_size_e9 = 1
        case 8:
            rules.collateral_ratio_e9 = 1
    return parameters


def spin_parameter_change(draw: random.Random, sender: Sender, mood: MarginMood, sight: SpinSight) -> CommandBatch:
    """Other parameters of the venue or of a market; at times out of bounds or of another version."""
    if draw.random() < 0.3:
        terms = VenueParameters()
        terms.CopyFrom(sight.terms)
        terms.spin.liquidator_reward_e9 = draw.choice((0, 15_000_000, 20_000_000))
        terms.spin.notice_ms = draw.choice((0, 1_000))
        terms.spin.max_orders_per_account = draw.choice((0, 10, 50))
        version = draw.choice((0, sight.terms.version, sight.terms.version + 1))
        return sender.batch(sight.venue, "set_parameters", venue=terms, expected_version=version)
    number = draw.choice(sorted(sight.markets))
    market = MarketParameters()
    market.CopyFrom(sight.markets[number])
    market.spin.CopyFrom(spin_rules(draw, mood, number))
    market.oracle.funding_interval_ms = draw.choice((60_000, HOUR_MS))
    match draw.randrange(8):
        case 0:
            market.spin.step_lots += 1
        case 1:
            market.spin.lot_size_e9 *= 2
            market.spin.quote_atoms_per_tick_lot *= 2
        case 2:
            market.market = 77
    return sender.batch(sight.venue, "set_parameters", market=market)
