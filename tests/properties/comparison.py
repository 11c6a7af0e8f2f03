"""One block on a replica and on the naive engine: where the two differ, if they do."""

from itertools import zip_longest

from google.protobuf.message import Message

from actors.validator import judge
from breakwater.v1.batches_pb2 import Outcomes
from breakwater.v1.commands_pb2 import BlockInput
from breakwater.v1.events_pb2 import Event
from cluster.invariants import check_after_block
from cluster.replica import Replica
from tests.engine.margin.state import Sight, sights
from tests.engine.margin.views import backstop_view, book_levels, cross_account_view
from tests.engine.naive import NaiveEngine, NaiveResult
from tests.engine.perennial.state import version_sights
from tests.engine.perennial.views import check_liquidation_price, version_view, versioned_account_view
from tests.engine.spin.state import spin_sights
from tests.engine.spin.views import insurance_view, ratio_account_view
from tests.engine.state import Outcome

Roots = tuple[bytes, bytes]


def apply_and_compare(
    replica: Replica, block: BlockInput, voided: tuple[int, ...], naive: NaiveResult, where: str
) -> Roots:
    """Runs the block on the replica; asserts the naive engine's events, answers and views, and that a validator signs.

    Returns the two roots.
    """
    result = replica.apply(block, voided=voided)
    for index, (ours, theirs) in enumerate(zip_longest(naive.events, result.events, fillvalue=b"")):
        assert ours == theirs, (
            f"{where} event {index}: naive {Event.FromString(ours)} pipeline {Event.FromString(theirs)}"
        )
    assert answers(result.outcomes) == naive.outcomes, where
    faults = check_after_block(replica, result)
    faults += judge(result.header, result.header, result.events, replica.state.venues, replica.state.markets)
    assert not faults, f"{where}: what a validator would not sign: {faults}"
    for expected, shown in zip_longest(expected_views(naive), views(replica, naive)):
        assert expected == shown, f"{where}: naive {expected} pipeline {shown}"
    return result.events_root, result.state_root


def answers(outcomes: Outcomes) -> dict[int, Outcome]:
    """The columns by command, in the naive engine's shape."""
    columns = (
        outcomes.status,
        outcomes.refusal,
        outcomes.required,
        outcomes.actual,
        outcomes.reference,
        outcomes.price_ticks,
        outcomes.amount_atoms,
        outcomes.filled_lots,
        outcomes.remaining_lots,
    )
    return dict(zip(outcomes.command, zip(*columns, strict=True), strict=True))


def compare_cross_views(replica: Replica, engine: NaiveEngine, where: str) -> None:
    """Asserts that accounts, books and backstops of Margin Trade venues read as the naive engine says."""
    for sight in sights(engine.state, engine.block):
        numbers = sight.accounts()
        found = replica.accounts(sight.venue, numbers).accounts
        for number, shown in zip_longest(numbers, found):
            expected = cross_account_view(sight, number)
            assert expected == shown, f"{where}: naive {expected} pipeline {shown}"
        backstop, shown_backstop = backstop_view(sight), replica.backstop(sight.venue, numbers)
        assert backstop == shown_backstop, f"{where}: naive {backstop} pipeline {shown_backstop}"
        _compare_books(replica, sight, where)


def _compare_books(replica: Replica, sight: Sight, where: str) -> None:
    for market, book in sight.own.books.items():
        if not book.called:
            continue
        view = replica.order_book(sight.venue, market, 1_000)
        for side, levels in ((1, view.bids), (-1, view.asks)):
            expected_levels = book_levels(sight, market, side)
            assert expected_levels == levels, f"{where}: naive {expected_levels} pipeline {levels}"
        assert (book.trades, book.matching.last_trade) == (view.trades, view.last_ticks), where


def compare_versioned_views(replica: Replica, engine: NaiveEngine, where: str) -> None:
    """The same of Perennial venues: accounts and version desks, with every order and debt."""
    for sight in version_sights(engine.state, engine.block):
        found = replica.accounts(sight.venue, sight.accounts()).accounts
        for number, shown in zip_longest(sight.accounts(), found):
            for position in shown.versioned:
                check_liquidation_price(sight, number, position)
                position.liquidation_ticks = 0
            expected = versioned_account_view(sight, number)
            assert expected == shown, f"{where}: naive {expected} pipeline {shown}"
        for market in sight.parameters:
            shown_desk = replica.versions(sight.venue, market, everyone=True)
            shown_desk.next_version_ms = 0
            desk = version_view(sight, market)
            assert desk == shown_desk, f"{where}: naive {desk} pipeline {shown_desk}"


def compare_ratio_views(replica: Replica, engine: NaiveEngine, where: str) -> None:
    """The same of Spin venues: accounts, books, insurance desks."""
    for sight in spin_sights(engine.state, engine.block):
        found = replica.accounts(sight.venue, sight.accounts()).accounts
        for number, shown in zip_longest(sight.accounts(), found):
            expected = ratio_account_view(sight, number)
            assert expected == shown, f"{where}: naive {expected} pipeline {shown}"
        desk, shown_desk = insurance_view(sight), replica.insurance(sight.venue)
        assert desk == shown_desk, f"{where}: naive {desk} pipeline {shown_desk}"
        _compare_books(replica, sight, where)


def views(replica: Replica, naive: NaiveResult) -> list[Message]:
    """What the replica shows of every account and pool the naive engine knows."""
    shown: list[Message] = []
    for pool in naive.pools:
        accounts = [view.account for view in naive.accounts if view.venue == pool.venue]
        found = replica.accounts(pool.venue, accounts)
        assert found.height == naive.height
        shown += found.accounts
        view = replica.pool(pool.venue, [holding.account for holding in pool.holdings])
        # A market's totals may be there or not before its first position and after its last.
        open_totals = [totals for totals in view.totals if totals.positions]
        del view.totals[:]
        view.totals.extend(open_totals)
        shown.append(view)
    return shown


def expected_views(naive: NaiveResult) -> list[Message]:
    """The same of the naive engine, in the same order."""
    expected: list[Message] = []
    for pool in naive.pools:
        expected += [view for view in naive.accounts if view.venue == pool.venue]
        expected.append(pool)
    return expected
