"""The pool: shares, caps and limits of an open, settlement, claims and shortfall, the order of work (TW-09 to 19)."""

from typing import Any

import pytest

from actors.pool import Pool
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from tests.actors.calling import Caller, pending_list, table
from tests.building import LONG, SHORT, bodies, market, refused, venue

FILLED, LIQUIDATED = common.OUTCOME_STATUS_FILLED, common.OUTCOME_STATUS_LIQUIDATED
BIT = 10**8
PRICE = 50_000
ANYONE = 10**8  # ppm: a limit nobody reaches


def deposit(command: int, account: int, amount: int) -> tuple[int, ...]:
    return (command, 1, account, 1, amount)


def withdraw(command: int, account: int, micro_shares: int) -> tuple[int, ...]:
    return (command, 1, account, -1, micro_shares)


def open_row(command: int, account: int, margin: int, leverage: int, side: int = LONG) -> tuple[int, ...]:
    """A market open; its position has the command's number."""
    return (1, 0, command, command, 1, 1, account, side, common.ORDER_KIND_MARKET, margin, leverage, 400_000)


class Desk(Caller):
    """A pool and its market at a price."""

    def __init__(self, safe: bool = False, **rules: int) -> None:
        super().__init__(Pool(1), batches.DeskReply)
        self.price = PRICE
        self.state = common.MARK_STATE_FRESH
        self.changes = batches.ParameterChanges(venues=[venue(1, safe, **rules)], markets=[market(halt_age_ms=30_000)])

    def work(self, **rows: Any) -> Any:
        """One block: lists of rows by the name of the call's field."""
        kinds = {
            "funding": batches.FundingNets,
            "seizures": batches.Seizures,
            "closes": batches.CloseOps,
            "liquidity": batches.LiquidityOps,
            "opens": batches.OpenOps,
        }
        mark = common.Mark(venue=1, market=1, mark_ticks=self.price, version=1, state=self.state, age_ms=31_000)
        fields = {name: table(kinds[name], *listed) for name, listed in rows.items()}
        reply = self.block(changes=self.changes, marks=[mark], account=True, **fields)
        self.changes = batches.ParameterChanges()
        return reply

    def rules(self, safe: bool, **rules: int) -> None:
        """Other parameters from the next block on."""
        self.changes = batches.ParameterChanges(venues=[venue(1, safe, **rules)])

    def opened(self, command: int, side: int = LONG, margin: int = 500_000, leverage: int = 5_000) -> Any:
        """An open that must be filled: the body of its event."""
        reply = self.work(opens=[open_row(command, command, margin, leverage, side)])
        (body,) = bodies(pending_list(reply.events), "position_opened")
        return body

    def close_row(self, body: Any, profit: int, command: int = 0, status: int = FILLED) -> tuple[int, ...]:
        """The close of an opened position at this profit after fees, atoms."""
        side = LONG if body.side == common.SIDE_LONG else SHORT
        held = body.initial_margin_atoms - body.fee_atoms
        payout = held + profit if status == FILLED else 0
        head = (1, 0, body.position, command, 1, 1, body.position, side, common.ORDER_KIND_MARKET, status)
        size = (PRICE, body.entry_value_atoms, body.position_size, body.initial_margin_atoms, held)
        return (*head, *size, profit, 0, payout, max(0, -held - profit) if status == LIQUIDATED else 0)


def legs(reply: Any, kind: int) -> list[tuple[int, int]]:
    """(account, free_atoms) of the legs of one kind."""
    found = zip(reply.legs.kind, reply.legs.account, reply.legs.free_atoms, strict=True)
    return [(account, free) for leg, account, free in found if leg == kind]


def test_tw_16_the_first_share_costs_a_thousand_atoms_and_later_ones_the_price() -> None:
    desk = Desk()
    (first,) = bodies(pending_list(desk.work(liquidity=[deposit(0, 1, 1_000_000)]).events), "shares_minted")
    assert first.micro_shares == 1_000 * 10**6
    desk.work(funding=[(1, 1, 500_000, 5, 0)])  # NAV is 1.5 times the shares' first price
    (second,) = bodies(pending_list(desk.work(liquidity=[deposit(0, 2, 100)]).events), "shares_minted")
    assert second.micro_shares == 100 * 10**9 // 1_500_000
    assert second.nav_atoms == 1_500_000


