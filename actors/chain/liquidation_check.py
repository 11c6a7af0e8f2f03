"""Whether a liquidation event is what the rulebook says, from its own numbers and the venue's parameters alone."""

from actors.risk.ladder import liquidation_outcome
from actors.rulebooks import twilight
from actors.units import LONG, SHORT
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters


def liquidation_fault(event: events.Event, venue: parameters.VenueParameters) -> str | None:
    """What is wrong with the liquidation, or None (TW-03 to TW-06, TW-10, TW-11)."""
    body = event.position_liquidated
    rules = venue.twilight
    side = LONG if body.side == common.SIDE_LONG else SHORT
    if body.position_size != body.entry_value_atoms * body.entry_ticks:
        return "position size is not entry value * entry price (TW-02)"
    paid = twilight.funding_paid_e9(side, body.funding_rate_e9)
    maintenance = twilight.maintenance_margin_e9(
        side,
        body.entry_value_atoms,
        body.initial_margin_atoms,
        rules.maintenance_ratio_e9,
        rules.taker_fee_e9,
        paid,
    )
    size, value, held, mark = (
        body.position_size,
        body.entry_value_atoms,
        body.margin_held_atoms,
        body.mark.mark_ticks,
    )
    terms = twilight.liquidation_terms(side, size, value, held, mark, maintenance)
    if (terms.equity_atoms, terms.maintenance_atoms, terms.deficit_atoms) != (
        body.equity_atoms,
        body.maintenance_atoms,
        body.deficit_atoms,
    ):
        return "equity, maintenance or deficit are not the rulebook's (TW-04, TW-10, TW-11)"
    if twilight.liquidation_threshold_ticks(side, size, value, held, maintenance) != body.threshold_ticks:
        return "the threshold is not the rulebook's (TW-06)"
    if body.round:
        if not twilight.is_liquidatable(side, mark, size, value, held, maintenance):
            return "the position was healthy at the block's mark (TW-10)"
    elif not _close_is_negative(body, side, rules.taker_fee_e9):
        return "the close would have paid out (TW-12)"
    if body.outcome != liquidation_outcome(terms.equity_atoms, held):
        return "the outcome is another row of the table (TW-11)"
    return None


def _close_is_negative(body: events.PositionLiquidated, side: int, fee_rate_e9: int) -> bool:
    return twilight.close_terms(
        side,
        body.position_size,
        body.entry_value_atoms,
        body.initial_margin_atoms,
        body.margin_held_atoms,
        body.mark.mark_ticks,
        fee_rate_e9,
    ).is_liquidation
