"""A book's telling equals its naive twin, event for event and leg for leg, and neither lots nor quotes are lost."""

import random
from typing import Any

import numpy as np
import pytest

from actors.booking.wire import columns_bytes, read_columns
from actors.event_rows import EVENT_COLUMNS, event_bodies, places
from actors.matching import words as w
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from tests.actors.book_calls import (
    AMEND,
    BUY,
    CANCEL,
    CANCELS,
    COMMANDS,
    FOK,
    GTC,
    IOC,
    LADDER,
    LADDER_CLASS,
    MARKET,
    MARKET_ORDER,
    PLACE,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    UNWINDING,
    VAULT_CLASS,
    VENUE,
    Book,
    legs,
    place,
    told,
)
from tests.actors.booking.naive_telling import NaiveTelling
from tests.actors.matching.naive import NaiveBook

MIDDLE, CAP_LOTS = 1_000, 4_000


class Flow:
    """Blocks of operations as shards send them, from one seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.accounts = self.draw.choice((2, 5, 12))
        self.next_order = 1
        self.live: list[dict[str, int]] = []

    def block(self, size: int) -> list[dict[str, int]]:
        rows = [self.operation(command) for command in range(size)]
        self.draw.shuffle(rows)
        return rows

    def operation(self, command: int) -> dict[str, int]:
        draw = self.draw
        kind = draw.choices((PLACE, CANCEL, AMEND), (70, 12, 18))[0] if self.live else PLACE
        row = {"command": command, "class": COMMANDS, "kind": kind, "venue": VENUE, "market": MARKET}
        if kind == PLACE:
            return self.place(row)
        target = draw.choice(self.live)
        row |= {"order": target["order"], "account": target["account"], "side": target["side"], "size_lots": 0}
        if kind == CANCEL:
            return row | {"class": CANCELS}
        price = target["price_ticks"] + draw.choice((0, 0, 1, -1, 9))
        size = max(1, target["size_lots"] + draw.randint(-6, 3))
        return row | {"price_ticks": price, "size_lots": size, "expected_lots": target["size_lots"]}

    def place(self, row: dict[str, int]) -> dict[str, int]:
        draw, (order, self.next_order) = self.draw, (self.next_order, self.next_order + 1)
        row |= {
            **{"order": order, "account": draw.randrange(1, 1 + self.accounts), "side": draw.choice((BUY, SELL))},
            **{"price_ticks": MIDDLE + draw.randint(-9, 9), "size_lots": draw.randint(1, 30)},
            **{"time_in_force": draw.choices((GTC, IOC, FOK), (8, 2, 1))[0], "self_trade": draw.randint(1, 3)},
            **{"flags": draw.choices((0, POST_ONLY, REDUCE_ONLY, MARKET_ORDER), (7, 1, 1, 1))[0]},
            "client_order_id": draw.randint(0, 1 << 40),
        }
        special = draw.random()
        if special < 0.08:
            bankruptcy = -row["side"] * row["size_lots"] * (MIDDLE + draw.randint(-30, 30)) * 10
            desk = {"class": LADDER_CLASS, "flags": LADDER | REDUCE_ONLY, "bankruptcy_quote_atoms": bankruptcy}
            return row | desk | {"time_in_force": IOC, "order": order | 1 << 19}
        if special < 0.12:
            desk = {"class": VAULT_CLASS, "flags": UNWINDING | REDUCE_ONLY, "command": -1, "account": 0}
            return row | desk | {"time_in_force": IOC}
        self.live.append(row)
        return row

    def caps(self) -> dict[int, tuple[int, int]]:
        """Every account is told of, so that no order is its own cap."""
        draw = self.draw
        return {account: (draw.randint(-40, 40), int(draw.random() < 0.2)) for account in range(1 + self.accounts)}


def kernel_row(op: dict[str, int]) -> dict[str, int]:
    """An operation as the naive book takes it."""
    return {**op, "depth_ppm": 500_000} if op.get("flags", 0) & UNWINDING else op


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
        assert list(reply.events.event) == telling.events
        assert read_columns(reply.legs).T.tolist() == [list(leg) for leg in telling.legs]
        assert read_columns(reply.outcomes).T.tolist() == [list(row) for row in telling.outcomes]
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
        row[0], row[1] = events.Event.DESCRIPTOR.fields_by_name["deleveraged"].number, account
        row[2], row[3:7] = order, values
        names = ("lots", "quote_atoms", "haircut_atoms", "rank")
        body = events.Deleveraged(liquidated_account=order, **dict(zip(names, values, strict=True)))
        event = events.Event(venue=9, market=300, account=account, deleveraged=body)
        expected.append(event.SerializeToString(deterministic=True))
    assert event_bodies(rows, places(len(rows), 9, 300)) == expected
    assert event_bodies(rows[:0], places(0, 9, 300)) == []


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1_000])
def test_columns_go_to_messages_and_back(count: int) -> None:
    matrix = np.random.default_rng(count).integers(-(1 << 62), 1 << 62, size=(14, count))
    message = batches.CrossLegs.FromString(columns_bytes(batches.CrossLegs, matrix))
    assert list(message.reference) == matrix[13].tolist()
    assert (read_columns(message) == matrix).all()
