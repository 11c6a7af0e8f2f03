"""Changes of venues and markets: created, altered within bounds, halted; increases of margin wait for their notice."""

from copy import deepcopy

from actors.sealing.bounds import MAX_NAME_CHARS, MAX_REASON_CHARS, check_market, check_twilight, refused_bound
from actors.sealing.directory import Directory, Venue
from actors.sealing.margin_bounds import (
    MAX_ASSET_DECIMALS,
    check_margin_market,
    check_margin_trade,
    raises_margin,
    tiers_in_force,
)
from actors.sinks import NO_COMMAND, REGISTRY, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals

MAX_VENUE = 1_023
MAX_MARKET = 1 << 20


class Changes:
    """Applies the changes of one block to the directory and gathers what the actors must hear of."""

    def __init__(self, directory: Directory, told: batches.ParameterChanges, sink: EventSink) -> None:
        self._directory = directory
        self._told = told
        self._sink = sink

    def fall_due(self) -> None:
        """Increases of maintenance whose notice time has passed: ratios of venues, then tiers of markets."""
        due = [entry for entry in self._directory.pending if entry[0] <= self._directory.block_time_ms]
        self._directory.pending = [entry for entry in self._directory.pending if entry not in due]
        for _, wanted in due:
            terms = deepcopy(self._directory.venues[wanted.venue].terms)
            terms.twilight.maintenance_ratio_e9 = wanted.twilight.maintenance_ratio_e9
            self._put_venue(terms, NO_COMMAND)
        waiting = self._directory.pending_markets
        for venue, number in sorted(key for key in waiting if waiting[key][0] <= self._directory.block_time_ms):
            _, wanted_market = waiting.pop((venue, number))
            market = deepcopy(self._directory.venues[venue].markets[number])
            _take_tiers(market, wanted_market)
            self._put_market(market, NO_COMMAND)

    def create_venue(self, command: int, body: commands.CreateVenue) -> Refused | int:
        """The new venue's number, or why not."""
        wanted, venues = body.parameters, self._directory.venues
        if not 0 < wanted.venue <= MAX_VENUE:
            return refused_bound(MAX_VENUE, wanted.venue)
        if not 0 < len(wanted.name) <= MAX_NAME_CHARS or not 0 < len(wanted.asset) <= MAX_NAME_CHARS:
            return Refused(refusals.REFUSAL_MALFORMED, 0, 0)
        taken = [
            number for number in sorted(venues) if number == wanted.venue or venues[number].terms.name == wanted.name
        ]
        if taken:
            return Refused(refusals.REFUSAL_NAME_TAKEN, 0, taken[0])
        refused = _check_terms(wanted)
        if refused:
            return refused
        terms = deepcopy(wanted)
        terms.version = 0
        venues[wanted.venue] = Venue(terms)
        self._put_venue(terms, command)
        return wanted.venue

    def create_market(self, command: int, venue: int, body: commands.CreateMarket) -> Refused | int:
        """The new market's number, or why not."""
        wanted, markets = body.parameters, self._directory.venues[venue].markets
        if not 0 < wanted.market <= MAX_MARKET:
            return refused_bound(MAX_MARKET, wanted.market)
        taken = [
            number for number in sorted(markets) if number == wanted.market or markets[number].symbol == wanted.symbol
        ]
        if taken:
            return Refused(refusals.REFUSAL_NAME_TAKEN, 0, taken[0])
        refused = _check_market(wanted, self._directory.venues[venue].terms)
        if refused:
            return refused
        market = deepcopy(wanted)
        market.venue, market.version, market.halted, market.halt_reason = venue, 0, False, ""
        self._put_market(market, command)
        return wanted.market

    def set_parameters(self, command: int, venue: int, body: commands.SetParameters) -> Refused | int:
        """The new version, or why not. Exactly one of venue and market is read, the venue first."""
        if body.HasField("venue"):
            return self._alter_venue(command, self._directory.venues[venue], body)
        if body.HasField("market"):
            return self._alter_market(command, self._directory.venues[venue], body)
        return Refused(refusals.REFUSAL_MALFORMED, 0, 0)

    def _alter_venue(self, command: int, venue: Venue, body: commands.SetParameters) -> Refused | int:
        current, terms = venue.terms, deepcopy(venue.terms)
        if current.rulebook == common.RULEBOOK_MARGIN_TRADE:
            terms.margin_trade.CopyFrom(body.venue.margin_trade)
        else:
            terms.twilight.CopyFrom(body.venue.twilight)
        refused = _other_version(current.version, body.expected_version) or _check_terms(terms)
        if refused:
            return refused
        if current.rulebook == common.RULEBOOK_TWILIGHT:
            self._let_ratio_wait(current, terms)
        return self._put_venue(terms, command)

    def _let_ratio_wait(self, current: parameters.VenueParameters, terms: parameters.VenueParameters) -> None:
        """A higher maintenance ratio is taken off the terms until its notice is over; one that waits gives way."""
        directory, wanted = self._directory, terms.twilight
        directory.pending = [entry for entry in directory.pending if entry[1].venue != current.venue]
        notice_ms = current.twilight.notice_ms
        if notice_ms and wanted.maintenance_ratio_e9 > current.twilight.maintenance_ratio_e9:
            directory.pending.append((directory.block_time_ms + notice_ms, deepcopy(terms)))
            directory.pending.sort(key=lambda entry: (entry[0], entry[1].venue))
            wanted.maintenance_ratio_e9 = current.twilight.maintenance_ratio_e9

    def _alter_market(self, command: int, venue: Venue, body: commands.SetParameters) -> Refused | int:
        wanted = body.market
        if wanted.market not in venue.markets:
            return Refused(refusals.REFUSAL_UNKNOWN_MARKET, len(venue.markets), wanted.market)
        current = venue.markets[wanted.market]
        market = deepcopy(current)
        market.oracle.CopyFrom(wanted.oracle)
        if current.HasField("margin_trade"):
            market.margin_trade.CopyFrom(wanted.margin_trade)
        refused = (
            _other_version(market.version, body.expected_version)
            or _check_market(market, venue.terms)
            or _other_units(current.margin_trade, market.margin_trade)
        )
        if refused:
            return refused
        if current.HasField("margin_trade"):
            self._let_tiers_wait(current, market, venue.terms.margin_trade.notice_ms)
        return self._put_market(market, command)

    def _let_tiers_wait(
        self, current: parameters.MarketParameters, market: parameters.MarketParameters, notice_ms: int
    ) -> None:
        """Tiers that ask for more at any notional are taken off the market until their notice is over (MT-03)."""
        waiting = self._directory.pending_markets
        waiting.pop((current.venue, current.market), None)
        if notice_ms and raises_margin(tiers_in_force(current), tiers_in_force(market)):
            wanted = parameters.MarketParameters(venue=current.venue, market=current.market)
            _take_tiers(wanted, market)
            waiting[current.venue, current.market] = (self._directory.block_time_ms + notice_ms, wanted)
            _take_tiers(market, current)

    def halt_market(self, command: int, venue: int, body: commands.HaltMarket) -> Refused | int:
        """The market's number, or why not."""
        markets = self._directory.venues[venue].markets
        if body.market not in markets:
            return Refused(refusals.REFUSAL_UNKNOWN_MARKET, len(markets), body.market)
        if len(body.reason) > MAX_REASON_CHARS:
            return Refused(refusals.REFUSAL_MALFORMED, 0, 0)
        market = deepcopy(markets[body.market])
        market.halted, market.halt_reason = body.halted, body.reason if body.halted else ""
        self._put_market(market, command)
        return body.market

    def _put_venue(self, terms: parameters.VenueParameters, command: int) -> int:
        terms.version += 1
        self._directory.venues[terms.venue].terms = terms
        self._told.venues.append(terms)
        event = events.Event(venue=terms.venue, venue_changed=events.VenueChanged(parameters=terms))
        self._sink.emit((REGISTRY, command, terms.venue, 0), event)
        return terms.version

    def _put_market(self, market: parameters.MarketParameters, command: int) -> int:
        market.version += 1
        self._directory.venues[market.venue].markets[market.market] = market
        self._told.markets.append(market)
        body = events.MarketChanged(parameters=market)
        event = events.Event(venue=market.venue, market=market.market, market_changed=body)
        self._sink.emit((REGISTRY, command, market.venue, market.market), event)
        return market.version


