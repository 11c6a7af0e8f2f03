"""Whether a liquidation by a bot is what the rulebook says: from the event's own numbers, the parameters of venue and
market, and the marks of the header (SP-04 to SP-09, PE-01, PE-02, PE-09).

What needs more than the event says (the account's other markets, its pending orders) stays with re-execution.
"""

from collections.abc import Mapping

from actors.rulebooks import perennial, spin
from actors.rulebooks.versions import reward_is_cut
from actors.units import E9, div_ceil
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters

# (venue, market) -> the header's mark.
Marks = Mapping[tuple[int, int], common.Mark]
# States of a mark that may be acted on; spelled out, for who checks a receipt needs no actor.
_USABLE = (common.MARK_STATE_FRESH, common.MARK_STATE_STALE)

_KINDS = ("takeover_reserved", "account_liquidated", "position_locked")
BOT_KINDS = frozenset(events.Event.DESCRIPTOR.fields_by_name[kind].number for kind in _KINDS)


def bot_liquidation_fault(
    event: events.Event, venue: parameters.VenueParameters, market: parameters.MarketParameters, marks: Marks
) -> str | None:
    """What is wrong with the event, or None; None too for an event of another kind."""
    kind = event.WhichOneof("body")
    if kind not in _KINDS:
        return None
    if (venue.venue, market.venue, market.market) != (event.venue, event.venue, event.market):
        return "the parameters are not those of the event's market"
    if kind == "position_locked":
        return _lock_fault(event, venue.perennial, market.perennial) or _cut_fault(event.position_locked, venue)
    mark = marks.get((event.venue, event.market))
    if mark is None:
        return "the header has no mark for the market"
    if mark.state not in _USABLE:
        return "nothing may be taken over at the header's mark (SP-07)"
    if kind == "takeover_reserved":
        return _reservation_fault(event, market.spin, mark)
    return _position_fault(event, market.spin, mark) or _amounts_fault(
        event.account_liquidated, venue.spin, market.spin
    )


def _reservation_fault(event: events.Event, market: parameters.SpinMarket, mark: common.Mark) -> str | None:
    """SP-07: the liquidator stays above 1 with all it may have to take over."""
    body = event.takeover_reserved
    if body.target == event.account:
        return "nobody takes over its own position (SP-07)"
    if body.lots < market.step_lots or body.lots % market.step_lots:
        return "the lots are no whole number of steps (SP-07)"
    if body.collateral_atoms < _collateral_ceil_atoms(body.lots, market, mark):
        return "less was set aside than the lots need (SP-02, SP-07)"
    # Collateral is told rounded up: equity above it before rounding is at least that.
    if body.equity_atoms < body.collateral_atoms:
        return "the liquidator was not above 1 (SP-07)"
    return None


def _position_fault(event: events.Event, market: parameters.SpinMarket, mark: common.Mark) -> str | None:
    """What was taken is a part of the position, at the header's mark, in whole steps."""
    body = event.account_liquidated
    if body.liquidator == event.account:
        return "nobody takes over its own position (SP-07)"
    if (mark.mark_ticks, mark.version) != (body.mark.mark_ticks, body.mark.version):
        return "the takeover's mark is not the header's (SP-07)"
    lots, left = body.lots, body.remaining_lots
    if lots == 0 or lots * left < 0:
        return "the takeover is not a part of the position (SP-06)"
    in_steps = market.step_lots <= abs(lots) and abs(lots) % market.step_lots == 0
    if not in_steps or not abs(lots) <= body.liquidatable_lots <= abs(lots + left):
        return "more or less was taken than may be taken (SP-06, SP-07)"
    if body.value_atoms != spin.notional_atoms(lots, mark.mark_ticks, market.quote_atoms_per_tick_lot):
        return "the value is not the lots at the mark (SP-08)"
    if body.collateral_atoms < _collateral_ceil_atoms(lots + left, market, mark):
        return "the collateral is less than the position's own (SP-02)"
    return None


def _amounts_fault(
    body: events.AccountLiquidated, rules: parameters.SpinParameters, market: parameters.SpinMarket
) -> str | None:
    """Tier, calculator and payments, from equity and collateral as the event tells them."""
    # Collateral is told rounded up to an atom: the tier has to be right for some amount that rounds to it.
    bounds_e9 = [body.collateral_atoms * E9 - off for off in (E9 - 1, 0)]
    if body.tier < spin.Tier.PARTIAL or body.tier not in [spin.tier_of(body.equity_atoms, most) for most in bounds_e9]:
        return "the account was not in that tier (SP-04, SP-05)"
    size = abs(body.lots + body.remaining_lots)
    if body.tier == spin.Tier.COMPLETE and body.liquidatable_lots != size:
        return "below 0.3 the whole position may be taken (SP-04)"
    if body.tier == spin.Tier.PARTIAL:
        # The calculator asks an atom less of equity where the penalty's own rounding would leave too little.
        equities = (body.equity_atoms + 1, body.equity_atoms - 1)
        least, most = (
            spin.calculated_lots_ceil(
                equity,
                collateral_e9,
                size,
                body.mark.mark_ticks,
                market.quote_atoms_per_tick_lot,
                market.collateral_ratio_e9,
                rules.liquidator_reward_e9 + rules.insurance_share_e9,
                market.step_lots,
            )
            for equity, collateral_e9 in zip(equities, bounds_e9, strict=True)
        )
        if not least <= body.liquidatable_lots <= most:
            return "the lots that may be taken are not the calculator's (SP-06)"
    penalty = spin.penalty_atoms(body.value_atoms, rules.liquidator_reward_e9, rules.insurance_share_e9)
    paid = spin.payments_of(body.equity_atoms, penalty)
    if paid != (body.reward_atoms, body.insurance_atoms, body.owed_reward_atoms):
        return "reward and share are not the rulebook's (SP-08, SP-09)"
    return None


