"""What the random flows do not reach: growth, arrays of any make, malformed batches, and the rules one by one."""

import numpy as np
import pytest

from actors.matching import words as w
from actors.matching.book import MatchingBook
from tests.actors.matching.flows import caps_of


def place(order: int, account: int, side: int, price: int, lots: int, **more: int) -> dict[str, int]:
    return {
        **{"kind": w.PLACE, "order": order, "account": account, "side": side},
        **{"price_ticks": price, "size_lots": lots, **more},
    }


def match(book: MatchingBook, *ops: dict[str, int], caps: w.Caps | None = None, room: int | None = None) -> list[tuple]:
    """(type, order, lots, reason) of every row."""
    limits = w.Limits() if room is None else w.Limits(0, room)
    rows = book.match(w.Operations.of_rows(ops), caps or w.Caps.none(), limits).rows()
    return [(row[1], row[2], row[8], row[10]) for row in rows]


@pytest.fixture
def book() -> MatchingBook:
    """Two asks at 101 and one at 102, of accounts 1, 2 and 3."""
    book = MatchingBook()
    match(book, place(1, 1, w.SELL, 101, 5), place(2, 2, w.SELL, 101, 5), place(3, 3, w.SELL, 102, 5))
    return book


def test_a_book_of_far_levels_grows_within_one_batch() -> None:
    count = 9_000
    prices = np.random.default_rng(3).permutation(np.arange(1, count + 1, dtype=np.int64) * 100_003_001)
    rows = [place(n + 1, n % 50, w.SELL, int(prices[n]), n + 1) for n in range(count)]
    book = MatchingBook()
    book.match(w.Operations.of_rows(rows))
    expected = sorted((row["price_ticks"], row["size_lots"], 1) for row in rows)
    assert book.depth(w.SELL, count) == expected
    assert book.order(count) == (count, (count - 1) % 50, w.SELL, int(prices[-1]), count, 0, w.GTC, w.EXPIRE_MAKER)
    filled = match(book, place(count + 1, 99, w.BUY, 1 << 40, 1 << 40))
    assert [row[2] for row in filled[:-1]] == [lots for _, lots, _ in expected]
    assert len(book) == 1
    assert book.last_trade_ticks() == expected[-1][0]


def test_columns_may_be_of_any_make(book: MatchingBook) -> None:
    ops = w.Operations.of_rows([place(9, 4, w.BUY, 102, 12)])
    frozen = [np.frombuffer(column.tobytes(), dtype=np.int64) for column in ops]
    strided = [np.repeat(column, 2)[::2] for column in ops]
    narrow = [column.astype(np.int32) for column in ops]
    dump, rows = book.dump(), []
    for columns in (frozen, strided, narrow):
        again = MatchingBook()
        again.load(dump)
        rows.append(again.match(w.Operations(*columns)).rows())
    assert rows[0] == rows[1] == rows[2]
    assert [row[8] for row in rows[0]] == [5, 5, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": 0},
        {"kind": 5},
        {"order": 0},
        {"account": -1},
        {"side": 0},
        {"price_ticks": 0},
        {"price_ticks": w.PRICE_TICKS_MAX + 1},
        {"size_lots": 0},
        {"time_in_force": 4},
        {"flags": w.FLAGS_BOUND},
        {"self_trade": 4},
    ],
)
def test_a_malformed_batch_has_no_effect(book: MatchingBook, wrong: dict[str, int]) -> None:
    before = book.dump()
    with pytest.raises(AssertionError, match="operation 1 is out of bounds"):
        match(book, place(8, 4, w.BUY, 101, 1), {**place(9, 4, w.BUY, 100, 1), **wrong})
    assert np.array_equal(book.dump(), before)


def test_ragged_columns_and_unsorted_caps_are_refused(book: MatchingBook) -> None:
    ops = w.Operations.of_rows([place(9, 4, w.BUY, 102, 12)])
    with pytest.raises(AssertionError, match="unequal length"):
        book.match(ops._replace(flags=np.zeros(2, dtype=np.int64)))
    caps = caps_of({1: (0, 1), 2: (0, 1)})
    with pytest.raises(AssertionError, match="ascend"):
        book.match(ops, w.Caps(*(column[::-1] for column in caps)))


