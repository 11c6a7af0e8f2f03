"""What is claimed from an insurance fund after liquidations: shares in, rewards and deficits out (SP-08, SP-09)."""

from actors.columns import rows, sort_rows
from actors.insuring.desk import InsuranceDesk
from actors.insuring.fund import move_fund
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events


def work_claims(desk: InsuranceDesk, claims: batches.InsuranceClaims) -> None:
    """In the order (command, sequence, account): each finds what those before it left. A claim of nothing is none."""
    ordered = sort_rows(claims, "command", "sequence", "account")
    for command, sequence, venue, account, market, kind, amount, counterparty in rows(ordered):
        if venue != desk.book.venue or not amount:
            continue
        assert amount >= 0, f"account {account} claims {amount} atoms"
        if kind == batches.INSURANCE_CLAIM_KIND_SHARE:
            desk.book.shares_atoms += amount
            move_fund(desk, amount, events.INSURANCE_REASON_LIQUIDATION_SHARE, counterparty, market)
        elif kind == batches.INSURANCE_CLAIM_KIND_REWARD:
            paid = _pay_reward(desk, account, market, amount, counterparty)
            if paid:
                desk.pay(command, sequence, account, paid)
        else:
            assert kind == batches.INSURANCE_CLAIM_KIND_DEFICIT, f"claim of kind {kind}"
            _bear_deficit(desk, account, amount)
            desk.pay(command, sequence, account, amount)


def _pay_reward(desk: InsuranceDesk, liquidator: int, market: int, owed_atoms: int, target: int) -> int:
    """The fund pays a liquidator what it has of what the target could not; the rest stands in the ledger, unpaid."""
    book = desk.book
    paid = min(book.fund_atoms, owed_atoms)
    unpaid = owed_atoms - paid
    book.rewards_atoms += paid
    book.unpaid_rewards_atoms += unpaid
    move_fund(desk, -paid, events.INSURANCE_REASON_REWARD, liquidator, market)
    body = events.LiquidatorPaid(target=target, fund_atoms=paid, shortfall_atoms=unpaid)
    desk.emit(liquidator, market, liquidator_paid=body)
    return paid


def _bear_deficit(desk: InsuranceDesk, account: int, deficit_atoms: int) -> None:
    """The fund pays what it has of an account's debt; the rest is recorded shortfall, and the debt is gone."""
    book = desk.book
    paid = min(book.fund_atoms, deficit_atoms)
    unpaid = deficit_atoms - paid
    book.deficits_atoms += paid
    move_fund(desk, -paid, events.INSURANCE_REASON_DEFICIT, account)
    if unpaid:
        book.shortfall_atoms += unpaid
        body = events.ShortfallRecorded(amount_atoms=unpaid, shortfall_atoms=book.shortfall_atoms)
        desk.emit(account, shortfall_recorded=body)