def _collateral_ceil_atoms(lots: int, market: parameters.SpinMarket, mark: common.Mark) -> int:
    """What these lots alone need at the mark, rounded up (SP-02)."""
    k, rate_e9 = market.quote_atoms_per_tick_lot, market.collateral_ratio_e9
    return div_ceil(spin.collateral_atoms_e9(lots, mark.mark_ticks, k, rate_e9), E9)


def _lock_fault(
    event: events.Event, venue: parameters.PerennialParameters, market: parameters.PerennialMarket
) -> str | None:
    body = event.position_locked
    required = perennial.requirement_floor_atoms(
        body.lots, body.price_ticks, market.maintenance_ppm, market.min_maintenance_atoms
    )
    if required != body.requirement_atoms:
        return "the requirement is not the rulebook's (PE-01)"
    if not perennial.is_liquidatable(body.collateral_atoms, body.requirement_atoms):
        return "the account was not below its requirement (PE-02)"
    if body.version_ms <= event.block_time_ms or body.version_ms % market.version_ms:
        return "the close is not pinned to a version that is still to come (PE-07)"
    if not body.price_version_ms < body.version_ms < body.price_version_ms + market.stale_after_ms:
        return "the price is of no version that could decide it (PE-02, PE-04)"
    if body.fee_atoms < 0 or body.settlement_fee_atoms not in (0, market.settlement_fee_atoms):
        return "the fees of the close are not the market's (PE-14)"
    fee = perennial.liquidation_fee_floor_atoms(
        required,
        market.liquidation_fee_ppm,
        market.min_liquidation_fee_atoms,
        market.max_liquidation_fee_atoms,
        venue.v2_exact,
    )
    # What closing leaves is the most a reward may be, and the market may hold less than that.
    limit = fee if venue.v2_exact else min(fee, max(body.collateral_atoms, 0))
    if not 0 <= body.reward_atoms <= body.reward_limit_atoms <= limit:
        return "the reward is above its limit (PE-09)"
    return None


def _cut_fault(body: events.PositionLocked, venue: parameters.VenueParameters) -> str | None:
    """A reward is cut where the logic in force says so, to the limit, and only if more was asked."""
    if not body.reward_asked_atoms:
        return None
    if not reward_is_cut(venue):
        return "no reward is cut under the venue's version of the rulebook (PE-09)"
    if not body.reward_asked_atoms > body.reward_limit_atoms == body.reward_atoms:
        return "the reward was cut, but not to its limit (PE-09)"
    return None


def bot_liquidation_facts(event: events.Event) -> list[str]:
    """What a receipt of such an event proves, in words; empty for other kinds."""
    if event.HasField("takeover_reserved"):
        kept = event.takeover_reserved
        return [
            f"account {event.account} had equity {kept.equity_atoms} against {kept.collateral_atoms} atoms with "
            f"{kept.lots} lots of account {kept.target} set aside: above 1 (SP-07)"
        ]
    if event.HasField("account_liquidated"):
        taken = event.account_liquidated
        return [
            f"account {event.account} had equity {taken.equity_atoms} against collateral {taken.collateral_atoms} "
            f"atoms: tier {spin.Tier(taken.tier).name} (SP-04, SP-05)",
            f"account {taken.liquidator} took {taken.lots} of at most {taken.liquidatable_lots} lots of market "
            f"{event.market} at mark {taken.mark.mark_ticks} (version {taken.mark.version}) (SP-06, SP-07)",
            f"it paid {taken.reward_atoms} atoms to it and {taken.insurance_atoms} to the insurance fund (SP-08)",
        ]
    if event.HasField("position_locked"):
        locked = event.position_locked
        return [
            f"account {event.account} had collateral {locked.collateral_atoms} below requirement "
            f"{locked.requirement_atoms} atoms at {locked.price_ticks} (version {locked.price_version_ms}) (PE-02)",
            f"account {locked.liquidator} closed its {locked.lots} lots at version {locked.version_ms} for "
            f"{locked.reward_atoms} of at most {locked.reward_limit_atoms} atoms (PE-07, PE-09)",
        ]
    return []