def test_a_failing_maker_fills_only_what_reduces(book: MatchingBook) -> None:
    """Account 1 is long 3 and may sell 3; its order is cancelled when it is met again."""
    rows = match(book, place(9, 4, w.BUY, 101, 6), caps=caps_of({1: (3, 1)}))
    assert rows == [(w.FILL, 1, 3, 0), (w.DONE, 1, 2, w.MARGIN), (w.FILL, 2, 3, 0)]


def test_a_cap_is_used_up_over_the_batch_and_forgotten_after_it(book: MatchingBook) -> None:
    caps = caps_of({4: (-3, 1)})
    first, second = place(8, 4, w.BUY, 101, 2), place(9, 4, w.BUY, 101, 2)
    assert match(book, first, second, caps=caps) == [
        *((w.FILL, 1, 2, 0), (w.FILL, 1, 1, 0)),
        (w.DONE, 9, 1, w.MARGIN),
    ]
    assert match(book, place(10, 4, w.BUY, 101, 2)) == [(w.FILL, 1, 2, 0)]


def test_reduce_only_without_a_known_position_reduces_nothing(book: MatchingBook) -> None:
    taker = place(9, 4, w.BUY, 101, 6, flags=w.REDUCE_ONLY)
    assert match(book, taker) == [(w.DONE, 9, 6, w.NOT_REDUCING)]
    assert match(book, taker, caps=caps_of({4: (-2, 0)})) == [(w.FILL, 1, 2, 0), (w.DONE, 9, 4, w.NOT_REDUCING)]


def test_open_interest_stops_takers_that_may_open(book: MatchingBook) -> None:
    caps = caps_of({5: (-9, 0)})
    opens, reduces = place(8, 4, w.BUY, 101, 6), place(9, 5, w.BUY, 101, 4, flags=w.REDUCE_ONLY)
    assert match(book, opens, reduces, caps=caps, room=4) == [
        *((w.FILL, 1, 4, 0), (w.DONE, 8, 2, w.OPEN_INTEREST)),
        *((w.FILL, 1, 1, 0), (w.FILL, 2, 3, 0)),
    ]


def test_fill_or_kill_counts_what_it_may_really_fill(book: MatchingBook) -> None:
    """Eleven lots rest within the price, but account 1 may sell only one and account 2 is the taker itself."""
    match(book, place(4, 4, w.SELL, 101, 1))
    caps = caps_of({1: (1, 1)})
    kill = place(9, 2, w.BUY, 101, 3, time_in_force=w.FOK)
    assert match(book, kill, caps=caps) == [(w.DONE, 9, 3, w.FOK_UNFILLED)]
    assert len(book) == 4
    fits = place(9, 2, w.BUY, 101, 2, time_in_force=w.FOK)
    assert match(book, fits, caps=caps) == [
        *((w.FILL, 1, 1, 0), (w.DONE, 1, 4, w.MARGIN)),
        *((w.DONE, 2, 5, w.SELF_TRADE), (w.FILL, 4, 1, 0)),
    ]


def test_an_amendment_counts_what_was_filled_since(book: MatchingBook) -> None:
    amend = {"kind": w.AMEND, "order": 1, "account": 1, "price_ticks": 101, "size_lots": 4, "expected_lots": 5}
    rows = match(book, place(9, 4, w.BUY, 101, 2), amend, place(10, 4, w.BUY, 101, 3))
    assert rows == [(w.FILL, 1, 2, 0), (w.AMENDED, 1, 3, 1), (w.FILL, 1, 2, 0), (w.FILL, 2, 1, 0)]
    assert match(book, amend) == [(w.UNKNOWN, 1, 0, 0)]


def test_depth_asked_for_beyond_the_book_is_the_book(book: MatchingBook) -> None:
    assert book.depth(w.SELL, 1 << 40) == [(101, 10, 2), (102, 5, 1)]
    assert book.depth(w.BUY, 5) == []
    with pytest.raises(AssertionError, match="side"):
        book.depth(0, 5)
