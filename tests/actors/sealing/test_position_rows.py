"""Rows of Perennial and Spin: changes, liquidations, repayments, transfers, subaccounts; whose bodies they are."""

import pytest

from actors.columns import rows
from actors.registry import Registry
from actors.sealing.directory import MAX_VALIDATOR_LAG
from tests.actors.calling import frame_hash, pending_list
from tests.actors.newer_seals import PERENNIAL, SPIN, NewerSeals
from tests.building import bodies, parsed, refused

INT64_MIN = -(1 << 63)

CHANGES = [
    ({}, ("", 0, 0)),
    ({"account": 6, "market": 9}, ("UNKNOWN_ACCOUNT", 6, 6)),
    ({"market": 9, "maker_lots": -2}, ("UNKNOWN_MARKET", 2, 9)),
    ({"maker_lots": -2, "long_lots": 1 << 40}, ("NOT_POSITIVE", -1, -2)),
    ({"short_lots": -3}, ("NOT_POSITIVE", -1, -3)),
    ({"long_lots": 1 << 40, "collateral_atoms": 1 << 60}, ("OVERFLOW", 1 << 40, 1 << 40)),
    ({"long_lots": (1 << 40) - 1, "maker_lots": -1, "short_lots": -1}, ("", 0, 0)),
    ({"collateral_atoms": 1 << 60}, ("OVERFLOW", 1 << 60, 1 << 60)),
    ({"collateral_atoms": -(1 << 60)}, ("OVERFLOW", -(1 << 60), -(1 << 60))),
    ({"collateral_atoms": 1 - (1 << 60)}, ("", 0, 0)),
    ({"collateral_atoms": INT64_MIN + 1}, ("OVERFLOW", -(1 << 60), INT64_MIN + 1)),
    ({"collateral_atoms": INT64_MIN}, ("", 0, 0)),
    ({"maker_lots": 5, "long_lots": 5}, ("", 0, 0)),  # how many sides there are with the sizes kept the desk knows
]


@pytest.mark.parametrize(("columns", "expected"), CHANGES)
def test_pe_04_rows_of_changes_are_refused_in_the_fixed_order(
    columns: dict[str, int], expected: tuple[str, int, int]
) -> None:
    seals = NewerSeals()
    assert seals.refusal(seals.row("change_positions", PERENNIAL, **columns)) == expected


OTHERS = [
    (PERENNIAL, "liquidations", {"target": 2, "reward_atoms": -1}, ("", 0, 0)),
    (PERENNIAL, "liquidations", {"target": 1}, ("", 0, 0)),  # PE-09: oneself too
    (PERENNIAL, "liquidations", {"target": 0}, ("UNKNOWN_ACCOUNT", 6, 0)),
    (PERENNIAL, "liquidations", {"target": 2, "market": 3}, ("UNKNOWN_MARKET", 2, 3)),
    (PERENNIAL, "liquidations", {"target": 2, "reward_atoms": -2}, ("NOT_POSITIVE", -1, -2)),
    (PERENNIAL, "liquidations", {"target": 2, "reward_atoms": 1 << 60}, ("OVERFLOW", 1 << 60, 1 << 60)),
    (PERENNIAL, "shortfall_repayments", {"debtor": 2, "amount_atoms": 1}, ("", 0, 0)),
    (PERENNIAL, "shortfall_repayments", {"debtor": 7, "amount_atoms": 1}, ("UNKNOWN_ACCOUNT", 6, 7)),
    (PERENNIAL, "shortfall_repayments", {"debtor": 2}, ("NOT_POSITIVE", 1, 0)),
    (PERENNIAL, "shortfall_repayments", {"debtor": 2, "amount_atoms": 1 << 60}, ("OVERFLOW", 1 << 60, 1 << 60)),
    (SPIN, "liquidations", {"target": 2, "lots": 7}, ("", 0, 0)),
    (SPIN, "liquidations", {"account": 9, "target": 2, "lots": 7}, ("UNKNOWN_ACCOUNT", 6, 9)),
    (SPIN, "liquidations", {"target": 9, "lots": 7}, ("UNKNOWN_ACCOUNT", 6, 9)),
    (SPIN, "liquidations", {"target": 1, "lots": -7}, ("NOT_POSITIVE", 0, -7)),
    (SPIN, "liquidations", {"target": 2, "lots": 0}, ("", 0, 0)),  # BELOW_STEP is the shard's to say
    (SPIN, "liquidations", {"target": 1, "lots": 1 << 40}, ("OVERFLOW", 1 << 40, 1 << 40)),
    (SPIN, "liquidations", {"target": 1, "lots": 7}, ("OWN_ACCOUNT", 0, 1)),
    (SPIN, "transfers", {"to_account": 8, "amount_atoms": 1}, ("UNKNOWN_ACCOUNT", 6, 8)),
    (SPIN, "transfers", {"to_account": 1, "amount_atoms": 0}, ("NOT_POSITIVE", 1, 0)),
    (SPIN, "transfers", {"to_account": 1, "amount_atoms": 1 << 60}, ("OVERFLOW", 1 << 60, 1 << 60)),
    (SPIN, "transfers", {"to_account": 1, "amount_atoms": 1}, ("OWN_ACCOUNT", 0, 1)),
    (SPIN, "transfers", {"to_account": 2, "amount_atoms": 1}, ("NOT_SAME_OWNER", 1, 2)),
    (SPIN, "open_subaccounts", {"owner": 6}, ("UNKNOWN_ACCOUNT", 6, 6)),
]


