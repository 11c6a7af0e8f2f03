"""The registry: every refusal of docs/block.md, "Seal", in its order; keys, dead man's switch, voids."""

from typing import Any

import pytest

from actors.registry import Registry
from actors.sealing.batches import EXPIRY_HORIZON_MS, MAX_BATCH_ROWS
from actors.sealing.directory import MAX_VALIDATOR_LAG
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from tests.actors.calling import frame_hash, head, pending_list
from tests.actors.seals import Seals, alter
from tests.building import START_MS, bodies, market, refused

DAY_MS = 24 * 3_600_000


def deposit(seals: Seals, **altered: Any) -> commands.CommandBatch:
    made = seals.batch("deposits", account=[1], amount_atoms=[5])
    for name, value in altered.items():
        setattr(made, name, value)
    return made


WHOLE = {
    "BAD_REQUEST_KEY": ({"request_key": b"k" * 65}, (64, 65)),
    "EXPIRED": ({"expires_ms": START_MS + 999}, (START_MS + 1_000, START_MS + 999)),
    "EXPIRY_TOO_FAR": (
        {"expires_ms": START_MS + 1_001 + EXPIRY_HORIZON_MS},
        (START_MS + 1_000 + EXPIRY_HORIZON_MS, START_MS + 1_001 + EXPIRY_HORIZON_MS),
    ),
    "UNKNOWN_VENUE": ({"venue": 9}, (1, 9)),
}


@pytest.mark.parametrize("reason", WHOLE)
def test_a_batch_is_refused_whole_every_row_with_the_same_numbers(reason: str) -> None:
    altered, numbers = WHOLE[reason]
    seals = Seals()
    made = deposit(seals, **altered)
    made.deposits.account.append(2)
    made.deposits.amount_atoms.append(7)
    reply = seals.seal(made, deposit(seals))
    assert refused(reply.outcomes) == [(0, reason, *numbers), (1, reason, *numbers)]
    assert list(reply.batch_rows) == [2, 1]
    assert list(reply.commands.deposits.command) == [2]
    assert len(bodies(pending_list(reply.events), "command_refused")) == 2


def test_an_empty_key_an_empty_batch_and_no_body_are_refused() -> None:
    seals = Seals()
    assert seals.refusal(deposit(seals, request_key=b"")) == ("BAD_REQUEST_KEY", 64, 0)
    assert seals.refusal(seals.batch("deposits")) == ("EMPTY_BATCH", 1, 0)
    assert seals.refusal(seals.batch("open_accounts", count=0)) == ("EMPTY_BATCH", 1, 0)
    no_body = commands.CommandBatch(request_key=b"nothing", expires_ms=seals.now_ms, venue=1)
    assert seals.refusal(no_body) == ("EMPTY_BATCH", 1, 0)


def test_a_batch_whose_shape_is_refused_counts_as_one_command() -> None:
    seals = Seals()
    many = MAX_BATCH_ROWS + 1
    large = seals.batch("deposits", account=[1] * many, amount_atoms=[1] * many)
    ragged = seals.batch("deposits", account=[1, 2], amount_atoms=[1])
    smuggled = seals.batch("withdrawals", account=[1], amount_atoms=[1, 2, 3])
    reply = seals.seal(large, ragged, smuggled, seals.batch("open_accounts", count=many), deposit(seals))
    assert refused(reply.outcomes) == [
        (0, "BATCH_TOO_LARGE", MAX_BATCH_ROWS, many),
        (1, "RAGGED_COLUMNS", 2, 1),
        (2, "RAGGED_COLUMNS", 1, 3),
        (3, "BATCH_TOO_LARGE", MAX_BATCH_ROWS, many),
    ]
    assert list(reply.batch_rows) == [1, 1, 1, 1, 1]
    assert list(reply.commands.deposits.command) == [4]


def test_the_first_reason_of_the_fixed_order_is_the_one_given() -> None:
    seals = Seals()
    used = deposit(seals)
    seals.seal(used)
    everything = deposit(seals, request_key=b"", expires_ms=1, venue=9)
    everything.deposits.account.append(1)
    assert seals.refusal(everything)[0] == "BAD_REQUEST_KEY"
    everything.request_key, everything.principal = used.request_key, used.principal
    assert seals.refusal(everything) == ("REQUEST_KEY_REUSED", 0, 2)
    everything.request_key = b"new"
    assert seals.refusal(everything)[0] == "EXPIRED"
    everything.expires_ms = seals.now_ms + 5_000
    assert seals.refusal(everything)[0] == "RAGGED_COLUMNS"
    everything.deposits.amount_atoms.append(1)
    assert seals.refusal(everything)[0] == "UNKNOWN_VENUE"


