"""The desk of a venue: Twilight's pool. Funding, seizures, closes, LP moves, opens, in this order."""

from fractions import Fraction
from math import ceil
from typing import Any

from actors.rulebooks import twilight
from actors.units import LONG, PPM, TOTAL_BOUND
from breakwater.v1 import events_pb2
from tests.engine.admit import INT64_MAX, position_of
from tests.engine.book import side_name
from tests.engine.state import (
    CLAIM,
    DONE,
    FILLED,
    MINTED,
    OPENED,
    PAYOUT,
    REDEMPTION,
    RELEASE,
    Block,
    Claim,
    Close,
    Command,
    Leg,
    Open,
    Pool,
    R,
    Refusal,
    State,
    Totals,
    market_refusal,
    stamp,
    usable,
)

BREACHES = {
    twilight.LimitBreach.SIZE: R.REFUSAL_POSITION_SIZE_LIMIT,
    twilight.LimitBreach.OI: R.REFUSAL_OPEN_INTEREST_LIMIT,
    twilight.LimitBreach.SKEW: R.REFUSAL_SKEW_LIMIT,
    twilight.LimitBreach.LIMIT: R.REFUSAL_LIMIT,
}


def desks(state: State, block: Block) -> None:
    for venue in sorted(state.pools):
        Desk(state, block, venue).work()