def _other_version(current: int, expected: int) -> Refused | None:
    return Refused(refusals.REFUSAL_UNKNOWN_VERSION, current, expected) if expected not in (0, current) else None


def _other_units(current: parameters.MarginTradeMarket, wanted: parameters.MarginTradeMarket) -> Refused | None:
    """What a lot is stays: positions and orders are counted in it."""
    if wanted.lot_size_e9 != current.lot_size_e9:
        return refused_bound(current.lot_size_e9, wanted.lot_size_e9)
    return None


def _take_tiers(market: parameters.MarketParameters, source: parameters.MarketParameters) -> None:
    del market.margin_trade.tiers[:]
    market.margin_trade.tiers.extend(source.margin_trade.tiers)


def _check_terms(terms: parameters.VenueParameters) -> Refused | None:
    """The bounds of the venue's rulebook."""
    if terms.rulebook == common.RULEBOOK_TWILIGHT:
        return check_twilight(terms.twilight)
    if terms.rulebook != common.RULEBOOK_MARGIN_TRADE:
        return Refused(refusals.REFUSAL_WRONG_RULEBOOK, common.RULEBOOK_TWILIGHT, terms.rulebook)
    if terms.asset_decimals > MAX_ASSET_DECIMALS:
        return refused_bound(MAX_ASSET_DECIMALS, terms.asset_decimals)
    return check_margin_trade(terms.margin_trade)


def _check_market(market: parameters.MarketParameters, terms: parameters.VenueParameters) -> Refused | None:
    """The market's own bounds, then those of its venue's rulebook, of whose kind it must be."""
    of_margin_trade = terms.rulebook == common.RULEBOOK_MARGIN_TRADE
    if market.HasField("margin_trade") != of_margin_trade:
        kind = common.RULEBOOK_TWILIGHT if of_margin_trade else common.RULEBOOK_MARGIN_TRADE
        return Refused(refusals.REFUSAL_WRONG_RULEBOOK, kind, terms.rulebook)
    refused = check_market(market)
    if refused or of_margin_trade:
        return refused or check_margin_market(market, terms.asset_decimals)
    # Only a venue with books has a median of three (MT-09) and orders that only reduce (MT-08).
    for highest, value in ((common.MARK_RULE_INDEX, market.oracle.mark_rule), (0, market.oracle.reduce_only_age_ms)):
        if value > highest:
            return refused_bound(highest, value)
    return None
