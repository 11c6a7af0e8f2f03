"""Venues and markets: creating them, changing them inside their bounds, halting a market."""

from collections.abc import Iterable
from typing import Any

from actors.units import E9, PPM
from breakwater.v1 import commands_pb2, common_pb2, events_pb2, parameters_pb2
from tests.engine.margin.bounds import margin_market_bounds, margin_venue_bounds, raises_margin
from tests.engine.margin.state import VAULT, MarginVenue
from tests.engine.perennial.bounds import perennial_market_bounds, perennial_venue_bounds
from tests.engine.perennial.state import PerennialVenue
from tests.engine.spin.bounds import spin_market_bounds, spin_venue_bounds
from tests.engine.spin.state import SpinVenue
from tests.engine.state import Account, Block, Command, Pool, R, Refusal, State

DAY_MS = 24 * 3_600_000
MAX_VENUE = 1_023
MAX_MARKET = 1 << 20
MAX_NAME_CHARS = 32
MAX_REASON_CHARS = 256
MAX_SOURCES = 32
LARGEST_FUNDING_RATE_E9 = 1_250_000

TWILIGHT_BOUNDS = {
    "maintenance_ratio_e9": (1, E9 // 10),
    "taker_fee_e9": (0, E9 // 100),
    "maker_fee_e9": (0, E9 // 100),
    "psi": (1, 1_000),
    "min_leverage_hundredths": (100, 10_000),
    "max_leverage_hundredths": (100, 10_000),
    "margin_cap_atoms": (1, 1 << 36),
    "utilisation_cap_ppm": (1, PPM),
    "max_oi_ppm": (0, 100 * PPM),
    "max_net_ppm": (0, 100 * PPM),
    "max_position_ppm": (0, 100 * PPM),
    "notice_ms": (0, 30 * DAY_MS),
}
ORACLE_BOUNDS = {
    "tick_interval_ms": (1, 60_000),
    "source_fresh_ms": (1, DAY_MS),
    "warn_age_ms": (1, DAY_MS),
    "halt_age_ms": (0, DAY_MS),
    "future_tolerance_ms": (0, 60_000),
    "breaker_move_ppm": (0, PPM),
    "breaker_window_ms": (0, DAY_MS),
    "breaker_hold_ms": (0, DAY_MS),
    "funding_interval_ms": (60_000, 7 * DAY_MS),
    "min_fresh_sources": (0, MAX_SOURCES),
    "mark_rule": (0, common_pb2.MARK_RULE_MEDIAN_OF_THREE),
    "reduce_only_age_ms": (0, DAY_MS),
}
MALFORMED = Refusal(R.REFUSAL_MALFORMED, 0, 0)
PARTS = {
    common_pb2.RULEBOOK_TWILIGHT: "twilight",
    common_pb2.RULEBOOK_MARGIN_TRADE: "margin_trade",
    common_pb2.RULEBOOK_PERENNIAL: "perennial",
    common_pb2.RULEBOOK_SPIN: "spin",
}
# Of a market: margins that wait for their notice where they rise, and units that never change.
MARGINS = {"spin": ("collateral_ratio_e9",), "perennial": ("maintenance_ppm", "min_maintenance_atoms")}
UNITS = {"margin_trade": ("lot_size_e9",), "spin": ("lot_size_e9", "step_lots"), "perennial": ("version_ms",)}

Answer = Refusal | int
"""Why not, or the number that the command made or changed."""


def change(state: State, block: Block, batch: commands_pb2.CommandBatch, command: Command) -> Answer | None:
    """Carries out a command that changes parameters; None where it is another command."""
    if command.body == "create_venue":
        return _create_venue(state, block, batch.create_venue.parameters, command)
    if command.body == "create_market":
        return _create_market(state, block, batch.create_market.parameters, command)
    if command.body == "set_parameters":
        return _set_parameters(state, block, batch.set_parameters, command)
    if command.body == "halt_market":
        return _halt_market(state, block, batch.halt_market, command)
    return None


def _create_venue(state: State, block: Block, wanted: parameters_pb2.VenueParameters, command: Command) -> Answer:
    if not 1 <= wanted.venue <= MAX_VENUE:
        return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, MAX_VENUE, wanted.venue)
    if not 1 <= len(wanted.name) <= MAX_NAME_CHARS or not 1 <= len(wanted.asset) <= MAX_NAME_CHARS:
        return MALFORMED
    for number, known in sorted(state.venues.items()):
        if number == wanted.venue or known.name == wanted.name:
            return Refusal(R.REFUSAL_NAME_TAKEN, 0, number)
    if (why := _terms(wanted)) is not None:
        return why
    parameters = parameters_pb2.VenueParameters()
    parameters.CopyFrom(wanted)
    parameters.version = 0
    state.next_account[wanted.venue] = 1
    if wanted.rulebook == common_pb2.RULEBOOK_TWILIGHT:
        state.pools[wanted.venue] = Pool()
    elif wanted.rulebook == common_pb2.RULEBOOK_PERENNIAL:
        state.perennial[wanted.venue] = PerennialVenue(wanted.venue)
    elif wanted.rulebook == common_pb2.RULEBOOK_SPIN:
        state.spin[wanted.venue] = SpinVenue(wanted.venue)
    else:
        state.margin[wanted.venue] = MarginVenue(wanted.venue)
        state.accounts[wanted.venue, VAULT] = Account(wanted.venue, VAULT)
    put_venue(state, block, command.index, parameters)
    return wanted.venue


def _create_market(state: State, block: Block, wanted: parameters_pb2.MarketParameters, command: Command) -> Answer:
    if not 1 <= wanted.market <= MAX_MARKET:
        return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, MAX_MARKET, wanted.market)
    for (venue, number), known in sorted(state.markets.items()):
        if venue == command.venue and (number == wanted.market or known.symbol == wanted.symbol):
            return Refusal(R.REFUSAL_NAME_TAKEN, 0, number)
    if (why := _market_bounds(wanted, state.venues[command.venue])) is not None:
        return why
    parameters = parameters_pb2.MarketParameters()
    parameters.CopyFrom(wanted)
    parameters.venue, parameters.version, parameters.halted, parameters.halt_reason = command.venue, 0, False, ""
    _put_market(state, block, command.index, parameters)
    return wanted.market


def _set_parameters(state: State, block: Block, body: commands_pb2.SetParameters, command: Command) -> Answer:
    if body.HasField("venue"):
        return _set_venue(state, block, body, command)
    return _set_market(state, block, body, command) if body.HasField("market") else MALFORMED


def _set_venue(state: State, block: Block, body: commands_pb2.SetParameters, command: Command) -> Answer:
    """Only what the rulebook names can be changed; an increase of the maintenance ratio waits for its notice."""
    if command.venue not in state.pools:
        return _set_whole_venue(state, block, body, command)
    now, wanted = state.venues[command.venue], body.venue.twilight
    why = _other_version(now.version, body.expected_version) or _venue_bounds(wanted) or _other_logic(now, body.venue)
    if why is not None:
        return why
    parameters = parameters_pb2.VenueParameters()
    parameters.CopyFrom(now)
    parameters.logic_version = _logic(now, body.venue)
    parameters.twilight.CopyFrom(wanted)
    state.raises.pop(command.venue, None)
    before, notice_ms = now.twilight.maintenance_ratio_e9, now.twilight.notice_ms
    if wanted.maintenance_ratio_e9 > before and notice_ms:
        state.raises[command.venue] = (block.time_ms + notice_ms, wanted.maintenance_ratio_e9)
        parameters.twilight.maintenance_ratio_e9 = before
    put_venue(state, block, command.index, parameters)
    return parameters.version


def _set_market(state: State, block: Block, body: commands_pb2.SetParameters, command: Command) -> Answer:
    now = state.markets.get((command.venue, body.market.market))
    if now is None:
        return _unknown_market(state, command.venue, body.market.market)
    parameters = parameters_pb2.MarketParameters()
    parameters.CopyFrom(now)
    parameters.oracle.CopyFrom(body.market.oracle)
    venue = state.venues[command.venue]
    part = PARTS[venue.rulebook]
    if part in UNITS:
        getattr(parameters, part).CopyFrom(getattr(body.market, part))
    why = _other_version(now.version, body.expected_version) or _market_bounds(parameters, venue)
    for name in UNITS.get(part, ()):
        unit, asked = getattr(getattr(now, part), name), getattr(getattr(parameters, part), name)
        if why is None and unit != asked:
            why = Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, unit, asked)
    if why is not None:
        return why
    if command.venue in state.margin:
        _let_tiers_wait(state, block, now, parameters)
    elif part in MARGINS:
        why = _let_margins_wait(state, block, now, parameters)
    if why is not None:
        return why
    _put_market(state, block, command.index, parameters)
    return parameters.version


