"""Changes of venues and markets: created, altered within bounds, halted; increases of margin wait for their notice."""

from copy import deepcopy

from actors.rulebooks.versions import check_known, in_force
from actors.sealing.bounds import MAX_NAME_CHARS, MAX_REASON_CHARS, refused_bound
from actors.sealing.directory import Directory, Venue
from actors.sealing.notice import held_back, margins_alone, notice_of, take_margins
from actors.sealing.rulebooks import MARKET_PARTS, PARTS
from actors.sealing.terms import check_market_terms, check_venue_terms, other_units
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
        """Increases of margin whose notice time has passed: ratios of venues, then margins of markets."""
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
            take_margins(market, wanted_market)
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
        refused = check_venue_terms(wanted)
        if refused:
            return refused
        check_known(wanted)
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
        refused = check_market_terms(wanted, self._directory.venues[venue].terms)
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
        part = PARTS[current.rulebook]
        getattr(terms, part).CopyFrom(getattr(body.venue, part))
        refused = (
            _other_version(current.version, body.expected_version)
            or check_venue_terms(terms)
            or _raise_logic(terms, body.venue)
        )
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
        part = MARKET_PARTS.get(venue.terms.rulebook)
        if part:
            getattr(market, part).CopyFrom(getattr(wanted, part))
        refused = (
            _other_version(market.version, body.expected_version)
            or check_market_terms(market, venue.terms)
            or other_units(current, market)
        )
        if refused:
            return refused
        held = held_back(current, market) if notice_of(venue.terms) else None
        # What applies meanwhile must be sound too: a fee that only fits the margin that waits is for later.
        refused = check_market_terms(held, venue.terms) if held else None
        if refused:
            return refused
        self._let_margins_wait(market, held, notice_of(venue.terms))
        return self._put_market(held or market, command)

    def _let_margins_wait(
        self, wanted: parameters.MarketParameters, held: parameters.MarketParameters | None, notice_ms: int
    ) -> None:
        """Higher margins of a market wait for their notice (MT-03); those that waited give way in any case."""
        waiting, key = self._directory.pending_markets, (wanted.venue, wanted.market)
        waiting.pop(key, None)
        if held:
            waiting[key] = (self._directory.block_time_ms + notice_ms, margins_alone(wanted))

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


def _raise_logic(terms: parameters.VenueParameters, wanted: parameters.VenueParameters) -> Refused | None:
    """Takes the version of the logic asked for, 0 the one in force. It never falls: what was decided stays decided.

    Who names a version names its rulebook too: by that it was held back at the door where there is no such version.
    """
    current = in_force(terms)
    if wanted.logic_version in (0, current):
        return None
    if wanted.rulebook != terms.rulebook:
        return Refused(refusals.REFUSAL_WRONG_RULEBOOK, terms.rulebook, wanted.rulebook)
    if wanted.logic_version < current:
        return refused_bound(current, wanted.logic_version)
    check_known(wanted)
    terms.logic_version = wanted.logic_version
    return None


def _other_version(current: int, expected: int) -> Refused | None:
    return Refused(refusals.REFUSAL_UNKNOWN_VERSION, current, expected) if expected not in (0, current) else None
