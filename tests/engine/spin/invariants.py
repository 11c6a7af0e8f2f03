"""What must hold of takeovers whatever the engine did: read off the block's events, by fractions (SP-06 to SP-09)."""

from fractions import Fraction
from math import ceil, floor

from actors.units import E9
from breakwater.v1 import events_pb2
from tests.engine.spin.health import TARGET
from tests.engine.spin.state import SpinSight
from tests.engine.spin.views import ratio_breaches

COMPLETE = 3


def takeover_breaches(sight: SpinSight, serialised: list[bytes]) -> list[str]:
    """Every rule the block's takeovers broke, in words; empty when all hold."""
    found = ratio_breaches(sight)
    parsed = [events_pb2.Event.FromString(one) for one in serialised]
    mine = [event for event in parsed if event.venue == sight.venue]
    for event in mine:
        if event.HasField("account_liquidated"):
            found += _of_takeover(sight, event)
    # SP-07: every reservation is answered in its block, and paid or let go in the next.
    reserved = [event for event in mine if event.HasField("takeover_reserved")]
    taken = sum(event.HasField("account_liquidated") for event in mine)
    if len(sight.own.reservations) != len(reserved):
        found.append(f"{len(reserved)} reservations of this block, {len(sight.own.reservations)} there")
    if taken > len(reserved):
        found.append(f"{taken} takeovers of {len(reserved)} reserved")
    return found


def _of_takeover(sight: SpinSight, event: events_pb2.Event) -> list[str]:
    """What it paid, in its order; never below the position's step; back at 0.7 and by no step more than that takes."""
    found, body = [], event.account_liquidated
    rules, value = sight.rules_of(event.market), body.value_atoms
    if value != abs(body.lots) * body.mark.mark_ticks * sight.k(event.market):
        found.append(f"worth {value}: {body}")
    reward = floor(Fraction(value * sight.rules.liquidator_reward_e9, E9))
    penalty = ceil(Fraction(value * (sight.rules.liquidator_reward_e9 + sight.rules.insurance_share_e9), E9))
    if body.reward_atoms + body.owed_reward_atoms != reward:
        found.append(f"a reward of {reward} is paid as {body}")
    if body.reward_atoms + body.insurance_atoms != min(penalty, max(0, body.equity_atoms)):
        found.append(f"a penalty of {penalty} is paid as {body}")
    if abs(body.lots) > body.liquidatable_lots or abs(body.lots) % rules.step_lots:
        found.append(f"{body.lots} lots taken: {body}")
    asked = abs(body.lots) == body.liquidatable_lots
    if body.tier != COMPLETE and asked and body.remaining_lots:
        found += _of_quantity(sight, event, penalty)
    return found


def _of_quantity(sight: SpinSight, event: events_pb2.Event, penalty: int) -> list[str]:
    """The whole of what the calculator allows restores 0.7; a step and an atom less would not have."""
    body, rules = event.account_liquidated, sight.rules_of(event.market)
    per_lot = body.mark.mark_ticks * sight.k(event.market)
    freed = Fraction(abs(body.lots) * per_lot * rules.collateral_ratio_e9, E9)
    # The event's collateral is rounded up, by less than an atom.
    left = Fraction(body.collateral_atoms) - freed
    equity = body.equity_atoms - penalty
    if equity < TARGET * (left - 1):
        return [f"{equity} for {left} after {body}"]
    rate = Fraction(sight.rules.liquidator_reward_e9 + sight.rules.insurance_share_e9, E9)
    step = rules.step_lots * per_lot * (TARGET * Fraction(rules.collateral_ratio_e9, E9) - rate)
    if step > 0 and equity - TARGET * left > step + 3:
        return [f"more than a step beyond: {equity} for {left} after {body}"]
    return []
