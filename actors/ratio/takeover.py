"""Owners check again and give up what may be taken over, all or nothing (SP-05 to SP-09); the leg goes home.

In command order over all liquidators, each on the state the takeovers before it left: of two who want the same lots the
first gets them and the other a refusal with what is left.
"""

from typing import NamedTuple

from actors.columns import RowGatherer, rows
from actors.event_rows import body_number
from actors.orders.cancels import CANCEL_CLASS, cancel_orders, tell_done
from actors.orders.checks import why_market_stops
from actors.orders.moves import position_after
from actors.ratio.book import RatioBook
from actors.ratio.health import Terms, counted_orders, health, required_ceil_atoms
from actors.ratio.settle import accrued_of, claim_deficit, owe
from actors.rulebooks import spin
from actors.sinks import ADMIT, AnswerSink, EventSink, Refused
from actors.units import E9, div_ceil
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

# Second sort key: before triggers and commands; and the last keys of one takeover.
TAKEOVER = -2
_FUNDING_KEY, _LAST_KEY = 0, 1 << 40
_SHARE, _REWARD, _DEFICIT = range(3)
_SETTLED_BODY = body_number("funding_settled")


class TakeoverReply(NamedTuple):
    """What takeovers send: legs to liquidators, claims and dues to the insurance desk, cancels and caps to books."""

    legs: RowGatherer[batches.CrossLegs]
    claims: RowGatherer[batches.InsuranceClaims]
    dues: RowGatherer[batches.CrossDues]
    ops: RowGatherer[batches.OrderOps]
    caps: RowGatherer[batches.PositionCaps]


class _Request(NamedTuple):
    """One row of `Reservations`; account is the owner, lots unsigned."""

    command: int
    venue: int
    account: int
    market: int
    liquidator: int
    lots: int


class _Standing(NamedTuple):
    """The owner before it: equity, the collateral of its positions, the position, and what of it may be taken."""

    equity: int
    positions_e9: int
    lots: int
    cost: int
    closable_lots: int

    @property
    def tier(self) -> spin.Tier:
        """Without the orders that increase (SP-05)."""
        return spin.tier_of(self.equity, self.positions_e9)