def test_a_key_is_known_until_its_expiry_for_its_principal_alone() -> None:
    seals = Seals()
    first = deposit(seals, request_key=b"mine", expires_ms=seals.now_ms + 2_000)
    assert seals.refusal(first) == ("", 0, 0)
    first.expires_ms += 60_000
    assert seals.refusal(first) == ("REQUEST_KEY_REUSED", 0, 2)
    other = deposit(seals, request_key=b"mine", principal=2)
    reply = seals.seal(first, other)  # a block at the expiry itself: the key is known still
    assert refused(reply.outcomes) == [(0, "REQUEST_KEY_REUSED", 0, 2)]
    assert seals.refusal(first) == ("", 0, 0)
    again = deposit(seals, request_key=b"mine", principal=1)
    assert seals.refusal(again) == ("REQUEST_KEY_REUSED", 0, 5)


def test_a_batch_refused_whole_keeps_no_key_one_of_refused_rows_does() -> None:
    seals = Seals()
    late = deposit(seals, expires_ms=1)
    assert seals.refusal(late)[0] == "EXPIRED"
    late.expires_ms = seals.now_ms + 5_000
    late.deposits.amount_atoms[0] = 0
    assert seals.refusal(late)[0] == "NOT_POSITIVE"
    late.deposits.amount_atoms[0] = 5
    assert seals.refusal(late)[0] == "REQUEST_KEY_REUSED"


def opening(seals: Seals, **altered: int) -> commands.CommandBatch:
    made = seals.opens((1, 1, 1_000, 1_000))
    for name, value in altered.items():
        getattr(made.open_positions, name)[0] = value
    return made


OPENS = [
    ({"account": 0, "market": 9, "side": 0}, ("UNKNOWN_ACCOUNT", 6, 0)),
    ({"account": 6}, ("UNKNOWN_ACCOUNT", 6, 6)),
    ({"account": -1}, ("UNKNOWN_ACCOUNT", 6, -1)),
    ({"market": 9, "side": 0, "kind": 3}, ("UNKNOWN_MARKET", 1, 9)),
    ({"side": 0, "kind": 3}, ("BAD_SIDE", 1, 0)),
    ({"side": 2}, ("BAD_SIDE", 1, 2)),
    ({"kind": 3, "margin_atoms": 0}, ("BAD_ORDER_KIND", 2, 3)),
    ({"kind": 0}, ("BAD_ORDER_KIND", 2, 0)),
    ({"margin_atoms": 0, "leverage_hundredths": 1}, ("NOT_POSITIVE", 1, 0)),
    ({"margin_atoms": -5}, ("NOT_POSITIVE", 1, -5)),
    ({"kind": 2, "limit_ticks": 0}, ("NOT_POSITIVE", 1, 0)),
    ({"margin_atoms": 1 << 60, "leverage_hundredths": 1}, ("OVERFLOW", 1 << 60, 1 << 60)),
    ({"kind": 2, "limit_ticks": 1 << 40}, ("OVERFLOW", 1 << 40, 1 << 40)),
    ({"leverage_hundredths": 99}, ("LEVERAGE_OUT_OF_RANGE", 100, 99)),
    ({"leverage_hundredths": 5_001, "margin_atoms": 10**7 + 1}, ("LEVERAGE_OUT_OF_RANGE", 5_000, 5_001)),
    ({"margin_atoms": 10**7 + 1}, ("ABOVE_MARGIN_CAP", 10**7, 10**7 + 1)),
    ({"margin_atoms": 10**7}, ("", 0, 0)),  # TW-18: inclusive
    ({"kind": 1, "limit_ticks": -3}, ("", 0, 0)),  # read for LIMIT alone
]


@pytest.mark.parametrize(("altered", "expected"), OPENS)
def test_tw_18_rows_of_opens_are_refused_in_the_fixed_order(
    altered: dict[str, int], expected: tuple[str, int, int]
) -> None:
    seals = Seals()
    assert seals.refusal(opening(seals, **altered)) == expected


