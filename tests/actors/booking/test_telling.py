"""A book's telling equals its naive twin, event for event and leg for leg, and neither lots nor quotes are lost."""

import random
from typing import Any

import numpy as np
import pytest

from actors.column_bytes import columns_bytes
from actors.columns import matrix
from actors.event_rows import EVENT_COLUMNS, event_list
from actors.matching import words as w
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from tests.actors.book_calls import (
    BUY,
    COMMANDS,
    IOC,
    LADDER,
    LADDER_CLASS,
    PLACE,
    REDUCE_ONLY,
    SELL,
    Book,
    legs,
    place,
    told,
)
from tests.actors.booking.flow import CAP_LOTS, Flow, kernel_row
from tests.actors.booking.naive_telling import NaiveTelling
from tests.actors.calling import pending_list
from tests.actors.matching.naive import NaiveBook


@pytest.mark.parametrize("seed", range(30))
def test_the_telling_equals_its_naive_twin(seed: int) -> None:
    flow, book, naive = Flow(seed), Book(open_interest_cap_lots=CAP_LOTS), NaiveBook()
    trades = 0
    for _ in range(6):
        ops, caps, interest = flow.block(50), flow.caps(), flow.draw.choice((0, CAP_LOTS - 60))
        worked = sorted(ops, key=lambda op: (op["class"], op["command"], op["order"]))
        rows = naive.match([kernel_row(op) for op in worked], caps, w.Limits(interest, CAP_LOTS))
        telling = NaiveTelling(book.market, worked, interest, trades)
        telling.tell(rows)
        reply = book.work(*ops, caps=[(a, *cap) for a, cap in caps.items()], open_interest_lots=interest)
        assert pending_list(reply.events) == telling.events
        assert matrix(reply.legs).T.tolist() == [list(leg) for leg in telling.legs]
        assert matrix(reply.outcomes).T.tolist() == [list(row) for row in telling.outcomes]
        trades = telling.trades
        check_books_balance(ops, reply)
    assert trades == book.view().trades > 0


def check_books_balance(ops: list[dict[str, int]], reply: Any) -> None:
    """In every market the lots and the quotes of all legs sum to zero; fees are never negative."""
    assert sum(reply.legs.lots) == 0
    assert sum(reply.legs.quote_atoms) == 0
    assert min([*reply.legs.fee_atoms, *reply.legs.liquidation_fee_atoms], default=0) >= 0
    asked = {op["command"] for op in ops if op["class"] == COMMANDS}
    assert set(reply.outcomes.command) == asked
    assert len(reply.outcomes.command) == len(asked)


def test_a_large_call_tells_what_small_ones_tell() -> None:
    """Operations are worked some thousands at a time, and pages grow on the way."""
    flow, whole, parts = Flow(4, desks=False), Book(), Book()
    ops = sorted(flow.block(5_000), key=lambda op: (op["class"], op["command"], op["order"]))
    reply = whole.work(*ops)
    replies = [parts.work(*ops[first : first + 500]) for first in range(0, len(ops), 500)]
    assert pending_list(reply.events) == [event for part in replies for event in pending_list(part.events)]
    legs = np.concatenate([matrix(part.legs) for part in replies], axis=1)
    legs[3] = np.arange(legs.shape[1])
    assert (matrix(reply.legs) == legs).all()
    assert (matrix(reply.outcomes) == np.concatenate([matrix(part.outcomes) for part in replies], axis=1)).all()
    assert list(reply.events.c) == [0] * len(reply.events.c)
    assert list(reply.events.b) == list(range(len(reply.events.b)))
    assert whole.view().trades == parts.view().trades > 500


def test_what_legs_and_books_say_of_an_order_agrees() -> None:
    """A shard that follows the legs alone knows what rests, block after block."""
    flow, book = Flow(77), Book()
    left: dict[int, int] = {}
    for _ in range(20):
        ops = [op for op in flow.block(40) if op["kind"] == PLACE and op["class"] == COMMANDS]
        left |= {op["order"]: op["size_lots"] for op in ops}
        reply = book.work(*ops)
        for _, order, lots, _ in legs(reply, events.CROSS_LEG_KIND_FILL):
            left[order] -= abs(lots)
        for _, order, _, _ in legs(reply, events.CROSS_LEG_KIND_GONE):
            left[order] = 0
        assert sum(lots for _, lots in book.resting()) == sum(left.values())
        assert min(left.values()) >= 0


def test_all_open_interest_of_a_market_is_liquidated_in_one_call() -> None:
    book = Book()
    book.work(*(place(row, 100 + row, BUY, 990 - row, 50) for row in range(20)))
    whole = {
        **place(0, 7, SELL, 900, 1_000, time_in_force=IOC, flags=LADDER | REDUCE_ONLY),
        **{"class": LADDER_CLASS, "order": 1 << 19, "bankruptcy_quote_atoms": 1_000 * 900 * 10},
    }
    reply = book.work(whole, round=1, caps=[(7, 1_000, 1)], open_interest_lots=1_000)
    assert book.resting() == []
    assert sum(lots for account, _, lots, _ in legs(reply, events.CROSS_LEG_KIND_FILL) if account == 7) == -1_000
    assert sum(reply.legs.quote_atoms) == 0
    assert not told(reply, "order_done")
    taken = sum(event.order_filled.liquidation_fee_atoms for event in told(reply, "order_filled"))
    assert taken == sum(reply.legs.liquidation_fee_atoms) > 0


def test_events_are_the_bytes_the_library_writes() -> None:
    draw = random.Random(5)
    numbers = (0, 1, 127, 128, 1 << 14, (1 << 62) + 3, (1 << 63) - 1, -1, -(1 << 40))
    rows = np.zeros((300, EVENT_COLUMNS), dtype=np.int64)
    expected = []
    for row in rows:
        account, values = draw.randrange(1 << 60), [draw.choice(numbers) for _ in range(4)]
        order = abs(draw.choice(numbers))
        number = events.Event.DESCRIPTOR.fields_by_name["deleveraged"].number
        row[:4], row[4], row[5:9] = (9, 300, number, account), order, values
        names = ("lots", "quote_atoms", "haircut_atoms", "rank")
        body = events.Deleveraged(liquidated_account=order, **dict(zip(names, values, strict=True)))
        event = events.Event(venue=9, market=300, account=account, deleveraged=body)
        expected.append(event.SerializeToString(deterministic=True))
    assert event_list(rows) == expected
    assert event_list(rows[:0]) == []


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1_000])
def test_columns_go_to_messages_and_back(count: int) -> None:
    columns = np.random.default_rng(count).integers(-(1 << 62), 1 << 62, size=(14, count))
    message = batches.CrossLegs.FromString(columns_bytes(batches.CrossLegs, columns))
    assert list(message.reference) == columns[13].tolist()
    assert (matrix(message) == columns).all()