def _set_whole_venue(state: State, block: Block, body: commands_pb2.SetParameters, command: Command) -> Answer:
    """All of it applies at once."""
    now, parameters = state.venues[command.venue], parameters_pb2.VenueParameters()
    parameters.CopyFrom(now)
    part = PARTS[now.rulebook]
    getattr(parameters, part).CopyFrom(getattr(body.venue, part))
    why = _other_version(now.version, body.expected_version) or _terms(parameters) or _other_logic(now, body.venue)
    if why is not None:
        return why
    parameters.logic_version = _logic(now, body.venue)
    put_venue(state, block, command.index, parameters)
    return parameters.version


def _other_logic(now: parameters_pb2.VenueParameters, wanted: parameters_pb2.VenueParameters) -> Refusal | None:
    """A version of the logic is of the venue's rulebook and never falls; 0 stands for 1, or asks for nothing."""
    current, asked = now.logic_version or 1, wanted.logic_version
    if asked in (0, current):
        return None
    if wanted.rulebook != now.rulebook:
        return Refusal(R.REFUSAL_WRONG_RULEBOOK, now.rulebook, wanted.rulebook)
    return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, current, asked) if asked < current else None


def _logic(now: parameters_pb2.VenueParameters, wanted: parameters_pb2.VenueParameters) -> int:
    """What the parameters say after the change: 0 where they never named a version above 1."""
    return wanted.logic_version if wanted.logic_version > (now.logic_version or 1) else now.logic_version


