"""Quotes made from rows of standings: what counts in equity, who comes first."""

from actors.risk.perennial_terms import terms_of
from actors.rulebooks import spin
from breakwater.v1 import batches_pb2, common_pb2, events_pb2
from node.perennial_presets import perennial_market, perennial_venue
from node.services import bot_reads, perennial_quotes, spin_quotes
from node.spin_presets import spin_market, spin_venue

VENUE, BTC, NEAR = 3, 1, 2
FRESH, HALTED = common_pb2.MARK_STATE_FRESH, common_pb2.MARK_STATE_HALTED
USDC = 10**6


def terms(state: int = FRESH, index_e9: int = 0) -> spin_quotes.Terms:
    markets = {BTC: spin_market(BTC, "BTC"), NEAR: spin_market(NEAR, "NEAR")}
    marks = {
        BTC: common_pb2.Mark(market=BTC, mark_ticks=1_000_000, state=state, funding_index_e9=index_e9),
        NEAR: common_pb2.Mark(market=NEAR, mark_ticks=5_000, state=FRESH),
    }
    return spin_quotes.Terms(spin_venue(), markets, marks)


def long_of_one_btc(account: int, cash_usdc: int, cost_usdc: int = 100_000) -> list[tuple[int, ...]]:
    """Rows of an account: its cash, and 10,000 lots at a cost."""
    return [
        (VENUE, account, 0, 0, 0, cash_usdc * USDC, 0),
        (VENUE, account, BTC, 0, 10_000, cost_usdc * USDC, 0),
    ]


def test_equity_is_cash_profit_and_accrued_funding() -> None:
    (one,) = spin_quotes.standings_of_rows(long_of_one_btc(7, 6_000, 99_000), terms())
    assert (one.account, one.equity_atoms, dict(one.lots)) == (7, 7_000 * USDC, {BTC: 10_000})
    # The index grew by 3 ticks and a billionth: 10 atoms a lot and tick, the rest rounded against the account.
    (paid,) = spin_quotes.standings_of_rows(long_of_one_btc(7, 6_000, 99_000), terms(index_e9=3 * 10**9 + 1))
    assert paid.equity_atoms == 7_000 * USDC - 300_001


def test_a_gain_at_a_mark_that_is_not_usable_counts_as_zero_and_nothing_is_taken_there() -> None:
    (gain,) = spin_quotes.standings_of_rows(long_of_one_btc(7, 2_000, 99_000), terms(HALTED))
    assert gain.equity_atoms == 2_000 * USDC
    (loss,) = spin_quotes.standings_of_rows(long_of_one_btc(7, 2_000, 101_000), terms(HALTED))
    assert loss.equity_atoms == 1_000 * USDC
    (quote,) = spin_quotes.quotes(loss, terms(HALTED))
    assert (quote.liquidatable_lots, quote.tier) == (0, spin.Tier.COMPLETE) and quote.refusal


def test_exactly_seven_tenths_is_not_liquidatable_and_exactly_three_is_partial() -> None:
    for cash_usdc, tier, lots in ((7_000, 1, 0), (3_000, 2, 8_889), (2_999, 3, 10_000)):
        (one,) = spin_quotes.standings_of_rows(long_of_one_btc(7, cash_usdc), terms())
        (quote,) = spin_quotes.quotes(one, terms())
        assert (quote.tier, quote.liquidatable_lots) == (tier, lots)


def test_the_lowest_ratio_comes_first_then_the_lower_account() -> None:
    rows = [
        row
        for account, cash in ((5, 4_000), (4, 3_500), (9, 3_500), (6, 9_000))
        for row in long_of_one_btc(account, cash)
    ]
    standings = batches_pb2.StandingRows()
    for row in rows:
        for name, value in zip(standings.DESCRIPTOR.fields_by_name, row, strict=True):
            getattr(standings, name).append(value)
    view = batches_pb2.StandingsView(rows=standings)
    assert [one.account for one in bot_reads.spin_accounts(view, terms(), 0)] == [4, 9, 5]
    assert bot_reads.spin_accounts(view, terms(), NEAR) == []


def test_a_perennial_position_is_judged_at_the_latest_values_with_its_pending_fees() -> None:
    rules = terms_of(perennial_venue(), perennial_market(1, "ETH", maintenance="seed"))
    view = batches_pb2.VersionView(market=1, next_version_ms=20_000, pending_long_lots=10**6, pending_maker_lots=10**7)
    view.record.MergeFrom(
        batches_pb2.VersionRecord(version_ms=10_000, price_ticks=1_000 * USDC, long_value_e6=-30 * USDC)
    )
    view.sums.balance_atoms, view.valid_ms = 1_000 * USDC, 10_000
    row = (4, 7, 1, events_pb2.POSITION_KIND_LONG, 10**6, 240 * USDC, -5 * USDC)
    desk = perennial_quotes.Desk(view, rules, 15_000)
    (one,) = perennial_quotes.standings_of_rows([row], {1: desk})[1]
    assert one.collateral_atoms == 215 * USDC
    healthy = perennial_quotes.quote(one, desk)
    assert healthy.refusal and healthy.actual == healthy.equity_atoms < 215 * USDC
    view.pending.add(account=7, version_ms=20_000, long_lots=10**6, fee_atoms=16 * USDC)
    due = perennial_quotes.quote(one, perennial_quotes.Desk(view, rules, 15_000))
    assert (due.refusal, due.equity_atoms) == (0, healthy.equity_atoms - 16 * USDC)
    assert due.reward_atoms == 50 * USDC
    view.pending[0].is_liquidation = True
    view.pending[0].long_lots = 0
    locked = perennial_quotes.quote(one, perennial_quotes.Desk(view, rules, 15_000))
    assert (locked.locked_version_ms, locked.required, locked.actual) == (20_000, 20_000, 15_000)
