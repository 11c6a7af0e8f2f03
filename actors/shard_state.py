"""The books of a shard as parts of a snapshot, and back: every row goes to the shard that owns its account now."""

from collections.abc import Mapping
from copy import deepcopy
from typing import TypeVar

from actors.cross.book import CrossBook
from actors.isolated.book import IsolatedBook
from actors.ledger.table import Owned
from actors.ratio.book import RatioBook
from actors.versioned.book import VersionedBook
from breakwater.v1 import snapshots_pb2 as snapshots

M = TypeVar("M")


def saved_isolated(book: IsolatedBook) -> snapshots.BookState:
    """A Twilight venue."""
    return snapshots.BookState(
        parameters=book.terms,
        marks=_by_number(book.marks),
        tables=book.dump(),
        rates=[snapshots.MarketRate(market=key, rate_e9=rate) for key, rate in sorted(book.rates_e9.items())],
        halt_ages=[snapshots.MarketAge(market=key, halt_age_ms=age) for key, age in sorted(book.halt_age_ms.items())],
    )


def load_isolated(book: IsolatedBook, saved: snapshots.BookState, owned: Owned) -> None:
    """The owned rows of one part."""
    book.terms = deepcopy(saved.parameters)
    book.marks = {mark.market: mark for mark in saved.marks}
    book.rates_e9 = {rate.market: rate.rate_e9 for rate in saved.rates}
    book.halt_age_ms = {age.market: age.halt_age_ms for age in saved.halt_ages}
    book.fill(list(saved.tables), owned)


def saved_cross(book: CrossBook) -> snapshots.CrossBookState:
    """A Margin Trade venue."""
    return snapshots.CrossBookState(
        parameters=book.terms,
        markets=_by_number(book.markets),
        marks=_by_number(book.marks),
        tables=book.dump(),
        unwound=[snapshots.MarketTime(market=key, time_ms=time) for key, time in sorted(book.unwound_ms.items())],
    )


def load_cross(book: CrossBook, saved: snapshots.CrossBookState, owned: Owned) -> None:
    """The vault's account comes with the rows; marks are there before the orders, whose sums depend on them."""
    book.terms = deepcopy(saved.parameters)
    for market in saved.markets:
        book.set_market(market)
    book.marks = {mark.market: mark for mark in saved.marks}
    if book.owns_vault:
        book.unwound_ms |= {one.market: one.time_ms for one in saved.unwound}
    book.fill(list(saved.tables), owned)


def saved_ratio(book: RatioBook) -> snapshots.RatioBookState:
    """A Spin venue."""
    return snapshots.RatioBookState(
        parameters=book.terms, markets=_by_number(book.markets), marks=_by_number(book.marks), tables=book.dump()
    )


def load_ratio(book: RatioBook, saved: snapshots.RatioBookState, owned: Owned) -> None:
    """Parameters and marks first: sums over orders depend on them."""
    book.set_terms(saved.parameters)
    for market in saved.markets:
        book.set_market(market)
    for mark in saved.marks:
        book.set_mark(mark)
    book.fill(list(saved.tables), owned)


def saved_versioned(book: VersionedBook) -> snapshots.VersionedBookState:
    """A Perennial venue; dust is among its tables, by bucket."""
    return snapshots.VersionedBookState(
        parameters=book.terms,
        markets=_by_number(book.markets),
        versions=_by_number(book.versions),
        tables=book.dump(),
    )


def load_versioned(book: VersionedBook, saved: snapshots.VersionedBookState, owned: Owned) -> None:
    """The owned rows and the dust of the owned buckets."""
    book.set_terms(saved.parameters)
    for market in saved.markets:
        book.set_market(market)
    for record in saved.versions:
        book.take_version(record)
    book.fill(list(saved.tables), owned)


def _by_number(by_market: Mapping[int, M]) -> list[M]:
    return [by_market[market] for market in sorted(by_market)]