def _let_tiers_wait(
    state: State, block: Block, now: parameters_pb2.MarketParameters, wanted: parameters_pb2.MarketParameters
) -> None:
    """Tiers that ask for more at any notional wait; what waited gives way."""
    waiting, notice_ms = state.margin[now.venue].raised_tiers, state.venues[now.venue].margin_trade.notice_ms
    waiting.pop(now.market, None)
    if notice_ms and raises_margin(now.margin_trade.tiers, wanted.margin_trade.tiers):
        waiting[now.market] = (block.time_ms + notice_ms, list(wanted.margin_trade.tiers))
        _put_tiers(wanted, now.margin_trade.tiers)


def _let_margins_wait(
    state: State, block: Block, now: parameters_pb2.MarketParameters, wanted: parameters_pb2.MarketParameters
) -> Refusal | None:
    """Each number that rises waits; what applies meanwhile must be within bounds too."""
    venue, key = state.venues[now.venue], (now.venue, now.market)
    part = PARTS[venue.rulebook]
    old, new = getattr(now, part), getattr(wanted, part)
    margins = [getattr(new, name) for name in MARGINS[part]]
    rises = any(getattr(new, name) > getattr(old, name) for name in MARGINS[part])
    if not rises or not getattr(venue, part).notice_ms:
        state.raised_margins.pop(key, None)
        return None
    for name in MARGINS[part]:
        setattr(new, name, min(getattr(new, name), getattr(old, name)))
    if (why := _market_bounds(wanted, venue)) is not None:
        return why
    state.raised_margins[key] = (block.time_ms + getattr(venue, part).notice_ms, margins)
    return None


