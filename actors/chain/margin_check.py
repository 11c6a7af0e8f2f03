"""Whether an event of Margin Trade's ladder is what the rulebook says: from its own numbers, the venue's parameters and
the marks of the header (MT-11 to MT-15).

The worth of a lot at a tick is no part of a receipt; it has to come out of the numbers as a whole number of atoms.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actors.rulebooks import margin_trade
from actors.rulebooks.margin_trade import Rung
from actors.units import PPM, mul_div_ceil
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters

VAULT = 0
LADDER_NUMBER, ROUND_SHIFT, ROUND_MASK = 1 << 19, 16, 7

# (venue, market) -> the header's mark.
Marks = Mapping[tuple[int, int], common.Mark]
_Check = Callable[[events.Event, Any, parameters.MarginTradeParameters, Marks], str | None]


def header_marks(marks: Iterable[common.Mark]) -> dict[tuple[int, int], common.Mark]:
    """The marks of a header by venue and market."""
    return {(mark.venue, mark.market): mark for mark in marks}


def ladder_fault(event: events.Event, venue: parameters.VenueParameters, marks: Marks) -> str | None:
    """What is wrong with an event of the ladder, or None; None too for an event of another kind."""
    kind = event.WhichOneof("body")
    check = _CHECKS.get(kind) if kind else None
    if check is None:
        return None
    if venue.venue != event.venue or venue.rulebook != common.RULEBOOK_MARGIN_TRADE:
        return "the parameters are not those of the event's venue"
    return check(event, getattr(event, str(kind)), venue.margin_trade, marks)


def _rung(body: Any, rules: parameters.MarginTradeParameters) -> int:
    return margin_trade.rung_due(
        body.equity_atoms, body.maintenance_atoms, rules.backstop_numerator, rules.backstop_denominator
    )


def _stamp_fault(event: events.Event, stamp: events.MarkStamp, marks: Marks) -> str | None:
    mark = marks.get((event.venue, event.market))
    if mark is None:
        return "the header has no mark for the market"
    if (mark.mark_ticks, mark.version) != (stamp.mark_ticks, stamp.version):
        return "the ladder's mark is not the header's"
    return None


def _ordered(
    event: events.Event, body: events.LiquidationOrdered, rules: parameters.MarginTradeParameters, marks: Marks
) -> str | None:
    """MT-12."""
    if _rung(body, rules) != Rung.LIQUIDATABLE:
        return "the account was not on the first rung (MT-11)"
    held, mark = abs(body.position_lots), body.mark.mark_ticks
    if not 0 < body.lots <= held or body.is_partial != (body.lots < held):
        return "the order is not for a part or the whole of the position (MT-12)"
    if body.is_partial:
        if not rules.partial_liquidation:
            return "the venue liquidates no parts (MT-18)"
        if body.lots != mul_div_ceil(held, rules.partial_fraction_ppm, PPM):
            return "the part is not the venue's (MT-12)"
    if body.cooldown_until_ms != (event.block_time_ms + rules.cooldown_ms if body.is_partial else 0):
        return "the cooldown is not the venue's (MT-12)"
    if body.limit_ticks <= 0 or (body.limit_ticks - mark) * body.position_lots > 0:
        return "the limit is not on the bankruptcy side of the mark (MT-12)"
    number = body.order & ~((1 << ROUND_SHIFT) - 1)
    if number != event.height << 20 | LADDER_NUMBER | (body.round & ROUND_MASK) << ROUND_SHIFT:
        return "the order's number is not one of the ladder's in this block and round"
    return _stamp_fault(event, body.mark, marks)


def _taken_over(
    event: events.Event, body: events.TakenOver, rules: parameters.MarginTradeParameters, marks: Marks
) -> str | None:
    """MT-13."""
    if event.account == VAULT or body.maintenance_atoms <= 0 or _rung(body, rules) < Rung.BACKSTOP:
        return "the account was not due for the vault (MT-11, MT-13)"
    markets = [held.market for held in body.positions]
    if not markets or markets != sorted(set(markets)):
        return "the positions taken over are not one a market, in their order (MT-13)"
    for held in body.positions:
        mark = marks.get((event.venue, held.market))
        if mark is None or mark.mark_ticks != held.mark_ticks:
            return "a takeover's mark is not the header's (MT-13)"
        if not _is_worth(held.quote_atoms, held.lots, held.mark_ticks):
            return "a position's value is not its lots at the mark (MT-13)"
    return None


def _takeover_refused(
    event: events.Event, body: events.TakeoverRefused, rules: parameters.MarginTradeParameters, _: Marks
) -> str | None:
    """MT-14."""
    if body.limit == events.TAKEOVER_LIMIT_VAULT:
        stands = event.account == VAULT and body.equity_atoms < body.maintenance_atoms
        numbers = (body.maintenance_atoms, body.equity_atoms)
        return (
            None if stands and numbers == (body.required, body.actual) else "the vault was not below its margin (MT-14)"
        )
    if event.account == VAULT or _rung(body, rules) < Rung.BACKSTOP:
        return "the account was not due for the vault (MT-11, MT-13)"
    if body.limit == events.TAKEOVER_LIMIT_LEVERAGE:
        exceeded = body.required == rules.vault_max_leverage_hundredths and body.actual > body.required
    else:
        exceeded = body.limit == events.TAKEOVER_LIMIT_LOSS and body.actual < body.required
    return None if exceeded else "the vault's limit was not exceeded (MT-14)"


def _run(
    event: events.Event, body: events.DeleverageRun, rules: parameters.MarginTradeParameters, marks: Marks
) -> str | None:
    """MT-15."""
    if body.policy != (rules.deleverage_policy or common.DELEVERAGE_POLICY_QUEUE):
        return "the policy is not the venue's (MT-15)"
    if not 0 <= body.taken_lots <= body.needed_lots or body.needed_lots == 0:
        return "more was taken than needed (MT-15)"
    if (body.counterparties == 0) != (body.taken_lots == 0) or body.counterparties > body.taken_lots:
        return "lots and counterparties do not go together (MT-15)"
    if body.overshoot_atoms != max(0, body.taken_atoms - body.needed_atoms) or body.taken_atoms < 0:
        return "the overshoot is not what was taken beyond the need (MT-15)"
    if not 0 <= body.largest_haircut_ppm <= PPM:
        return "a counterparty lost more than its equity (MT-15)"
    return _stamp_fault(event, body.mark, marks)


def _deleveraged(
    event: events.Event, body: events.Deleveraged, _: parameters.MarginTradeParameters, marks: Marks
) -> str | None:
    """MT-15."""
    if event.account == body.liquidated_account:
        return "an account does not deleverage itself (MT-15)"
    mark = marks.get((event.venue, event.market))
    if mark is None:
        return "the header has no mark for the market"
    # A counterparty's lots and quote have the sign of the position it takes over; what it loses is against the mark.
    haircut = body.haircut_atoms
    if not _is_worth(body.quote_atoms - haircut, body.lots, mark.mark_ticks):
        return "the haircut is not the quote against the mark (MT-15)"
    return None


def _is_worth(value_atoms: int, lots: int, mark_ticks: int) -> bool:
    """The value is lots * mark * k for a whole k above 0."""
    at_one = lots * mark_ticks
    return at_one != 0 and value_atoms % at_one == 0 and value_atoms // at_one > 0


_CHECKS: dict[str, _Check] = {
    "liquidation_ordered": _ordered,
    "taken_over": _taken_over,
    "takeover_refused": _takeover_refused,
    "deleverage_run": _run,
    "deleveraged": _deleveraged,
}


LADDER_KINDS = frozenset(events.Event.DESCRIPTOR.fields_by_name[kind].number for kind in _CHECKS)


def deleveraging_faults(block: Iterable[events.Event]) -> list[str]:
    """Runs of a block against their counterparties, who follow each: lots, quotes and losses add up (MT-15)."""
    faults: list[str] = []
    told = iter([event for event in block if event.WhichOneof("body") in ("deleverage_run", "deleveraged")])
    for event in told:
        if not event.HasField("deleverage_run"):
            faults.append(f"event {event.index}: a counterparty without a run (MT-15)")
            continue
        run = event.deleverage_run
        parts = [part for part in (next(told, None) for _ in range(run.counterparties)) if part is not None]
        if not _adds_up(event, run, parts):
            faults.append(f"event {event.index}: the counterparties do not add up to the run (MT-15)")
    return faults


def _adds_up(event: events.Event, run: events.DeleverageRun, parts: list[events.Event]) -> bool:
    bodies = [part.deleveraged for part in parts]
    places = {(part.venue, part.market, part.deleveraged.liquidated_account) for part in parts}
    same_place = not parts or places == {(event.venue, event.market, event.account)}
    return (
        same_place
        and len({part.account for part in parts}) == run.counterparties
        and sum(abs(body.lots) for body in bodies) == run.taken_lots
        and sum(body.quote_atoms for body in bodies) == run.quote_atoms
        and sum(max(0, body.haircut_atoms) for body in bodies) == run.taken_atoms
    )


def ladder_facts(event: events.Event) -> list[str]:
    """What a receipt of such an event proves, in words; empty for other kinds."""
    kind = event.WhichOneof("body")
    telling = _FACTS.get(kind) if kind else None
    return telling(event, getattr(event, str(kind))) if telling else []


def _tell_ordered(event: events.Event, body: events.LiquidationOrdered) -> list[str]:
    share = "a part" if body.is_partial else "the whole"
    return [
        f"account {event.account} had equity {body.equity_atoms} below maintenance {body.maintenance_atoms} atoms "
        f"at mark {body.mark.mark_ticks} (version {body.mark.version}) (MT-11)",
        f"{body.lots} of its {body.position_lots} lots in market {event.market} were ordered, {share}, "
        f"no worse than {body.limit_ticks} ticks (MT-12)",
    ]


def _tell_taken_over(event: events.Event, body: events.TakenOver) -> list[str]:
    markets = ", ".join(f"{held.lots} lots of market {held.market} at {held.mark_ticks}" for held in body.positions)
    return [
        f"account {event.account} had equity {body.equity_atoms}, too little of maintenance {body.maintenance_atoms} "
        "atoms for the first rung (MT-11)",
        f"the vault took {markets}, and the whole equity; nothing was returned (MT-13)",
    ]


def _tell_refused(event: events.Event, body: events.TakeoverRefused) -> list[str]:
    limit = events.TakeoverLimit.Name(body.limit).removeprefix("TAKEOVER_LIMIT_").lower()
    return [
        f"account {event.account} was not for the vault: limit {limit}, required {body.required}, "
        f"actual {body.actual} (MT-14)"
    ]


def _tell_run(event: events.Event, body: events.DeleverageRun) -> list[str]:
    return [
        f"{body.taken_lots} of {body.needed_lots} lots in market {event.market} were closed against "
        f"{body.counterparties} counterparties for {body.quote_atoms} atoms at mark {body.mark.mark_ticks} (MT-15)",
        f"they lost {body.taken_atoms} atoms against the mark where {body.needed_atoms} were missing (MT-15)",
    ]


def _tell_deleveraged(event: events.Event, body: events.Deleveraged) -> list[str]:
    return [
        f"account {event.account}, rank {body.rank}, gave {body.lots} lots of market {event.market} at "
        f"{body.quote_atoms} atoms for account {body.liquidated_account}: {body.haircut_atoms} against the mark (MT-15)"
    ]


_FACTS: dict[str, Callable[[events.Event, Any], list[str]]] = {
    "liquidation_ordered": _tell_ordered,
    "taken_over": _tell_taken_over,
    "takeover_refused": _tell_refused,
    "deleverage_run": _tell_run,
    "deleveraged": _tell_deleveraged,
}
