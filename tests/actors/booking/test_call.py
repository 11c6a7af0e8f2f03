"""A call is read where it lies as the library reads it, and events are written as the library writes them."""

import random

import numpy as np
import pytest

from actors.booking.call import columns_in, read_call
from actors.booking.event_writing import tell_done, tell_filled, tell_placed
from actors.booking.orders import ops_in_order
from actors.booking.pages import BODY_BYTES_MAX, TRADES, Pages, first_pages, with_pages
from actors.booking.terms import book_terms
from actors.booking.words import CLASS, COMMAND, ROW_WORDS
from actors.columns import matrix, sort_rows
from actors.matching import words as w
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from tests.actors.book_calls import MARKET, VENUE, market, order_ops
from tests.actors.booking.flow import Flow
from tests.actors.calling import head, table

NUMBERS = (0, 1, 127, 128, 1 << 14, (1 << 55) - 1, 1 << 56, (1 << 62) + 3, -1, -(1 << 40))


def op_table(seed: int, count: int) -> batches.OrderOps:
    """Operations out of order."""
    flow = Flow(seed)
    ops = flow.block(count)
    flow.draw.shuffle(ops)
    return order_ops(ops)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300])
def test_a_call_is_read_as_the_library_reads_it(count: int) -> None:
    caps = table(batches.PositionCaps, *((VENUE, MARKET, account, -account, 1) for account in range(count)))
    call = batches.BookCall(header=head(3), market=market(), ops=op_table(1, count), caps=caps, round=7)
    read = read_call(call.SerializeToString())
    assert read.header == call.header
    assert (read.rest.round, read.venue, read.market) == (7, b"", call.market.SerializeToString())
    assert (read.ops.rows, read.caps.rows) == (count, count)
    for columns, message in ((read.ops, call.ops), (read.caps, call.caps)):
        if count:
            cells = [columns.column(place).tolist() for place in range(len(columns.begins))]
            assert cells == matrix(message).tolist()


def test_columns_that_lie_otherwise_are_read_through_the_library() -> None:
    """A column may come in pieces, and the columns in any order."""
    ops = op_table(2, 40)
    first, last = batches.OrderOps(command=ops.command[:15]), batches.OrderOps(command=ops.command[15:])
    rest = batches.OrderOps.FromString(ops.SerializeToString())
    rest.ClearField("command")
    read = columns_in(batches.OrderOps, b"".join(part.SerializeToString() for part in (first, rest, last)))
    assert [read.column(place).tolist() for place in range(len(read.begins))] == matrix(ops).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_operations_are_worked_in_their_order(seed: int) -> None:
    ops = op_table(seed, 200)
    ordered = matrix(sort_rows(ops, "class", "command", "order"))
    rows = np.empty((200, ROW_WORDS), dtype=np.int64)
    has_reduce_only = ops_in_order(columns_in(batches.OrderOps, ops.SerializeToString()), 500_000, rows)
    assert has_reduce_only == bool((ordered[12] & w.REDUCE_ONLY).any())
    taken = [CLASS, COMMAND, w.OP_ORDER, w.OP_ACCOUNT, w.OP_KIND, w.OP_SIDE, w.OP_PRICE, w.OP_SIZE, w.OP_EXPECTED]
    assert rows[:, taken].T.tolist() == ordered[[0, 1, 2, 5, 6, 7, 8, 9, 10]].tolist()
    assert set(rows[:, w.OP_TIME_IN_FORCE].tolist()) <= {w.GTC, w.IOC, w.FOK}
    assert set(rows[rows[:, w.OP_FLAGS] & w.VAULT_DEPTH != 0, w.OP_DEPTH_PPM].tolist()) <= {500_000}
    assert not rows[rows[:, w.OP_FLAGS] & w.VAULT_DEPTH == 0, w.OP_DEPTH_PPM].any()


def told(pages: Pages) -> list[bytes]:
    count, size, *_ = pages.counts.tolist()
    ends = np.cumsum(pages.events[4, :count]).tolist()
    return [pages.bodies[begin:end].tobytes() for begin, end in zip([0, *ends[:-1]], ends, strict=True)][:size]


def test_events_of_any_length_are_the_bytes_the_library_writes() -> None:
    """The largest numbers there are make no body whose length would take two bytes."""
    draw, terms = random.Random(9), book_terms(market()).market
    pages = with_pages(first_pages(VENUE, MARKET), 900, 0)
    expected = []
    for _ in range(300):
        numbers = draw.choice((NUMBERS, NUMBERS[-3:]))
        row = np.array([draw.choice(numbers) for _ in range(w.RESULT_COLUMNS)])
        side = draw.choice((w.BUY, w.SELL))
        row[[2, 3, 11]] = abs(row[[2, 3, 11]]) >> draw.choice((31, 33))
        row[6], long_short = side, {w.BUY: common.SIDE_LONG, w.SELL: common.SIDE_SHORT}[side]
        a, b, c, d = (draw.choice(numbers) for _ in range(4))
        pages.counts[TRADES] = trade = draw.choice((1, 1 << 62))
        order, account, _, _, _, price, lots, rest = row[2:10].tolist()
        flags = int(row[11])
        filled = events.OrderFilled(order=order, side=long_short, price_ticks=price, lots=lots, quote_atoms=a)
        more = {"is_maker": True, "remaining_lots": d, "trade": trade, "is_unwinding": True, "parameters_version": 7}
        filled.MergeFrom(events.OrderFilled(fee_atoms=b, liquidation_fee_atoms=c, **more))
        tell_filled(pages, terms, row, account, order, side, a, (b, c), 1, d, w.VAULT_DEPTH)
        done = events.OrderDone(order=order, side=long_short, price_ticks=price, remaining_lots=lots)
        done.MergeFrom(events.OrderDone(was_resting=True, refusal=3, required=a, actual=b))
        tell_done(pages, terms, row, 1, (3, a, b))
        placed = events.OrderPlaced(order=order, client_order_id=a, side=long_short, price_ticks=price, size_lots=b)
        placed.MergeFrom(events.OrderPlaced(remaining_lots=rest, flags=flags))
        tell_placed(pages, terms, row, a, b)
        for body in ({"order_filled": filled}, {"order_done": done}, {"order_placed": placed}):
            event = events.Event(venue=VENUE, market=MARKET, account=account, **body)
            expected.append(event.SerializeToString(deterministic=True))
    assert told(pages) == expected
    assert len(max(expected, key=len)) > 100
    assert BODY_BYTES_MAX < 128
