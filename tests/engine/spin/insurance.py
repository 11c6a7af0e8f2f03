"""The insurance desk: dues, deposits by command, claims in their order (SP-08, SP-09)."""

from typing import Any

from breakwater.v1 import events_pb2
from tests.engine.margin.state import CrossLeg
from tests.engine.spin.settle import DEFICIT, FEES, FUNDING
from tests.engine.spin.state import Claim, Insurance, SpinSight
from tests.engine.spin.takeover import REWARD, SHARE
from tests.engine.state import DONE, R, Refusal

DESK, CLAIMS = 10, 2
TOTAL_BOUND = 1 << 60
L = events_pb2


def account_for_claims(sight: SpinSight) -> list[CrossLeg]:
    """M(h), every block; returns the desk's legs."""
    return _Desk(sight).run()


class _Desk:
    """One call; `count` numbers its events."""

    def __init__(self, sight: SpinSight) -> None:
        self.sight = sight
        self.own: Insurance = sight.own.insurance
        self.count = 0
        self.legs: list[CrossLeg] = []

    def run(self) -> list[CrossLeg]:
        self.own.fees += self.sight.own.dues.get(FEES, 0)
        self.own.funding += self.sight.own.dues.get(FUNDING, 0)
        for command in self.sight.block.of("insurance_deposit"):
            if command.venue == self.sight.venue:
                self._deposit(command)
        work = {SHARE: self._share, REWARD: self._reward, DEFICIT: self._deficit}
        claims = sorted(self.sight.own.claims, key=lambda claim: (claim.command, claim.sequence, claim.account))
        for claim in claims:
            if claim.amount:
                work[claim.kind](claim)
        return self.legs

    def _key(self) -> tuple[int, int, int, int]:
        place, self.count = self.count, self.count + 1
        return DESK, self.sight.venue << 32, place, 0

    def _say(self, account: int, market: int, **body: Any) -> None:
        self.sight.say(self._key(), account, market, **body)

    def _moved(self, amount: int, reason: int, account: int = 0, market: int = 0) -> None:
        if amount:
            body = L.InsuranceMoved(amount_atoms=amount, reason=reason, fund_atoms=self.own.fund)
            self._say(account, market, insurance_moved=body)

    def _pay(self, claim: Claim, amount: int) -> None:
        leg = claim.account if claim.command < 0 else claim.sequence
        kind = L.CROSS_LEG_KIND_CASH
        self.legs.append(CrossLeg(CLAIMS, claim.command, 0, leg, claim.account, kind, amount=amount))

    def _deposit(self, command: Any) -> None:
        total = self.own.deposited + command["amount_atoms"]
        if total >= TOTAL_BOUND:
            self.sight.block.refuse(self._key(), command, Refusal(R.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, total))
            return
        self.own.deposited = total
        self._moved(command["amount_atoms"], L.INSURANCE_REASON_OPERATOR)
        self.sight.block.answer(command, DONE, amount=command["amount_atoms"])

    def _share(self, claim: Claim) -> None:
        self.own.shares += claim.amount
        self._moved(claim.amount, L.INSURANCE_REASON_LIQUIDATION_SHARE, claim.counterparty, claim.market)

    def _reward(self, claim: Claim) -> None:
        """The fund pays what it has, the rest is nobody's."""
        paid = min(self.own.fund, claim.amount)
        self.own.rewards += paid
        self.own.unpaid_rewards += claim.amount - paid
        self._moved(-paid, L.INSURANCE_REASON_REWARD, claim.account, claim.market)
        body = L.LiquidatorPaid(target=claim.counterparty, fund_atoms=paid, shortfall_atoms=claim.amount - paid)
        self._say(claim.account, claim.market, liquidator_paid=body)
        if paid:
            self._pay(claim, paid)

    def _deficit(self, claim: Claim) -> None:
        """The account is brought to zero, by the fund or by nobody."""
        paid = min(self.own.fund, claim.amount)
        self.own.deficits += paid
        self._moved(-paid, L.INSURANCE_REASON_DEFICIT, claim.account)
        missing = claim.amount - paid
        if missing:
            self.own.shortfall += missing
            body = L.ShortfallRecorded(amount_atoms=missing, shortfall_atoms=self.own.shortfall)
            self._say(claim.account, 0, shortfall_recorded=body)
        self._pay(claim, claim.amount)
