"""Rows of orders, amends, cancels and leverages: every refusal the registry can name without the account (MT-06)."""

import pytest

from actors.sealing.directory import MAX_VALIDATOR_LAG
from tests.actors.calling import frame_hash, pending_list
from tests.actors.seals import BookSeals
from tests.building import bodies, refused

ORDERS = [
    ({}, ("", 0, 0)),
    ({"account": 0, "market": 9, "side": 0}, ("UNKNOWN_ACCOUNT", 6, 0)),  # account 0 is the vault's
    ({"account": 6}, ("UNKNOWN_ACCOUNT", 6, 6)),
    ({"market": 2, "side": 0, "kind": 3}, ("UNKNOWN_MARKET", 1, 2)),
    ({"side": 0, "kind": 3}, ("BAD_SIDE", 1, 0)),
    ({"side": -2}, ("BAD_SIDE", 1, -2)),
    ({"kind": 0, "time_in_force": 4}, ("BAD_ORDER_KIND", 2, 0)),
    ({"kind": 3}, ("BAD_ORDER_KIND", 2, 3)),
    ({"time_in_force": 4, "flags": 4}, ("BAD_ORDER_KIND", 3, 4)),
    ({"flags": 5, "self_trade": 9}, ("BAD_ORDER_KIND", 3, 5)),
    ({"flags": -1}, ("BAD_ORDER_KIND", 3, -1)),
    ({"self_trade": 4, "trigger": 9}, ("BAD_ORDER_KIND", 3, 4)),
    ({"trigger": 3, "size_lots": 0}, ("BAD_ORDER_KIND", 2, 3)),
    ({"flags": 1, "kind": 1, "limit_ticks": 0}, ("BAD_ORDER_KIND", 2, 1)),
    ({"flags": 1, "time_in_force": 2}, ("BAD_ORDER_KIND", 1, 2)),
    ({"flags": 3, "time_in_force": 3}, ("BAD_ORDER_KIND", 1, 3)),
    ({"flags": 3, "time_in_force": 1}, ("", 0, 0)),
    ({"kind": 1, "limit_ticks": 0, "time_in_force": 3}, ("BAD_ORDER_KIND", 2, 3)),
    ({"kind": 1, "limit_ticks": 0, "time_in_force": 1}, ("", 0, 0)),
    ({"kind": 1, "limit_ticks": 5}, ("BAD_ORDER_KIND", 2, 1)),
    ({"trigger_ticks": 5, "size_lots": 0}, ("MALFORMED", 0, 0)),
    ({"size_lots": 0, "limit_ticks": 0}, ("NOT_POSITIVE", 1, 0)),
    ({"limit_ticks": -7}, ("NOT_POSITIVE", 1, -7)),
    ({"trigger": 1, "trigger_ticks": 0}, ("NOT_POSITIVE", 1, 0)),
    ({"client_order_id": -1, "limit_ticks": 1 << 40}, ("NOT_POSITIVE", 0, -1)),
    ({"size_lots": (1 << 44) + 1, "limit_ticks": 1 << 40}, ("OVERFLOW", 1 << 40, (1 << 44) + 1)),
    ({"size_lots": 1 << 40}, ("OVERFLOW", 1 << 40, 1 << 40)),
    ({"size_lots": 100_000_001}, ("OVERFLOW", 100_000_000, 100_000_001)),
    ({"size_lots": 100_000_000}, ("", 0, 0)),
    ({"limit_ticks": 1 << 40}, ("OVERFLOW", 1 << 40, 1 << 40)),
    ({"trigger": 2, "trigger_ticks": 1 << 40}, ("OVERFLOW", 1 << 40, 1 << 40)),
    # 10**10 lots of open interest at this price are worth 2**60 atoms.
    ({"limit_ticks": 115_292_150}, ("OVERFLOW", 115_292_150, 115_292_150)),
    ({"limit_ticks": 115_292_149}, ("", 0, 0)),
    ({"trigger": 2, "trigger_ticks": 115_292_150}, ("OVERFLOW", 115_292_150, 115_292_150)),
    ({"trigger": 2, "trigger_ticks": 499_999, "kind": 1, "limit_ticks": 0, "flags": 2}, ("", 0, 0)),
]


@pytest.mark.parametrize(("altered", "expected"), ORDERS)
def test_mt_06_rows_of_orders_are_refused_in_the_fixed_order(
    altered: dict[str, int], expected: tuple[str, int, int]
) -> None:
    seals = BookSeals()
    assert seals.refusal(seals.order(**altered)) == expected


