"""Unrealised shortfall as a metric: what accounts of bot-run venues are below zero while nobody has acted on them.

Recorded shortfall stands in the ledgers; this is what would join it if all of them were closed at the marks of now. It
is read when somebody scrapes: one reading of the shards between two blocks for each such venue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import TimeoutError as TooLate
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from actors.columns import rows
from actors.risk.perennial_terms import terms_of
from breakwater.v1 import batches_pb2, common_pb2, parameters_pb2
from cluster.host import Host
from node.services import perennial_quotes, spin_quotes

_PATIENCE_S: Final = 2.0
_NAME: Final = "breakwater_unrealised_shortfall_atoms"
_TEXT: Final = "Equity below zero of accounts with positions that nobody has acted on yet, by venue"


class UnrealisedShortfall(Collector):
    """One gauge with a value for every venue whose liquidations are left to bots."""

    def __init__(self, host: Host) -> None:
        """`host` is asked at every scrape."""
        self._host = host

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: what there is follows from the venues, which may come later."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """A venue that does not answer in time has no value in this scrape."""
        gauge = GaugeMetricFamily(_NAME, _TEXT, labels=["venue"])
        for venue in self._host.venues():
            if venue.rulebook in (common_pb2.RULEBOOK_SPIN, common_pb2.RULEBOOK_PERENNIAL):
                try:
                    atoms = self.atoms(venue)
                except TooLate:
                    continue
                gauge.add_metric([str(venue.venue)], atoms)
        yield gauge

    def atoms(self, venue: parameters_pb2.VenueParameters) -> int:
        """What the venue's accounts are below zero together, 0 or more. Raises TimeoutError where nobody answers.

        Spin: equity at the marks (SP-02); Perennial: collateral at the latest version, pending fees not deducted.
        """
        view: batches_pb2.StandingsView = self._host.standings(venue.venue).result(_PATIENCE_S)
        if venue.rulebook == common_pb2.RULEBOOK_SPIN:
            return _below_zero_atoms(self._spin_equities(venue, view))
        return _below_zero_atoms(self._perennial_collaterals(venue, view))

    def _spin_equities(self, venue: parameters_pb2.VenueParameters, view: batches_pb2.StandingsView) -> Iterator[int]:
        markets = {market.market: market for market in self._host.markets(venue.venue)}
        marks = {number: self._host.mark(venue.venue, number) for number in markets}
        known = {number: mark for number, mark in marks.items() if mark is not None}
        terms = spin_quotes.Terms(venue, markets, known)
        for standing in spin_quotes.standings_of_rows(rows(view.rows), terms):
            yield standing.equity_atoms

    def _perennial_collaterals(
        self, venue: parameters_pb2.VenueParameters, view: batches_pb2.StandingsView
    ) -> Iterator[int]:
        records = {record.market: record for record in self._host.versions(venue.venue)}
        desks = {}
        for market in self._host.markets(venue.venue):
            if record := records.get(market.market):
                shown = batches_pb2.VersionView(market=market.market, record=record)
                desks[market.market] = perennial_quotes.Desk(shown, terms_of(venue, market), block_time_ms=0)
        for standings in perennial_quotes.standings_of_rows(rows(view.rows), desks).values():
            for standing in standings:
                yield standing.collateral_atoms


def _below_zero_atoms(amounts: Iterable[int]) -> int:
    return sum(max(0, -atoms) for atoms in amounts)
