"""Events of an account as rows of its history: what was traded, paid, moved, realised.

The balance a row changes is free (or cash) plus what is held, plus the margin of isolated positions. Money a pool owes
counts when it is paid; a withdrawal counts when it is asked for, and again, the other way, when it is given back. On
Perennial collateral leaves the balance when it goes into a market; what it earns or pays there moves nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from breakwater.v1 import common_pb2, events_pb2, history_pb2

_FILL: Final = history_pb2.HISTORY_KIND_FILL
_FUNDING: Final = history_pb2.HISTORY_KIND_FUNDING
_TRANSFER: Final = history_pb2.HISTORY_KIND_TRANSFER
_PNL: Final = history_pb2.HISTORY_KIND_PNL

_PAID_TO_ACCOUNTS: Final = (events_pb2.INSURANCE_REASON_DEFICIT, events_pb2.INSURANCE_REASON_REWARD)

Cells = dict[str, Any]


def entry_of(event: events_pb2.Event, rulebook: int) -> history_pb2.HistoryEntry | None:
    """The row of an event of a venue that follows the rulebook, None where it moves no money and trades nothing."""
    name = event.WhichOneof("body")
    cells = _CELLS_OF.get(rulebook, _CELLS)
    cells_of = cells.get(name or "")
    row = cells_of(getattr(event, name or "")) if cells_of is not None else None
    if row is None:
        return None
    return history_pb2.HistoryEntry(
        height=event.height,
        index=event.index,
        block_time_ms=event.block_time_ms,
        event=name,
        market=event.market,
        **row,
    )


def _transfer(amount_atoms: int, reference: int = 0) -> Cells:
    return {"kind": _TRANSFER, "amount_atoms": amount_atoms, "reference": reference}


def _filled(fill: events_pb2.OrderFilled) -> Cells:
    return {
        "kind": _FILL,
        "reference": fill.order,
        "side": fill.side,
        "lots": fill.lots,
        "price_ticks": fill.price_ticks,
        "quote_atoms": fill.quote_atoms,
        "fee_atoms": fill.fee_atoms,
        "liquidation_fee_atoms": fill.liquidation_fee_atoms,
    }


def _settled(position: events_pb2.PositionUpdated) -> Cells:
    return {
        "kind": _PNL,
        "lots": position.lots,
        "realised_atoms": position.realised_atoms,
        "fee_atoms": position.fee_atoms,
        "liquidation_fee_atoms": position.liquidation_fee_atoms,
        "amount_atoms": position.realised_atoms - position.fee_atoms - position.liquidation_fee_atoms,
    }


def _opened(opened: events_pb2.PositionOpened) -> Cells:
    return {
        "kind": _FILL,
        "reference": opened.position,
        "side": opened.side,
        "price_ticks": opened.mark.mark_ticks,
        "quote_atoms": opened.entry_value_atoms,
        "fee_atoms": opened.fee_atoms,
        "amount_atoms": -opened.fee_atoms,
    }


def _closed(closed: events_pb2.PositionClosed) -> Cells:
    return {
        "kind": _PNL,
        "reference": closed.position,
        "side": closed.side,
        "price_ticks": closed.mark.mark_ticks,
        "quote_atoms": closed.entry_value_atoms,
        "fee_atoms": closed.fee_atoms,
        "realised_atoms": closed.payout_atoms - closed.margin_held_atoms + closed.fee_atoms,
        "amount_atoms": closed.payout_atoms - closed.margin_held_atoms,
    }


def _liquidated(seized: events_pb2.PositionLiquidated) -> Cells:
    return {
        "kind": _PNL,
        "reference": seized.position,
        "side": seized.side,
        "price_ticks": seized.mark.mark_ticks,
        "quote_atoms": seized.entry_value_atoms,
        "realised_atoms": -seized.margin_held_atoms,
        "amount_atoms": -seized.margin_held_atoms,
    }


def _decided(decided: events_pb2.WithdrawalDecided) -> Cells | None:
    return None if decided.confirmed else _transfer(decided.amount_atoms, decided.withdrawal)


def _insured(moved: events_pb2.InsuranceMoved) -> Cells | None:
    """The fund made up for a deficit (MT-16a) or for a reward (SP-09); its other moves are told elsewhere."""
    return _transfer(-moved.amount_atoms) if moved.reason in _PAID_TO_ACCOUNTS else None


def _settled_funding(settled: events_pb2.FundingSettled) -> Cells:
    return {"kind": _FUNDING, "amount_atoms": -settled.payment_atoms}


def _taken_over(taken: events_pb2.AccountLiquidated) -> Cells:
    """What the lots came to at the mark, and what the account paid for being liquidated (SP-08)."""
    paid_atoms = taken.reward_atoms + taken.insurance_atoms
    return {
        "kind": _PNL,
        "reference": taken.liquidator,
        "lots": taken.remaining_lots,
        "price_ticks": taken.mark.mark_ticks,
        "realised_atoms": taken.realised_atoms,
        "liquidation_fee_atoms": paid_atoms,
        "amount_atoms": taken.realised_atoms - paid_atoms,
    }


def _moved_collateral(moved: events_pb2.CollateralMoved) -> Cells:
    """Out of the balance into the market; a reward or a repayment moves the collateral only."""
    if not moved.counterparty:
        return _transfer(-moved.amount_atoms)
    return {"kind": _PNL, "reference": moved.counterparty, "realised_atoms": moved.amount_atoms}


def _credited(credited: events_pb2.Credited) -> Cells | None:
    """A liquidator's reward (PE-09, SP-08); what the desk gives back was never gone."""
    is_reward = credited.kind == events_pb2.LEG_KIND_PAYOUT
    return _transfer(credited.amount_atoms, credited.reference) if is_reward else None


