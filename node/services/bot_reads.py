"""What liquidators read of venues whose liquidations are left to them: quotes, who is liquidatable, all standings."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from actors.columns import rows
from actors.risk.perennial_terms import terms_of
from breakwater.v1 import batches_pb2, common_pb2, liquidation_pb2, parameters_pb2, refusals_pb2
from node.guards import numbers
from node.guards.pages import LARGEST_PAGE, PAGE
from node.guards.refusals import Refused
from node.services import perennial_quotes, spin_quotes
from node.services.door import WITH_BOTS, Door

_SPIN: Final = common_pb2.RULEBOOK_SPIN
# Longer than a node that has nothing to do waits between two blocks.
_NEXT_BLOCK_S: Final = 2.0
Accounts = list[liquidation_pb2.LiquidatableAccount]


class BotReads:
    """Readings of one node, each as a venue stands at the end of a block."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def quote(self, request: liquidation_pb2.QuoteLiquidationRequest) -> liquidation_pb2.QuoteLiquidationResponse:
        """Quotes of one account; raises UNKNOWN_VENUE, WRONG_RULEBOOK, UNKNOWN_MARKET, UNKNOWN_ACCOUNT."""
        venue = self._door.venue_of(request.venue, *WITH_BOTS)
        if request.market:
            self._door.market(request.venue, request.market)
        account = numbers.identity(request.account, "account")
        views = await self._views(request.venue, account)
        if venue.rulebook == _SPIN:
            standing = spin_quotes.standing_of_view(views.accounts[0])
            found = spin_quotes.quotes(standing, self._spin_terms(venue), request.market)
        else:
            views, found = await self._perennial_quotes(venue, views, request.market)
        return liquidation_pb2.QuoteLiquidationResponse(height=views.height, quotes=found)

    async def liquidatable(
        self, request: liquidation_pb2.ListLiquidatableRequest
    ) -> liquidation_pb2.ListLiquidatableResponse:
        """Accounts of which something may be liquidated in the market asked about or in any (0), the worst first."""
        venue = self._door.venue_of(request.venue, *WITH_BOTS)
        if request.market:
            self._door.market(request.venue, request.market)
        if request.limit > LARGEST_PAGE:
            raise Refused(refusals_pb2.REFUSAL_MESSAGE_TOO_LARGE, LARGEST_PAGE, request.limit, "limit")
        view: batches_pb2.StandingsView = await asyncio.wrap_future(self._door.host.standings(request.venue))
        if venue.rulebook == _SPIN:
            found = await asyncio.to_thread(spin_accounts, view, self._spin_terms(venue), request.market)
        else:
            markets = [request.market] if request.market else self._market_numbers(request.venue)
            desks = {market: await self._desk(venue, market, [], everyone=True) for market in markets}
            found = await asyncio.to_thread(perennial_accounts, view, desks)
        return liquidation_pb2.ListLiquidatableResponse(
            height=view.height,
            block_time_ms=await self._block_time_ms(view.height),
            accounts=found[: request.limit or PAGE],
            total=len(found),
        )

    async def standings(self, request: liquidation_pb2.ListStandingsRequest) -> liquidation_pb2.ListStandingsResponse:
        """All rows of a venue with the marks and the versions they are judged by; raises WRONG_RULEBOOK."""
        self._door.venue_of(request.venue, *WITH_BOTS)
        view: batches_pb2.StandingsView = await asyncio.wrap_future(self._door.host.standings(request.venue))
        return liquidation_pb2.ListStandingsResponse(
            height=view.height,
            block_time_ms=await self._block_time_ms(view.height),
            rows=view.rows,
            marks=list(self._marks(request.venue).values()),
            versions=self._door.host.versions(request.venue),
        )

    async def _views(self, venue: int, account: int) -> batches_pb2.AccountViews:
        """An account, whoever asks; raises UNKNOWN_ACCOUNT."""
        views: batches_pb2.AccountViews = await asyncio.wrap_future(self._door.host.accounts(venue, [account]))
        if not views.accounts or not views.accounts[0].exists:
            raise Refused(refusals_pb2.REFUSAL_UNKNOWN_ACCOUNT, 0, account, "account")
        return views

    async def _perennial_quotes(
        self, venue: parameters_pb2.VenueParameters, views: batches_pb2.AccountViews, market: int
    ) -> tuple[batches_pb2.AccountViews, list[liquidation_pb2.LiquidationQuote]]:
        """Quotes, and the reading they are of: a shard has a version one block after its desk settled it."""
        account = views.accounts[0].account
        held = {one.market for one in views.accounts[0].versioned if one.lots}
        markets = [market] if market else sorted(held)
        desks = {number: await self._desk(venue, number, [account]) for number in markets}
        settled = {one.market: one for one in views.accounts[0].versioned}
        late = [one for one in held & desks.keys() if settled[one].version_ms < desks[one].view.record.version_ms]
        if late and not self._door.config.driver_mode:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._door.feed.block(views.height + 1), _NEXT_BLOCK_S)
            views = await self._views(venue.venue, account)
            settled = {one.market: one for one in views.accounts[0].versioned}
        quotes = []
        for number in markets:
            one = settled.get(number, batches_pb2.VersionedView())
            standing = perennial_quotes.Standing(account, one.kind, one.lots, one.collateral_atoms)
            quotes.append(perennial_quotes.quote(standing, desks[number]))
        return views, quotes

    async def _desk(
        self, venue: parameters_pb2.VenueParameters, market: int, accounts: list[int], everyone: bool = False
    ) -> perennial_quotes.Desk:
        asked = self._door.host.version_desk(venue.venue, market, accounts, everyone=everyone)
        view: batches_pb2.VersionView = await asyncio.wrap_future(asked)
        terms = terms_of(venue, self._door.market(venue.venue, market))
        return perennial_quotes.Desk(view, terms, await self._block_time_ms(view.height))

    def _spin_terms(self, venue: parameters_pb2.VenueParameters) -> spin_quotes.Terms:
        markets = {market.market: market for market in self._door.markets(venue.venue)}
        return spin_quotes.Terms(venue, markets, self._marks(venue.venue))

    def _marks(self, venue: int) -> dict[int, common_pb2.Mark]:
        found = {market: self._door.host.mark(venue, market) for market in self._market_numbers(venue)}
        return {market: mark for market, mark in found.items() if mark is not None}

    def _market_numbers(self, venue: int) -> list[int]:
        return [market.market for market in self._door.markets(venue)]

    async def _block_time_ms(self, height: int) -> int:
        """Block time of a reading's height; 0 before the first block."""
        return (await self._door.feed.block(height)).block_time_ms if height else 0


