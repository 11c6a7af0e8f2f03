"""Liquidations: the feed of every rung, its history, insurance; and all that liquidators of bot-run venues need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

from actors.rulebooks import twilight
from actors.units import BALANCE_BOUND, E9, div_ceil, div_floor
from breakwater.v1 import (
    batches_pb2,
    commands_pb2,
    common_pb2,
    events_pb2,
    liquidation_pb2,
    liquidation_pb2_grpc,
    refusals_pb2,
)
from cluster.archive import Archive, Cursor
from node.guards import decimals, numbers, pages
from node.guards.refusals import Refused
from node.lots import lot_size_e9
from node.services.bot_reads import BotReads
from node.services.door import WITH_BOOKS, WITH_BOTS, Door
from node.services.liquidators import statistics

# What the feed shows, by rulebook: every rung with its numbers, and what became of the money (MT-11 to MT-16a, SP-06
# to SP-09, PE-06 to PE-09, PE-17).
KINDS: Final[dict[int, tuple[str, ...]]] = {
    common_pb2.RULEBOOK_TWILIGHT: ("position_liquidated",),
    common_pb2.RULEBOOK_MARGIN_TRADE: (
        "liquidation_ordered",
        "taken_over",
        "takeover_refused",
        "deleverage_run",
        "deleveraged",
        "insurance_moved",
        "shortfall_recorded",
        "ladder_queued",
    ),
    common_pb2.RULEBOOK_SPIN: (
        "takeover_reserved",
        "account_liquidated",
        "liquidator_paid",
        "insurance_moved",
        "shortfall_recorded",
    ),
    common_pb2.RULEBOOK_PERENNIAL: (
        "position_locked",
        "position_repinned",
        "position_settled",
        "shortfall_recorded",
        "shortfall_repaid",
    ),
}


class _Wanted(NamedTuple):
    """Which events of a venue somebody asked for; 0 stands for all."""

    venue: int
    market: int
    account: int

    def holds(self, event: events_pb2.Event) -> bool:
        """An event concerns the other side of a liquidation, too. Of settled orders only closes are liquidations."""
        if event.HasField("position_settled") and not event.position_settled.is_liquidation:
            return False
        concerned = (
            0,
            event.account,
            event.deleveraged.liquidated_account,
            event.takeover_reserved.target,
            event.account_liquidated.liquidator,
            event.liquidator_paid.target,
            event.position_locked.liquidator,
            event.shortfall_repaid.payer,
        )
        return self.market in (0, event.market) and self.account in concerned


class LiquidationService(liquidation_pb2_grpc.LiquidationServiceServicer):
    """See liquidation.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door
        self._reads = BotReads(door)

    async def StreamLiquidations(
        self, request: liquidation_pb2.StreamLiquidationsRequest, context: Any
    ) -> AsyncIterator[liquidation_pb2.StreamLiquidationsResponse]:
        """The ladder of a venue from a height on (0: from now), each event once, in order."""
        kinds = KINDS[self._door.venue(request.venue).rulebook]
        wanted = _Wanted(request.venue, request.market, numbers.identity(request.account, "account"))
        async for block in self._door.feed.blocks(request.from_height or self._door.feed.latest + 1):
            for event in block.of_kinds(kinds, request.venue):
                if wanted.holds(event):
                    yield liquidation_pb2.StreamLiquidationsResponse(event=event)

    async def ListLiquidations(
        self, request: liquidation_pb2.ListLiquidationsRequest, context: Any
    ) -> liquidation_pb2.ListLiquidationsResponse:
        """A page of what the ladder did in a venue, of one account or one market in it where they are named."""
        kinds = KINDS[self._door.venue(request.venue).rulebook]
        size, after = pages.page_size(request.page_size), pages.cursor(request.page_token)
        wanted = _Wanted(request.venue, request.market, numbers.identity(request.account, "account"))
        from_height = numbers.identity(request.from_height, "from_height")
        await self._door.feed.reach(self._door.host.height())  # whoever was answered finds what became of it
        events, more = await asyncio.to_thread(_page, self._door.host.archive, kinds, wanted, from_height, size, after)
        token = pages.token(events[-1].height, events[-1].index) if more else ""
        return liquidation_pb2.ListLiquidationsResponse(events=events, next_page_token=token)

    async def GetInsurance(
        self, request: liquidation_pb2.GetInsuranceRequest, context: Any
    ) -> liquidation_pb2.GetInsuranceResponse:
        """The insurance fund and the shortfall ledger of a venue (MT-16a, MT-16, SP-09)."""
        view: batches_pb2.BackstopView | batches_pb2.InsuranceView
        if self._door.venue_of(request.venue, *WITH_BOOKS).rulebook == common_pb2.RULEBOOK_SPIN:
            view = await asyncio.wrap_future(self._door.host.insurance(request.venue))
        else:
            view = await asyncio.wrap_future(self._door.host.backstop(request.venue, []))
        return liquidation_pb2.GetInsuranceResponse(
            height=view.height,
            fund_atoms=view.sums.fund_atoms,
            shortfall_atoms=view.sums.shortfall_atoms,
            deposited_atoms=view.sums.deposited_atoms,
            fees_atoms=view.sums.fees_atoms,
        )

    async def EstimateLiquidationPrice(
        self, request: liquidation_pb2.EstimateLiquidationPriceRequest, context: Any
    ) -> liquidation_pb2.EstimateLiquidationPriceResponse:
        """What an open of this size would hold and where it would be liquidated, by the rulebook that decides it."""
        door = self._door
        venue = door.venue_of(request.venue, common_pb2.RULEBOOK_TWILIGHT)
        market = door.market(request.venue, request.market)
        rules = venue.twilight
        side = numbers.side(request.side)
        margin_atoms = numbers.amount(request.margin_atoms, "margin_atoms")
        leverage = decimals.leverage_hundredths(
            request.leverage, rules.min_leverage_hundredths, rules.max_leverage_hundredths
        )
        if request.entry_price:
            entry_ticks = decimals.price_ticks(request.entry_price, market.tick_size_e9, "entry_price")
        else:
            mark = door.host.mark(request.venue, request.market)
            if mark is None or mark.state in (common_pb2.MARK_STATE_NONE, common_pb2.MARK_STATE_UNSPECIFIED):
                raise Refused(refusals_pb2.REFUSAL_NO_MARK, 1, 0, "entry_price")
            entry_ticks = mark.mark_ticks
        rate_e9 = door.host.funding_rate_e9(request.venue, request.market)
        answer = _estimate(rules, side, margin_atoms, leverage, entry_ticks, rate_e9)
        answer.height = door.host.height()
        return answer

    async def Liquidate(
        self, request: liquidation_pb2.LiquidateRequest, context: Any
    ) -> liquidation_pb2.LiquidateResponse:
        """Takes over part of a position (Spin: `size`), or closes one for a reward (Perennial: `reward`)."""
        venue = self._door.venue_of(request.venue, *WITH_BOTS)
        is_spin = venue.rulebook == common_pb2.RULEBOOK_SPIN
        lots, reward_atoms = 0, decimals.KEPT
        if request.reward if is_spin else request.size:
            raise Refused(refusals_pb2.REFUSAL_MALFORMED, field="reward" if is_spin else "size")
        market = self._door.market(request.venue, request.market)
        if is_spin:
            lots, reward_atoms = decimals.size_lots(request.size, lot_size_e9(market)), 0
        elif request.reward:
            reward_atoms = decimals.amount_atoms(request.reward, venue.asset_decimals, "reward")
            if reward_atoms < 0:
                raise Refused(refusals_pb2.REFUSAL_NOT_POSITIVE, 0, reward_atoms, "reward")
        body = commands_pb2.Liquidations(
            account=[numbers.identity(request.account, "account")],
            target=[numbers.identity(request.target, "target")],
            market=[request.market],
            lots=[lots],
            reward_atoms=[reward_atoms],
        )
        outcome = await self._door.command(request.request_key, request.venue, liquidations=body)
        return liquidation_pb2.LiquidateResponse(outcome=outcome)

    async def QuoteLiquidation(
        self, request: liquidation_pb2.QuoteLiquidationRequest, context: Any
    ) -> liquidation_pb2.QuoteLiquidationResponse:
        """The calculator (SP-06), or requirement, reward and lock (PE-02, PE-08, PE-09), of anybody's account."""
        return await self._reads.quote(request)

    async def ListLiquidatable(
        self, request: liquidation_pb2.ListLiquidatableRequest, context: Any
    ) -> liquidation_pb2.ListLiquidatableResponse:
        """Accounts that may be liquidated as the venue stands, the worst first, by the rulebook that decides it."""
        return await self._reads.liquidatable(request)

    async def ListStandings(
        self, request: liquidation_pb2.ListStandingsRequest, context: Any
    ) -> liquidation_pb2.ListStandingsResponse:
        """Every account with a position, with the marks and versions it is judged by."""
        return await self._reads.standings(request)

    async def StreamStandings(
        self, request: liquidation_pb2.StreamStandingsRequest, context: Any
    ) -> AsyncIterator[liquidation_pb2.StreamStandingsResponse]:
        """Every block from a height on (0: the next one): what it left of the accounts it changed, marks, versions."""
        self._door.venue_of(request.venue, *WITH_BOTS)
        async for message in self._door.standings.blocks(request.venue, request.from_height):
            yield message

    async def ListLiquidators(
        self, request: liquidation_pb2.ListLiquidatorsRequest, context: Any
    ) -> liquidation_pb2.ListLiquidatorsResponse:
        """What liquidators won and were refused between two heights, most rewarded first."""
        self._door.venue_of(request.venue, *WITH_BOTS)
        account = numbers.identity(request.account, "account")
        first, newest = numbers.identity(request.from_height, "from_height"), self._door.host.height()
        last = min(request.to_height or newest, newest)
        await self._door.feed.reach(last)
        found = await asyncio.to_thread(statistics, self._door.host.archive, request.venue, account, first, last)
        return liquidation_pb2.ListLiquidatorsResponse(from_height=first, to_height=last, liquidators=found)


