"""The backstop: funds, LP shares and their locks, takeovers against the vault's limits, demands (MT-13 to MT-16)."""

from typing import Any

import pytest

from actors.backstop import Backstop
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import Caller, pending_list, table
from tests.building import bodies, refused

VENUE, DAY_MS = 3, 86_400_000
USDC = 10**6
FEES, LIQUIDATION_FEES = batches.CROSS_DUE_KIND_TRADING_FEES, batches.CROSS_DUE_KIND_LIQUIDATION_FEES
FUNDING, WRITE_OFF = batches.CROSS_DUE_KIND_FUNDING, batches.CROSS_DUE_KIND_WRITE_OFF
CASH, TAKEN, TAKEOVER = (
    events.CROSS_LEG_KIND_CASH,
    events.CROSS_LEG_KIND_TAKEN,
    events.CROSS_LEG_KIND_TAKEOVER,
)
MINTED, RELEASE, REDEMPTION = (
    events.CROSS_LEG_KIND_MINTED,
    events.CROSS_LEG_KIND_RELEASE,
    events.CROSS_LEG_KIND_REDEMPTION,
)


def terms(**rules: int) -> parameters.VenueParameters:
    """A venue whose vault may hold three times its equity and lose half of it; LP shares are locked four days."""
    numbers = {
        "vault_lock_ms": 4 * DAY_MS,
        "vault_max_leverage_hundredths": 300,
        "vault_loss_limit_ppm": 500_000,
        "deleverage_price": common.DELEVERAGE_PRICE_BANKRUPTCY,
        **rules,
    }
    return parameters.VenueParameters(venue=VENUE, margin_trade=parameters.MarginTradeParameters(**numbers))


def mark(market: int, price: int, state: int = common.MARK_STATE_FRESH) -> common.Mark:
    return common.Mark(venue=VENUE, market=market, mark_ticks=price, state=state, age_ms=70)


class Stand(Caller):
    """A backstop and the vault it is shown; k is 10 in every market."""

    def __init__(self, **rules: int) -> None:
        super().__init__(Backstop(VENUE), batches.BackstopReply)
        self.rules = terms(**rules)
        self.equity = 0
        self.initial_margin = 0
        self.positions: dict[int, tuple[int, int]] = {}
        self.now_ms = 1_000

    def vault(self) -> batches.VaultState:
        gross = sum(abs(lots) * price * 10 for lots, price in self.positions.values())
        state = batches.VaultState(
            venue=VENUE,
            cash_atoms=self.equity,
            equity_atoms=self.equity,
            initial_margin_atoms=self.initial_margin,
            gross_notional_atoms=gross,
        )
        for market, (lots, price) in sorted(self.positions.items()):
            state.positions.add(market=market, lots=lots, mark_ticks=price, quote_atoms_per_tick_lot=10)
        return state

    def work(self, marks: Any = (), **rows: Any) -> Any:
        """The last call of a block; the vault's equity follows what the call moved."""
        kinds = {"dues": batches.CrossDues, "liquidity": batches.LiquidityOps, "insurance": batches.InsuranceRows}
        fields = {name: table(kinds[name], *listed) for name, listed in rows.items()}
        reply = self.block(
            now_ms=self.now_ms, venue=self.rules, vault=self.vault(), marks=list(marks), account=True, **fields
        )
        self.equity += sum(legs(reply, CASH).get(0, []))
        return reply

    def offer(self, *offers: tuple[int, int, list[tuple[int, int, int, int]]], direct: int = 0, **rows: Any) -> Any:
        """A round of the ladder: (account, equity, positions (market, lots, mark, maintenance)) by sequence."""
        heads, listed = [], []
        for sequence, (account, equity, positions) in enumerate(offers):
            maintenance = sum(row[3] for row in positions)
            heads.append((sequence, VENUE, account, equity, maintenance, direct))
            for market, lots, price, part in positions:
                listed.append((sequence, VENUE, market, account, lots, lots * price * 10, part, price))
        return self.block(
            now_ms=self.now_ms,
            venue=self.rules,
            vault=self.vault(),
            round=1,
            offers=table(batches.Offers, *heads),
            offer_positions=table(batches.OfferPositions, *listed),
            dues=table(batches.CrossDues, *rows.get("dues", [])),
        )


