"""The compiled book and its naive twin answer every random flow alike, row by row, and end with the same orders."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.matching import words as w
from actors.matching.book import MatchingBook
from tests.actors.matching.flows import MIDDLE, Flow, caps_of
from tests.actors.matching.naive import NaiveBook, Row


def compare(seed: int, batches: int, size: int) -> None:
    flow, book, naive = Flow(seed), MatchingBook(), NaiveBook()
    for turn in range(batches):
        ops, capped, limits = flow.batch(size), flow.caps(), flow.limits()
        before = book.dump().tolist()
        rows = book.match(w.Operations.of_rows(ops), caps_of(capped), limits).rows()
        expected = naive.match(ops, capped, limits)
        for ours, theirs in zip(rows, expected, strict=False):
            assert ours == theirs, f"seed {seed}, batch {turn}, operation {ops[theirs[0]]}"
        assert len(rows) == len(expected)
        check_reads(book, naive)
        check_conservation(before, ops, rows, book.dump().tolist())
        if turn % 3 == 2:
            book = reloaded(book)


def reloaded(book: MatchingBook) -> MatchingBook:
    """Another memory layout of the same book."""
    again = MatchingBook()
    again.load(book.dump(), book.last_trade_ticks())
    return again


def check_reads(book: MatchingBook, naive: NaiveBook) -> None:
    assert [tuple(row) for row in book.dump().tolist()] == naive.dump()
    assert len(book) == len(naive.everything())
    assert book.last_trade_ticks() == naive.last_trade
    bids, asks = naive.sides[w.BUY], naive.sides[w.SELL]
    assert book.best_bid_ticks() == (bids[0].price if bids else 0)
    assert book.best_ask_ticks() == (asks[0].price if asks else 0)
    assert not bids or not asks or bids[0].price < asks[0].price, "crossed"
    for side, orders in naive.sides.items():
        levels: dict[int, list[int]] = defaultdict(list)
        for order in orders:
            levels[order.price].append(order.lots)
        expected = [(price, sum(lots), len(lots)) for price, lots in levels.items()]
        assert book.depth(side, 1_000) == expected
        assert book.depth(side, 2) == expected[:2]
        assert book.open_lots(side) == sum(order.lots for order in orders)
        for notional in (1, MIDDLE, MIDDLE * 37 + 1, MIDDLE * 400, 1 << 45):
            assert book.impact_ticks(side, notional) == naive.impact(side, notional)
    for order in naive.everything()[:3]:
        assert book.order(order.order) == order.row()


def check_conservation(before: list[Row], ops: list[dict[str, int]], rows: list[Row], after: list[Row]) -> None:
    """Lots that rested or were sent, less the filled (twice) and the cancelled, are the lots that rest."""
    placed = sum(op["size_lots"] for op in ops if op["kind"] == w.PLACE)
    filled = sum(2 * row[8] for row in rows if row[1] == w.FILL)
    done = sum(row[8] for row in rows if row[1] == w.DONE)
    amended = sum(row[9] - row[8] for row in rows if row[1] == w.AMENDED)
    assert sum(row[4] for row in before) + placed + amended - filled - done == sum(row[4] for row in after)


@pytest.mark.parametrize("seed", range(60))
def test_seeded_flows(seed: int) -> None:
    compare(seed, batches=6, size=60)


@settings(max_examples=40)
@given(st.integers(100, 1 << 30), st.integers(1, 4), st.integers(1, 25))
def test_any_flow(seed: int, batches: int, size: int) -> None:
    compare(seed, batches, size)


def test_a_batch_is_the_same_whole_or_in_parts() -> None:
    ops = Flow(5).batch(300)
    whole, parts = MatchingBook(), MatchingBook()
    at_once = whole.match(w.Operations.of_rows(ops)).rows()
    one_by_one = [parts.match(w.Operations.of_rows([op])).rows() for op in ops]
    assert at_once == [(place, *row[1:]) for place, rows in enumerate(one_by_one) for row in rows]
    assert np.array_equal(whole.dump(), parts.dump())


def test_every_type_and_reason_occurs_in_the_seeded_flows() -> None:
    seen: set[tuple[int, int]] = set()
    for seed in range(60):
        flow, book = Flow(seed), MatchingBook()
        for _ in range(6):
            ops, capped, limits = flow.batch(60), flow.caps(), flow.limits()
            seen |= {(row[1], row[10]) for row in book.match(w.Operations.of_rows(ops), caps_of(capped), limits).rows()}
    assert {kind for kind, _ in seen} == set(range(w.FILL, w.UNKNOWN + 1))
    assert {reason for kind, reason in seen if kind == w.DONE} == set(range(w.USER, w.VAULT_DEPTH_CUT + 1))
    assert {keeps for kind, keeps in seen if kind == w.AMENDED} == {0, 1}
