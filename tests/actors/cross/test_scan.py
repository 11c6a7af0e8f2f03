"""Who is reported below which rung, and who stays quiet, by the kernel and by the scalar rulebook alike."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cross.book import VAULT, CrossBook
from actors.cross.ladder_rows import LadderRow, write_rows
from actors.cross.scan import accounts_below, vault_state
from actors.cross.settle import PARTIAL_FILLED, PARTIAL_SENT
from actors.rulebooks import margin_trade
from actors.ways import Way
from breakwater.v1 import events_pb2 as events
from tests.actors.cross.laddering import (
    COOLDOWN_MS,
    HALTED,
    HEIGHT,
    LOT,
    MARK,
    MM,
    NOW_MS,
    REDUCE_ONLY,
    VENUE,
    K,
    ladder_book,
    place,
    read_row,
    reported,
    scanned,
    set_mark,
)


@pytest.fixture(params=Way)
def book(request: pytest.FixtureRequest) -> CrossBook:
    return ladder_book(way=request.param)


def test_mt11_rungs_are_strict(book: CrossBook) -> None:
    # 30 lots require 750,000; two thirds are 500,000.
    for account, equity in enumerate((750_000, 749_999, 500_000, 499_999, -1), 1):
        place(book, account, equity, m1=30 if account % 2 else -30)
    assert reported(book) == [(2, 1), (3, 1), (4, 2), (5, 2)]


def test_a_candidate_carries_the_numbers_of_the_scan(book: CrossBook) -> None:
    place(book, 9, 600_000, m1=10, m2=-20)
    (row,) = scanned(book).rows["candidates"]
    assert row == (VENUE, 0, 9, 0, 1, 0, 600_000, 30 * MM, 600_000 * 2**30 // 750_000)


def test_cash_below_zero_without_a_position_is_below_every_rung(book: CrossBook) -> None:
    place(book, 4, -1)
    assert reported(book) == [(4, 2)]


def test_mt14_the_vault_skips_the_first_two_rungs(book: CrossBook) -> None:
    place(book, VAULT, 750_000, m1=30)
    assert reported(book) == []
    place(book, VAULT, 749_999)
    assert reported(book) == [(VAULT, 3)]
    set_mark(book, 1, state=HALTED)
    assert reported(book) == []


def test_a_mark_that_may_not_be_used_counts_a_loss_but_no_gain(book: CrossBook) -> None:
    place(book, 1, 750_000, m1=30)
    place(book, 2, 750_000, m2=-30)
    for market in (1, 2):
        set_mark(book, market, MARK + 1, REDUCE_ONLY)
    # 30 lots gain 3,000 atoms a tick, and require 75 more.
    assert [row[:2] for row in accounts_below(book)] == [(1, 750_000), (2, 747_000)]


def test_a_market_where_nothing_may_happen_makes_the_account_wait_and_is_told_once(book: CrossBook) -> None:
    place(book, 1, 700_000, m1=30)
    place(book, 2, 700_000, m1=10, m2=20)
    place(book, 3, 400_000, m1=10, m2=20)
    set_mark(book, 1, state=HALTED)
    told = scanned(book)
    # Rung 1 may act in another market; the vault takes all or nothing.
    assert [row[2] for row in told.rows["candidates"]] == [2]
    assert [(key, event.account, event.market) for key, event in told.events] == [
        ((7, 99, (1 << 53) + 1, VENUE << 8), 1, 1),
        ((7, 99, (1 << 53) + 3, VENUE << 8), 3, 1),
    ]
    body = told.events[1][1].ladder_queued
    assert (body.reason, body.rung, body.equity_atoms, body.maintenance_atoms) == (
        events.QUEUE_REASON_MARKET,
        2,
        400_000,
        750_000,
    )
    assert [read_row(book, account).waiting for account in (1, 2, 3)] == [1, 0, 1]
    assert scanned(book).events == []
    set_mark(book, 1)
    assert reported(book) == [(1, 1), (2, 1), (3, 2)]
    assert len(book.ladder) == 0
    set_mark(book, 1, state=HALTED)
    assert len(scanned(book).events) == 2


def test_who_waited_and_recovered_is_told_again_the_next_time(book: CrossBook) -> None:
    place(book, 1, 700_000, m1=30)
    set_mark(book, 1, state=HALTED)
    assert len(scanned(book).events) == 1
    place(book, 1, 900_000)
    assert scanned(book).events == []
    assert 1 not in book.ladder
    place(book, 1, 700_000)
    assert len(scanned(book).events) == 1


def in_cooldown(book: CrossBook, account: int, equity: int, maintenance: int, until_ms: int) -> None:
    write_rows(book, [LadderRow(account, until_ms, equity, maintenance)])


@pytest.mark.parametrize(("equity", "rung"), [(700_000, 0), (699_999, 1), (700_001, 0), (499_999, 2)])
def test_mt12_a_cooldown_is_quiet_until_the_ratio_is_strictly_below_the_pair(
    book: CrossBook, equity: int, rung: int
) -> None:
    place(book, 1, equity, m1=30)
    in_cooldown(book, 1, 1_400_000, 1_500_000, NOW_MS + 1)
    assert reported(book) == ([(1, rung)] if rung else [])


def test_mt12_a_cooldown_ends_at_its_time_and_its_row_goes(book: CrossBook) -> None:
    place(book, 1, 720_000, m1=30)
    in_cooldown(book, 1, 700_000, 750_000, NOW_MS)
    assert reported(book) == [(1, 1)]
    assert 1 not in book.ladder


def test_mt18_without_partials_there_is_no_cooldown() -> None:
    book = ladder_book(partial_liquidation=False)
    place(book, 1, 720_000, m1=30)
    in_cooldown(book, 1, 700_000, 750_000, NOW_MS + 1)
    assert reported(book) == [(1, 1)]


def test_mt12_the_pair_is_that_of_the_scan_right_after_the_partial(book: CrossBook) -> None:
    place(book, 1, 740_000, m1=30)
    place(book, 2, 740_000, m1=30)
    place(book, 3, 760_000, m1=30)
    for account, pending in ((1, PARTIAL_FILLED), (2, PARTIAL_SENT), (3, PARTIAL_FILLED)):
        write_rows(book, [LadderRow(account, acted_height=HEIGHT, acted_rung=1, partial_pending=pending)])
    # What filled nothing starts no cooldown, what recovered does.
    assert reported(book, ladder_round=1) == [(2, 1)]
    assert read_row(book, 1) == LadderRow(1, NOW_MS + COOLDOWN_MS, 740_000, 750_000, HEIGHT, 0, 0, 1)
    assert read_row(book, 2) == LadderRow(2, acted_height=HEIGHT, acted_rung=1)
    assert read_row(book, 3).kept_equity == 760_000
    place(book, 1, 739_999)
    assert reported(book, ladder_round=2) == [(1, 1), (2, 1)]


@pytest.mark.parametrize("acted_rung", [1, 2])
def test_mt12_who_tried_every_market_in_vain_waits_for_the_next_block(book: CrossBook, acted_rung: int) -> None:
    place(book, 1, 700_000, m1=10, m2=20)
    write_rows(book, [LadderRow(1, acted_height=HEIGHT, acted_rung=acted_rung)])
    book.positions.put(1, 2, "tried_height", HEIGHT)
    assert reported(book, ladder_round=1) == [(1, 1)]
    book.positions.put(1, 1, "tried_height", HEIGHT)
    assert reported(book, ladder_round=2) == []
    place(book, 1, 499_999)
    assert reported(book, ladder_round=2) == [(1, 2)]
    place(book, 1, 700_000)
    book.height += 1
    assert reported(book) == [(1, 1)]


def test_work_that_was_undone_is_scanned_as_if_it_had_never_been(book: CrossBook) -> None:
    place(book, 1, 749_999, m1=30)
    place(book, 2, 750_000, m1=30)
    assert reported(book) == [(1, 1)]
    book.log.open()
    place(book, 1, 10**9)
    book.positions.move(2, 1, 60, 60 * LOT)
    book.log.roll_back()
    assert reported(book) == [(1, 1)]
    book.log.open()
    place(book, 1, 10**9)
    book.positions.move(2, 1, 60, 60 * LOT)
    book.log.keep()
    assert reported(book) == [(2, 2)]


def test_the_vault_is_shown_with_its_inventory(book: CrossBook) -> None:
    place(book, VAULT, 5_000_000, m1=30, m3=-10)
    set_mark(book, 3, MARK + 10)
    state = vault_state(book)
    # Ten lots short lose 10 ticks of 100 atoms each.
    assert (state.venue, state.cash_atoms, state.equity_atoms) == (VENUE, 5_000_000, 4_990_000)
    assert state.maintenance_atoms == 30 * MM + 250_250
    assert state.initial_margin_atoms == 2 * state.maintenance_atoms
    assert state.gross_notional_atoms == 30 * LOT + 10_010_000
    shown = [(row.market, row.lots, row.mark_ticks, row.quote_atoms_per_tick_lot) for row in state.positions]
    assert shown == [(1, 30, MARK, K), (3, -10, MARK + 10, K)]


@settings(max_examples=40)
@given(st.data())
def test_kernel_and_scalar_rulebook_report_the_same(data: st.DataObject) -> None:
    twins = ladder_book(), ladder_book(way=Way.BY_ROW)
    for _ in range(data.draw(st.integers(1, 4))):
        for account in data.draw(st.lists(st.integers(0, 6), max_size=3)):
            equity = data.draw(st.integers(-(10**6), 4 * 10**6))
            lots = {f"m{market}": data.draw(st.integers(-40, 40)) for market in data.draw(st.sets(st.integers(1, 3)))}
            for book in twins:
                place(book, account, equity, **lots)
        for market in (1, 2, 3):
            mark = MARK + data.draw(st.integers(-400, 400))
            state = data.draw(st.sampled_from([2, 2, 2, HALTED]))
            for book in twins:
                set_mark(book, market, mark, state)
        kernel, scalar = (scanned(book) for book in twins)
        assert kernel == scalar
        for _, _, account, _, rung, _, equity, maintenance, _ in kernel.rows["candidates"]:
            health = twins[0].health(account)
            assert (health.equity, health.maintenance) == (equity, maintenance)
            assert equity < maintenance
            assert account == VAULT or rung == margin_trade.rung_due(equity, maintenance, 2, 3)
        for book in twins:
            book.height += 1