class Takeovers:
    """One venue's takeovers of a block on a shard. `tiers`: accounts that lost something, and the tier they were in."""

    def __init__(self, book: RatioBook, reply: TakeoverReply, sink: EventSink, answers: AnswerSink) -> None:
        self._book = book
        self._reply = reply
        self._sink = sink
        self._answers = answers
        self._terms = Terms(book)
        self.tiers: dict[int, int] = {}

    def run(self, reservations: batches.Reservations) -> None:
        """What liquidators on all shards have reserved of accounts here, by command."""
        for row in rows(reservations):
            request = _Request(*row)
            standing = self._standing(request)
            refused = self._why_not_taken(request, standing)
            if refused:
                self._refuse(request, refused)
            else:
                self._take(request, standing)

    def _standing(self, request: _Request) -> _Standing:
        book, rules = self._book, self._terms[request.market]
        standing = health(book, request.account, self._terms)
        lots, cost = book.positions.position(request.account, request.market)
        closable = spin.closable_lots(
            standing.equity,
            standing.positions_e9,
            lots,
            rules.mark_ticks,
            rules.k,
            rules.collateral_e9,
            book.rules.liquidator_reward_e9 + book.rules.insurance_share_e9,
            rules.step_lots,
        )
        return _Standing(standing.equity, standing.positions_e9, lots, cost, closable)

    def _why_not_taken(self, request: _Request, standing: _Standing) -> Refused | None:
        """The market's state, NOT_LIQUIDATABLE, ABOVE_LIQUIDATABLE."""
        if not self._book.is_usable(request.market):
            return why_market_stops(self._book, request.market)
        if standing.lots == 0 or standing.tier < spin.Tier.PARTIAL:
            required = div_ceil(standing.positions_e9 * spin.TARGET_TENTHS, E9 * spin.TENTHS)
            return Refused(refusals.REFUSAL_NOT_LIQUIDATABLE, required, standing.equity)
        if request.lots > standing.closable_lots:
            return Refused(refusals.REFUSAL_ABOVE_LIQUIDATABLE, standing.closable_lots, request.lots)
        return None

    def _refuse(self, request: _Request, refused: Refused) -> None:
        self._send(request, events.CROSS_LEG_KIND_UNRESERVED, 0, 0, 0)
        key = (ADMIT, TAKEOVER, request.command, _LAST_KEY)
        venue = self._book.venue
        self._answers.refuse(key, request.command, refused, venue, request.market, request.liquidator)

    def _send(self, request: _Request, kind: "events.CrossLegKind", lots: int, quote: int, reward: int) -> None:
        """The leg to the liquidator; its reference is the reservation."""
        place = (0, request.command, request.market, 0, request.venue, request.liquidator, kind, 0)
        self._reply.legs.add(*place, lots, quote, 0, 0, reward, self._book.height << 20 | request.command)

    def _take(self, request: _Request, standing: _Standing) -> None:
        """Cancels, funding, the position at the mark, the penalty out of equity, claims for the rest."""
        book, (command, venue, account, market, liquidator, _) = self._book, request
        rules = self._terms[market]
        lots = request.lots if standing.lots > 0 else -request.lots
        value = spin.value_atoms(lots, rules.mark_ticks, rules.k)
        cancelled = self._cancel_increasing(request, standing)
        self._pay_funding(request)
        after = position_after(standing.lots, standing.cost, -lots, -value)
        book.positions.move(account, market, after.lots, after.cost_atoms)
        penalty = spin.penalty_atoms(value, book.rules.liquidator_reward_e9, book.rules.insurance_share_e9)
        paid = spin.payments_of(standing.equity, penalty)
        book.accounts.post(account, free=after.realised_atoms - paid.reward_paid_atoms - paid.fund_paid_atoms)
        self._send(request, events.CROSS_LEG_KIND_LIQUIDATED, lots, value, paid.reward_paid_atoms)
        self._claim(request, paid)
        self._cap(request)
        self.tiers[account] = standing.tier
        body = events.AccountLiquidated(
            liquidator=liquidator,
            lots=lots,
            mark=book.mark_stamp(market),
            value_atoms=abs(value),
            equity_atoms=standing.equity,
            collateral_atoms=required_ceil_atoms(standing.positions_e9),
            liquidatable_lots=standing.closable_lots,
            remaining_lots=after.lots,
            reward_atoms=paid.reward_paid_atoms,
            insurance_atoms=paid.fund_paid_atoms,
            owed_reward_atoms=paid.reward_owed_by_fund_atoms,
            tier=standing.tier,
            cash_atoms=book.accounts.free(account),
            cancelled_orders=cancelled,
            realised_atoms=after.realised_atoms,
        )
        event = events.Event(venue=venue, market=market, account=account, account_liquidated=body)
        self._sink.emit((ADMIT, TAKEOVER, command, _LAST_KEY), event)
        status, price, reward = common.OUTCOME_STATUS_LIQUIDATED, rules.mark_ticks, paid.reward_paid_atoms
        self._answers.answer(command, status, account, price, reward, filled_lots=request.lots)

    def _cancel_increasing(self, request: _Request, standing: _Standing) -> int:
        """The orders of the account that increase, in all markets, leave (SP-05); returns how many."""
        book, account = self._book, request.account
        numbers = sorted(
            number for market in book.positions.of_account(account) for number in self._increasing(account, market)
        )
        why = Refused(refusals.REFUSAL_BEING_LIQUIDATED, 0, standing.tier)
        gone = cancel_orders(book, account, numbers, CANCEL_CLASS, request.command, self._reply.ops)
        for count, (number, row) in enumerate(zip(numbers, gone, strict=True), 1):
            tell_done(book, self._sink, (ADMIT, TAKEOVER, request.command, count), number, row, why)
        return len(numbers)

    def _increasing(self, account: int, market: int) -> list[int]:
        orders = counted_orders(self._book, account, market, self._terms[market].mark_ticks)
        parts = spin.increasing_lots(self._book.positions.lots(account, market), orders)
        return [order.order_id for order, lots in zip(orders, parts, strict=True) if lots]

    def _pay_funding(self, request: _Request) -> None:
        """What the position accrued, before its lots change (SP-11)."""
        book, (command, venue, account, market, *_) = self._book, request
        payment = accrued_of(book, account, market)
        if not payment:
            return
        book.accounts.post(account, free=-payment)
        owe(book, self._reply.dues, batches.CROSS_DUE_KIND_FUNDING, payment)
        fields = (payment, book.index_e9(market), book.accounts.free(account))
        key = (ADMIT, TAKEOVER, command, _FUNDING_KEY)
        self._sink.emit_row(key, _SETTLED_BODY, venue, market, account, fields)

    def _claim(self, request: _Request, paid: spin.Payments) -> None:
        """The fund's share; what of the reward it owes; what an account without positions is below zero (SP-09)."""
        command, venue, account, market, liquidator, _ = request
        claims = self._reply.claims
        if paid.fund_paid_atoms:
            kind = batches.INSURANCE_CLAIM_KIND_SHARE
            claims.add(command, _SHARE, venue, account, market, kind, paid.fund_paid_atoms, account)
        if paid.reward_owed_by_fund_atoms:
            kind = batches.INSURANCE_CLAIM_KIND_REWARD
            claims.add(command, _REWARD, venue, liquidator, market, kind, paid.reward_owed_by_fund_atoms, account)
        claim_deficit(self._book, claims, command, _DEFICIT, account)

    def _cap(self, request: _Request) -> None:
        """Orders that reduced the position may fill no more than what is left of it, in this block already."""
        row = self._book.positions.read(request.account, request.market)
        if row.resting:
            self._reply.caps.add(request.venue, request.market, request.account, row.lots, 1)
