"""What operators send to a Margin Trade venue: accounts, halts, freezes, switches, parameters good and bad."""

import random
from typing import Protocol

from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.parameters_pb2 import MarginTier, MarketParameters, VenueParameters
from tests.properties.margin_sight import MarginSight
from tests.properties.margin_venues import MAX_ORDER_LOTS
from tests.properties.moods import HOUR_MS


class Sender(Protocol):
    """Who sends: its height and its way to make a batch."""

    height: int

    def batch(self, venue: int, body: str, /, **columns: object) -> CommandBatch: ...


def margin_operation(draw: random.Random, sender: Sender, sight: MarginSight) -> CommandBatch:
    """One word of an operator, the custodian's clerk or the validator."""
    venue = sight.terms.venue
    account, market = draw.choice(sight.traders), draw.choice(sorted(sight.markets))
    match draw.randrange(8):
        case 0:
            return sender.batch(venue, "open_accounts", count=draw.choice((1, 2)))
        case 1 | 2:
            number, halted = draw.choice((market, market, 77)), draw.random() < 0.4
            return sender.batch(venue, "halt_market", market=number, halted=halted, reason="a test")
        case 3:
            flags = [draw.choice((0, 0, 1, 2)), 0]
            return sender.batch(venue, "freeze_accounts", account=[account, 1], frozen=flags)
        case 4:
            after = [draw.choice((0, 1, 500, 5_000, -1, 24 * HOUR_MS, 24 * HOUR_MS + 1))]
            return sender.batch(venue, "cancel_all_after", account=[account], after_ms=after)
        case 5:
            reached = max(0, sender.height - draw.choice((-1, 0, 1, 1, 3)))
            return sender.batch(venue, "validator_progress", validated_height=reached)
        case 6:
            return sender.batch(venue, "create_venue", parameters=_spoilt_venue(draw, sight.terms))
        case _:
            return sender.batch(venue, "create_market", parameters=_spoilt_market(draw, sight.markets[market]))


def _spoilt_venue(draw: random.Random, now: VenueParameters) -> VenueParameters:
    """A venue that may not be, or one more that stays empty."""
    parameters = VenueParameters()
    parameters.CopyFrom(now)
    parameters.venue = draw.choice((now.venue, 30, 30, 31))
    parameters.name = f"other-{parameters.venue}"
    match draw.randrange(6):
        case 0:
            parameters.asset_decimals = 10
        case 1:
            parameters.margin_trade.backstop_numerator = 4
        case 2:
            parameters.margin_trade.ladder_rounds = draw.choice((0, 65))
    return parameters


def _spoilt_market(draw: random.Random, now: MarketParameters) -> MarketParameters:
    """A market that may not be, or a late one."""
    parameters = MarketParameters()
    parameters.CopyFrom(now)
    parameters.market = draw.choice((now.market, 9, 9, 1 << 16))
    parameters.symbol = f"late-{parameters.market}"
    rules = parameters.margin_trade
    match draw.randrange(9):
        case 0:
            parameters.ClearField("margin_trade")
        case 1:
            rules.quote_atoms_per_tick_lot += 1
        case 2:
            rules.max_order_lots = rules.open_interest_cap_lots + 1
        case 3:
            del rules.tiers[:]
        case 4:
            rules.tiers[0].max_leverage = draw.choice((0, 101))
        case 5:
            parameters.oracle.min_fresh_sources = 30
    return parameters


def margin_parameter_change(draw: random.Random, sender: Sender, sight: MarginSight) -> CommandBatch:
    """Other parameters of the venue or of a market; at times out of bounds or of another version."""
    venue = sight.terms.venue
    if draw.random() < 0.5:
        version = draw.choice((0, sight.terms.version, sight.terms.version + 1))
        return sender.batch(venue, "set_parameters", venue=_venue_change(draw, sight.terms), expected_version=version)
    market = sight.markets[draw.choice(sorted(sight.markets))]
    return sender.batch(venue, "set_parameters", market=_market_change(draw, market))


def _venue_change(draw: random.Random, now: VenueParameters) -> VenueParameters:
    changed = VenueParameters()
    changed.CopyFrom(now)
    rules = changed.margin_trade
    rules.deleverage_policy = draw.choice((1, 2, 3))  # type: ignore[assignment]
    rules.partial_liquidation = draw.random() < 0.7
    rules.cooldown_ms = draw.choice((0, 1_000, 30_000))
    rules.ladder_rounds = draw.choice((1, 4, 64))
    rules.vault_max_leverage_hundredths = draw.choice((1, 500, 2_000))
    rules.vault_loss_limit_ppm = draw.choice((0, 250_000, 10**6))
    rules.max_orders_per_account = draw.choice((3, 100))
    rules.notice_ms = draw.choice((0, 1_000, 4_000))
    match draw.randrange(10):
        case 0:
            rules.partial_fraction_ppm = 0
        case 1:
            rules.backstop_denominator = 8
        case 2:
            rules.backstop_numerator, rules.backstop_denominator = 3, 2
    return changed


def _market_change(draw: random.Random, now: MarketParameters) -> MarketParameters:
    changed = MarketParameters()
    changed.CopyFrom(now)
    rules = changed.margin_trade
    rules.taker_fee_e9 = draw.choice((0, 450_000, 10**6))
    rules.maker_fee_e9 = draw.choice((0, 150_000))
    rules.price_band_ppm = draw.choice((50_000, 950_000))
    rules.min_notional_atoms = draw.choice((0, 10**7, 10**8))
    rules.open_interest_cap_lots = draw.choice((200, 10**8, now.margin_trade.open_interest_cap_lots))
    rules.max_order_lots = min(rules.open_interest_cap_lots, draw.choice((50, MAX_ORDER_LOTS)))
    changed.oracle.tick_interval_ms = draw.choice((1, 500, 1_000))
    changed.oracle.funding_interval_ms = draw.choice((60_000, 7 * 60_000, HOUR_MS))
    changed.oracle.reduce_only_age_ms = draw.choice((0, 5_000, 15_000))
    if draw.random() < 0.5:
        most = draw.choice((50, 40, 20, 10, 5))
        del rules.tiers[:]
        rules.tiers.append(MarginTier(lower_notional_atoms=0, max_leverage=most))
        if draw.random() < 0.5:
            rules.tiers.append(MarginTier(lower_notional_atoms=draw.choice((10**9, 10**11)), max_leverage=most // 2))
    match draw.randrange(8):
        case 0:
            rules.lot_size_e9 *= 2
            rules.quote_atoms_per_tick_lot *= 2
        case 1:
            rules.price_band_ppm = 0
        case 2:
            changed.market = 77
    return changed
