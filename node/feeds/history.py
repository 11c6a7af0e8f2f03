"""Events of an account as rows of its history: what was traded, paid, moved, realised.

The balance a row changes is free (or cash) plus what is held, plus the margin of isolated positions. Money a pool owes
counts when it is paid; a withdrawal counts when it is asked for, and again, the other way, when it is given back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from breakwater.v1 import events_pb2, history_pb2

_FILL: Final = history_pb2.HISTORY_KIND_FILL
_FUNDING: Final = history_pb2.HISTORY_KIND_FUNDING
_TRANSFER: Final = history_pb2.HISTORY_KIND_TRANSFER
_PNL: Final = history_pb2.HISTORY_KIND_PNL

Cells = dict[str, Any]


def entry_of(event: events_pb2.Event) -> history_pb2.HistoryEntry | None:
    """The row of an event, None where the event moves no money and trades nothing."""
    name = event.WhichOneof("body")
    cells_of = _CELLS.get(name or "")
    cells = cells_of(getattr(event, name or "")) if cells_of is not None else None
    if cells is None:
        return None
    return history_pb2.HistoryEntry(
        height=event.height,
        index=event.index,
        block_time_ms=event.block_time_ms,
        event=name,
        market=event.market,
        **cells,
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
    """The insurance fund made up for a deficit (MT-16a); its other moves are nobody's."""
    return _transfer(-moved.amount_atoms) if moved.reason == events_pb2.INSURANCE_REASON_DEFICIT else None


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
    "order_filled": _filled,
    "position_updated": _settled,
    "position_opened": _opened,
    "position_closed": _closed,
    "position_liquidated": _liquidated,
}