def deposit(command: int, account: int, amount: int) -> tuple[int, ...]:
    return (command, VENUE, account, 1, amount)


def redeem(command: int, account: int, micro_shares: int) -> tuple[int, ...]:
    return (command, VENUE, account, -1, micro_shares)


def legs(reply: Any, kind: int) -> dict[int, list[int]]:
    """Amounts of the legs of one kind, by account."""
    found: dict[int, list[int]] = {}
    for leg, account, amount in zip(reply.legs.kind, reply.legs.account, reply.legs.amount_atoms, strict=True):
        if leg == kind:
            found.setdefault(account, []).append(amount)
    return found


def demands(reply: Any) -> list[tuple[int, int, int, int]]:
    """(market, account, lots, quote) of each demand."""
    rows = reply.demands
    return list(zip(rows.market, rows.account, rows.lots, rows.quote_atoms, strict=True))


def conserved(reply: Any) -> int:
    """What the legs give accounts in cash less cost; a held deposit that became the vault's counts as taken."""
    given = 0
    for kind, quote, amount in zip(reply.legs.kind, reply.legs.quote_atoms, reply.legs.amount_atoms, strict=True):
        given += -quote + (0 if kind == RELEASE else -amount if kind == MINTED else amount)
    return given


def test_dues_are_summed_by_kind_whoever_sent_them() -> None:
    stand = Stand()
    reply = stand.work(
        dues=[(VENUE, FEES, 5), (VENUE, FUNDING, -3), (VENUE, FEES, 7), (VENUE, FUNDING, 4), (9, FEES, 100)]
    )
    assert (reply.sums.fees_atoms, reply.sums.fund_atoms) == (12, 1)
    (moved,) = bodies(pending_list(reply.events), "insurance_moved")
    assert (moved.amount_atoms, moved.fund_atoms) == (1, 1)
    assert moved.reason == events.INSURANCE_REASON_FUNDING_RESIDUE


def test_mt_16_a_write_off_stays_in_the_shortfall_ledger() -> None:
    stand = Stand()
    stand.work(dues=[(VENUE, WRITE_OFF, 40)])
    reply = stand.work(dues=[(VENUE, WRITE_OFF, 2), (VENUE, LIQUIDATION_FEES, 1_000)])
    (recorded,) = bodies(pending_list(reply.events), "shortfall_recorded")
    assert (recorded.amount_atoms, recorded.shortfall_atoms) == (2, 42)
    assert (reply.sums.shortfall_atoms, reply.sums.fund_atoms) == (42, 1_000)


def test_operators_deposits_enter_the_fund_and_are_answered() -> None:
    stand = Stand()
    reply = stand.work(insurance=[(8, VENUE, 300), (4, VENUE, 200)])
    assert list(reply.outcomes.command) == [4, 8]
    assert (reply.sums.fund_atoms, reply.sums.deposited_atoms) == (500, 500)
    reply = stand.work(insurance=[(0, VENUE, 1 << 60)])
    assert refused(reply.outcomes) == [(0, "VENUE_TOTAL", 1 << 60, 500 + (1 << 60))]
    assert reply.sums.fund_atoms == 500


