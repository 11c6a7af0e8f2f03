"""A Perennial account as readers and bots see it, at the latest version."""

from actors.columns import rows
from actors.versioned.views import account_view, standings
from breakwater.v1 import batches_pb2 as batches
from tests.actors.versioned.shard import CASH, LONG, MAKER, MARKET, SHORT, UNIT, VENUE, Shard, market, record


def seen() -> Shard:
    """A long, a maker, collateral alone, and an account with a balance only."""
    shard = Shard()
    shard.hold(1, LONG, 10 * UNIT, 240, basis=-1)
    shard.hold(2, MAKER, UNIT, 1_000)
    shard.hold(3, 0, 0, -9)
    shard.block(versions=[record(100, (-7, 0, 0), version_ms=30)])
    return shard


def test_a_position_is_seen_at_the_latest_version():
    view = account_view(seen().book, 1)
    assert (view.exists, view.free_atoms, view.venue) == (True, CASH, VENUE)
    assert list(view.versioned) == [
        batches.VersionedView(
            market=MARKET,
            kind=LONG,
            lots=10 * UNIT,
            collateral_atoms=250,
            requirement_atoms=200,
            price_ticks=100,
            version_ms=30,
            liquidation_ticks=93,
        )
    ]


def test_a_maker_has_a_requirement_and_no_liquidation_price():
    (position,) = account_view(seen().book, 2).versioned
    assert (position.collateral_atoms, position.requirement_atoms, position.liquidation_ticks) == (993, 20, 0)


def test_debt_is_seen_and_requires_nothing():
    (position,) = account_view(seen().book, 3).versioned
    assert (position.kind, position.lots, position.collateral_atoms, position.requirement_atoms) == (0, 0, -9, 0)


def test_collateral_is_seen_in_a_market_without_a_version():
    shard = Shard()
    shard.hold(1, 0, 0, 400)
    assert list(account_view(shard.book, 1).versioned) == [
        batches.VersionedView(market=MARKET, collateral_atoms=400),
    ]


def test_who_has_no_row_and_who_does_not_exist():
    book = seen().book
    assert account_view(book, 1025).exists and not account_view(book, 1025).versioned
    assert account_view(book, 77) == batches.AccountView(venue=VENUE, account=77)


def test_standings_are_of_accounts_with_positions_and_hold_all_their_rows():
    shard = seen()
    shard.log.keep()
    shard.book.set_market(market(MARKET + 1))
    shard.book.positions.write(shard.row(2)._replace(market=MARKET + 1, kind=SHORT, lots=5, collateral=6, basis=0))
    assert list(rows(standings(shard.book))) == [
        (VENUE, 1, 0, 0, 0, CASH, 0),
        (VENUE, 1, MARKET, LONG, 10 * UNIT, 240, -1),
        (VENUE, 2, 0, 0, 0, CASH, 0),
        (VENUE, 2, MARKET, MAKER, UNIT, 1_000, 0),
        (VENUE, 2, MARKET + 1, SHORT, 5, 6, 0),
    ]
    assert shard.book.sums()[-1] == 3


def test_who_closed_stands_no_more():
    shard = seen()
    shard.hold(1, 0, 0, 240)
    assert {row[1] for row in rows(standings(shard.book))} == {2}