def spin_accounts(view: batches_pb2.StandingsView, terms: spin_quotes.Terms, market: int) -> Accounts:
    """By margin ratio, lowest first, then by account."""
    found: list[tuple[Any, liquidation_pb2.LiquidatableAccount]] = []
    for standing in spin_quotes.standings_of_rows(rows(view.rows), terms):
        if (market and market not in standing.lots) or not standing.is_below_target(terms):
            continue
        quotes = spin_quotes.quotes(standing, terms, market)
        if spin_quotes.may_be_liquidated(quotes):
            one = liquidation_pb2.LiquidatableAccount(account=standing.account, quotes=quotes)
            found.append((standing.severity(terms), one))
    found.sort(key=lambda pair: (pair[0], pair[1].account))
    return [one for _, one in found]


def perennial_accounts(view: batches_pb2.StandingsView, desks: dict[int, perennial_quotes.Desk]) -> Accounts:
    """By the part of the requirement that is covered, lowest first, then by account."""
    by_account: dict[int, list[liquidation_pb2.LiquidationQuote]] = {}
    for market, standings in perennial_quotes.standings_of_rows(rows(view.rows), desks).items():
        for standing in standings:
            quote = perennial_quotes.quote(standing, desks[market])
            if quote.liquidatable_lots:
                by_account.setdefault(standing.account, []).append(quote)
    found = [(min(map(perennial_quotes.severity, quotes)), account) for account, quotes in by_account.items()]
    return [
        liquidation_pb2.LiquidatableAccount(account=account, quotes=by_account[account]) for _, account in sorted(found)
    ]