def apply_margins(state: State, block: Block) -> None:
    """Margins of Spin and Perennial markets whose notice is over."""
    for key, (due_ms, margins) in sorted(state.raised_margins.items()):
        if due_ms > block.time_ms:
            continue
        del state.raised_margins[key]
        parameters = parameters_pb2.MarketParameters()
        parameters.CopyFrom(state.markets[key])
        part = PARTS[state.venues[key[0]].rulebook]
        for name, value in zip(MARGINS[part], margins, strict=True):
            setattr(getattr(parameters, part), name, value)
        _put_market(state, block, -1, parameters)


def apply_tiers(state: State, block: Block) -> None:
    """Tiers whose notice is over."""
    for venue, own in sorted(state.margin.items()):
        for market, (due_ms, tiers) in sorted(own.raised_tiers.items()):
            if due_ms <= block.time_ms:
                del own.raised_tiers[market]
                parameters = parameters_pb2.MarketParameters()
                parameters.CopyFrom(state.markets[venue, market])
                _put_tiers(parameters, tiers)
                _put_market(state, block, -1, parameters)


def _put_tiers(market: parameters_pb2.MarketParameters, tiers: Iterable[parameters_pb2.MarginTier]) -> None:
    wanted = [(tier.lower_notional_atoms, tier.max_leverage) for tier in tiers]
    del market.margin_trade.tiers[:]
    for lower, most in wanted:
        market.margin_trade.tiers.add(lower_notional_atoms=lower, max_leverage=most)


def _halt_market(state: State, block: Block, body: commands_pb2.HaltMarket, command: Command) -> Answer:
    now = state.markets.get((command.venue, body.market))
    if now is None:
        return _unknown_market(state, command.venue, body.market)
    if len(body.reason) > MAX_REASON_CHARS:
        return MALFORMED
    parameters = parameters_pb2.MarketParameters()
    parameters.CopyFrom(now)
    parameters.halted = body.halted
    parameters.halt_reason = body.reason if body.halted else ""
    _put_market(state, block, command.index, parameters)
    return body.market


def put_venue(state: State, block: Block, index: int, parameters: parameters_pb2.VenueParameters) -> None:
    """The next version of the venue's parameters, from this block on."""
    parameters.version += 1
    state.venues[parameters.venue] = parameters
    changed = events_pb2.VenueChanged(parameters=parameters)
    block.say((1, index, parameters.venue, 0), parameters.venue, 0, 0, venue_changed=changed)


def _put_market(state: State, block: Block, index: int, parameters: parameters_pb2.MarketParameters) -> None:
    parameters.version += 1
    state.markets[parameters.venue, parameters.market] = parameters
    changed = events_pb2.MarketChanged(parameters=parameters)
    key = (1, index, parameters.venue, parameters.market)
    block.say(key, parameters.venue, parameters.market, 0, market_changed=changed)


def _other_version(current: int, expected: int) -> Refusal | None:
    return None if expected in (0, current) else Refusal(R.REFUSAL_UNKNOWN_VERSION, current, expected)


def _unknown_market(state: State, venue: int, market: int) -> Refusal:
    return Refusal(R.REFUSAL_UNKNOWN_MARKET, sum(key[0] == venue for key in state.markets), market)


def _outside(bounds: dict[str, tuple[int, int]], message: Any) -> Refusal | None:
    for name, (lowest, highest) in bounds.items():
        value = getattr(message, name)
        if not lowest <= value <= highest:
            return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, lowest if value < lowest else highest, value)
    return None


def _venue_bounds(rules: parameters_pb2.TwilightParameters) -> Refusal | None:
    """Each in its range, leverages in order, and the largest maintenance margin below 2^62 of 1e-9 atoms."""
    if (why := _outside(TWILIGHT_BOUNDS, rules)) is not None:
        return why
    least, most = rules.min_leverage_hundredths, rules.max_leverage_hundredths
    if least > most:
        return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, least, most)
    rates = rules.maintenance_ratio_e9 + 2 * (rules.taker_fee_e9 + LARGEST_FUNDING_RATE_E9)
    if rules.margin_cap_atoms * most // 100 * rates >= 1 << 62:
        return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, (1 << 62) * 100 // (most * rates), rules.margin_cap_atoms)
    return None