@pytest.mark.parametrize(("venue", "body", "columns", "expected"), OTHERS)
def test_rows_of_the_other_bodies(
    venue: int, body: str, columns: dict[str, int], expected: tuple[str, int, int]
) -> None:
    seals = NewerSeals()
    assert seals.refusal(seals.row(body, venue, **columns)) == expected


WRONG = [
    ("change_positions", SPIN, (3, 4)),
    ("shortfall_repayments", 1, (3, 1)),
    ("liquidations", 1, (3, 1)),
    ("transfers", PERENNIAL, (4, 3)),
    ("open_subaccounts", 1, (4, 1)),
    ("place_orders", PERENNIAL, (2, 3)),
    ("amend_orders", 1, (2, 1)),
    ("cancel_book_orders", PERENNIAL, (2, 3)),
    ("set_leverage", SPIN, (2, 4)),
    ("liquidity_deposits", SPIN, (1, 4)),
    ("liquidity_withdrawals", PERENNIAL, (1, 3)),
    ("cancel_all_after", PERENNIAL, (1, 3)),
    ("open_positions", SPIN, (1, 4)),
]


@pytest.mark.parametrize(("body", "venue", "numbers"), WRONG)
def test_a_body_of_another_rulebook_is_refused_whole(body: str, venue: int, numbers: tuple[int, int]) -> None:
    seals = NewerSeals()
    assert seals.refusal(seals.row(body, venue)) == ("WRONG_RULEBOOK", *numbers)


def test_insurance_is_of_the_venues_with_books() -> None:
    seals = NewerSeals()
    refusal = seals.refusal(seals.batch("insurance_deposit", PERENNIAL, amount_atoms=5))
    assert refusal == ("WRONG_RULEBOOK", 2, 3)
    reply = seals.seal(seals.batch("insurance_deposit", SPIN, amount_atoms=5))
    assert list(rows(reply.insurance)) == [(0, SPIN, 5)]


def test_what_stands_goes_on_to_its_shard_by_whom_it_acts_on() -> None:
    seals = NewerSeals()
    reply = seals.seal(
        seals.row("change_positions", PERENNIAL, maker_lots=7, long_lots=-1, collateral_atoms=-5),
        seals.row("liquidations", PERENNIAL, account=2, target=3, lots=99, reward_atoms=-1),
        seals.row("shortfall_repayments", PERENNIAL, account=2, debtor=3, amount_atoms=9),
        seals.row("liquidations", SPIN, account=2, target=3, lots=99, reward_atoms=5),
        seals.row("liquidations", SPIN, account=4, target=4, lots=99),
        seals.row("liquidations", SPIN, account=5, target=3, lots=98),
    )
    sent = reply.commands
    assert refused(reply.outcomes) == [(4, "OWN_ACCOUNT", 0, 4)]
    assert list(rows(sent.changes)) == [(0, PERENNIAL, 1, 1, 7, -1, 0, -5)]
    assert list(rows(sent.forced_closes)) == [(1, PERENNIAL, 3, 1, 2, -1)]
    assert list(rows(sent.repayments)) == [(2, PERENNIAL, 2, 1, 3, 9)]
    assert list(rows(sent.takeovers)) == [(3, SPIN, 2, 1, 3, 99), (5, SPIN, 5, 1, 3, 98)]