OTHERS: list[tuple[str, dict[str, int], tuple[str, int, int]]] = [
    ("amend_orders", {"account": 6, "size_lots": 0}, ("UNKNOWN_ACCOUNT", 6, 6)),
    ("amend_orders", {"size_lots": 0}, ("MALFORMED", 0, 0)),
    ("amend_orders", {"order": 5}, ("NOT_POSITIVE", 1, 0)),
    ("amend_orders", {"order": 5, "size_lots": 1, "limit_ticks": -1}, ("NOT_POSITIVE", 0, -1)),
    ("amend_orders", {"order": -5, "size_lots": 1}, ("NOT_POSITIVE", 0, -5)),
    ("amend_orders", {"client_order_id": -5, "size_lots": 1}, ("NOT_POSITIVE", 0, -5)),
    ("amend_orders", {"order": 5, "size_lots": 1 << 40}, ("OVERFLOW", 1 << 40, 1 << 40)),
    ("amend_orders", {"order": 5, "size_lots": 1, "limit_ticks": 1 << 40}, ("OVERFLOW", 1 << 40, 1 << 40)),
    ("amend_orders", {"client_order_id": 5, "size_lots": 1}, ("", 0, 0)),
    ("cancel_book_orders", {"account": -1}, ("UNKNOWN_ACCOUNT", 6, -1)),
    ("cancel_book_orders", {"market": 2}, ("UNKNOWN_MARKET", 1, 2)),
    ("cancel_book_orders", {"market": 1, "order": -1}, ("NOT_POSITIVE", 0, -1)),
    ("cancel_book_orders", {"client_order_id": -1}, ("NOT_POSITIVE", 0, -1)),
    ("cancel_book_orders", {}, ("", 0, 0)),
    ("set_leverage", {"account": 9, "market": 1}, ("UNKNOWN_ACCOUNT", 6, 9)),
    ("set_leverage", {"market": 0, "leverage": 5}, ("UNKNOWN_MARKET", 1, 0)),
    ("set_leverage", {"market": 1, "leverage": -5}, ("", 0, 0)),  # the shard's to refuse
    ("liquidity_deposits", {"amount_atoms": 0}, ("NOT_POSITIVE", 1, 0)),
    ("liquidity_withdrawals", {"micro_shares": 1 << 60}, ("OVERFLOW", 1 << 60, 1 << 60)),
    ("deposits", {"account": 0, "amount_atoms": 1}, ("UNKNOWN_ACCOUNT", 6, 0)),
    (
        "ticks",
        {"market": 1, "publisher": 1, "price_ticks": 115_292_150, "published_ms": 1},
        ("OVERFLOW", 115_292_150, 115_292_150),
    ),
]


@pytest.mark.parametrize(("body", "row", "expected"), OTHERS)
def test_rows_of_the_other_bodies_of_a_venue_with_books(
    body: str, row: dict[str, int], expected: tuple[str, int, int]
) -> None:
    seals = BookSeals()
    made = seals.batch(body, 2)
    target = getattr(made, body)
    for field in target.DESCRIPTOR.fields:
        getattr(target, field.name).append(row.get(field.name, 1 if field.name == "account" else 0))
    assert seals.refusal(made) == expected


def test_rows_that_stand_travel_on_with_their_commands_and_venue() -> None:
    seals = BookSeals()
    good, bad = seals.order(client_order_id=7), seals.order(side=3)
    cancel = seals.batch("cancel_book_orders", 2, account=[2], market=[1], order=[0], client_order_id=[9])
    amend = seals.batch("amend_orders", 2, account=[3], order=[77], client_order_id=[0], size_lots=[5], limit_ticks=[6])
    chosen = seals.batch("set_leverage", 2, account=[4], market=[1], leverage=[20])
    moves = seals.batch("liquidity_withdrawals", 2, account=[5], micro_shares=[8])
    third = seals.order(client_order_id=8, limit_ticks=400_000)
    reply = seals.seal(good, bad, third, amend, cancel, chosen, moves)
    orders, rows = reply.commands.orders, reply.commands
    assert refused(reply.outcomes) == [(1, "BAD_SIDE", 1, 3)]
    assert (list(orders.command), list(orders.venue), list(orders.client_order_id)) == ([0, 2], [2, 2], [7, 8])
    assert (list(orders.size_lots), list(orders.limit_ticks)) == ([1_000, 1_000], [500_000, 400_000])
    assert (list(rows.amends.command), list(rows.amends.order), list(rows.amends.size_lots)) == ([3], [77], [5])
    assert (list(rows.book_cancels.command), list(rows.book_cancels.client_order_id)) == ([4], [9])
    assert (list(rows.leverages.command), list(rows.leverages.leverage)) == ([5], [20])
    assert (list(rows.liquidity.direction), list(rows.liquidity.amount)) == ([-1], [8])


