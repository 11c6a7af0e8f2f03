"""Version legs on a shard: what each moves, in which order, at which values, and what is told (PE-05, PE-10, PE-17)."""

from actors.columns import rows
from breakwater.v1 import events_pb2 as events
from tests.actors.versioned.shard import (
    CASH,
    LONG,
    MAKER,
    MARKET,
    MOVED,
    RELEASE,
    REPAID,
    REWARD,
    SHORT,
    UNIT,
    VENUE,
    Shard,
    op_leg,
    record,
    version_leg,
)

FLAT = (0, 0, 0)
HELD_ROW = [(20, VENUE, 1, MARKET, 0, 0, 0, 500)]


def held_shard() -> Shard:
    """500 atoms of account 1 wait for the desk."""
    shard = Shard()
    shard.block(changes=HELD_ROW)
    assert shard.money(1) == (CASH - 500, 500)
    return shard


def test_a_deposit_leaves_held_and_becomes_collateral():
    shard = held_shard()
    reply = shard.block([op_leg(1, MOVED, 500, held=-500, command=20)])
    assert shard.money(1) == (CASH - 500, 0) and shard.row(1)[2:] == (500, 0, 0, 0)
    ((key, event),) = shard.events
    assert key == (4, VENUE << 8, 20, MARKET << 8) and (event.venue, event.market, event.account) == (VENUE, MARKET, 1)
    assert event.collateral_moved == events.CollateralMoved(amount_atoms=500, collateral_atoms=500)
    assert list(reply.version_holdings.collateral_atoms) == [500]


def test_a_refused_deposit_returns_and_names_its_command():
    shard = held_shard()
    shard.block([op_leg(1, RELEASE, free=500, held=-500, command=20)])
    assert shard.money(1) == (CASH, 0) and not shard.book.positions.of_account(1)
    ((_, event),) = shard.events
    reference = (shard.height - 1) << 20 | 20
    assert event.credited == events.Credited(kind=events.LEG_KIND_RELEASE, amount_atoms=500, reference=reference)


def test_taking_all_collateral_out_drops_the_row_and_says_so():
    shard = Shard()
    shard.hold(1, 0, 0, 700)
    reply = shard.block([op_leg(1, MOVED, -700, free=700)])
    assert shard.money(1) == (CASH + 700, 0) and shard.book.positions.of_account(1) == []
    cash, position = rows(reply.standings)
    assert cash == (VENUE, 1, 0, 0, 0, CASH + 700, 0) and position == (VENUE, 1, MARKET, 0, 0, 0, 0)


def test_ops_are_settled_at_the_old_record_and_versions_at_their_own():
    """3 lots of a unit's 7/3: floors at the old values, then at the version's, whatever the record is by then."""
    shard = Shard()
    shard.block(versions=[record(100, (0, 40, 0))])
    shard.hold(1, LONG, 30_000, 1_000, basis=7)
    shard.block(
        [op_leg(1, MOVED), version_leg(1, (0, 50_000, 0), (0, 90, 0), fees=(11, 4))],
        versions=[record(130, (0, 95, 0), version_ms=2)],
    )
    # 30,000 * 33 = 0.99, floored 0; 30,000 * 50 = 1.5, floored 1.
    assert shard.row(1)[2:] == (1_000 + 0 + 1 - 15, LONG, 50_000, 90)
    assert shard.book.dust_e6 == {MARKET: 990_000 + 500_000}
    (moved_key, moved), (settled_key, settled) = shard.events
    assert moved.collateral_moved == events.CollateralMoved(collateral_atoms=1_000)
    assert (moved_key, settled_key) == ((4, VENUE << 8, 0, MARKET << 8), (4, VENUE << 8 | 1, 1, MARKET << 32))
    assert settled.position_settled == events.PositionSettled(
        version_ms=1_000,
        valid=True,
        kind=LONG,
        lots=50_000,
        collateral_atoms=986,
        realised_atoms=1,
        fee_atoms=11,
        settlement_fee_atoms=4,
    )


def test_losses_are_floored_away_from_zero():
    shard = Shard()
    shard.hold(1, SHORT, 1, 10)
    shard.block([version_leg(1, FLAT, (0, 0, -1))])
    assert shard.row(1)[2:] == (9, 0, 0, 0) and shard.book.dust_e6 == {MARKET: 999_999}
    assert shard.events[0][1].position_settled.realised_atoms == -1


