"""Legs of a Spin venue: what books, takeovers, transfers and the insurance desk owe; then the marks' funding index."""

from dataclasses import dataclass, field

from breakwater.v1 import batches_pb2, events_pb2
from tests.engine.margin.settle import Moved
from tests.engine.margin.state import CrossLeg
from tests.engine.spin.state import Claim, Holding, SpinSight, spin_sights
from tests.engine.state import Block, State

L = events_pb2
SETTLE, FUNDING_PLACE, TOLD_PLACE = 4, 14, 15
FEES = batches_pb2.CROSS_DUE_KIND_TRADING_FEES
FUNDING = batches_pb2.CROSS_DUE_KIND_FUNDING
DEFICIT = batches_pb2.INSURANCE_CLAIM_KIND_DEFICIT


def settle(state: State, block: Block) -> None:
    """The outbox of the block before, then the index of this block's marks."""
    for sight in spin_sights(state, block):
        own = sight.own
        legs, own.outbox, own.shard_legs = own.outbox, [], []
        own.claims, own.dues, own.added_caps, own.liquidated = [], {}, {}, {}
        Settling(sight).run(legs)
        own.index_e9 = {market: mids.index_e9 for market, mids in own.mids.items()}


def pay_accrued(sight: SpinSight, account: int, market: int) -> int:
    """What the position owes is paid before its lots change; it has paid up to now then (SP-11)."""
    payment = sight.accrued(account, market)
    sight.account(account).free -= payment
    sight.own.owe(FUNDING, payment)
    sight.own.positions.setdefault((account, market), Holding()).basis = sight.index_e9(market)
    return payment


def move_position(sight: SpinSight, account: int, market: int, lots: int, quote: int) -> int:
    """The position closes first, the cost it releases rounded down, then opens; returns what it realised."""
    held = sight.own.positions.setdefault((account, market), Holding())
    closed = min(abs(lots), abs(held.lots)) if lots * held.lots < 0 else 0
    closing_quote = quote * closed // abs(lots)
    assert closing_quote * abs(lots) == quote * closed, "a turn of a position is at one price"
    released = held.cost * closed // abs(held.lots) if closed else 0
    held.lots += lots
    held.cost += quote - closing_quote - released
    if not held.lots:
        assert not held.cost, f"account {account} has nothing and it cost {held.cost}"
        del sight.own.positions[account, market]
    sight.account(account).free -= closing_quote + released
    return -closing_quote - released


def claim_deficit(sight: SpinSight, account: int, command: int, sequence: int) -> None:
    """An account without positions that is below zero (SP-09)."""
    cash = sight.account(account).free
    if cash < 0 and not sight.held(account):
        sight.own.claims.append(Claim(command, sequence, account, 0, DEFICIT, -cash, 0))


@dataclass
class Settling:
    """One block's legs."""

    sight: SpinSight
    moved: dict[tuple[int, int], Moved] = field(default_factory=dict)
    funding: dict[tuple[int, int], int] = field(default_factory=dict)

    def run(self, legs: list[CrossLeg]) -> None:
        """By (class, command, market, leg)."""
        work = {
            L.CROSS_LEG_KIND_FILL: self._fill,
            L.CROSS_LEG_KIND_GONE: self._gone,
            L.CROSS_LEG_KIND_LIQUIDATED: self._liquidated,
            L.CROSS_LEG_KIND_UNRESERVED: self._unreserved,
            L.CROSS_LEG_KIND_TRANSFER: self._transferred,
            L.CROSS_LEG_KIND_CASH: self._cash,
        }
        for leg in sorted(legs, key=lambda leg: (leg.rank, leg.command, leg.market, leg.leg)):
            work[leg.kind](leg)
        self._tell()
        for account in sorted({leg.account for leg in legs}):
            claim_deficit(self.sight, account, -1, 0)

    def _move(self, leg: CrossLeg) -> Moved:
        key = (leg.account, leg.market)
        if self.sight.lots(*key):
            self.funding[key] = self.funding.get(key, 0) + pay_accrued(self.sight, *key)
        moved = self.moved.setdefault(key, Moved())
        moved.realised += move_position(self.sight, *key, leg.lots, leg.quote)
        if key in self.sight.own.positions:
            self.sight.own.positions[key].basis = self.sight.index_e9(leg.market)
        return moved

    def _fill(self, leg: CrossLeg) -> None:
        self._move(leg).fee += leg.fee
        self.sight.account(leg.account).free -= leg.fee
        self.sight.own.owe(FEES, leg.fee)
        order = self.sight.own.orders.get(leg.order)
        if order is not None:
            order.remaining -= abs(leg.lots)
            if order.remaining <= 0:
                del self.sight.own.orders[leg.order]

    def _gone(self, leg: CrossLeg) -> None:
        self.sight.own.orders.pop(leg.order, None)

    def _liquidated(self, leg: CrossLeg) -> None:
        self._unreserved(leg)
        self._move(leg)
        self.sight.account(leg.account).free += leg.amount
        if leg.amount:
            body = L.Credited(kind=L.LEG_KIND_PAYOUT, amount_atoms=leg.amount, reference=leg.reference)
            self.sight.say((SETTLE, self.sight.venue << 8, leg.command, 0), leg.account, leg.market, credited=body)

    def _unreserved(self, leg: CrossLeg) -> None:
        del self.sight.own.reservations[leg.reference]

    def _transferred(self, leg: CrossLeg) -> None:
        account = self.sight.account(leg.account)
        account.free += leg.amount
        body = L.Transferred(counterparty=leg.reference, amount_atoms=leg.amount, cash_atoms=account.free)
        key = (SETTLE, self.sight.venue << 8 | leg.rank, leg.command, leg.leg)
        self.sight.say(key, leg.account, transferred=body)

    def _cash(self, leg: CrossLeg) -> None:
        self.sight.account(leg.account).free += leg.amount

    def _tell(self) -> None:
        """Funding that was paid, then one event a position that moved, both with the cash after all legs."""
        sight = self.sight
        for (account, market), payment in sorted(self.funding.items()):
            cash = sight.account(account).free
            paid = L.FundingSettled(payment_atoms=payment, index_e9=sight.index_e9(market), cash_atoms=cash)
            if payment:
                key = (SETTLE, sight.venue << 8 | FUNDING_PLACE, account, market)
                sight.say(key, account, market, funding_settled=paid)
        for (account, market), moved in sorted(self.moved.items()):
            held = sight.own.positions.get((account, market), Holding())
            body = L.PositionUpdated(
                lots=held.lots,
                cost_atoms=held.cost,
                realised_atoms=moved.realised,
                fee_atoms=moved.fee,
                cash_atoms=sight.account(account).free,
            )
            key = (SETTLE, sight.venue << 8 | TOLD_PLACE, account, market)
            sight.say(key, account, market, position_updated=body)