ROWS: list[tuple[str, dict[str, list[int]], tuple[str, int, int]]] = [
    ("deposits", {"account": [7], "amount_atoms": [1]}, ("UNKNOWN_ACCOUNT", 6, 7)),
    ("withdrawals", {"account": [1], "amount_atoms": [-1]}, ("NOT_POSITIVE", 1, -1)),
    ("liquidity_deposits", {"account": [1], "amount_atoms": [1 << 60]}, ("OVERFLOW", 1 << 60, 1 << 60)),
    ("liquidity_withdrawals", {"account": [1], "micro_shares": [0]}, ("NOT_POSITIVE", 1, 0)),
    ("close_positions", {"account": [1], "position": [1], "kind": [0], "level_ticks": [1]}, ("BAD_ORDER_KIND", 4, 0)),
    ("close_positions", {"account": [1], "position": [1], "kind": [3], "level_ticks": [0]}, ("NOT_POSITIVE", 1, 0)),
    (
        "close_positions",
        {"account": [1], "position": [1], "kind": [4], "level_ticks": [1 << 40]},
        ("OVERFLOW", 1 << 40, 1 << 40),
    ),
    ("cancel_orders", {"account": [1], "order": [5], "kind": [1]}, ("BAD_ORDER_KIND", 4, 1)),
    ("withdrawal_decisions", {"account": [1], "withdrawal": [1 << 20], "confirm": [2]}, ("MALFORMED", 0, 0)),
    ("withdrawal_decisions", {"account": [1], "withdrawal": [3 << 20], "confirm": [1]}, ("NOT_VALIDATED", 3, 0)),
    ("withdrawal_decisions", {"account": [1], "withdrawal": [3 << 20], "confirm": [0]}, ("", 0, 0)),
    ("freeze_accounts", {"account": [1], "frozen": [2]}, ("MALFORMED", 0, 0)),
    ("freeze_accounts", {"account": [9], "frozen": [2]}, ("UNKNOWN_ACCOUNT", 6, 9)),
    ("cancel_all_after", {"account": [1], "after_ms": [-1]}, ("NOT_POSITIVE", 0, -1)),
    ("cancel_all_after", {"account": [1], "after_ms": [DAY_MS + 1]}, ("OVERFLOW", DAY_MS + 1, DAY_MS + 1)),
    (
        "ticks",
        {"market": [2], "publisher": [1], "price_ticks": [1], "published_ms": [1]},
        ("UNKNOWN_MARKET", 1, 2),
    ),
    ("ticks", {"market": [1], "publisher": [1], "price_ticks": [0], "published_ms": [1]}, ("NOT_POSITIVE", 1, 0)),
    ("ticks", {"market": [1], "publisher": [1], "price_ticks": [1], "published_ms": [0]}, ("NOT_POSITIVE", 1, 0)),
    (
        "ticks",
        {"market": [1], "publisher": [1], "price_ticks": [1 << 40], "published_ms": [1]},
        ("OVERFLOW", 1 << 40, 1 << 40),
    ),
]


@pytest.mark.parametrize(("body", "columns", "expected"), ROWS)
def test_rows_of_every_other_body(body: str, columns: dict[str, list[int]], expected: tuple[str, int, int]) -> None:
    seals = Seals()
    assert seals.refusal(seals.batch(body, **columns)) == expected


def test_lifetime_deposits_stay_below_their_bound_row_by_row() -> None:
    seals = Seals()
    half = 1 << 59
    reply = seals.seal(seals.batch("deposits", account=[1, 2, 3, 4], amount_atoms=[half, half, half - 1, 1]))
    assert refused(reply.outcomes) == [(1, "OVERFLOW", 1 << 60, 1 << 60), (3, "OVERFLOW", 1 << 60, 1 << 60)]
    assert list(reply.commands.deposits.account) == [1, 3]


def test_opens_and_withdrawals_stop_while_the_validator_is_far_behind() -> None:
    seals = Seals()
    far = MAX_VALIDATOR_LAG + 1
    seals.seal(seals.batch("validator_progress", validated_height=1))
    seals.calls.height = far  # the chain went on without this registry's attention
    seals.registry._height, seals.registry._frame_hash = far, frame_hash(far)
    assert seals.refusal(opening(seals)) == ("VALIDATOR_LAGGING", MAX_VALIDATOR_LAG, far)
    assert seals.refusal(seals.amounts("withdrawals", a1=1))[0] == "VALIDATOR_LAGGING"
    assert seals.refusal(deposit(seals)) == ("", 0, 0)
    assert seals.refusal(seals.batch("validator_progress", validated_height=far)) == ("", 0, 0)
    assert seals.refusal(opening(seals)) == ("", 0, 0)


