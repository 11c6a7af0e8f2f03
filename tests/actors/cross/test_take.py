"""Cancels of a cross book: by number, by client id, all of a market, all; foreign and unknown ones; the dead man."""

from typing import Any

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.calling import pending_list
from tests.actors.cross.shard import VENUE, CrossShard, number_of, order_row
from tests.building import refused

RESTING = [
    order_row(0, 1, 1, limit=990, client=5),
    order_row(1, 1, 2, limit=980),
    order_row(2, 1, 2, limit=1_150, trigger=1, trigger_ticks=1_100),
    order_row(3, 2, 1, side=-1, limit=1_010),
]


def shard_with_orders() -> tuple[CrossShard, list[int]]:
    shard = CrossShard()
    shard.run(orders=RESTING)
    return shard, [number_of(shard.height, command) for command in range(4)]


def done(reply: Any) -> list[tuple[tuple[int, ...], Any]]:
    """(key, event) of every OrderDone."""
    pending = reply.events
    keys = zip(pending.phase, pending.a, pending.b, pending.c, strict=True)
    parsed = [(key, events.Event.FromString(body)) for key, body in zip(keys, pending_list(pending), strict=True)]
    return [(key, event) for key, event in parsed if event.WhichOneof("body") == "order_done"]


def orders_of(shard: CrossShard, account: int) -> list[int]:
    return [order.order for order in shard.view(account).cross.orders]


def test_an_order_is_cancelled_by_its_number_or_its_client_id() -> None:
    shard, (first, second, armed, foreign) = shard_with_orders()
    reply = shard.run(book_cancels=[(0, VENUE, 1, 0, second, 0), (1, VENUE, 1, 0, 0, 5)])
    assert orders_of(shard, 1) == [armed]
    assert orders_of(shard, 2) == [foreign]
    assert list(reply.outcomes.reference) == [second, first]
    assert list(reply.outcomes.remaining_lots) == [10, 10]
    ops = reply.order_ops
    assert list(zip(getattr(ops, "class"), ops.command, ops.order, strict=True)) == [
        (0, 0, second),
        (0, 1, first),
    ]
    assert set(ops.kind) == {batches.ORDER_OP_KIND_CANCEL}
    assert list(zip(ops.market, ops.account, ops.price_ticks, ops.client_order_id, strict=True)) == [
        (2, 1, 980, 0),
        (1, 1, 990, 5),
    ]
    (key, event), _ = done(reply)
    assert key == (6, 4, 0, second)
    body = event.order_done
    assert (body.order, body.price_ticks, body.remaining_lots, body.was_resting, body.was_armed) == (
        second,
        980,
        10,
        True,
        False,
    )
    assert body.refusal == refusals.REFUSAL_UNSPECIFIED
    assert shard.view(1).cross.holds_atoms == 0


def test_orders_of_others_and_orders_that_are_not_there_are_unknown() -> None:
    shard, (first, *_, foreign) = shard_with_orders()
    cancels = [
        (0, VENUE, 1, 0, foreign, 0),
        (1, VENUE, 1, 0, 0, 77),
        (2, VENUE, 1, 0, first, 0),
        (3, VENUE, 1, 0, first, 0),
    ]
    reply = shard.run(book_cancels=cancels)
    assert refused(reply.outcomes) == [
        (0, "UNKNOWN_ORDER", 1, foreign),
        (1, "UNKNOWN_ORDER", 1, 77),
        (3, "UNKNOWN_ORDER", 1, first),
    ]
    assert orders_of(shard, 2) == [foreign]


def test_all_of_a_market_or_all_of_the_account_and_none_is_fine() -> None:
    shard, (first, second, armed, foreign) = shard_with_orders()
    reply = shard.run(book_cancels=[(0, VENUE, 1, 2, 0, 0)])
    assert orders_of(shard, 1) == [first]
    # A trigger is at no book.
    assert list(reply.order_ops.order) == [second]
    assert [(key[3], event.order_done.was_armed) for key, event in done(reply)] == [(second, False), (armed, True)]
    reply = shard.run(book_cancels=[(0, VENUE, 1, 0, 0, 0), (1, VENUE, 1, 0, 0, 0)])
    assert (orders_of(shard, 1), refused(reply.outcomes), list(reply.outcomes.command)) == ([], [], [0, 1])
    assert orders_of(shard, 2) == [foreign]


def test_the_dead_man_s_switch_cancels_all_without_an_answer() -> None:
    for field, row in (("book_cancels", (-1, VENUE, 1, 0, 0, 0)), ("cancels", (-1, VENUE, 1, 0, 0))):
        shard, (first, second, armed, foreign) = shard_with_orders()
        reply = shard.run(**{field: [row]})
        assert (orders_of(shard, 1), orders_of(shard, 2)) == ([], [foreign])
        assert list(reply.outcomes.command) == []
        assert [key for key, _ in done(reply)] == [(6, 4, -1, order) for order in (first, second, armed)]
        assert list(reply.order_ops.command) == [-1, -1]


def test_accounts_of_a_cross_venue_are_opened_credited_frozen_and_paid_as_everywhere() -> None:
    shard = CrossShard()
    reply = shard.run(withdrawals=[(0, VENUE, 1, 400), (1, VENUE, 2, 300)])
    height = shard.height
    assert list(reply.staged_outcomes.reference) == [number_of(height, 0), number_of(height, 1)]
    assert shard.view(1).pending_withdrawal_atoms == 400
    reply = shard.run(
        decisions=[(0, VENUE, 1, number_of(height, 0), 1), (1, VENUE, 2, number_of(height, 1), 0), (2, VENUE, 1, 5, 1)],
        freezes=[(3, VENUE, 3, 1)],
        deposits=[(4, VENUE, 3, 50)],
        orders=[order_row(5, 3)],
    )
    assert refused(reply.outcomes) == [(2, "UNKNOWN_WITHDRAWAL", 1, 5)]
    assert refused(reply.staged_outcomes) == [(5, "ACCOUNT_FROZEN", 0, 3)]
    views = [shard.view(account) for account in (1, 2, 3)]
    assert [(view.free_atoms, view.withdrawn_atoms, view.frozen) for view in views] == [
        (10**9 - 400, 400, False),
        (10**9, 0, False),
        (10**9 + 50, 0, True),
    ]
