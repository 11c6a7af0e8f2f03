"""Whether a liquidation by a bot is what the rulebook says: from the event's own numbers, the parameters of venue and
market, and the marks of the header (SP-04 to SP-09, PE-01, PE-02, PE-09).

What needs more than the event says (the account's other markets, its pending orders) stays with re-execution.
"""

from collections.abc import Mapping

from actors.rulebooks import perennial, spin
from actors.units import E9
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters

# (venue, market) -> the header's mark.
Marks = Mapping[tuple[int, int], common.Mark]


def bot_liquidation_fault(
    event: events.Event, venue: parameters.VenueParameters, market: parameters.MarketParameters, marks: Marks
) -> str | None:
    """What is wrong with the event, or None; None too for an event of another kind."""
    kind = event.WhichOneof("body")
    if kind not in ("account_liquidated", "position_locked"):
        return None
    if (venue.venue, market.venue, market.market) != (event.venue, event.venue, event.market):
        return "the parameters are not those of the event's market"
    if kind == "account_liquidated":
        return _takeover_fault(event, venue.spin, market.spin, marks)
    return _lock_fault(event, venue.perennial, market.perennial)


def _takeover_fault(
    event: events.Event, rules: parameters.SpinParameters, market: parameters.SpinMarket, marks: Marks
) -> str | None:
    body = event.account_liquidated
    mark = marks.get((event.venue, event.market))
    if mark is None:
        return "the header has no mark for the market"
    if (mark.mark_ticks, mark.version) != (body.mark.mark_ticks, body.mark.version):
        return "the takeover's mark is not the header's (SP-07)"
    lots, left = body.lots, body.remaining_lots
    if lots == 0 or lots * left < 0:
        return "the takeover is not a part of the position (SP-06)"
    if not market.step_lots <= abs(lots) <= body.liquidatable_lots <= abs(lots + left):
        return "more or less was taken than may be taken (SP-06, SP-07)"
    if body.value_atoms != spin.notional_atoms(lots, mark.mark_ticks, market.quote_atoms_per_tick_lot):
        return "the value is not the lots at the mark (SP-08)"
    # Collateral is told rounded up to an atom: the tier has to be right for some amount that rounds to it.
    tiers = [int(spin.tier_of(body.equity_atoms, body.collateral_atoms * E9 - off)) for off in (0, E9 - 1)]
    if body.tier < spin.Tier.PARTIAL or body.tier not in tiers:
        return "the account was not in that tier (SP-04, SP-05)"
    if body.tier == spin.Tier.COMPLETE and body.liquidatable_lots != abs(lots + left):
        return "below 0.3 the whole position may be taken (SP-04)"
    penalty = spin.penalty_atoms(body.value_atoms, rules.liquidator_reward_e9, rules.insurance_share_e9)
    paid = spin.payments_of(body.equity_atoms, penalty)
    if paid != (body.reward_atoms, body.insurance_atoms, body.owed_reward_atoms):
        return "reward and share are not the rulebook's (SP-08, SP-09)"
    return None


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
    if body.version_ms <= event.block_time_ms:
        return "the close is not pinned to a version that is still to come (PE-07)"
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


def bot_liquidation_facts(event: events.Event) -> list[str]:
    """What a receipt of such an event proves, in words; empty for other kinds."""
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