def test_the_validator_s_progress_neither_falls_nor_reaches_its_own_block() -> None:
    seals = Seals()
    assert seals.refusal(seals.batch("validator_progress", validated_height=2))[0] == "MALFORMED"
    reply = seals.seal(seals.batch("validator_progress", validated_height=2))
    assert reply.validated_height == 2
    assert [body.validated_height for body in bodies(pending_list(reply.events), "validator_advanced")] == [2]
    assert seals.refusal(seals.batch("validator_progress", validated_height=1))[0] == "MALFORMED"
    confirm = seals.batch("withdrawal_decisions", account=[1], withdrawal=[2 << 20], confirm=[1])
    assert seals.refusal(confirm) == ("", 0, 0)


def test_accounts_get_the_next_numbers_in_command_order() -> None:
    seals = Seals()
    reply = seals.seal(seals.batch("open_accounts", count=2), seals.batch("open_accounts", count=1))
    assert list(reply.commands.opened.account) == [6, 7, 8]
    assert list(reply.commands.opened.command) == [0, 1, 2]


def test_the_dead_man_s_switch_cancels_all_in_the_first_block_at_its_time() -> None:
    seals = Seals()
    arm = seals.batch("cancel_all_after", account=[3, 2, 4], after_ms=[2_000, 2_000, 2_000])
    reply = seals.seal(arm, step_ms=1_000)
    deadline = reply and seals.now_ms - 1_000 + 2_000
    assert {body.deadline_ms for body in bodies(pending_list(reply.events), "cancel_all_armed")} == {deadline}
    again = seals.batch("cancel_all_after", account=[4, 2], after_ms=[0, 5_000])
    assert not seals.seal(again, step_ms=999).commands.cancels.account
    assert not seals.seal(step_ms=1).commands.cancels.account
    cancels = seals.seal(step_ms=5_000).commands.cancels
    assert (list(cancels.account), list(cancels.command)) == ([3], [-1])
    assert list(seals.seal().commands.cancels.account) == [2]
    assert not seals.seal().commands.cancels.account


def test_voided_commands_are_refused_and_count_for_nothing() -> None:
    seals = Seals()
    opens = seals.batch("open_accounts", count=3)
    money = seals.batch("deposits", account=[1, 2], amount_atoms=[(1 << 60) - 1, 8])
    create = seals.batch("create_market", parameters=market(2))
    reply = seals.seal(opens, money, create, voided=[1, 3, 5])
    assert refused(reply.outcomes) == [(index, "VOIDED", 0, 0) for index in (1, 3, 5)]
    assert list(reply.commands.opened.account) == [6, 7]
    assert list(reply.commands.deposits.amount_atoms) == [8]
    assert not reply.changes.markets


def test_a_void_command_is_told() -> None:
    seals = Seals()
    reply = seals.seal(seals.batch("void_command", height=7, index=3))
    assert [
        (body.voided_height, body.voided_index) for body in bodies(pending_list(reply.events), "command_voided")
    ] == [(7, 3)]
    assert not refused(reply.outcomes)


def test_a_restored_registry_knows_keys_switches_and_what_waits() -> None:
    seals = Seals(notice_ms=5_000)
    used = deposit(seals)
    seals.seal(used)
    seals.seal(alter(seals, maintenance_ratio_e9=5_000_000, notice_ms=5_000))
    seals.seal(seals.batch("cancel_all_after", account=[3], after_ms=[3_000]))
    copy = Registry()
    copy.restore([seals.registry.snapshot()])
    assert copy.digest() == seals.registry.digest()
    for _ in range(4):
        block = commands.BlockInput(height=seals.calls.height + 1, block_time_ms=seals.now_ms, batches=[used])
        call = batches.RegistryCall(header=head(block.height, now_ms=seals.now_ms, root=True), input=block)
        reply = seals.seal(used, step_ms=2_000)
        assert batches.RegistryReply.FromString(copy.apply(call.SerializeToString())).digest == reply.digest
        assert refused(reply.outcomes) == [(0, "REQUEST_KEY_REUSED", 0, 2)]
    assert copy.save() == seals.registry.save()