def _estimate(
    rules: Any, side: int, margin_atoms: int, leverage_hundredths: int, entry_ticks: int, rate_e9: int
) -> liquidation_pb2.EstimateLiquidationPriceResponse:
    """TW-02 to TW-07 on a position as the pool would make it, the open fee taken from its margin (TW-09)."""
    entry_value = twilight.entry_value_floor_atoms(margin_atoms, leverage_hundredths)
    if entry_value >= BALANCE_BOUND or entry_value * entry_ticks >= twilight.POSITION_SIZE_BOUND:
        size = entry_value * entry_ticks
        raise Refused(refusals_pb2.REFUSAL_OVERFLOW, twilight.POSITION_SIZE_BOUND, size, "margin_atoms")
    size = twilight.position_size(entry_value, entry_ticks)
    fee = twilight.fee_ceil_atoms(size, entry_ticks, rules.taker_fee_e9)
    maintenance_e9 = twilight.maintenance_margin_e9(
        side,
        entry_value,
        margin_atoms,
        rules.maintenance_ratio_e9,
        rules.taker_fee_e9,
        twilight.funding_paid_e9(side, rate_e9),
    )
    threshold = twilight.liquidation_threshold_ticks(side, size, entry_value, margin_atoms - fee, maintenance_e9)
    return liquidation_pb2.EstimateLiquidationPriceResponse(
        entry_ticks=entry_ticks,
        liquidation_ticks=0 if threshold == twilight.NEVER_SHORT else threshold,
        bankruptcy_ticks=_bankruptcy_ticks(side, size, entry_value, margin_atoms),
        maintenance_atoms=div_ceil(maintenance_e9, E9),
        fee_atoms=fee,
        entry_value_atoms=entry_value,
        position_size=size,
        funding_rate_e9=rate_e9,
    )