def test_tw_16_a_deposit_that_mints_nothing_is_refused_and_given_back() -> None:
    desk = Desk()
    desk.work(liquidity=[deposit(0, 1, 1)])
    desk.work(funding=[(1, 1, 10**7, 5, 0)])
    reply = desk.work(liquidity=[deposit(3, 2, 9)])
    assert refused(reply.outcomes) == [(3, "NO_SHARES_MINTED", 1, 0)]
    assert legs(reply, events.LEG_KIND_RELEASE) == [(2, 9)]
    assert list(reply.legs.held_atoms) == [-9]


def test_tw_16_redemptions_floor_and_the_last_share_leaves_nothing_owned() -> None:
    desk = Desk()
    desk.work(liquidity=[deposit(0, 1, 1_000)])
    desk.work(funding=[(1, 1, 1, 5, 0)])
    desk.work(funding=[(1, 1, -1, 5, 0)], liquidity=[deposit(0, 2, 500)])
    reply = desk.work(liquidity=[withdraw(0, 1, 1_500), withdraw(1, 1, 10**6)])
    assert refused(reply.outcomes) == [(1, "INSUFFICIENT_SHARES", 10**6, 998_500)]
    assert legs(reply, events.LEG_KIND_REDEMPTION) == [(1, 1)]
    assert reply.sums.nav_realised_atoms == 1_499


def test_tw_17_and_18_withdrawals_leave_what_covers_the_traders_margin() -> None:
    desk = Desk()
    desk.work(liquidity=[deposit(0, 1, 2_000_000)])
    body = desk.opened(5)
    nav, margin = 2_000_000 + body.fee_atoms, 500_000 - body.fee_atoms
    shares = 2_000 * 10**6
    allowed = (nav - margin) * shares // nav
    reply = desk.work(liquidity=[withdraw(0, 1, allowed + 2_000)])
    ((_, reason, asked, limit),) = refused(reply.outcomes)
    assert (reason, limit) == ("WITHDRAWAL_LIMIT", nav - margin)
    assert asked > limit
    reply = desk.work(liquidity=[withdraw(0, 1, allowed)])
    assert not refused(reply.outcomes)
    assert reply.sums.nav_realised_atoms >= margin
    reply = desk.work(liquidity=[withdraw(0, 1, 10**6)])
    assert refused(reply.outcomes)[0][1] == "WITHDRAWAL_LIMIT"