def test_mt_14_the_first_lp_pays_one_usdc_a_share_and_the_next_the_marked_nav() -> None:
    stand = Stand()
    reply = stand.work(liquidity=[deposit(0, 7, 100 * USDC)])
    (first,) = bodies(pending_list(reply.events), "shares_minted")
    assert first.micro_shares == 100 * USDC
    assert legs(reply, MINTED) == {7: [100 * USDC]}
    assert legs(reply, CASH) == {0: [100 * USDC]}
    stand.equity += 50 * USDC
    reply = stand.work(liquidity=[deposit(1, 8, 100), deposit(3, 7, 15 * USDC)])
    minted = [body.micro_shares for body in bodies(pending_list(reply.events), "shares_minted")]
    assert minted == [100 * 100 // 150, 15 * USDC * (100 * USDC + 66) // (150 * USDC + 100)]
    assert conserved(reply) == 0


@pytest.mark.parametrize(
    ("equity", "amount", "reason", "actual"), [(0, 50, "POOL_INSOLVENT", 0), (10**12, 50, "NO_SHARES_MINTED", 0)]
)
def test_mt_14_a_refused_deposit_goes_back(equity: int, amount: int, reason: str, actual: int) -> None:
    stand = Stand()
    stand.work(liquidity=[deposit(0, 7, 1_000)])
    stand.equity = equity
    reply = stand.work(liquidity=[deposit(0, 8, amount)])
    assert refused(reply.outcomes) == [(0, reason, 1, actual)]
    assert legs(reply, RELEASE) == {8: [amount]}
    assert legs(reply, CASH) == {}


def test_mt_14_shares_leave_after_the_lock_and_the_oldest_first() -> None:
    stand = Stand()
    stand.work(liquidity=[deposit(0, 7, 600)])
    stand.now_ms += DAY_MS
    stand.work(liquidity=[deposit(0, 7, 400)])
    stand.now_ms = 1_000 + 4 * DAY_MS - 1
    reply = stand.work(liquidity=[redeem(0, 7, 500), redeem(1, 7, 1_001)])
    assert refused(reply.outcomes) == [
        (0, "SHARES_LOCKED", 1_000 + 4 * DAY_MS, stand.now_ms),
        (1, "INSUFFICIENT_SHARES", 1_001, 1_000),
    ]
    stand.now_ms += 1
    reply = stand.work(liquidity=[redeem(0, 7, 601), redeem(1, 7, 500)])
    assert refused(reply.outcomes) == [(0, "SHARES_LOCKED", 1_000 + 5 * DAY_MS, stand.now_ms)]
    assert legs(reply, REDEMPTION) == {7: [500]}
    assert legs(reply, CASH) == {0: [-500]}
    view = batches.BackstopView.FromString(stand.actor.query(batches.PoolQuery(accounts=[7]).SerializeToString()))
    (held,) = view.holdings
    assert (held.micro_shares, held.locked_micro_shares, held.locked_until_ms) == (500, 400, 1_000 + 5 * DAY_MS)
    assert held.value_atoms == 500


def test_mt_14_a_redemption_leaves_the_initial_margin_of_the_inventory() -> None:
    stand = Stand(vault_lock_ms=0)
    stand.work(liquidity=[deposit(0, 7, 1_000)])
    stand.initial_margin = 700
    reply = stand.work(liquidity=[redeem(0, 7, 301), redeem(1, 7, 300)])
    assert refused(reply.outcomes) == [(0, "VAULT_BELOW_MARGIN", 700, 699)]
    assert legs(reply, REDEMPTION) == {7: [300]}
    assert reply.sums.micro_shares == 700


def test_mt_14_no_share_is_priced_by_a_mark_that_may_not_be_used() -> None:
    stand = Stand(vault_lock_ms=0)
    stand.work(liquidity=[deposit(0, 7, 1_000)])
    stand.positions = {2: (5, 100)}
    stale = mark(2, 100, common.MARK_STATE_REDUCE_ONLY)
    reply = stand.work(marks=[stale], liquidity=[deposit(0, 8, 500), redeem(1, 7, 10)])
    assert refused(reply.outcomes) == [(0, "MARKET_REDUCE_ONLY", 0, 70), (1, "MARKET_REDUCE_ONLY", 0, 70)]
    assert legs(reply, RELEASE) == {8: [500]}
    assert not refused(stand.work(marks=[mark(2, 100)], liquidity=[redeem(1, 7, 10)]).outcomes)


def test_mt_13_a_takeover_moves_everything_at_mark_and_conserves() -> None:
    stand = Stand()
    stand.work(liquidity=[deposit(0, 7, 100_000)])
    reply = stand.offer((55, 300, [(1, 6, 100, 500), (2, -4, 50, 100)]))
    (taken,) = bodies(pending_list(reply.events), "taken_over")
    assert [(row.market, row.lots, row.quote_atoms) for row in taken.positions] == [(1, 6, 6_000), (2, -4, -2_000)]
    assert legs(reply, TAKEN) == {55: [4_000 - 300]}
    assert legs(reply, CASH) == {0: [300]}
    moved = [row for row in zip(reply.legs.kind, reply.legs.market, reply.legs.lots, strict=True) if row[2]]
    assert moved == [(TAKEOVER, 1, 6), (TAKEOVER, 2, -4)]
    assert conserved(reply) == 0
    assert not demands(reply)


def test_mt_14_the_leverage_limit_is_inclusive_and_nets_positions() -> None:
    stand = Stand()
    stand.work(liquidity=[deposit(0, 7, 1_000)])
    stand.positions = {1: (-2, 100)}  # 2000 of 3000 allowed
    at_limit = (55, 0, [(2, 1, 100, 10)])
    over = (56, -1, [(1, 1, 100, 10), (2, -1, 100, 10), (3, 3, 100, 30)])
    netted = (57, 0, [(1, 4, 100, 10)])  # flips the vault, gross stays
    reply = stand.offer(at_limit, over, netted)
    assert [event.account for event in parsed(reply, "taken_over")] == [55, 57]
    (refusal,) = bodies(pending_list(reply.events), "takeover_refused")
    assert refusal.limit == events.TAKEOVER_LIMIT_LEVERAGE
    # 1000 (market 1) + 0 (market 2) + 3000 (market 3) over 999.
    assert (refusal.required, refusal.actual) == (300, -(-400_000 // 999))


def parsed(reply: Any, kind: str) -> list[Any]:
    """The events of one kind, heads and all."""
    found = [events.Event.FromString(body) for body in pending_list(reply.events)]
    return [event for event in found if event.WhichOneof("body") == kind]


@pytest.mark.parametrize(("equity", "is_taken"), [(-300, True), (-301, False)])
def test_mt_14_the_loss_limit_counts_from_the_highest_nav(equity: int, is_taken: bool) -> None:
    stand = Stand()
    stand.work(liquidity=[deposit(0, 7, 1_000)])
    stand.equity = 1_200
    stand.work()
    stand.equity = 900
    reply = stand.offer((55, equity, [(1, 1, 10, 10)]))
    assert len(parsed(reply, "taken_over")) == is_taken
    limits = [
        (body.limit, body.required, body.actual) for body in bodies(pending_list(reply.events), "takeover_refused")
    ]
    assert limits == ([] if is_taken else [(events.TAKEOVER_LIMIT_LOSS, 600, 599)])


def test_mt_14_a_vault_without_equity_takes_nobody() -> None:
    reply = Stand().offer((55, 0, [(1, 1, 100, 10)]))
    (refusal,) = bodies(pending_list(reply.events), "takeover_refused")
    assert (refusal.limit, refusal.required, refusal.actual) == (events.TAKEOVER_LIMIT_LEVERAGE, 300, (1 << 63) - 1)


@pytest.mark.parametrize(("fund", "pays"), [(0, False), (99, False), (100, True), (101, True)])
def test_mt_16a_the_fund_pays_a_deficit_fully_or_not_at_all(fund: int, pays: bool) -> None:
    stand = Stand()
    if fund:
        stand.work(insurance=[(0, VENUE, fund)])
    reply = stand.offer((55, -100, [(1, 3, 100, 20), (2, -1, 100, 10)]))
    assert legs(reply, CASH) == ({55: [100]} if pays else {})
    assert reply.sums.fund_atoms == (fund - 100 if pays else fund)
    shares = (0, 0) if pays else (-67, -33)  # floor(-100 * 20 / 30), the rest
    assert demands(reply) == [(1, 55, 3, 3_000 - shares[0]), (2, 55, -1, -1_000 - shares[1])]


def test_mt_15_demands_use_up_the_equity_exactly() -> None:
    reply = Stand().offer((55, 101, [(2, -7, 90, 33), (1, 5, 70, 31), (4, 1, 11, 1)]))
    rows = demands(reply)
    assert [row[0] for row in rows] == [1, 2, 4]
    value = 5 * 700 - 7 * 900 + 110
    assert sum(row[3] for row in rows) == value - 101
    assert all((row[3] > 0) == (row[2] > 0) for row in rows)


def test_mt_15_the_mark_of_the_block_before_is_the_other_price() -> None:
    stand = Stand(deleverage_price=common.DELEVERAGE_PRICE_PREVIOUS_MARK)
    stand.work(marks=[mark(1, 80)])
    reply = stand.offer((55, -100, [(1, 3, 100, 20), (2, -1, 100, 10)]))
    assert demands(reply) == [(1, 55, 3, 2_400), (2, 55, -1, -1_000)]


def test_mt_14_the_vaults_own_inventory_is_not_offered_to_it() -> None:
    stand = Stand()
    stand.equity = 50
    reply = stand.offer((0, 50, [(1, 3, 100, 60)]), direct=1)
    (refusal,) = bodies(pending_list(reply.events), "takeover_refused")
    assert (refusal.limit, refusal.required, refusal.actual) == (events.TAKEOVER_LIMIT_VAULT, 60, 50)
    assert demands(reply) == [(1, 0, 3, 2_950)]


def test_mt_14_the_high_follows_lp_moves() -> None:
    stand = Stand(vault_lock_ms=0)
    stand.work(liquidity=[deposit(0, 7, 1_000)])
    stand.equity = 700
    reply = stand.work(liquidity=[redeem(0, 7, 500)])  # half of it leaves: the high is 500, the NAV 350
    assert legs(reply, REDEMPTION) == {7: [350]}
    taken = [parsed(stand.offer((55, equity, [(1, 1, 1, 1)])), "taken_over") for equity in (-100, -101)]
    assert [len(events_of) for events_of in taken] == [1, 0]


def test_vault_updated_is_published_where_it_changed() -> None:
    stand = Stand()
    stand.equity = 5
    assert len(parsed(stand.work(), "vault_updated")) == 1
    assert parsed(stand.work(), "vault_updated") == []
    reply = stand.work(insurance=[(0, VENUE, 3)])
    (event,) = parsed(reply, "vault_updated")
    assert (event.vault_updated.nav_marked_atoms, event.vault_updated.fund_atoms) == (5, 3)
    assert list(reply.events.phase) == [10, 11]
    assert list(reply.events.a) == [VENUE << 32, VENUE]


def test_what_a_round_says_has_the_rounds_keys() -> None:
    reply = Stand().offer((55, -1, [(1, 1, 1, 1)]), dues=[(VENUE, WRITE_OFF, 9)])
    keys = list(zip(reply.events.phase, reply.events.a, reply.events.b, reply.events.c, strict=True))
    assert keys == [(7, 1, (1 << 51) + VENUE, place) for place in range(2)]


def test_a_restored_backstop_is_the_same_bytes_and_goes_on_alike() -> None:
    stand = Stand(deleverage_price=common.DELEVERAGE_PRICE_PREVIOUS_MARK)
    stand.work(liquidity=[deposit(0, 7, 1_000), deposit(1, 9, 50)], insurance=[(2, VENUE, 7)], marks=[mark(1, 80)])
    cut = stand.actor.snapshot()
    twin = Stand(deleverage_price=common.DELEVERAGE_PRICE_PREVIOUS_MARK)
    twin.actor.restore([cut])
    twin.height, twin.equity = stand.height, stand.equity
    assert twin.actor.snapshot() == cut
    assert twin.actor.digest() == stand.actor.digest()
    query = batches.PoolQuery(accounts=[7, 9, 11]).SerializeToString()
    assert twin.actor.query(query) == stand.actor.query(query)
    replies = [one.offer((55, -9_000, [(1, 1, 100, 10)])) for one in (stand, twin)]
    assert replies[0] == replies[1]
    assert demands(replies[0]) == [(1, 55, 1, 800)]
