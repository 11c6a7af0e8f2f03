"""Receipts of Margin Trade's ladder hold offline; a flipped number is refused, though root and signature agree."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from actors.chain import merkle
from actors.chain.margin_check import deleveraging_faults
from actors.chain.numbered_events import NumberedEvents
from actors.chain.receipt import ReceiptVerdict, check_receipt, make_receipt
from actors.chain.roots import header_hash, serialise_header
from actors.validator import judge
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.chain.test_receipt import KEY, PUBLIC, sign, verify
from tests.simulation.margin_trade.scene import DEEP, IM, LOT, VENUE, Scene, Told, venue_rules

KINDS = ("liquidation_ordered", "taken_over", "takeover_refused", "deleverage_run", "deleveraged")


@cache
def fallen() -> tuple[Told, parameters.VenueParameters]:
    """One block with a partial order, a takeover, a refusal for leverage, and a run with two counterparties."""
    scene = Scene(accounts=8)
    scene.deposit(a1=50 * LOT, a2=100 * IM, a3=100 * IM, a4=2_000 * (IM + 25_000), a5=20 * LOT, a6=DEEP, a7=50 * LOT)
    scene.seal()
    scene.provide(5, 20 * LOT)
    scene.seal()
    scene.trade(2, 6, 100)
    scene.trade(3, 1, 50)
    scene.trade(3, 7, 50)
    scene.trade(4, 6, 2_000)
    scene.order(6, 5_000, 9_440)
    scene.seal()
    told = scene.seal(m1=9_440)
    return told, scene.replica.state.venues[VENUE]


def the(kind: str) -> int:
    """Index of the first event of a kind."""
    return next(event.index for event in fallen()[0].events if event.WhichOneof("body") == kind)


def forged(index: int, change: Callable[[events.Event], None]) -> ReceiptVerdict:
    """A receipt of a block made whole around a changed event: event, root and signature agree."""
    told, venue = fallen()
    event = events.Event.FromString(told.result.events[index])
    change(event)
    numbered = list(told.result.events)
    numbered[index] = event.SerializeToString(deterministic=True)
    header = blocks.BlockHeader()
    header.CopyFrom(told.result.header)
    header.events_root = merkle.root(numbered)
    return check_receipt(make_receipt(numbered, index, sign(serialise_header(header)), venue), PUBLIC, verify)


@pytest.mark.parametrize("kind", KINDS)
def test_every_rung_has_a_receipt_that_holds_and_says_what_it_proves(kind: str) -> None:
    verdict = forged(the(kind), lambda event: None)
    assert verdict.ok, verdict.reason
    assert any("MT-1" in fact for fact in verdict.facts[1:])


def test_the_block_s_validator_agrees() -> None:
    told, venue = fallen()
    assert judge(told.result.header, told.result.header, told.result.events, {VENUE: venue}, {}) == []


def body(name: str, value: int | Callable[[int], int]) -> Callable[[Any], None]:
    """Puts a number into the body, or what a function makes of the one there."""

    def change(event: events.Event) -> None:
        target: Any = getattr(event, str(event.WhichOneof("body")))
        *path, last = name.split(".")
        for part in path:
            target = target[int(part)] if part.isdigit() else getattr(target, part)
        setattr(target, last, value(getattr(target, last)) if callable(value) else value)

    return change


def more(number: int) -> int:
    return number + 1


FLIPPED = [
    ("liquidation_ordered", body("equity_atoms", 10**12), "not on the first rung"),
    ("liquidation_ordered", body("equity_atoms", -1), "not on the first rung"),
    ("liquidation_ordered", body("maintenance_atoms", 1), "not on the first rung"),
    ("liquidation_ordered", body("lots", more), "not the venue's (MT-12)"),
    ("liquidation_ordered", body("lots", 2_001), "a part or the whole"),
    ("liquidation_ordered", body("is_partial", 0), "a part or the whole"),
    ("liquidation_ordered", body("position_lots", 1_990), "the part is not the venue's"),
    ("liquidation_ordered", body("position_lots", -2_000), "bankruptcy side"),
    ("liquidation_ordered", body("limit_ticks", 9_441), "bankruptcy side"),
    ("liquidation_ordered", body("cooldown_until_ms", more), "cooldown"),
    ("liquidation_ordered", body("order", lambda number: number + (1 << 16)), "number"),
    ("liquidation_ordered", body("round", more), "number"),
    ("liquidation_ordered", body("mark.mark_ticks", 9_441), "mark is not the header's"),
    ("liquidation_ordered", body("mark.version", more), "mark is not the header's"),
    ("taken_over", body("equity_atoms", 10**9), "not due for the vault"),
    ("taken_over", body("maintenance_atoms", 0), "not due for the vault"),
    ("taken_over", body("positions.0.mark_ticks", more), "mark is not the header's"),
    ("taken_over", body("positions.0.lots", -100), "not its lots at the mark"),
    ("taken_over", body("positions.0.quote_atoms", more), "not its lots at the mark"),
    ("taken_over", body("positions.0.market", 2), "mark is not the header's"),
    ("takeover_refused", body("equity_atoms", 10**9), "not due for the vault"),
    ("takeover_refused", body("required", more), "limit was not exceeded"),
    ("takeover_refused", body("actual", 500), "limit was not exceeded"),
    ("takeover_refused", body("limit", events.TAKEOVER_LIMIT_VAULT), "not below its margin"),
    ("deleverage_run", body("policy", 2), "policy"),
    ("deleverage_run", body("taken_lots", 101), "more was taken than needed"),
    ("deleverage_run", body("needed_lots", 0), "more was taken than needed"),
    ("deleverage_run", body("counterparties", 0), "do not go together"),
    ("deleverage_run", body("overshoot_atoms", more), "overshoot"),
    ("deleverage_run", body("taken_atoms", -1), "overshoot"),
    ("deleverage_run", body("largest_haircut_ppm", 10**6 + 1), "more than its equity"),
    ("deleverage_run", body("mark.mark_ticks", more), "mark is not the header's"),
    ("deleveraged", body("haircut_atoms", more), "against the mark"),
    ("deleveraged", body("quote_atoms", more), "against the mark"),
    ("deleveraged", body("lots", lambda lots: -lots), "against the mark"),
    ("deleveraged", body("liquidated_account", 1), "does not deleverage itself"),
]


@pytest.mark.parametrize(("kind", "change", "reason"), FLIPPED)
def test_a_flipped_number_is_refused(kind: str, change: Callable[[events.Event], None], reason: str) -> None:
    verdict = forged(the(kind), change)
    assert not verdict.ok
    assert reason in verdict.reason


@pytest.mark.parametrize(("kind", "change", "reason"), FLIPPED)
def test_the_validator_does_not_sign_it(kind: str, change: Callable[[events.Event], None], reason: str) -> None:
    told, venue = fallen()
    numbered = list(told.result.events)
    event = events.Event.FromString(numbered[the(kind)])
    change(event)
    numbered[event.index] = event.SerializeToString(deterministic=True)
    faults = judge(told.result.header, told.result.header, NumberedEvents.of(numbered), {VENUE: venue}, {})
    assert any(reason in fault for fault in faults)


@pytest.mark.parametrize("name", ["taken_lots", "quote_atoms", "counterparties"])
def test_counterparties_must_add_up_to_their_run(name: str) -> None:
    told, _ = fallen()
    altered = [events.Event.FromString(event) for event in told.result.events]
    assert deleveraging_faults(altered) == []
    run = altered[the("deleverage_run")].deleverage_run
    setattr(run, name, getattr(run, name) - 1)
    assert deleveraging_faults(altered) != []


def test_parameters_of_another_venue_prove_nothing() -> None:
    told, _ = fallen()
    other = venue_rules()
    other.venue = VENUE + 1
    made = make_receipt(told.result.events, the("taken_over"), sign(serialise_header(told.result.header)), other)
    assert "not those of the event's venue" in check_receipt(made, PUBLIC, verify).reason
    assert KEY.verify_key.verify(header_hash(made.header.header), made.header.signature)