def test_a_position_may_change_its_side_at_a_version():
    shard = Shard()
    shard.hold(1, LONG, 2 * UNIT, 100, basis=5)
    shard.block([version_leg(1, (3 * UNIT, 0, 0), (-40, 9, -7))])
    assert shard.row(1)[2:] == (108, MAKER, 3 * UNIT, -40)


def test_two_versions_of_a_call_settle_in_order_and_only_the_last_tells_the_debt():
    shard = Shard()
    shard.hold(1, LONG, UNIT, 10)
    legs = [
        version_leg(1, FLAT, (0, -45, 0), flags=7, slot=1),
        version_leg(1, (0, UNIT, 0), (0, -30, 0), fees=(0, 1), flags=0),
    ]
    reply = shard.block(legs)
    first, second = (event.position_settled for _, event in shard.events)
    assert (first.realised_atoms, first.collateral_atoms, first.valid) == (-30, -21, False)
    assert (second.realised_atoms, second.collateral_atoms) == (-15, -36) and second.is_liquidation
    debts = reply.version_debts
    assert (list(debts.venue), list(debts.market), list(debts.account)) == ([VENUE], [MARKET], [1])
    assert list(debts.amount_atoms) == [36]


def test_no_debt_is_told_while_a_position_is_left_or_something_pends_or_nothing_is_owed():
    for sizes, flags, collateral in (((0, UNIT, 0), 5, -9), (FLAT, 1, -9), (FLAT, 5, 0)):
        shard = Shard()
        shard.hold(1, LONG, UNIT, collateral)
        assert not shard.block([version_leg(1, sizes, FLAT, flags=flags)]).version_debts.account


def test_a_reward_is_taken_from_realised_collateral_and_credited_to_the_liquidator():
    shard = Shard()
    shard.hold(1, LONG, UNIT, 100)
    shard.hold(2, LONG, UNIT, 50)
    shard.block(versions=[record(1, (0, -30, 0))])
    shard.block([op_leg(1, REWARD, -20, other=2, command=3), op_leg(2, REWARD, free=20, other=1, command=3)])
    assert shard.row(1)[2:] == (50, LONG, UNIT, -30)
    assert shard.row(2)[2:] == (50, LONG, UNIT, 0) and shard.money(2) == (CASH + 20, 0)
    (_, moved), (_, credited) = shard.events
    assert moved.collateral_moved == events.CollateralMoved(amount_atoms=-20, collateral_atoms=50, counterparty=2)
    assert (credited.account, credited.credited.kind) == (2, events.LEG_KIND_PAYOUT)
    assert credited.credited.amount_atoms == 20


def test_who_liquidates_itself_keeps_its_reward():
    shard = Shard()
    shard.hold(1, LONG, UNIT, 100)
    shard.block([op_leg(1, REWARD, -20, free=20, other=1)])
    assert shard.row(1).collateral == 80 and shard.money(1) == (CASH + 20, 0)
    ((_, event),) = shard.events
    assert event.collateral_moved.counterparty == 1


def test_a_repayment_raises_the_debtor_and_leaves_the_payers_held():
    shard = Shard()
    shard.hold(2, 0, 0, -500)
    shard.block(repayments=[(20, VENUE, 1, MARKET, 2, 300)])
    shard.block([op_leg(2, REPAID, 300, other=1), op_leg(1, REPAID, held=-300, other=2)])
    assert shard.row(2).collateral == -200 and shard.money(1) == (CASH - 300, 0)
    (_, raised), (_, paid) = shard.events
    assert raised.collateral_moved == events.CollateralMoved(amount_atoms=300, collateral_atoms=-200, counterparty=1)
    assert paid.transferred == events.Transferred(counterparty=2, amount_atoms=-300, cash_atoms=CASH - 300)


def test_records_of_other_venues_are_left_alone():
    shard = Shard()
    other = record(5, (1, 2, 3))
    other.venue = VENUE + 1
    shard.block(versions=[other])
    assert shard.book.versions == {} and shard.book.values(MARKET) == (0, 0, 0)