@pytest.mark.parametrize(
    ("venue", "body", "rulebooks"),
    [
        (1, "place_orders", (2, 1)),
        (1, "amend_orders", (2, 1)),
        (1, "cancel_book_orders", (2, 1)),
        (1, "set_leverage", (2, 1)),
        (2, "cancel_orders", (1, 2)),
        (2, "open_positions", (1, 2)),
        (2, "close_positions", (1, 2)),
    ],
)
def test_a_body_of_the_other_rulebook_is_refused_whole(venue: int, body: str, rulebooks: tuple[int, int]) -> None:
    seals = BookSeals()
    made = seals.batch(body, venue)
    target = getattr(made, body)
    for field in target.DESCRIPTOR.fields:
        getattr(target, field.name).append(1)
    assert seals.refusal(made) == ("WRONG_RULEBOOK", *rulebooks)


def test_insurance_deposits_go_to_the_backstop_within_the_venue_s_bound() -> None:
    seals = BookSeals()
    assert seals.refusal(seals.batch("insurance_deposit", 1, amount_atoms=5)) == ("WRONG_RULEBOOK", 2, 1)
    assert seals.refusal(seals.batch("insurance_deposit", 2, amount_atoms=0)) == ("NOT_POSITIVE", 1, 0)
    assert seals.refusal(seals.batch("insurance_deposit", 2, amount_atoms=1 << 60)) == ("OVERFLOW", 1 << 60, 1 << 60)
    first = seals.batch("insurance_deposit", 2, amount_atoms=1 << 59)
    rest = seals.batch("deposits", 2, account=[1, 2], amount_atoms=[(1 << 59) - 1, 1])
    over = seals.batch("insurance_deposit", 2, amount_atoms=1)
    voided = seals.batch("insurance_deposit", 2, amount_atoms=1 << 59)
    reply = seals.seal(voided, first, rest, over, voided=[0])
    assert refused(reply.outcomes) == [
        (0, "VOIDED", 0, 0),
        (3, "OVERFLOW", 1 << 60, 1 << 60),
        (4, "OVERFLOW", 1 << 60, 1 << 60),
    ]
    insurance = reply.insurance
    assert (list(insurance.command), list(insurance.venue), list(insurance.amount_atoms)) == ([1], [2], [1 << 59])


def test_the_dead_man_s_switch_of_a_venue_with_books_cancels_book_orders() -> None:
    seals = BookSeals()
    seals.seal(
        seals.batch("cancel_all_after", 1, account=[2], after_ms=[1_000]),
        seals.batch("cancel_all_after", 2, account=[3, 2], after_ms=[1_000, 1_000]),
    )
    rows = seals.seal().commands
    assert list(rows.cancels.account) == [2]
    cancels = rows.book_cancels
    assert (list(cancels.command), list(cancels.venue), list(cancels.account)) == ([-1, -1], [2, 2], [2, 3])
    assert (list(cancels.market), list(cancels.order), list(cancels.client_order_id)) == ([0, 0], [0, 0], [0, 0])


def test_orders_that_may_increase_stop_while_the_validator_is_far_behind() -> None:
    seals = BookSeals()
    far = MAX_VALIDATOR_LAG + 1
    seals.seal(seals.batch("validator_progress", validated_height=1))
    seals.calls.height = far  # the chain went on without this registry's attention
    seals.registry._height, seals.registry._frame_hash = far, frame_hash(far)
    assert seals.refusal(seals.order()) == ("VALIDATOR_LAGGING", MAX_VALIDATOR_LAG, far)
    assert seals.refusal(seals.order(flags=2)) == ("", 0, 0)
    amend = seals.batch("amend_orders", 2, account=[1], order=[7], client_order_id=[0], size_lots=[1], limit_ticks=[0])
    assert seals.refusal(amend)[0] == "VALIDATOR_LAGGING"
    cancel = seals.batch("cancel_book_orders", 2, account=[1], market=[0], order=[0], client_order_id=[0])
    assert seals.refusal(cancel) == ("", 0, 0)


def test_a_refused_row_is_told_with_its_account() -> None:
    seals = BookSeals()
    reply = seals.seal(seals.order(size_lots=(1 << 44) + 1))
    (told,) = bodies(pending_list(reply.events), "command_refused")
    assert (told.required, told.actual) == (1 << 40, (1 << 44) + 1)
