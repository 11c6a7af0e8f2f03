"""A cross book whose accounts are placed at will, and the ladder's phases on it by hand."""

from typing import Any, NamedTuple

from actors.columns import RowGatherer, rows
from actors.cross.book import CrossBook
from actors.cross.ladder import carry_out
from actors.cross.ladder_rows import LadderRow, read_rows
from actors.cross.rank import rank
from actors.cross.scan import scan
from actors.cross.settle import settle_cross_legs
from actors.ledger.table import StagingLog
from actors.risk.ladder import Action
from actors.sinks import EventSink
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import pending_list, table

VENUE, HEIGHT, NOW_MS = 3, 7, 1_000_000
MARKETS = (1, 2, 3)
# A lot is worth 1,000,000 atoms at the mark; 20x, so the maintenance margin is 25,000 atoms a lot.
MARK, K, LOT, MM = 10_000, 100, 1_000_000, 25_000
# Positions above 1,000 lots are liquidated in parts of 20%.
THRESHOLD_LOTS, COOLDOWN_MS = 1_000, 30_000
HALTED, REDUCE_ONLY = common.MARK_STATE_HALTED, common.MARK_STATE_REDUCE_ONLY
RULES = {
    "partial_threshold_atoms": THRESHOLD_LOTS * LOT,
    "partial_fraction_ppm": 200_000,
    "cooldown_ms": COOLDOWN_MS,
    "partial_liquidation": True,
    "backstop_numerator": 2,
    "backstop_denominator": 3,
    "ladder_rounds": 4,
}


class Told(NamedTuple):
    """Rows of columns as tuples, and events with their keys."""

    rows: dict[str, list[tuple[int, ...]]]
    events: list[tuple[tuple[int, ...], events.Event]]


def ladder_book(way: Way = Way.BY_COLUMNS, **rules: Any) -> CrossBook:
    """The vault and three markets at the mark; nobody has anything."""
    book = CrossBook(VENUE, StagingLog(), way, owns_vault=True)
    terms = parameters.MarginTradeParameters(**(RULES | rules))
    book.set_terms(parameters.VenueParameters(venue=VENUE, version=1, margin_trade=terms))
    book.height, book.block_time_ms = HEIGHT, NOW_MS
    for market in MARKETS:
        tier = parameters.MarginTier(lower_notional_atoms=0, max_leverage=20)
        market_terms = parameters.MarginTradeMarket(quote_atoms_per_tick_lot=K, tiers=[tier])
        book.set_market(parameters.MarketParameters(venue=VENUE, market=market, margin_trade=market_terms))
        set_mark(book, market)
    return book


def set_mark(book: CrossBook, market: int, mark: int = MARK, state: int = common.MARK_STATE_FRESH) -> None:
    book.marks[market] = common.Mark(venue=VENUE, market=market, mark_ticks=mark, version=4, state=state, age_ms=9)


def place(book: CrossBook, account: int, equity: int, **lots: int) -> None:
    """The account's equity is this, its positions (`m1=10, m2=-3`) were opened at the mark."""
    if account not in book.accounts:
        book.accounts.open(account)
    book.accounts.post(account, free=equity - book.accounts.free(account))
    for name, size in lots.items():
        market = int(name.removeprefix("m"))
        book.positions.move(account, market, size, size * book.mark_ticks(market) * K)


def scanned(book: CrossBook, ladder_round: int = 0) -> Told:
    candidates, sink = RowGatherer(batches.Candidates), EventSink()
    scan(book, candidates, ladder_round, sink)
    return Told({"candidates": list(rows(candidates.message()))}, _events(sink))


def reported(book: CrossBook, ladder_round: int = 0) -> list[tuple[int, int]]:
    """(account, rung) of the candidates."""
    return [(row[2], row[4]) for row in scanned(book, ladder_round).rows["candidates"]]


def ordered(book: CrossBook, *named: tuple[int, Action], ladder_round: int = 1) -> Told:
    """Carries out one round; sequences count from 0 in the order given."""
    gathered = {
        "ops": RowGatherer(batches.OrderOps),
        "offers": RowGatherer(batches.Offers),
        "offer_positions": RowGatherer(batches.OfferPositions),
        "dues": RowGatherer(batches.CrossDues),
    }
    orders = [
        (sequence, ladder_round, VENUE, 0, account, 0, int(action)) for sequence, (account, action) in enumerate(named)
    ]
    sink = EventSink()
    carry_out(book, table(batches.LadderOrders, *orders), *gathered.values(), sink, ladder_round)
    return Told({name: list(rows(one.message())) for name, one in gathered.items()}, _events(sink))


def settled(book: CrossBook, *legs: tuple[int, ...], ladder_round: int = 1) -> None:
    """Settles (account, kind, order, market, lots, quote) of a round."""
    columns = [
        (1, place, market, place, VENUE, account, kind, order, lots, quote, 0, 0, 0, 0)
        for place, (account, kind, order, market, lots, quote) in enumerate(legs)
    ]
    dues = RowGatherer(batches.CrossDues)
    settle_cross_legs(book, table(batches.CrossLegs, *columns), dues, EventSink(), ladder_round)


def ranked(book: CrossBook, *demands: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """Candidates against demands (market, account, lots), without the venue."""
    columns = [(number, VENUE, market, account, lots, 0) for number, (market, account, lots) in enumerate(demands)]
    candidates = RowGatherer(batches.DeleverageCandidates)
    rank(book, table(batches.DeleverageDemands, *columns), candidates)
    found = list(rows(candidates.message()))
    assert all(venue == VENUE for venue, *_ in found)
    return [tuple(rest) for _, *rest in found]


def _events(sink: EventSink) -> list[tuple[tuple[int, ...], events.Event]]:
    message = sink.message()
    keys = zip(message.phase, message.a, message.b, message.c, strict=True)
    return [(key, events.Event.FromString(body)) for key, body in zip(keys, pending_list(message), strict=True)]


def read_row(book: CrossBook, account: int) -> LadderRow:
    """The account's row of the ladder, zeros where there is none."""
    return read_rows(book).get(account, LadderRow(account))