def _terms(wanted: parameters_pb2.VenueParameters) -> Refusal | None:
    """The bounds of the venue's rulebook."""
    if wanted.rulebook == common_pb2.RULEBOOK_TWILIGHT:
        return _venue_bounds(wanted.twilight)
    if wanted.rulebook == common_pb2.RULEBOOK_MARGIN_TRADE:
        return margin_venue_bounds(wanted)
    if wanted.rulebook not in PARTS:
        return Refusal(R.REFUSAL_WRONG_RULEBOOK, common_pb2.RULEBOOK_TWILIGHT, wanted.rulebook)
    if not wanted.HasField(PARTS[wanted.rulebook]):  # type: ignore[arg-type]
        there = [rulebook for rulebook, part in PARTS.items() if wanted.HasField(part)]  # type: ignore[arg-type]
        other = there[0] if there else common_pb2.RULEBOOK_TWILIGHT
        return Refusal(R.REFUSAL_WRONG_RULEBOOK, other, wanted.rulebook)
    bounds = perennial_venue_bounds if wanted.rulebook == common_pb2.RULEBOOK_PERENNIAL else spin_venue_bounds
    return bounds(wanted)


def _market_bounds(market: parameters_pb2.MarketParameters, venue: parameters_pb2.VenueParameters) -> Refusal | None:
    """A market of the venue's rulebook, its own bounds, then the rulebook's."""
    strays = [
        rulebook
        for rulebook, part in PARTS.items()
        if part in UNITS and rulebook != venue.rulebook and market.HasField(part)  # type: ignore[arg-type]
    ]
    part = PARTS[venue.rulebook]
    if strays or (part in UNITS and not market.HasField(part)):  # type: ignore[arg-type]
        other = strays[0] if strays else common_pb2.RULEBOOK_TWILIGHT
        return Refusal(R.REFUSAL_WRONG_RULEBOOK, other, venue.rulebook)
    why = _common_bounds(market, venue.rulebook == common_pb2.RULEBOOK_PERENNIAL)
    if why is not None:
        return why
    if venue.rulebook == common_pb2.RULEBOOK_MARGIN_TRADE:
        return margin_market_bounds(market, venue.asset_decimals)
    if venue.rulebook == common_pb2.RULEBOOK_SPIN:
        return spin_market_bounds(market, venue.asset_decimals)
    for most, value in ((common_pb2.MARK_RULE_INDEX, market.oracle.mark_rule), (0, market.oracle.reduce_only_age_ms)):
        if value > most:
            return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, most, value)
    return perennial_market_bounds(market, venue) if part == "perennial" else None


def _common_bounds(market: parameters_pb2.MarketParameters, without_funding: bool) -> Refusal | None:
    if not 1 <= len(market.symbol) <= MAX_NAME_CHARS:
        return MALFORMED
    if market.tick_size_e9 < 1:
        return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, 1, market.tick_size_e9)
    bounds = {**ORACLE_BOUNDS, "funding_interval_ms": (0, 0)} if without_funding else ORACLE_BOUNDS
    if (why := _outside(bounds, market.oracle)) is not None:
        return why
    publishers = [source.publisher for source in market.oracle.sources]
    if not 1 <= len(publishers) <= MAX_SOURCES or len(set(publishers)) < len(publishers):
        return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, MAX_SOURCES, len(publishers))
    if any(not 1 <= source.weight <= PPM for source in market.oracle.sources):
        return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, 1, 0)
    kinds = [source.kind for source in market.oracle.sources]
    if max(kinds) > common_pb2.SOURCE_KIND_PERP:
        return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, common_pb2.SOURCE_KIND_PERP, max(kinds))
    spot = sum(kind != common_pb2.SOURCE_KIND_PERP for kind in kinds)
    least = max(1, market.oracle.min_fresh_sources)
    return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, spot, least) if least > spot else None
