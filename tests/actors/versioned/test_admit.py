"""What a Perennial shard sends to its desks, what it refuses itself, and that a dropped admission leaves nothing."""

from actors.columns import rows
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.versioned.shard import CASH, LONG, MARKET, SHORT, UNIT, VENUE, Shard, record, terms

CHANGE, LIQUIDATE, REPAY = 1, 2, 3


def placed() -> Shard:
    """Account 1 is long a unit and a half, account 2 short a third of an atom's worth, both off the record."""
    shard = Shard()
    shard.hold(1, LONG, 3 * UNIT // 2, 1_000, basis=10)
    shard.hold(2, SHORT, 333_333, 50)
    shard.block(versions=[record(100, (0, 13, -1))])
    return shard


def test_ops_carry_the_standing_and_come_in_command_order():
    shard = placed()
    reply = shard.block(
        changes=[(9, VENUE, 1, MARKET, 0, UNIT, 0, -40)],
        forced_closes=[(8, VENUE, 2, MARKET, 3, -1), (10, VENUE, 3, MARKET, 1, 6)],
        repayments=[(7, VENUE, 1, MARKET, 1025, 60)],
    )
    assert list(rows(reply.version_ops)) == [
        (2, 7, VENUE, MARKET, 1025, REPAY, 0, 0, 0, 60, 1, 0, 0, 0, 0, 0, 0),
        # 50 less a third of an atom, floored.
        (0, 8, VENUE, MARKET, 2, LIQUIDATE, 0, 0, 0, 0, 3, -1, 0, 0, 333_333, 49, 0),
        # 1,000 and 4.5 floored.
        (1, 9, VENUE, MARKET, 1, CHANGE, 0, UNIT, 0, -40, 0, 0, 0, 3 * UNIT // 2, 0, 1_004, 0),
        (0, 10, VENUE, MARKET, 3, LIQUIDATE, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0),
    ]
    assert shard.answers == [] and shard.events == []
    assert shard.money(1) == (CASH - 60, 60)
    assert shard.row(1).collateral == 1_000 and shard.book.dust_e6 == {}


def test_deposits_and_repayments_need_free_balance_in_command_order():
    shard = Shard()
    reply = shard.block(
        changes=[(1, VENUE, 1, MARKET, 0, 0, 0, CASH), (3, VENUE, 1, MARKET, 0, UNIT, 0, 0)],
        repayments=[(2, VENUE, 1, MARKET, 2, 1)],
    )
    assert shard.answers == [(2, refusals.REFUSAL_INSUFFICIENT_BALANCE, 1, 0)]
    ((key, event),) = shard.events
    assert key == (9, 2, 0, 0) and (event.account, event.market) == (1, 0)
    assert list(reply.version_ops.command) == [1, 3] and shard.money(1) == (0, CASH)


def test_who_is_frozen_may_be_liquidated_and_nothing_else():
    shard = Shard()
    shard.block(freezes=[(0, VENUE, 1, 1)])
    reply = shard.block(
        withdrawals=[(0, VENUE, 1, 5)],
        forced_closes=[(1, VENUE, 1, MARKET, 1, 0)],
        changes=[(2, VENUE, 1, MARKET, 0, 0, 0, -1)],
        repayments=[(3, VENUE, 1, MARKET, 1, 1)],
    )
    frozen = refusals.REFUSAL_ACCOUNT_FROZEN
    assert shard.answers == [(0, frozen, 0, 1), (2, frozen, 0, 1), (3, frozen, 0, 1)]
    assert list(reply.version_ops.command) == [1]


def test_from_version_2_a_frozen_account_s_change_goes_to_the_desk_where_it_moves_no_collateral():
    shard = Shard()
    raised = terms()
    raised.logic_version = 2
    shard.book.set_terms(raised)
    shard.block(freezes=[(0, VENUE, 1, 1)])
    reply = shard.block(
        changes=[
            (1, VENUE, 1, MARKET, 0, 0, 0, 1),
            (2, VENUE, 1, MARKET, 0, 0, 0, 0),
            (3, VENUE, 1, MARKET, 0, 0, 0, -1),
            (4, VENUE, 2, MARKET, 0, 0, 0, 0),
        ],
        repayments=[(5, VENUE, 1, MARKET, 1, 1)],
    )
    frozen = refusals.REFUSAL_ACCOUNT_FROZEN
    assert shard.answers == [(1, frozen, 0, 1), (3, frozen, 0, 1), (5, frozen, 0, 1)]
    assert list(zip(reply.version_ops.command, reply.version_ops.only_reduces, strict=True)) == [(2, 1), (4, 0)]


def test_withdrawals_are_of_free_balance_only_and_come_before_deposits():
    shard = Shard()
    shard.hold(1, LONG, UNIT, 10**9)
    shard.block(
        withdrawals=[(5, VENUE, 1, CASH), (6, VENUE, 1, 1)],
        changes=[(4, VENUE, 1, MARKET, 0, 0, 0, 1)],
    )
    short = refusals.REFUSAL_INSUFFICIENT_BALANCE
    assert shard.answers == [(5, 0, 0, 0), (6, short, 1, 0), (4, short, 1, 0)]
    assert shard.money(1) == (0, 0) and shard.book.accounts.table.get(1, "pending") == CASH


def test_what_was_staged_is_undone_and_told_as_it_was():
    shard = placed()
    shard.log.keep()
    before = shard.book.dump()
    first = shard.block(
        withdrawals=[(1, VENUE, 1, 70)],
        changes=[(2, VENUE, 1, MARKET, 0, UNIT, 0, 500)],
        repayments=[(3, VENUE, 2, MARKET, 1, 60)],
    )
    assert shard.book.dump() != before
    shard.book.touched.clear()
    second = shard.again()
    assert shard.book.dump() == before and list(shard.book.touched) == [1, 2]
    assert [row[5] for row in rows(first.standings)] == [CASH - 570, CASH - 60]
    assert [row[5] for row in rows(second.standings)] == [CASH, CASH]
    assert second.version_holdings == first.version_holdings
    assert not list(shard.block().standings.account)


def test_standings_name_what_the_block_changed_by_account_and_market():
    shard = placed()
    reply = shard.block(deposits=[(4, VENUE, 1025, 1), (5, VENUE, 3, 2)])
    assert [row[1:6] for row in rows(reply.standings)] == [(3, 0, 0, 0, CASH + 2), (1025, 0, 0, 0, CASH + 1)]