@pytest.mark.parametrize(("profit", "mint_at_marked"), [(1_000_000, False), (-400_000, True)])
def test_tw_17_safe_mints_at_the_higher_and_redeems_at_the_lower_value(profit: int, mint_at_marked: bool) -> None:
    desk = Desk(True, max_position_ppm=ANYONE, max_oi_ppm=ANYONE, max_net_ppm=ANYONE)
    desk.work(liquidity=[deposit(0, 1, BIT)])
    body = desk.opened(5)
    desk.price = body.position_size // (body.entry_value_atoms - profit)  # where its uPnL is the profit
    realised = BIT + body.fee_atoms
    marked = realised - (body.entry_value_atoms - -(-body.position_size // desk.price))
    reply = desk.work(liquidity=[deposit(0, 2, 10**6), withdraw(1, 1, 10**6)])
    (minted,), (redeemed,) = (bodies(pending_list(reply.events), kind) for kind in ("shares_minted", "shares_redeemed"))
    assert abs(minted.nav_atoms - (marked if mint_at_marked else realised)) <= 1
    lower = (realised if mint_at_marked else marked) + 10**6  # the deposit before it is in NAV
    assert abs(redeemed.nav_atoms - lower) <= 1
    assert minted.nav_atoms + 10**6 > redeemed.nav_atoms


def test_tw_17_seed_prices_shares_at_realised_nav_both_ways() -> None:
    desk = Desk()
    desk.work(liquidity=[deposit(0, 1, BIT)])
    body = desk.opened(5)
    desk.price = 2 * PRICE
    reply = desk.work(liquidity=[deposit(0, 2, 10**6), withdraw(1, 1, 10**6)])
    (minted,), (redeemed,) = (bodies(pending_list(reply.events), kind) for kind in ("shares_minted", "shares_redeemed"))
    assert (minted.nav_atoms, redeemed.nav_atoms) == (BIT + body.fee_atoms, BIT + body.fee_atoms + 10**6)


def test_tw_17_the_utilisation_cap_holds_on_the_state_after_the_open_and_at_the_cap_itself() -> None:
    # 1x at the mark: fee 4,000 of 10,000,000; U = (10,000,000 - 4,000) / (NAV + 4,000).
    at_cap = 9_996_000 * 10 // 9 - 4_000
    for nav, expected in ((at_cap, [(7, "UTILISATION_CAP", 900_000, 900_000)]), (at_cap + 2, [])):
        desk = Desk()
        desk.work(liquidity=[deposit(0, 1, nav)])
        reply = desk.work(opens=[open_row(7, 2, 10**7, 100)])
        assert refused(reply.outcomes) == expected
        assert legs(reply, events.LEG_KIND_RELEASE) == ([(2, 10**7)] if expected else [])


def test_tw_17_an_empty_pool_opens_nothing_and_an_lp_of_the_same_block_comes_first() -> None:
    desk = Desk()
    assert refused(desk.work(opens=[open_row(0, 2, 10**6, 100)]).outcomes) == [(0, "POOL_EMPTY", 1, 0)]
    reply = desk.work(opens=[open_row(0, 2, 10**6, 100)], liquidity=[deposit(9, 1, BIT)])
    assert not refused(reply.outcomes)
    assert list(reply.outcomes.command) == [9, 0]


def test_tw_19_the_limits_are_refused_in_their_precedence() -> None:
    desk = Desk(True)
    desk.work(liquidity=[deposit(0, 1, BIT)])
    everything = {"opens": [open_row(0, 2, 10**7, 5_000)]}  # notional of five times the pool
    notional = 50 * 10**7
    assert refused(desk.work(**everything).outcomes) == [(0, "POSITION_SIZE_LIMIT", 2 * 10**6, notional)]
    desk.rules(True, max_position_ppm=ANYONE)
    assert refused(desk.work(**everything).outcomes) == [(0, "OPEN_INTEREST_LIMIT", 4 * BIT, notional)]
    desk.rules(True, max_position_ppm=ANYONE, max_oi_ppm=ANYONE)
    assert refused(desk.work(**everything).outcomes) == [(0, "SKEW_LIMIT", 8 * 10**7, notional)]
    desk.rules(True, max_position_ppm=ANYONE, max_oi_ppm=ANYONE, max_net_ppm=ANYONE)
    assert not refused(desk.work(**everything).outcomes)


def test_tw_19_what_balances_the_pool_has_room_and_seed_has_no_limits() -> None:
    desk = Desk(True, max_position_ppm=ANYONE)
    desk.work(liquidity=[deposit(0, 1, BIT)])
    desk.opened(3, LONG, 10**6, 5_000)
    reply = desk.work(opens=[open_row(0, 2, 10**6, 5_000), open_row(1, 2, 2 * 10**6, 5_000, SHORT)])
    assert [row[:2] for row in refused(reply.outcomes)] == [(0, "SKEW_LIMIT")]
    desk = Desk()
    desk.work(liquidity=[deposit(0, 1, BIT)])
    assert not refused(desk.work(opens=[open_row(0, 2, 10**7, 5_000)]).outcomes)


def test_tw_09_and_15_margin_and_pool_together_keep_what_came_in() -> None:
    for profit in (-100_000, 0, 250_000):
        desk = Desk()
        before = desk.work(liquidity=[deposit(0, 1, BIT)]).sums.nav_realised_atoms
        body = desk.opened(5)
        reply = desk.work(closes=[desk.close_row(body, profit, command=4)])
        ((account, payout),) = legs(reply, events.LEG_KIND_PAYOUT)
        assert account == 5
        # payout + pool change = IM, the open fee entered at the fill.
        assert payout + reply.sums.nav_realised_atoms - before == body.initial_margin_atoms
        assert (reply.sums.trader_margin_atoms, reply.sums.claims_atoms) == (0, 0)
        assert list(reply.outcomes.reference) == [5]


def test_tw_11_a_seizure_gives_the_pool_exactly_the_margin_held_and_records_the_deficit() -> None:
    desk = Desk()
    desk.work(liquidity=[deposit(0, 1, BIT)])
    body = desk.opened(5)
    before = desk.work().sums
    held = body.initial_margin_atoms - body.fee_atoms
    reply = desk.work(
        seizures=[(0, 1, 1, 5, 5, LONG, body.position_size, body.entry_value_atoms, held, 123)],
    )
    assert reply.sums.nav_realised_atoms == before.nav_realised_atoms + held
    assert (reply.sums.trader_margin_atoms, reply.sums.deficit_atoms) == (0, 123)
    assert not reply.legs.account
    assert [total.positions for total in reply.totals] == [0]


def drained() -> tuple[Desk, dict[int, Any], dict[int, int]]:
    """A pool without a sat that owes the profits of positions 5 and 6; 7 and 8 are still open."""
    desk = Desk()
    desk.work(liquidity=[deposit(0, 1, 4_000_000)])
    held = {number: desk.opened(number, LONG if number < 7 else SHORT) for number in (5, 6, 7, 8)}
    rows = [desk.close_row(held[6], 1_000_000, command=2), desk.close_row(held[5], 4_100_000, command=1)]
    reply = desk.work(closes=rows)
    owed = {body.position: body.amount_atoms for body in bodies(pending_list(reply.events), "claim_recorded")}
    assert list(owed) == [5, 6]  # in the order of the commands
    assert owed[6] == 1_000_000
    assert reply.sums.nav_realised_atoms == 0
    assert reply.sums.claims_atoms == sum(owed.values())
    closed = {body.position: body for body in bodies(pending_list(reply.events), "position_closed")}
    assert {number: body.claim_atoms for number, body in closed.items()} == owed
    paid = dict(legs(reply, events.LEG_KIND_PAYOUT))
    assert paid == {number: closed[number].payout_atoms - owed[number] for number in (5, 6)}
    return desk, held, owed


def test_tw_15a_profit_beyond_nav_is_a_claim_and_opens_and_lp_withdrawals_stop() -> None:
    desk, _, owed = drained()
    outstanding = sum(owed.values())
    reply = desk.work(liquidity=[withdraw(0, 1, 5)], opens=[open_row(1, 2, 1_000, 100)])
    assert refused(reply.outcomes) == [
        (0, "CLAIMS_OUTSTANDING", 0, outstanding),
        (1, "CLAIMS_OUTSTANDING", 0, outstanding),
    ]
    assert legs(reply, events.LEG_KIND_RELEASE) == [(2, 1_000)]


def test_tw_15a_inflows_pay_claims_in_the_order_they_were_recorded_before_lps() -> None:
    desk, held, owed = drained()
    first = desk.work(closes=[desk.close_row(held[7], 100 - owed[5])])
    assert legs(first, events.LEG_KIND_CLAIM) == [(5, owed[5] - 100)]
    assert first.sums.claims_atoms == 100 + owed[6]
    second = desk.work(funding=[(1, 1, 100 + owed[6] + 7, 5, 0)])
    assert legs(second, events.LEG_KIND_CLAIM) == [(5, 100), (6, owed[6])]
    told = [(body.position, body.outstanding_atoms) for body in bodies(pending_list(second.events), "claim_paid")]
    assert told == [(5, owed[6]), (6, 0)]
    assert (second.sums.nav_realised_atoms, second.sums.claims_atoms) == (7, 0)


def test_tw_11_a_negative_margin_seized_is_owed_by_nav_and_beyond_it_is_shortfall_filled_first() -> None:
    desk, held, _ = drained()
    body = held[7]
    row = (0, 1, 1, 7, 7, SHORT, body.position_size, body.entry_value_atoms, -30_000, 0)
    reply = desk.work(seizures=[row])
    assert (reply.sums.nav_realised_atoms, reply.sums.shortfall_atoms) == (0, 30_000)
    reply = desk.work(funding=[(1, 1, 30_000 + 11, 5, 0)])
    assert reply.sums.shortfall_atoms == 0
    assert legs(reply, events.LEG_KIND_CLAIM) == [(5, 11)]
    rich = Desk()
    rich.work(liquidity=[deposit(0, 1, BIT)])
    rich.opened(7, SHORT)
    before = rich.work().sums.nav_realised_atoms
    after = rich.work(seizures=[row]).sums
    assert (after.nav_realised_atoms, after.shortfall_atoms) == (before - 30_000, 0)


def test_shares_without_a_price_cannot_be_minted_or_redeemed() -> None:
    desk, _, owed = drained()
    reply = desk.work(liquidity=[deposit(0, 2, 1_000)])
    assert refused(reply.outcomes) == [(0, "POOL_INSOLVENT", 1, 0)]
    desk.work(funding=[(1, 1, sum(owed.values()), 5, 0)])
    reply = desk.work(liquidity=[withdraw(0, 1, 5)])
    assert refused(reply.outcomes) == [(0, "POOL_INSOLVENT", 1, 0)]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (common.MARK_STATE_HALTED, ("MARKET_HALTED", 30_000, 31_000)),
        (common.MARK_STATE_TRIPPED, ("MARKET_TRIPPED", 0, 31_000)),
        (common.MARK_STATE_STALE, None),
    ],
)
def test_tw_17_safe_moves_no_shares_while_a_market_with_positions_is_not_usable(
    state: Any, expected: tuple[str, int, int] | None
) -> None:
    for safe in (True, False):
        desk = Desk(safe, max_position_ppm=ANYONE)
        desk.work(liquidity=[deposit(0, 1, BIT)])
        desk.state = state
        assert not refused(desk.work(liquidity=[deposit(0, 1, 1_000)]).outcomes)  # no position is open yet
        desk.state = common.MARK_STATE_FRESH
        desk.opened(5)
        desk.state = state
        reply = desk.work(liquidity=[deposit(0, 1, 1_000), withdraw(1, 1, 1_000_000)])
        assert refused(reply.outcomes) == ([(0, *expected), (1, *expected)] if safe and expected else [])


