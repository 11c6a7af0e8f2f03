"""Legs and funding: what the desks owe reaches positions and cash (MT-01, MT-10)."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from actors.units import E9
from breakwater.v1 import batches_pb2, events_pb2
from tests.engine.margin.state import CrossLeg, Held, Sight, sights
from tests.engine.state import REDEMPTION, RELEASE, Block, State, stamp

L = events_pb2
MONEY = {L.CROSS_LEG_KIND_RELEASE: RELEASE, L.CROSS_LEG_KIND_REDEMPTION: REDEMPTION}
FEES = batches_pb2.CROSS_DUE_KIND_TRADING_FEES
LIQUIDATION_FEES = batches_pb2.CROSS_DUE_KIND_LIQUIDATION_FEES
FUNDING = batches_pb2.CROSS_DUE_KIND_FUNDING


@dataclass
class Moved:
    """What the legs of a call did to a position."""

    realised: int = 0
    fee: int = 0
    liquidation_fee: int = 0


@dataclass
class Settling:
    """One call's legs; `round_` is 0 outside the ladder."""

    sight: Sight
    round_: int
    moved: dict[tuple[int, int], Moved] = field(default_factory=dict)

    def move(self, account: int, market: int, lots: int, quote: int) -> Moved:
        """The position closes first, then opens; what closing realises goes to cash."""
        held = self.sight.own.positions.setdefault((account, market), Held())
        closed = min(abs(lots), abs(held.lots)) if lots * held.lots < 0 else 0
        way = 1 if lots > 0 else -1
        closing_quote = Fraction(quote * closed, abs(lots))
        assert closing_quote.denominator == 1, "a turn of a position is at one price"
        released = held.cost * closed // abs(held.lots) if closed else 0
        moved = self.moved.setdefault((account, market), Moved())
        realised = -int(closing_quote) - released
        held.lots += lots
        held.cost += quote - int(closing_quote) - released
        assert held.lots or not held.cost, f"{way * closed} lots of account {account} left {held}"
        moved.realised += realised
        self.sight.account(account).free += realised
        return moved

    def fill(self, leg: CrossLeg) -> None:
        moved = self.move(leg.account, leg.market, leg.lots, leg.quote)
        moved.fee += leg.fee
        moved.liquidation_fee += leg.liquidation_fee
        self.sight.account(leg.account).free -= leg.fee + leg.liquidation_fee
        self.sight.own.backstop.owe(FEES, leg.fee)
        self.sight.own.backstop.owe(LIQUIDATION_FEES, leg.liquidation_fee)
        order = self.sight.own.orders.get(leg.order)
        if order is not None:
            # An amend that came too late left less than was filled on the way.
            order.remaining -= abs(leg.lots)
            if order.remaining <= 0:
                del self.sight.own.orders[leg.order]
        elif self.round_ and leg.account in self.sight.own.ladder and self.sight.own.ladder[leg.account].sent:
            self.sight.own.ladder[leg.account].filled = True

    def gone(self, leg: CrossLeg) -> None:
        if leg.order in self.sight.own.orders:
            del self.sight.own.orders[leg.order]
        elif self.round_:
            self.sight.own.tried[leg.account, leg.market] = self.sight.block.height

    def taken(self, leg: CrossLeg) -> None:
        """Everything leaves at the mark, then all cash."""
        for market, held in self.sight.held(leg.account):
            value = held.lots * self.sight.mark(market) * self.sight.k(market)
            self.move(leg.account, market, -held.lots, -value)
        self.sight.account(leg.account).free = 0

    def money(self, leg: CrossLeg) -> None:
        account = self.sight.account(leg.account)
        if leg.kind in (L.CROSS_LEG_KIND_MINTED, L.CROSS_LEG_KIND_RELEASE):
            account.held -= leg.amount
        if leg.kind != L.CROSS_LEG_KIND_MINTED:
            account.free += leg.amount
        if leg.kind in MONEY:
            body = events_pb2.Credited(kind=MONEY[leg.kind], amount_atoms=leg.amount, reference=leg.reference)
            key = (4, self.sight.venue << 8 | leg.rank, leg.command, leg.leg)
            self.sight.say(key, leg.account, credited=body)

    def tell(self) -> None:
        """One event a position that moved."""
        for (account, market), moved in sorted(self.moved.items()):
            held = self.sight.own.positions[account, market]
            body = events_pb2.PositionUpdated(
                lots=held.lots,
                cost_atoms=held.cost,
                realised_atoms=moved.realised,
                fee_atoms=moved.fee,
                liquidation_fee_atoms=moved.liquidation_fee,
                cash_atoms=self.sight.account(account).free,
            )
            key = (4, self.sight.venue << 8 | 15, account, market)
            if self.round_:
                key = (7, self.round_, (1 << 53) + account, market)
            self.sight.say(key, account, market, position_updated=body)


def settle_legs(sight: Sight, legs: list[CrossLeg], round_: int) -> None:
    """By (class, command, market, leg)."""
    settling = Settling(sight, round_)
    for leg in sorted(legs, key=lambda leg: (leg.rank, leg.command, leg.market, leg.leg)):
        if leg.kind == L.CROSS_LEG_KIND_FILL:
            settling.fill(leg)
        elif leg.kind == L.CROSS_LEG_KIND_GONE:
            settling.gone(leg)
        elif leg.kind == L.CROSS_LEG_KIND_TAKEN:
            settling.taken(leg)
        elif leg.kind in (L.CROSS_LEG_KIND_TAKEOVER, L.CROSS_LEG_KIND_DELEVERAGED):
            settling.move(leg.account, leg.market, leg.lots, leg.quote)
        else:
            settling.money(leg)
    settling.tell()


def settle(state: State, block: Block) -> None:
    """The outbox of the block before."""
    for sight in sights(state, block):
        legs, sight.own.outbox, sight.own.added_caps = sight.own.outbox, [], {}
        settle_legs(sight, legs, 0)


def fund(state: State, block: Block) -> None:
    """MT-10: from cash, on the oracle notional; the net is the insurance fund's."""
    for sight in sights(state, block):
        for market in sight.markets:
            mark = block.marks[sight.venue, market]
            if mark.funding_boundary_ms:
                _fund(sight, market)


def _fund(sight: Sight, market: int) -> None:
    mark, place = sight.block.marks[sight.venue, market], sight.venue << 32 | market
    net = 0
    for account in sight.accounts():
        lots = sight.lots(account, market)
        if not lots:
            continue
        payment = ceil(Fraction(lots * mark.index_ticks * sight.k(market) * mark.funding_rate_e9, E9))
        sight.account(account).free -= payment
        net += payment
        body = events_pb2.FundingPaid(
            position=market, payment_atoms=payment, margin_held_atoms=sight.account(account).free
        )
        sight.say((5, place, account, 0), account, market, funding_paid=body)
    sight.own.backstop.owe(FUNDING, net)
    applied = events_pb2.FundingApplied(
        rate_e9=mark.funding_rate_e9, boundary_ms=mark.funding_boundary_ms, mark=stamp(mark)
    )
    sight.say((5, place, -1, 0), 0, market, funding_applied=applied)
