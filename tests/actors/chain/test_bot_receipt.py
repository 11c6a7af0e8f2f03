"""Receipts of liquidations by bots hold offline; a flipped number is refused, though root and signature agree."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from actors.chain import merkle
from actors.chain.bot_check import bot_liquidation_fault
from actors.chain.numbered_events import NumberedEvents
from actors.chain.receipt import ReceiptVerdict, check_receipt, make_receipt
from actors.chain.roots import serialise_header
from actors.rulebooks import spin
from actors.validator import judge
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.chain.test_receipt import PUBLIC, sign, verify
from tests.building import parsed
from tests.cluster.bot_story import BOOKS, FIRST_BOT, LONGER, PERENNIAL, SPIN, VICTIM, bot_story, replica_at

Change = Callable[[events.Event], None]

# Where the story has them: a step below 0.7, a position far below 0.3 with an empty fund, a close.
PARTIAL, COMPLETE, LOCK, RESERVED = "raced for", "taken whole", "locked", "raced for"
BODIES = {PARTIAL: "account_liquidated", COMPLETE: "account_liquidated", LOCK: "position_locked"}


def terms(name: str) -> tuple[parameters.VenueParameters, parameters.MarketParameters]:
    """Venue and market as they were in force in the block."""
    venue = PERENNIAL if name == LOCK else SPIN
    state = replica_at(bot_story().at[name]).state
    return state.venues[venue], state.markets[venue, 1]


def forged(
    name: str, body: str, change: Change, marks: Callable[[common.Mark], None] | None = None
) -> tuple[blocks.BlockHeader, list[bytes], int]:
    """The block made whole around a changed event: header, events and index agree."""
    result = bot_story().results[bot_story().at[name] - 1]
    index = next(event.index for event in parsed(result) if event.WhichOneof("body") == body)
    event = events.Event.FromString(result.events[index])
    change(event)
    numbered = list(result.events)
    numbered[index] = event.SerializeToString(deterministic=True)
    header = blocks.BlockHeader()
    header.CopyFrom(result.header)
    header.events_root = merkle.root(numbered)
    for mark in header.marks:
        if marks and mark.venue == event.venue:
            marks(mark)
    return header, numbered, index


def checked(name: str, body: str, change: Change, marks: Callable[[common.Mark], None] | None = None) -> ReceiptVerdict:
    """What is said of a receipt of the changed event."""
    header, numbered, index = forged(name, body, change, marks)
    venue, market = terms(name)
    return check_receipt(make_receipt(numbered, index, sign(serialise_header(header)), venue, market), PUBLIC, verify)


def as_it_was(event: events.Event) -> None:
    """Nothing changed."""


def body(name: str, value: int | Callable[[int], int]) -> Change:
    """Puts a number into the body, or what a function makes of the one there."""

    def change(event: events.Event) -> None:
        target: Any = getattr(event, str(event.WhichOneof("body")))
        *path, last = name.split(".")
        for part in path:
            target = getattr(target, part)
        setattr(target, last, value(getattr(target, last)) if callable(value) else value)

    return change


def both(*changes: Change) -> Change:
    """One change after the other."""

    def change(event: events.Event) -> None:
        for one in changes:
            one(event)

    return change


def more(number: int) -> int:
    return number + 1


def less(number: int) -> int:
    return number - 1


@pytest.mark.parametrize(
    ("name", "kind", "tags"),
    [
        (PARTIAL, "account_liquidated", ("SP-04", "SP-06", "SP-08")),
        (COMPLETE, "account_liquidated", ("SP-04", "SP-06", "SP-08")),
        (RESERVED, "takeover_reserved", ("SP-07",)),
        (LOCK, "position_locked", ("PE-02", "PE-07", "PE-09")),
    ],
)
def test_true_ones_hold_and_say_what_they_prove(name: str, kind: str, tags: tuple[str, ...]) -> None:
    verdict = checked(name, kind, as_it_was)
    assert verdict.ok, verdict.reason
    assert [tag for tag in tags if any(tag in fact for fact in verdict.facts[1:])] == list(tags)


def test_a_partial_takeover_s_words_are_its_numbers() -> None:
    verdict = checked(PARTIAL, "account_liquidated", as_it_was)
    assert f"account {VICTIM} had equity 6396125000 against collateral 9454500000 atoms" in verdict.facts[1]
    assert f"account {FIRST_BOT + 1} took 517 of at most 517 lots of market 1" in verdict.facts[2]


FLIPPED = [
    (PARTIAL, body("equity_atoms", 6_618_150_000), "not in that tier"),
    (PARTIAL, body("equity_atoms", 2_836_349_999), "not in that tier"),
    (PARTIAL, body("collateral_atoms", 30_000_000_000), "not in that tier"),
    (PARTIAL, body("collateral_atoms", 9_137_321_428), "less than the position's own"),
    (PARTIAL, body("collateral_atoms", 0), "less than the position's own"),
    (PARTIAL, body("tier", 1), "not in that tier"),
    (PARTIAL, body("tier", 3), "not in that tier"),
    (PARTIAL, body("equity_atoms", lambda atoms: atoms - 10**7), "not the calculator's"),
    (PARTIAL, body("liquidatable_lots", 518), "not the calculator's"),
    (PARTIAL, body("liquidatable_lots", 516), "more or less was taken"),
    (PARTIAL, body("liquidatable_lots", 9_901), "more or less was taken"),
    (PARTIAL, body("lots", 518), "more or less was taken"),
    (PARTIAL, body("lots", 516), "value is not the lots"),
    (PARTIAL, body("lots", 0), "not a part of the position"),
    (PARTIAL, body("lots", -517), "not a part of the position"),
    (PARTIAL, body("remaining_lots", lambda lots: lots + 200), "less than the position's own"),
    (PARTIAL, body("value_atoms", more), "value is not the lots"),
    (PARTIAL, body("mark.mark_ticks", more), "mark is not the header's"),
    (PARTIAL, body("mark.version", more), "mark is not the header's"),
    (PARTIAL, body("liquidator", VICTIM), "nobody takes over its own"),
    (PARTIAL, body("reward_atoms", more), "reward and share"),
    (PARTIAL, body("insurance_atoms", less), "reward and share"),
    (PARTIAL, both(body("reward_atoms", more), body("insurance_atoms", less)), "reward and share"),
    (PARTIAL, body("owed_reward_atoms", 1), "reward and share"),
    (COMPLETE, body("liquidatable_lots", more), "more or less was taken"),
    (COMPLETE, body("tier", 2), "not in that tier"),
    (COMPLETE, body("remaining_lots", 1), "less than the position's own"),
    (COMPLETE, body("equity_atoms", 10**7), "reward and share"),
    (COMPLETE, body("owed_reward_atoms", more), "reward and share"),
    (LOCK, body("collateral_atoms", 3_960_000_000), "not below its requirement"),
    (LOCK, body("requirement_atoms", more), "requirement is not"),
    (LOCK, body("lots", less), "requirement is not"),
    (LOCK, body("price_ticks", lambda ticks: ticks + 10**6), "requirement is not"),
    (LOCK, both(body("lots", 0), body("requirement_atoms", 0)), "not below its requirement"),
    (LOCK, body("version_ms", lambda ms: ms - 2_000), "still to come"),
    (LOCK, body("version_ms", more), "still to come"),
    (LOCK, body("price_version_ms", lambda ms: ms + 2_000), "no version that could decide"),
    (LOCK, body("price_version_ms", lambda ms: ms - 60_000), "no version that could decide"),
    (LOCK, body("settlement_fee_atoms", more), "fees of the close"),
    (LOCK, body("fee_atoms", -1), "fees of the close"),
    (LOCK, body("reward_atoms", more), "above its limit"),
    (LOCK, body("reward_atoms", -1), "above its limit"),
    (LOCK, both(body("reward_atoms", more), body("reward_limit_atoms", more)), "above its limit"),
    (LOCK, body("collateral_atoms", 197_999_999), "above its limit"),
]


@pytest.mark.parametrize(("name", "change", "reason"), FLIPPED)
def test_a_flipped_number_is_refused(name: str, change: Change, reason: str) -> None:
    verdict = checked(name, BODIES[name], change)
    assert not verdict.ok
    assert reason in verdict.reason


@pytest.mark.parametrize(("name", "change", "reason"), FLIPPED)
def test_the_validator_does_not_sign_it(name: str, change: Change, reason: str) -> None:
    header, numbered, _ = forged(name, BODIES[name], change)
    state = replica_at(bot_story().at[name]).state
    assert any(
        reason in fault for fault in judge(header, header, NumberedEvents.of(numbered), state.venues, state.markets)
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (body("equity_atoms", 493_734_999), "was not above 1"),
        (body("collateral_atoms", 493_734_999), "less was set aside"),
        (body("lots", 518), "less was set aside"),
        (body("lots", 0), "no whole number of steps"),
        (body("lots", -517), "no whole number of steps"),
        (body("target", FIRST_BOT + 1), "nobody takes over its own"),
    ],
)
def test_a_liquidator_that_could_not_have_reserved_is_refused(change: Change, reason: str) -> None:
    verdict = checked(RESERVED, "takeover_reserved", change)
    assert not verdict.ok
    assert reason in verdict.reason


def test_what_is_no_multiple_of_a_step_is_refused() -> None:
    name = PARTIAL
    header, numbered, index = forged(name, "account_liquidated", as_it_was)
    venue, market = terms(name)
    market.spin.step_lots = 2
    marks = {(mark.venue, mark.market): mark for mark in header.marks}
    fault = bot_liquidation_fault(events.Event.FromString(numbered[index]), venue, market, marks)
    assert fault == "more or less was taken than may be taken (SP-06, SP-07)"


@settings(max_examples=400)
@given(
    mark_ticks=st.integers(1, 10**6),
    k=st.integers(1, 10),
    step=st.sampled_from([1, 3, 100]),
    steps=st.integers(1, 10**5),
    others_e9=st.integers(0, 10**20),
    ratio_ppm=st.integers(-(10**6), 7 * 10**5),
    taken_ppm=st.integers(0, 10**6),
    short=st.booleans(),
)
def test_whatever_the_rulebook_makes_of_an_account_holds(
    mark_ticks: int, k: int, step: int, steps: int, others_e9: int, ratio_ppm: int, taken_ppm: int, short: bool
) -> None:
    """Collateral in other markets is no part of the event, and the fraction of an atom it ends in is not told."""
    venue, market = terms(PARTIAL)
    market.spin.quote_atoms_per_tick_lot, market.spin.step_lots = k, step
    size, rate_e9 = step * steps, market.spin.collateral_ratio_e9
    collateral_e9 = spin.collateral_atoms_e9(size, mark_ticks, k, rate_e9) + others_e9
    equity = collateral_e9 * ratio_ppm // 10**15
    rewards = (venue.spin.liquidator_reward_e9, venue.spin.insurance_share_e9)
    most = spin.closable_lots(equity, collateral_e9, size, mark_ticks, k, rate_e9, sum(rewards), step)
    taken = max(step, most * taken_ppm // 10**6 // step * step)
    assume(taken <= most)
    value = taken * mark_ticks * k
    paid = spin.payments_of(equity, spin.penalty_atoms(value, *rewards))
    told = events.AccountLiquidated(
        liquidator=FIRST_BOT,
        lots=-taken if short else taken,
        remaining_lots=taken - size if short else size - taken,
        mark=events.MarkStamp(mark_ticks=mark_ticks, version=9),
        value_atoms=value,
        equity_atoms=equity,
        collateral_atoms=-(-collateral_e9 // 10**9),
        liquidatable_lots=most,
        reward_atoms=paid.reward_paid_atoms,
        insurance_atoms=paid.fund_paid_atoms,
        owed_reward_atoms=paid.reward_owed_by_fund_atoms,
        tier=spin.tier_of(equity, collateral_e9),
    )
    event = events.Event(venue=SPIN, market=1, account=VICTIM, account_liquidated=told)
    mark = common.Mark(venue=SPIN, market=1, mark_ticks=mark_ticks, version=9, state=common.MARK_STATE_FRESH)
    assert bot_liquidation_fault(event, venue, market, {(SPIN, 1): mark}) is None


def _halted(mark: common.Mark) -> None:
    mark.state = common.MARK_STATE_HALTED


def _another(mark: common.Mark) -> None:
    mark.market = 2


@pytest.mark.parametrize(
    ("marks", "reason"), [(_halted, "nothing may be taken over"), (_another, "header has no mark for the market")]
)
def test_a_header_without_a_usable_mark_proves_nothing(marks: Callable[[common.Mark], None], reason: str) -> None:
    for kind in ("account_liquidated", "takeover_reserved"):
        verdict = checked(PARTIAL, kind, as_it_was, marks)
        assert not verdict.ok
        assert reason in verdict.reason


@pytest.mark.parametrize("name", [PARTIAL, LOCK])
def test_parameters_of_another_market_prove_nothing(name: str) -> None:
    header, numbered, index = forged(name, BODIES[name], as_it_was)
    venue, market = terms(name)
    other_venue, other_market = parameters.VenueParameters(), parameters.MarketParameters()
    other_venue.CopyFrom(venue)
    other_market.CopyFrom(market)
    other_venue.venue, other_market.market = BOOKS, 2
    for pair in ((other_venue, market), (venue, other_market), (venue, None)):
        made = make_receipt(numbered, index, sign(serialise_header(header)), *pair)
        assert "not those of the event's market" in check_receipt(made, PUBLIC, verify).reason


def test_the_reward_is_all_the_caller_asked_for_and_may_be_less() -> None:
    verdict = checked(LOCK, "position_locked", body("reward_atoms", 0))
    assert verdict.ok, verdict.reason
    assert f"account {LONGER} had collateral" in verdict.facts[1]


@pytest.mark.parametrize(
    ("version", "asked_more", "reward_less", "reason"),
    [
        (2, 1, 0, ""),
        (0, 1, 0, "no reward is cut under the venue's version"),
        (2, 0, 0, "cut, but not to its limit"),
        (2, 1, 1, "cut, but not to its limit"),
    ],
    ids=["cut", "first-version", "asked-no-more", "less-than-limit"],
)
def test_a_cut_reward_is_the_limit_where_more_was_asked_and_the_version_cuts(
    version: int, asked_more: int, reward_less: int, reason: str
) -> None:
    def change(event: events.Event) -> None:
        locked = event.position_locked
        locked.reward_asked_atoms = locked.reward_limit_atoms + asked_more
        locked.reward_atoms = locked.reward_limit_atoms - reward_less

    header, numbered, index = forged(LOCK, "position_locked", change)
    (venue, market), raised = terms(LOCK), parameters.VenueParameters()
    raised.CopyFrom(venue)
    raised.logic_version = version
    made = make_receipt(numbered, index, sign(serialise_header(header)), raised, market)
    verdict = check_receipt(made, PUBLIC, verify)
    assert verdict.ok == (not reason)
    assert reason in verdict.reason
