"""Phase 4 of a Spin venue: fills, funding before lots change, what liquidations owe, deficits claimed; SP-09, SP-11."""

from breakwater.v1 import batches_pb2 as batches
from tests.actors.ratio.venue import (
    BUY,
    CASH,
    CERTAIN,
    LIQUIDATED,
    LOT,
    PAY_OUT,
    RESERVE,
    TRANSFER,
    UNRESERVED,
    VENUE,
    K,
    Venue,
    cash,
    fill,
    gone,
    number_of,
    order,
    takeover,
)

ADMIT = batches.SHARD_PHASE_ADMIT
SETTLE_EVENTS = 4
FUNDING, FEES = batches.CROSS_DUE_KIND_FUNDING, batches.CROSS_DUE_KIND_TRADING_FEES


def test_sp01_a_fill_moves_the_position_its_order_and_the_fee() -> None:
    venue = Venue()
    venue.call((*CERTAIN, ADMIT), orders=[order(0, 1, BUY, 10)])
    number = number_of(2, 0)
    done = venue.settle(fill(1, 6, fee=4_800, order=number), fill(2, -6, fee=-2_400))
    assert venue.book.positions.position(1, 1) == (6, 6 * LOT)
    assert venue.book.orders.read(number).remaining == 4
    assert (venue.cash(1), venue.cash(2)) == (CASH - 4_800, CASH + 2_400)
    assert done.rows("dues") == [(VENUE, FEES, 2_400)]
    assert [key for key, _ in done.events] == [(SETTLE_EVENTS, VENUE << 8 | 15, account, 1) for account in (1, 2)]
    venue.settle(gone(1, number))
    assert number not in venue.book.orders
    assert venue.book.positions.read(1, 1)[5:12] == (0,) * 7


def test_sp11_what_accrued_is_paid_before_the_lots_change_and_once() -> None:
    venue = Venue()
    venue.mark(10_000, index_e9=7)
    venue.settle()
    venue.settle(fill(1, 3), fill(2, -3))
    # 3 lots * (1,000,000,007 - 7) e-9 ticks * 100 atoms a tick.
    venue.mark(10_000, index_e9=1_000_000_007)
    assert venue.settle().events == []
    assert venue.book.health(1).equity == CASH - 300
    done = venue.settle(fill(1, 1), fill(1, -4, price=10_001), fill(2, 3))
    assert [(key, event.funding_settled.payment_atoms) for key, event in done.events[:2]] == [
        ((SETTLE_EVENTS, VENUE << 8 | 14, 1, 1), 300),
        ((SETTLE_EVENTS, VENUE << 8 | 14, 2, 1), -300),
    ]
    assert {body.index_e9 for body in done.bodies("funding_settled")} == {1_000_000_007}
    assert [body.cash_atoms for body in done.bodies("funding_settled")] == [CASH - 300 + 4 * K, CASH + 300]
    assert (venue.cash(1), venue.cash(2)) == (CASH - 300 + 4 * K, CASH + 300)
    assert done.rows("dues") == []


def test_sp11_an_odd_atom_stays_with_the_desk() -> None:
    venue = Venue()
    venue.settle(fill(1, 1), fill(2, -1))
    venue.mark(10_000, index_e9=15_000_000)
    venue.settle()
    # 1.5 atoms: the payer pays 2, the receiver gets 1.
    done = venue.settle(fill(1, -1), fill(2, 1))
    assert (venue.cash(1), venue.cash(2)) == (CASH - 2, CASH + 1)
    assert done.rows("dues") == [(VENUE, FUNDING, 1)]


def test_sp07_legs_end_reservations() -> None:
    venue = Venue()
    venue.settle(fill(1, 100, price=10_900), fill(2, -100))
    venue.call((RESERVE,), takeovers=[takeover(3, 4, 5, 10), takeover(4, 4, 5, 20)])
    assert venue.book.positions.read(4, 1).reserved == 30
    taken = (0, 3, 1, 0, VENUE, 4, LIQUIDATED, 0, -10, -10 * LOT, 0, 0, 150_000, number_of(2, 3))
    freed = (0, 4, 1, 0, VENUE, 4, UNRESERVED, 0, 0, 0, 0, 0, 0, number_of(2, 4))
    done = venue.settle(taken, freed)
    assert venue.book.positions.position(4, 1) == (-10, -10 * LOT)
    assert venue.cash(4) == CASH + 150_000
    assert venue.book.positions.read(4, 1).reserved == 0
    assert venue.book.reservations.of_account(4) == []
    (updated,) = done.bodies("position_updated")
    assert (updated.lots, updated.realised_atoms, updated.cash_atoms) == (-10, 0, CASH + 150_000)


def test_a_transfer_arrives_and_is_told() -> None:
    venue = Venue()
    done = venue.settle((4, 9, 0, 0, VENUE, 2, TRANSFER, 0, 0, 0, 0, 0, 70, 1))
    ((key, event),) = done.events
    assert key == (SETTLE_EVENTS, VENUE << 8 | 4, 9, 0)
    assert event.account == 2
    body = event.transferred
    assert (body.counterparty, body.amount_atoms, body.cash_atoms) == (1, 70, CASH + 70)


def test_sp09_who_is_without_positions_and_below_zero_claims_once() -> None:
    venue = Venue(cash_atoms=1_000_000)
    venue.settle(fill(1, 10), fill(2, -10))
    # 10 lots lose 2,000 ticks: 2,000,000 atoms.
    done = venue.settle(fill(1, -10, price=8_000), fill(2, 10, price=8_000))
    claim = (-1, 0, VENUE, 1, 0, batches.INSURANCE_CLAIM_KIND_DEFICIT, 1_000_000, 0)
    assert done.rows("insurance_claims") == [claim]
    done = venue.settle(cash(1, 1_000_000))
    assert venue.cash(1) == 0
    assert done.rows("insurance_claims") == []


def test_sp09_no_claim_while_a_position_is_open() -> None:
    venue = Venue(cash_atoms=1_000_000)
    venue.settle(fill(1, 10), fill(1, 1, market=2), fill(2, -10), fill(2, -1, market=2))
    done = venue.settle(fill(1, -10, price=8_000), fill(2, 10, price=8_000))
    assert venue.cash(1) == -1_000_000
    assert done.rows("insurance_claims") == []


def test_standings_tell_who_changed_and_positions_that_are_gone() -> None:
    venue = Venue()
    done = venue.settle(fill(1, 3), fill(2, -3))
    assert done.rows("standings") == [
        (VENUE, 1, 0, 0, 0, CASH, 0),
        (VENUE, 1, 1, 0, 3, 3 * LOT, 0),
        (VENUE, 2, 0, 0, 0, CASH, 0),
        (VENUE, 2, 1, 0, -3, -3 * LOT, 0),
    ]
    done = venue.settle(fill(1, -3, price=10_010))
    assert done.rows("standings") == [(VENUE, 1, 0, 0, 0, CASH + 3_000, 0), (VENUE, 1, 1, 0, 0, 0, 0)]
    done = venue.settle()
    assert done.rows("standings") == []
    venue.call((PAY_OUT,), withdrawals=[(0, VENUE, 5, 1)])
    assert venue.cash(5) == CASH - 1