def test_the_pool_tells_its_figures_only_where_they_changed() -> None:
    desk = Desk()
    (figures,) = bodies(pending_list(desk.work(liquidity=[deposit(0, 1, BIT)]).events), "pool_updated")
    assert (figures.nav_realised_atoms, figures.nav_marked_atoms, figures.micro_shares) == (BIT, BIT, BIT * 1_000)
    assert not bodies(pending_list(desk.work().events), "pool_updated")
    desk.opened(5)
    desk.price += 1
    (figures,) = bodies(pending_list(desk.work().events), "pool_updated")
    assert figures.nav_marked_atoms < figures.nav_realised_atoms


def test_a_restored_pool_owes_and_owns_the_same() -> None:
    desk, held, owed = drained()
    copy = Caller(Pool(1), batches.DeskReply)
    copy.actor.restore([desk.actor.snapshot()])
    copy.height = desk.height
    call = {"funding": table(batches.FundingNets, (1, 1, sum(owed.values()), 5, 0)), "account": True}
    assert copy.block(**call) == desk.block(**call)
    assert copy.actor.digest() == desk.actor.digest()
    query = batches.PoolQuery(accounts=[1, 2]).SerializeToString()
    view = batches.PoolView.FromString(copy.actor.query(query))
    assert [(holding.account, holding.micro_shares) for holding in view.holdings] == [(1, 4_000_000_000), (2, 0)]
    assert view.totals[0].positions == len(held) - 2