def _bankruptcy_ticks(side: int, position_size: int, entry_value_atoms: int, margin_atoms: int) -> int:
    """The price at which the initial margin is gone, PS / BV rounded down; 0 for a short at 1x (TW-03)."""
    value = twilight.bankruptcy_value_atoms(side, entry_value_atoms, margin_atoms)
    return div_floor(position_size, value) if value > 0 else 0


def _page(
    archive: Archive,
    kinds: tuple[str, ...],
    wanted: _Wanted,
    from_height: int,
    size: int,
    after: Cursor | None,
) -> tuple[list[events_pb2.Event], bool]:
    """Up to `size` events past the cursor, and whether there are more. Runs in a thread."""
    numbers_of_kinds = [events_pb2.Event.DESCRIPTOR.fields_by_name[kind].number for kind in kinds]
    found: list[events_pb2.Event] = []
    while len(found) <= size:
        rows = archive.events_by_kind(numbers_of_kinds, from_height, pages.LARGEST_PAGE, after)
        events = (events_pb2.Event.FromString(row.bytes) for row in rows if row.venue == wanted.venue)
        found += [event for event in events if wanted.holds(event)]
        if len(rows) < pages.LARGEST_PAGE:
            break
        after = Cursor(rows[-1].height, rows[-1].idx)
    return found[:size], len(found) > size
