"""A book's events written as protobuf bytes where they happen, as `event_rows` writes rows (MT-05, MT-16a)."""

import numpy as np

from actors.booking.pages import BYTES, EVENTS, SIZE, TRADES, Pages, side_word
from actors.booking.words import (
    AMENDED_BODY,
    DONE_BODY,
    FILLED_BODY,
    PLACED_BODY,
    REFUSED_BODY,
    ROW_ACCOUNT,
    ROW_FLAGS,
    ROW_LOTS,
    ROW_MET,
    ROW_ORDER,
    ROW_PRICE,
    ROW_REASON,
    ROW_REMAINING,
    ROW_SIDE,
    MarketTerms,
)
from actors.byte_words import put_varint
from actors.compiling import inlined, kernel
from actors.event_kernels import body_tag, put_field
from actors.event_rows import ACCOUNT_FIELD, MARKET_FIELD, VENUE_FIELD
from actors.matching.words import LADDER, VAULT_DEPTH


@inlined
def _begin(pages: Pages, terms: MarketTerms, body: np.int64, account: np.int64) -> np.int64:
    """Where the body's length will stand; the body begins behind it."""
    data, place = pages.bodies, pages.counts[BYTES]
    place = put_field(data, place, np.int64(VENUE_FIELD), np.int64(terms.venue))
    place = put_field(data, place, np.int64(MARKET_FIELD), np.int64(terms.market))
    place = put_field(data, place, np.int64(ACCOUNT_FIELD), account)
    return put_varint(data, place, body_tag(body))


@inlined
def _end(pages: Pages, length: np.int64, end: np.int64) -> None:
    counts = pages.counts
    # One byte: no body is longer than BODY_BYTES_MAX.
    pages.bodies[length] = np.uint8(end - length - 1)
    pages.events[SIZE, counts[EVENTS]] = end - counts[BYTES]
    counts[EVENTS] += 1
    counts[BYTES] = end


@kernel
def tell_filled(
    pages: Pages,
    terms: MarketTerms,
    row: np.ndarray,
    account: np.int64,
    order: np.int64,
    side: np.int64,
    quote_atoms: np.int64,
    fees: tuple[np.int64, np.int64],
    is_maker: np.int64,
    remaining_lots: np.int64,
    taker_flags: np.int64,
) -> None:
    """`OrderFilled` of one side; `fees` are its own and the liquidation's."""
    data, length = pages.bodies, _begin(pages, terms, np.int64(FILLED_BODY), account)
    place = put_field(data, length + 1, np.int64(1), order)
    place = put_field(data, place, np.int64(2), side_word(side))
    place = put_field(data, place, np.int64(3), row[ROW_PRICE])
    place = put_field(data, place, np.int64(4), row[ROW_LOTS])
    place = put_field(data, place, np.int64(5), quote_atoms)
    place = put_field(data, place, np.int64(6), fees[0])
    place = put_field(data, place, np.int64(7), fees[1])
    place = put_field(data, place, np.int64(8), is_maker)
    place = put_field(data, place, np.int64(9), remaining_lots)
    place = put_field(data, place, np.int64(10), pages.counts[TRADES])
    place = put_field(data, place, np.int64(11), np.int64(taker_flags & LADDER != 0))
    place = put_field(data, place, np.int64(12), np.int64(taker_flags & VAULT_DEPTH != 0))
    place = put_field(data, place, np.int64(13), np.int64(terms.version))
    _end(pages, length, place)


@kernel
def tell_placed(
    pages: Pages, terms: MarketTerms, row: np.ndarray, client_order_id: np.int64, size_lots: np.int64
) -> None:
    """`OrderPlaced`."""
    data, length = pages.bodies, _begin(pages, terms, np.int64(PLACED_BODY), row[ROW_ACCOUNT])
    place = put_field(data, length + 1, np.int64(1), row[ROW_ORDER])
    place = put_field(data, place, np.int64(2), client_order_id)
    place = put_field(data, place, np.int64(3), side_word(row[ROW_SIDE]))
    place = put_field(data, place, np.int64(4), row[ROW_PRICE])
    place = put_field(data, place, np.int64(5), size_lots)
    place = put_field(data, place, np.int64(6), row[ROW_REMAINING])
    place = put_field(data, place, np.int64(7), row[ROW_FLAGS])
    _end(pages, length, place)


@kernel
def tell_done(
    pages: Pages,
    terms: MarketTerms,
    row: np.ndarray,
    was_resting: np.int64,
    why: tuple[np.int64, np.int64, np.int64],
) -> None:
    """`OrderDone`; `why` is the refusal and its two numbers."""
    data, length = pages.bodies, _begin(pages, terms, np.int64(DONE_BODY), row[ROW_ACCOUNT])
    place = put_field(data, length + 1, np.int64(1), row[ROW_ORDER])
    place = put_field(data, place, np.int64(2), side_word(row[ROW_SIDE]))
    place = put_field(data, place, np.int64(3), row[ROW_PRICE])
    place = put_field(data, place, np.int64(4), row[ROW_LOTS])
    place = put_field(data, place, np.int64(5), was_resting)
    place = put_field(data, place, np.int64(6), why[0])
    place = put_field(data, place, np.int64(7), why[1])
    place = put_field(data, place, np.int64(8), why[2])
    _end(pages, length, place)


@kernel
def tell_amended(pages: Pages, terms: MarketTerms, row: np.ndarray) -> None:
    """`OrderAmended`."""
    data, length = pages.bodies, _begin(pages, terms, np.int64(AMENDED_BODY), row[ROW_ACCOUNT])
    place = put_field(data, length + 1, np.int64(1), row[ROW_ORDER])
    place = put_field(data, place, np.int64(2), side_word(row[ROW_SIDE]))
    place = put_field(data, place, np.int64(3), row[ROW_MET])
    place = put_field(data, place, np.int64(4), row[ROW_PRICE])
    place = put_field(data, place, np.int64(5), row[ROW_LOTS])
    place = put_field(data, place, np.int64(6), row[ROW_REMAINING])
    place = put_field(data, place, np.int64(7), row[ROW_REASON])
    _end(pages, length, place)


@kernel
def tell_refused(
    pages: Pages, terms: MarketTerms, command: np.int64, account: np.int64, why: tuple[np.int64, np.int64, np.int64]
) -> None:
    """`CommandRefused`."""
    data, length = pages.bodies, _begin(pages, terms, np.int64(REFUSED_BODY), account)
    place = put_field(data, length + 1, np.int64(1), command)
    place = put_field(data, place, np.int64(2), why[0])
    place = put_field(data, place, np.int64(3), why[1])
    place = put_field(data, place, np.int64(4), why[2])
    _end(pages, length, place)