def _settled_version(settled: events_pb2.PositionSettled) -> Cells:
    return {
        "kind": _PNL,
        "lots": settled.lots,
        "realised_atoms": settled.realised_atoms,
        "fee_atoms": settled.fee_atoms + settled.settlement_fee_atoms,
    }


def _paid_funding(paid: events_pb2.FundingPaid) -> Cells:
    return {"kind": _FUNDING, "reference": paid.position, "amount_atoms": -paid.payment_atoms}


_CELLS: Final[dict[str, Callable[[Any], Cells | None]]] = {
    "deposited": lambda body: _transfer(body.amount_atoms),
    "withdrawal_requested": lambda body: _transfer(-body.amount_atoms, body.withdrawal),
    "withdrawal_decided": _decided,
    "shares_minted": lambda body: _transfer(-body.amount_atoms),
    "shares_redeemed": lambda body: _transfer(body.amount_atoms),
    "claim_paid": lambda body: _transfer(body.amount_atoms, body.position),
    # MT-13: what the positions gained up to the mark is realised first, then the whole equity goes to the vault.
    "taken_over": lambda body: _transfer(-body.equity_atoms),
    "insurance_moved": _insured,
    # MT-16: a loss nobody could carry is written off.
    "shortfall_recorded": lambda body: _transfer(body.amount_atoms),
    "funding_paid": _paid_funding,
    "funding_settled": _settled_funding,
    "account_liquidated": _taken_over,
    "transferred": lambda body: _transfer(body.amount_atoms, body.counterparty),
    "order_filled": _filled,
    "position_updated": _settled,
    "position_opened": _opened,
    "position_closed": _closed,
    "position_liquidated": _liquidated,
}

# What is written off there stays a debt of the account (PE-17).
_PERENNIAL_CELLS: Final[dict[str, Callable[[Any], Cells | None]]] = {
    **{name: _CELLS[name] for name in ("deposited", "withdrawal_requested", "withdrawal_decided")},
    "collateral_moved": _moved_collateral,
    "credited": _credited,
    "position_settled": _settled_version,
    "transferred": _CELLS["transferred"],
}
_CELLS_OF: Final[dict[int, dict[str, Callable[[Any], Cells | None]]]] = {
    common_pb2.RULEBOOK_PERENNIAL: _PERENNIAL_CELLS,
    common_pb2.RULEBOOK_SPIN: {**_CELLS, "credited": _credited},
}