class Desk:
    """One venue's desk at work on one block; `count` numbers its events and its legs together."""

    def __init__(self, state: State, block: Block, venue: int) -> None:
        self.state, self.block, self.venue = state, block, venue
        self.pool: Pool = state.pools[venue]
        self.rules = state.venues[venue].twilight
        self.version = state.venues[venue].version
        self.count = 0

    def work(self) -> None:
        block, venue = self.block, self.venue
        for key, net in sorted(block.funding):
            if key[0] == venue:
                self._fund(net)
        for position in block.seizures:
            if position.venue == venue:
                self._seize(position, block.deficits[position.number])
        for close in sorted((close for close in block.closes if close.position.venue == venue), key=_close_order):
            self._close(close)
        for command in block.of("admitted liquidity"):
            if command.venue == venue:
                self._liquidity(command)
        for opened in sorted((opened for opened in block.opens if opened.order.venue == venue), key=_open_order):
            self._open(opened)
        self._publish()

    def marked_nav(self) -> int:
        """NAV realised less claims, shortfall and the sum of uPnL, rounded down market by market (TW-17)."""
        gains = 0
        for market, totals in self.pool.totals.items():
            mark_ticks = self.block.marks[self.venue, market].mark_ticks
            if totals.positions:
                longs = Fraction(totals.long_entry) - Fraction(totals.long_size, mark_ticks)
                shorts = Fraction(totals.short_size, mark_ticks) - Fraction(totals.short_entry)
                gains += ceil(longs + shorts)
        return self.pool.nav - self.pool.claimed - self.pool.shortfall - gains

    def _fund(self, net: int) -> None:
        self.pool.funding += net
        self.pool.margin -= net
        if net >= 0:
            self._inflow(net)
        else:
            self.pool.shortfall += self._outflow(-net)

    def _seize(self, position: Any, deficit: int) -> None:
        """The margin still held goes to the pool, whatever its sign (TW-11)."""
        self._leave(position)
        self.pool.deficit += deficit
        if position.margin_held >= 0:
            self._inflow(position.margin_held)
        else:
            self.pool.shortfall += self._outflow(-position.margin_held)

    def _leave(self, position: Any) -> None:
        self.pool.margin -= position.margin_held
        self.pool.totals[position.market].add(position.side, position.size, position.entry_value, -1)

    def _close(self, close: Close) -> None:
        position = close.position
        if close.liquidated:
            self._seize(position, close.deficit)
            return
        self._leave(position)
        self.pool.fees += close.fee
        received, claim = position.margin_held - close.payout, 0
        if received < 0:
            claim = self._outflow(-received)
        mark = self.block.marks[self.venue, position.market]
        closed = events_pb2.PositionClosed(
            position=position.number,
            side=side_name(position.side),
            kind=close.kind,
            mark=stamp(mark),
            entry_ticks=position.entry_ticks,
            entry_value_atoms=position.entry_value,
            position_size=position.size,
            initial_margin_atoms=position.initial_margin,
            margin_held_atoms=position.margin_held,
            upnl_atoms=close.upnl,
            fee_atoms=close.fee,
            payment_atoms=close.payment,
            payout_atoms=close.payout,
            claim_atoms=claim,
            parameters_version=self.version,
        )
        self._say(position.market, position.account, position_closed=closed)
        index = close.command.index if close.command else -1
        self._leg(1, index, position.account, PAYOUT, free=close.payout - claim, reference=position.number)
        if claim:
            self.pool.claims.append(Claim(position.account, position.number, claim))
            recorded = events_pb2.ClaimRecorded(position=position.number, amount_atoms=claim)
            self._say(position.market, position.account, claim_recorded=recorded)
        if received > 0:
            self._inflow(received)
        if close.command:
            self.block.answer(close.command, FILLED, position.number, mark.mark_ticks, close.payout - claim)

    def _inflow(self, amount: int) -> None:
        """Recorded shortfall first, then claims in the order they were recorded, then NAV."""
        pool = self.pool
        filled = min(amount, pool.shortfall)
        pool.shortfall -= filled
        amount -= filled
        while amount and pool.claims:
            claim = pool.claims[0]
            paid = min(amount, claim.amount)
            claim.amount -= paid
            amount -= paid
            if not claim.amount:
                pool.claims.pop(0)
            event = events_pb2.ClaimPaid(position=claim.position, amount_atoms=paid, outstanding_atoms=pool.claimed)
            self._say(0, claim.account, claim_paid=event)
            self._leg(2, -1, claim.account, CLAIM, free=paid, reference=claim.position)
        pool.nav += amount

    def _outflow(self, amount: int) -> int:
        """Takes it from NAV; answers what NAV does not cover."""
        paid = min(amount, self.pool.nav)
        self.pool.nav -= paid
        return amount - paid

    def _liquidity(self, command: Command) -> None:
        if command.body == "liquidity_withdrawals":
            if (why := self._redeem(command)) is not None:
                self._refuse(command, 0, why)
        elif (why := self._mint(command)) is not None:
            self._refuse(command, 0, why)
            amount = command["amount_atoms"]
            self._leg(3, command.index, command.account, RELEASE, amount, -amount, self.block.number(command))

    def share_price(self, minting: bool) -> int:
        """The NAV shares are priced at: realised, or the side of (realised, marked) that favours who stays (TW-17)."""
        if not self.rules.price_shares_marked:
            return self.pool.nav
        return (max if minting else min)(self.pool.nav, self.marked_nav())

    def _liquidity_halted(self) -> Refusal | None:
        """`safe` moves no liquidity while a market with open positions has no usable mark."""
        if self.rules.price_shares_marked:
            for market, totals in sorted(self.pool.totals.items()):
                mark = self.block.marks[self.venue, market]
                if totals.positions and not usable(mark):
                    return market_refusal(self.state, mark)
        return None

    def _mint(self, command: Command) -> Refusal | None:
        pool, amount, nav = self.pool, command["amount_atoms"], self.share_price(minting=True)
        if (why := self._liquidity_halted()) is not None:
            return why
        if pool.total_shares and nav <= 0:
            return Refusal(R.REFUSAL_POOL_INSOLVENT, 1, nav)
        shares = twilight.mint_shares_floor(amount, pool.total_shares, nav)
        if shares == 0:
            return Refusal(R.REFUSAL_NO_SHARES_MINTED, 1, 0)
        if pool.total_shares + shares >= TOTAL_BOUND:
            return Refusal(R.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, min(pool.total_shares + shares, INT64_MAX))
        pool.shares[command.account] = pool.shares.get(command.account, 0) + shares
        minted = events_pb2.SharesMinted(
            amount_atoms=amount, micro_shares=shares, nav_atoms=nav, total_micro_shares=pool.total_shares
        )
        self._say(0, command.account, shares_minted=minted)
        self._leg(3, command.index, command.account, MINTED, held=-amount, reference=self.block.number(command))
        self._inflow(amount)
        self.block.answer(command, DONE, reference=shares, amount=amount)
        return None

    def _redeem(self, command: Command) -> Refusal | None:
        pool, shares, nav = self.pool, command["micro_shares"], self.share_price(minting=False)
        owned = pool.shares.get(command.account, 0)
        if pool.claimed:
            return Refusal(R.REFUSAL_CLAIMS_OUTSTANDING, 0, pool.claimed)
        if (why := self._liquidity_halted()) is not None:
            return why
        if shares > owned:
            return Refusal(R.REFUSAL_INSUFFICIENT_SHARES, shares, owned)
        worth = twilight.redeem_floor_atoms(shares, pool.total_shares, nav)
        if worth == 0:
            return Refusal(R.REFUSAL_POOL_INSOLVENT, 1, min(nav, 0))
        may_leave = twilight.withdrawable_atoms(pool.nav, pool.margin)
        if worth > may_leave:
            return Refusal(R.REFUSAL_WITHDRAWAL_LIMIT, worth, may_leave)
        pool.shares[command.account] = owned - shares
        pool.nav -= worth
        redeemed = events_pb2.SharesRedeemed(
            amount_atoms=worth, micro_shares=shares, nav_atoms=nav, total_micro_shares=pool.total_shares
        )
        self._say(0, command.account, shares_redeemed=redeemed)
        self._leg(3, command.index, command.account, REDEMPTION, free=worth, reference=self.block.number(command))
        self.block.answer(command, DONE, reference=shares, amount=worth)
        return None

    def _open(self, opened: Open) -> None:
        order, command = opened.order, opened.command
        mark = self.block.marks[self.venue, order.market]
        position, fee = position_of(order, mark.mark_ticks, opened.fee_rate_e9)
        index = command.index if command else -1
        why = self._open_refusal(position, fee, mark.mark_ticks)
        if why is not None:
            self._leg(4, index, order.account, RELEASE, free=order.margin, held=-order.margin, reference=order.number)
            if command:
                self._refuse(command, order.market, why)
                return
            cancelled = events_pb2.OrderCancelled(
                order=order.number,
                released_atoms=order.margin,
                refusal=why.code,
                required=why.required,
                actual=why.actual,
            )
            self._say(order.market, order.account, order_cancelled=cancelled)
            return
        self.pool.margin += position.margin_held
        self.pool.fees += fee
        self.pool.totals.setdefault(order.market, Totals()).add(order.side, position.size, position.entry_value, 1)
        event = events_pb2.PositionOpened(
            position=order.number,
            side=side_name(order.side),
            kind=opened.kind,
            mark=stamp(mark),
            initial_margin_atoms=order.margin,
            leverage_hundredths=order.leverage,
            entry_value_atoms=position.entry_value,
            position_size=position.size,
            fee_atoms=fee,
            parameters_version=self.version,
        )
        self._say(order.market, order.account, position_opened=event)
        leg = self._leg(4, index, order.account, OPENED, held=-order.margin, reference=order.number)
        leg.margin, leg.position = position.margin_held, position
        self._inflow(fee)
        if command:
            self.block.answer(command, FILLED, order.number, mark.mark_ticks, order.margin)

    def _open_refusal(self, position: Any, fee: int, mark_ticks: int) -> Refusal | None:
        pool, rules = self.pool, self.rules
        if pool.claimed:
            return Refusal(R.REFUSAL_CLAIMS_OUTSTANDING, 0, pool.claimed)
        if pool.nav <= 0:
            return Refusal(R.REFUSAL_POOL_EMPTY, 1, pool.nav)
        locked, value = pool.margin + position.margin_held, pool.nav + fee
        if twilight.utilisation_reached(locked, value, rules.utilisation_cap_ppm):
            return Refusal(R.REFUSAL_UTILISATION_CAP, rules.utilisation_cap_ppm, locked * PPM // value)
        totals = pool.totals.get(position.market, Totals())
        if rules.limits_on and (why := self._limit(totals, position, mark_ticks)) is not None:
            return why
        total = (totals.long_size if position.side == LONG else totals.short_size) + position.size
        return Refusal(R.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, min(total, INT64_MAX)) if total >= TOTAL_BOUND else None

    def _limit(self, totals: Totals, position: Any, mark_ticks: int) -> Refusal | None:
        """The limits of TW-19: notional at the mark by side and the open's EV, against the lower NAV."""
        rules = self.rules
        limits = twilight.risk_limits(
            totals.long_size // mark_ticks,
            totals.short_size // mark_ticks,
            max(0, min(self.pool.nav, self.marked_nav())),
            rules.max_oi_ppm,
            rules.max_net_ppm,
            rules.max_position_ppm,
            True,
        )
        breach = twilight.limit_breached(limits, position.side, position.entry_value)
        if breach is None:
            return None
        long = position.side == LONG
        room = {
            twilight.LimitBreach.SIZE: limits.position_max,
            twilight.LimitBreach.OI: limits.room_oi,
            twilight.LimitBreach.SKEW: limits.room_net_long if long else limits.room_net_short,
            twilight.LimitBreach.LIMIT: limits.max_long if long else limits.max_short,
        }
        return Refusal(BREACHES[breach], room[breach], position.entry_value)

    def _publish(self) -> None:
        pool = self.pool
        updated = events_pb2.PoolUpdated(
            nav_realised_atoms=pool.nav,
            nav_marked_atoms=self.marked_nav(),
            trader_margin_atoms=pool.margin,
            micro_shares=pool.total_shares,
            claims_atoms=pool.claimed,
            shortfall_atoms=pool.shortfall,
            deficit_atoms=pool.deficit,
            fees_atoms=pool.fees,
            funding_atoms=pool.funding,
            open_long=sum(totals.long_size for totals in pool.totals.values()),
            open_short=sum(totals.short_size for totals in pool.totals.values()),
            positions=sum(totals.positions for totals in pool.totals.values()),
        )
        if updated != pool.published:
            pool.published = updated
            self.block.say((11, self.venue, 0, 0), self.venue, 0, 0, pool_updated=updated)

    def _say(self, market: int, account: int, **body: Any) -> None:
        self.count += 1
        self.block.say((10, self.venue, self.count, 0), self.venue, market, account, **body)

    def _refuse(self, command: Command, market: int, why: Refusal) -> None:
        self.count += 1
        self.block.refuse((10, self.venue, self.count, 0), command, why, market)

    def _leg(
        self, rank: int, command: int, account: int, kind: int, free: int = 0, held: int = 0, reference: int = 0
    ) -> Leg:
        self.count += 1
        leg = Leg(rank, command, self.count, self.venue, account, kind, free, held, reference=reference)
        self.state.outbox.append(leg)
        return leg


def _close_order(close: Close) -> tuple[int, int, int, int]:
    """Triggers by level, then commands; position numbers break ties."""
    if close.command is None:
        return (0, close.level_ticks, -1, close.position.number)
    return (1, 0, close.command.index, close.position.number)


def _open_order(opened: Open) -> tuple[int, int, int, int]:
    """Resting limits by level, then commands; order numbers break ties."""
    if opened.command is None:
        return (0, opened.level_ticks, -1, opened.order.number)
    return (1, 0, opened.command.index, opened.order.number)
