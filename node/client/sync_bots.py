"""What the sync client does where liquidations are left to bots: versions, takeovers, standings, subaccounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from breakwater.v1 import answers_pb2, batches_pb2, liquidation_pb2, versions_pb2
from node.client import liquidation_requests
from node.client.liquidation_requests import PERENNIAL_VENUE, SPIN_VENUE
from node.client.requests import DEFAULT_MARKET
from node.client.sync_margin import MarginTrade


class BotRun(MarginTrade):
    """Calls of Perennial and Spin venues. Sizes and collateral are decimal text, other amounts atoms."""

    def change_position(
        self,
        account: int,
        maker: str | None = None,
        long: str | None = None,
        short: str | None = None,
        collateral: str | None = None,
        market: int = DEFAULT_MARKET,
        venue: int = PERENNIAL_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """New sizes pinned to the next version, collateral in or out; `reference` is the version, 0 where none."""
        request = liquidation_requests.change_position(venue, account, market, maker, long, short, collateral, key)
        return self._command(self.versions.ChangePosition, request)

    def repay_shortfall(
        self,
        account: int,
        debtor: int,
        amount_atoms: int,
        market: int = DEFAULT_MARKET,
        venue: int = PERENNIAL_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """Pays what an account owes a market after its close; anyone may."""
        request = liquidation_requests.repay_shortfall(venue, account, market, debtor, amount_atoms, key)
        return self._command(self.versions.RepayShortfall, request)

    def version_status(
        self, market: int = DEFAULT_MARKET, accounts: Iterable[int] = (), venue: int = PERENNIAL_VENUE
    ) -> batches_pb2.VersionView:
        """A market at its version desk, with pending orders and debts of the accounts."""
        request = versions_pb2.GetVersionStatusRequest(venue=venue, market=market, accounts=list(accounts))
        response: versions_pb2.GetVersionStatusResponse = self._call(self.versions.GetVersionStatus, request)
        return response.market

    def stream_versions(
        self, market: int = 0, from_height: int = 0, venue: int = PERENNIAL_VENUE
    ) -> Iterator[versions_pb2.StreamVersionsResponse]:
        """Versions of a market (0: of all) from a height on (0: from now) as they settle, valid or not."""
        request = versions_pb2.StreamVersionsRequest(venue=venue, market=market, from_height=from_height)
        yield from self._stream(self.versions.StreamVersions, request)

    def open_subaccount(self, owner: int, venue: int = SPIN_VENUE, key: bytes | None = None) -> int:
        """A further account of an account's owner; its number."""
        request = liquidation_requests.open_subaccount(venue, owner, key)
        return self._command(self.accounts.OpenSubaccount, request).reference

    def transfer(
        self, account: int, to_account: int, amount_atoms: int, venue: int = SPIN_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Collateral to another account of the same owner; checked like a withdrawal."""
        request = liquidation_requests.transfer(venue, account, to_account, amount_atoms, key)
        return self._command(self.accounts.Transfer, request)

    def liquidate(
        self,
        account: int,
        target: int,
        size: str | None = None,
        market: int = DEFAULT_MARKET,
        venue: int = SPIN_VENUE,
        reward: str | None = None,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """Takes over `size` of the target's position (Spin), or closes it for a reward (Perennial)."""
        request = liquidation_requests.liquidate(venue, account, target, market, size, reward, key)
        return self._command(self.liquidations.Liquidate, request)

    def quote_liquidation(
        self, account: int, market: int = 0, venue: int = SPIN_VENUE
    ) -> liquidation_pb2.QuoteLiquidationResponse:
        """What of an account may be liquidated now, for what reward, or why nothing may; of a market or of all (0)."""
        request = liquidation_pb2.QuoteLiquidationRequest(venue=venue, account=account, market=market)
        response: liquidation_pb2.QuoteLiquidationResponse = self._call(self.liquidations.QuoteLiquidation, request)
        return response

    def liquidatable(
        self, market: int = 0, limit: int = 0, venue: int = SPIN_VENUE
    ) -> liquidation_pb2.ListLiquidatableResponse:
        """Accounts that may be liquidated now, the worst first."""
        request = liquidation_pb2.ListLiquidatableRequest(venue=venue, market=market, limit=limit)
        response: liquidation_pb2.ListLiquidatableResponse = self._call(self.liquidations.ListLiquidatable, request)
        return response

    def standings(self, venue: int = SPIN_VENUE) -> liquidation_pb2.ListStandingsResponse:
        """Every account with a position, as a bot needs it; `stream_standings` goes on from height + 1."""
        request = liquidation_pb2.ListStandingsRequest(venue=venue)
        response: liquidation_pb2.ListStandingsResponse = self._call(self.liquidations.ListStandings, request)
        return response

    def stream_standings(
        self, from_height: int = 0, venue: int = SPIN_VENUE
    ) -> Iterator[liquidation_pb2.StreamStandingsResponse]:
        """What every block from a height on (0: the next) left of the accounts it changed; every block comes."""
        request = liquidation_pb2.StreamStandingsRequest(venue=venue, from_height=from_height)
        yield from self._stream(self.liquidations.StreamStandings, request)

    def liquidators(
        self, account: int = 0, from_height: int = 0, to_height: int = 0, venue: int = SPIN_VENUE
    ) -> liquidation_pb2.ListLiquidatorsResponse:
        """What liquidators won between two heights, most rewarded first."""
        request = liquidation_pb2.ListLiquidatorsRequest(
            venue=venue, account=account, from_height=from_height, to_height=to_height
        )
        response: liquidation_pb2.ListLiquidatorsResponse = self._call(self.liquidations.ListLiquidators, request)
        return response
