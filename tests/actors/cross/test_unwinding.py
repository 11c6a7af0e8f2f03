"""The vault's unwinding as a shard sends it: when a step is due, how much, at what price, under what number."""

import pytest

from actors.cross.unwinding import unwinding_number
from breakwater.v1 import common_pb2 as common
from tests.actors.cross.entering import (
    BUY,
    HEIGHT,
    IOC,
    MARK,
    NOW_MS,
    PLACE,
    SELL,
    VAULT,
    VENUE,
    K,
    enter,
    entry_book,
    market_terms,
    set_mark,
    state,
)

UNWINDING_AND_REDUCE_ONLY = 16 | 2
STEP_MS = 5_000


def vault_book(lots: int, market: int = 1):
    book = entry_book()
    book.positions.move(VAULT, market, lots, lots * MARK * K)
    return book


@pytest.mark.parametrize(("lots", "side", "limit"), [(500, SELL, 9_800), (-500, BUY, 10_200)])
def test_one_reduce_only_ioc_order_with_a_tenth_of_the_position(lots, side, limit):
    """MT-14: 2% slippage, 10% a step; the shard's order is cut to its part of the depth at the book."""
    book = vault_book(lots)
    told = enter(book)
    number = (HEIGHT << 20) + (1 << 19) - 2
    flags = UNWINDING_AND_REDUCE_ONLY
    assert told.ops == [(1, -1, number, VENUE, 1, VAULT, PLACE, side, limit, 50, 0, IOC, flags, 1, 0, 0)]
    assert told.caps == [(VENUE, 1, VAULT, lots, 1)], "without cash the vault fails margin, too"
    assert told.events == [] and told.answers == {}
    assert number not in book.orders and book.unwound_ms == {1: NOW_MS}


@pytest.mark.parametrize(("lots", "sent"), [(1, 1), (50, 50), (51, 6), (100, 10), (101, 11)])
def test_all_up_to_the_full_disposal_size_else_a_part_rounded_up(lots, sent):
    assert enter(vault_book(lots)).ops[0][9] == sent


def test_a_step_a_market_at_a_time():
    book = vault_book(500)
    book.positions.move(VAULT, 2, -40, -40 * MARK * K)
    assert [(op[2], op[4], op[9]) for op in enter(book).ops] == [
        (unwinding_number(HEIGHT, 1), 1, 50),
        (unwinding_number(HEIGHT, 2), 2, 40),
    ]
    book.height += 1
    book.block_time_ms += STEP_MS - 1
    book.set_market(market_terms(2, unwind_step_ms=STEP_MS - 1))
    assert [op[4] for op in enter(book).ops] == [2]
    book.height += 1
    book.block_time_ms += 1
    assert [op[4] for op in enter(book).ops] == [1]
    assert book.unwound_ms == {1: NOW_MS + STEP_MS, 2: NOW_MS + STEP_MS - 1}


@pytest.mark.parametrize(
    "mark_state", [common.MARK_STATE_HALTED, common.MARK_STATE_TRIPPED, common.MARK_STATE_REDUCE_ONLY]
)
def test_it_waits_where_the_mark_may_not_be_used(mark_state):
    book = vault_book(500)
    set_mark(book, 1, state=mark_state)
    assert enter(book).ops == [] and book.unwound_ms == {}
    set_mark(book, 1)
    assert len(enter(book).ops) == 1


def test_nothing_held_and_not_the_vaults_shard():
    assert enter(entry_book()).ops == []
    book = vault_book(500)
    book.owns_vault = False
    assert enter(book).ops == []


def test_the_step_is_undone_with_the_staging():
    book = vault_book(500)
    for _ in range(2):
        before = state(book)
        book.log.open()
        assert len(enter(book).ops) == 1
        book.log.roll_back()
        assert state(book) == before
        assert len(enter(book).ops) == 1
        book.block_time_ms += STEP_MS


def test_numbers_stay_between_commands_and_the_ladders():
    assert (HEIGHT << 20) < unwinding_number(HEIGHT, (1 << 16) - 1) < unwinding_number(HEIGHT, 0)
    assert unwinding_number(HEIGHT, 0) < (HEIGHT << 20) + (1 << 19)