def test_sp_01_subaccounts_have_an_owner_only_the_registry_knows() -> None:
    seals = NewerSeals()
    made = seals.batch("open_subaccounts", SPIN, owner=[2, 9, 2, 3])
    below = seals.batch("open_subaccounts", SPIN, owner=[6])  # of the first of those: the owner is account 2
    pay = seals.batch("transfers", SPIN, account=[2, 7, 6, 8], to_account=[6, 9, 8, 3], amount_atoms=[1, 2, 3, 4])
    reply = seals.seal(made, below, pay)
    assert list(rows(reply.commands.opened)) == [(0, SPIN, 6, 2), (2, SPIN, 7, 2), (3, SPIN, 8, 3), (4, SPIN, 9, 2)]
    told = [event for event in parsed(pending_list(reply.events)) if event.WhichOneof("body") == "subaccount_opened"]
    assert [(one.venue, one.account, one.subaccount_opened.owner) for one in told] == [
        (SPIN, 6, 2),
        (SPIN, 7, 2),
        (SPIN, 8, 3),
        (SPIN, 9, 2),
    ]
    assert list(rows(reply.commands.transfers)) == [(5, SPIN, 2, 6, 1), (6, SPIN, 7, 9, 2), (8, SPIN, 8, 3, 4)]
    assert refused(reply.outcomes) == [(1, "UNKNOWN_ACCOUNT", 6, 9), (7, "NOT_SAME_OWNER", 2, 3)]
    again = seals.seal(seals.batch("open_accounts", SPIN, count=1))
    assert list(rows(again.commands.opened)) == [(0, SPIN, 10, 0)]


def test_sp_01_a_restored_registry_knows_who_owns_whom() -> None:
    seals = NewerSeals()
    before = seals.registry.digest()
    seals.seal(seals.batch("open_subaccounts", SPIN, owner=[2]))
    copy = Registry()
    copy.restore([seals.registry.snapshot()])
    assert copy.save() == seals.registry.save()
    assert copy.digest() == seals.registry.digest() != before
    assert copy.directory.venues[SPIN].owner_of(6) == 2


def test_a_voided_subaccount_takes_no_number() -> None:
    seals = NewerSeals()
    reply = seals.seal(seals.batch("open_subaccounts", SPIN, owner=[2, 3]), voided=[0])
    assert refused(reply.outcomes) == [(0, "VOIDED", 0, 0)]
    assert list(rows(reply.commands.opened)) == [(1, SPIN, 6, 3)]


def test_the_dead_man_s_switch_of_spin_cancels_orders_of_books() -> None:
    seals = NewerSeals()
    seals.seal(seals.batch("cancel_all_after", SPIN, account=[2], after_ms=[1_000]))
    sent = seals.seal().commands
    assert list(rows(sent.book_cancels)) == [(-1, SPIN, 2, 0, 0, 0)]
    assert not sent.cancels.command


def test_while_the_validator_is_far_behind_positions_do_not_change_but_are_closed() -> None:
    seals = NewerSeals()
    far = MAX_VALIDATOR_LAG + 1
    seals.seal(seals.batch("validator_progress", validated_height=seals.calls.height))
    behind = seals.calls.height - 1
    seals.calls.height = behind + far - 1
    seals.registry._height, seals.registry._frame_hash = seals.calls.height, frame_hash(seals.calls.height)
    seals.now_ms += 1
    change = seals.row("change_positions", PERENNIAL, long_lots=1)
    assert seals.refusal(change) == ("VALIDATOR_LAGGING", MAX_VALIDATOR_LAG, far)
    assert seals.refusal(seals.row("liquidations", PERENNIAL, target=2)) == ("", 0, 0)
    assert seals.refusal(seals.row("liquidations", SPIN, target=2, lots=1)) == ("", 0, 0)


ORDER = {"side": 1, "kind": 2, "size_lots": 100, "limit_ticks": 500_000}


def test_sp_10_orders_are_whole_steps_within_the_market_s_bounds() -> None:
    seals = NewerSeals()
    wanted = seals.market_of(SPIN)
    wanted.market, wanted.symbol, wanted.spin.step_lots = 5, "STEPS", 100
    seals.seal(seals.batch("create_market", SPIN, parameters=wanted))
    largest = wanted.spin.max_order_lots
    for columns, expected in (
        ({}, ("", 0, 0)),
        ({"market": 5}, ("", 0, 0)),
        ({"market": 5, "size_lots": 150}, ("BELOW_STEP", 100, 150)),
        ({"market": 5, "size_lots": 99, "flags": 2}, ("BELOW_STEP", 100, 99)),
        ({"size_lots": 99}, ("", 0, 0)),  # a step is a lot there
        ({"size_lots": largest + 1}, ("OVERFLOW", largest, largest + 1)),
        ({"limit_ticks": 115_292_150}, ("OVERFLOW", 115_292_150, 115_292_150)),
    ):
        assert seals.refusal(seals.row("place_orders", SPIN, **(ORDER | columns))) == expected


def test_an_account_s_refusals_are_told_with_its_number() -> None:
    seals = NewerSeals()
    reply = seals.seal(seals.row("liquidations", PERENNIAL, account=4, target=9))
    (told,) = parsed(pending_list(reply.events))
    assert (told.venue, told.account) == (PERENNIAL, 4)
    assert [(body.required, body.actual) for body in bodies(pending_list(reply.events), "command_refused")] == [(6, 9)]
