"""One balance for all markets: what carries an account, what it may take out, silent markets (MT-01 to MT-10)."""

from breakwater.v1 import events_pb2 as events
from tests.simulation.margin_trade.scene import DEEP, IM, LOT, MARK, REDUCE_ONLY, SECOND_MS, K, Scene

WHALE, TRADER, BIDDER, ACCOMPLICE = 1, 2, 3, 4
QUEUED_FOR_MARKET = events.QUEUE_REASON_MARKET


def two_legged(cash: int = 200 * IM, **rules: object) -> Scene:
    """Long of 100 lots in both markets, everything his initial margin."""
    scene = Scene(accounts=5, markets=2, **rules)
    scene.deposit(a1=DEEP, a2=cash, a3=DEEP, a4=DEEP)
    scene.seal()
    scene.trade(TRADER, WHALE, 100)
    scene.trade(TRADER, WHALE, 100, market=2)
    return scene


def test_mt01_under_water_in_one_market_and_carried_by_the_other_then_not() -> None:
    scene = two_legged()
    told = scene.seal(m1=8_500, m2=11_500)
    assert told.kinds("liquidation_ordered", "takeover_refused", "taken_over") == []
    view = scene.view(TRADER)
    assert [position.upnl_atoms for position in view.positions] == [-15 * LOT, 15 * LOT]
    assert view.equity_atoms == 200 * IM
    # The winner gives back 5.5 of 15 USDC: 4.5 are left of 10, and 4.9 are required.
    told = scene.seal(m2=10_950)
    ordered = told.of("liquidation_ordered")
    assert {(body.equity_atoms, body.maintenance_atoms) for body in ordered} == {(4_500_000, 100 * (21_250 + 27_375))}
    # The books are empty: the larger requirement was tried first, then the other.
    assert [body.mark.mark_ticks for body in ordered] == [10_950, 8_500]


def test_mt02_a_leverage_change_is_checked_on_the_state_after_it() -> None:
    scene = Scene(accounts=4)
    scene.deposit(a1=DEEP, a2=10 * LOT)
    scene.seal()
    scene.trade(TRADER, WHALE, 100)
    scene.lever(TRADER, 9)
    scene.lever(TRADER, 10)
    scene.lever(TRADER, 21)
    assert scene.seal().refused == ["BELOW_INITIAL_MARGIN", "LEVERAGE_OUT_OF_RANGE"]
    assert scene.view(TRADER).initial_margin_atoms == 10 * LOT


def test_mt04_withdrawals_leave_the_larger_of_margin_and_a_tenth_of_the_notional() -> None:
    scene = Scene(accounts=4)
    scene.deposit(a1=DEEP, a2=20 * LOT)
    scene.seal()
    scene.trade(TRADER, WHALE, 100)
    scene.withdraw(TRADER, 10 * LOT + 1)
    assert scene.seal().refused == ["WITHDRAWAL_MARGIN"]
    scene.withdraw(TRADER, 10 * LOT)
    assert scene.seal().refused == []
    # An order that would add 20 lots asks for a tenth of those too.
    scene.deposit(a2=2 * LOT)
    scene.order(TRADER, 20, 9_000)
    scene.seal()
    scene.withdraw(TRADER, 1)
    assert scene.seal().refused == ["WITHDRAWAL_MARGIN"]


def test_a_stale_market_gains_nothing_and_the_first_rung_acts_in_the_fresh_one() -> None:
    scene = two_legged()
    scene.order(BIDDER, 1_000, 9_500, market=2)
    scene.seal(m1=11_000)
    scene.halt(1)
    # His 10 USDC of gain in the halted market count as zero; 3 USDC lost in the fresh one leave 7 of 10.
    assert scene.seal(m2=9_700).of("liquidation_ordered") == []
    assert scene.equity(TRADER) == 7 * LOT
    told = scene.seal(m2=9_510)
    (ordered,) = told.of("liquidation_ordered")
    assert (ordered.equity_atoms, ordered.maintenance_atoms) == (5_100_000, 100 * (27_500 + 23_775))
    assert (scene.lots(TRADER), scene.lots(TRADER, 2)) == (100, 0)


def test_a_takeover_waits_for_a_stale_market_and_is_told_once() -> None:
    scene = two_legged()
    scene.halt(1)
    scene.seal()
    told = scene.seal(m2=9_300)
    (queued,) = told.of("ladder_queued", TRADER)
    assert (queued.rung, queued.reason, queued.equity_atoms) == (2, QUEUED_FOR_MARKET, 3 * LOT)
    assert scene.seal(m2=9_290).of("ladder_queued") == []
    # Reducing by hand stays allowed meanwhile, in the market that is fresh.
    scene.order(BIDDER, 10, 9_290, market=2)
    scene.order(TRADER, -10, 9_290, market=2, flags=REDUCE_ONLY)
    assert scene.seal().refused == []
    scene.halt(1, halted=False)
    told = scene.seal()
    assert (told.who("takeover_refused"), scene.equity(TRADER)) == ([TRADER], 0)
    scene.same_everywhere()


def test_mt08_without_an_oracle_a_market_reduces_only_until_prices_are_back() -> None:
    scene = Scene(accounts=4, market={"reduce_only_age_ms": 30 * SECOND_MS, "source_fresh_ms": 10 * SECOND_MS})
    scene.deposit(a1=DEEP, a2=55 * IM, a3=DEEP)
    scene.seal()
    scene.trade(TRADER, WHALE, 50)
    scene.away(1)
    scene.seal(step_ms=20 * SECOND_MS)
    scene.order(TRADER, 1, 9_900)
    assert scene.seal().refused == []
    scene.seal(step_ms=15 * SECOND_MS)
    scene.cancel(TRADER)
    scene.order(BIDDER, 10, MARK)
    scene.order(TRADER, 1, 9_900)
    scene.withdraw(TRADER, 1)
    assert scene.seal().refused == ["MARKET_REDUCE_ONLY"] * 3
    scene.order(WHALE, 10, MARK, flags=REDUCE_ONLY)
    scene.order(TRADER, -10, MARK)
    assert scene.seal().refused == []
    scene.seal()
    assert scene.lots(TRADER) == 40
    # Nothing is liquidated at a mark that is only held; as soon as there is a price, everything is as before.
    told = scene.seal(m1=9_300)
    assert told.who("takeover_refused") == [TRADER]


def test_mt10_funding_is_conserved_to_the_atom_and_its_residue_goes_to_the_fund() -> None:
    """Odd lots at an odd price: every payer pays up, every receiver gets down, the fund takes what is between."""
    scene = Scene(accounts=200, market={"funding_interval_ms": 60 * SECOND_MS})
    longs, shorts = range(3, 101), range(101, 199)
    scene.deposits(dict.fromkeys(range(1, 201), 1000 * LOT))
    scene.seal()
    scene.orders(_limit(account, -1, 2 * (account % 7) + 1) for account in shorts)
    scene.orders(_limit(account, 1, 2 * (account % 7) + 1) for account in longs)
    scene.seal()
    scene.seal()
    told = scene.seal(step_ms=60 * SECOND_MS, m1=9_999)
    payments = [body.payment_atoms for body in told.of("funding_paid")]
    (applied,) = told.of("funding_applied")
    assert applied.rate_e9 != 0
    assert len(payments) == len(longs) + len(shorts)
    residue = told.of("insurance_moved")[0]
    assert residue.reason == events.INSURANCE_REASON_FUNDING_RESIDUE
    assert 0 < sum(payments) == residue.amount_atoms == scene.funds.fund_atoms < len(payments)
    scene.same_everywhere()


def _limit(account: int, side: int, lots: int) -> dict[str, int]:
    return {
        "account": account,
        "market": 1,
        "side": side,
        "kind": 2,
        "size_lots": lots,
        "limit_ticks": MARK,
        "time_in_force": 0,
        "flags": 0,
        "self_trade": 0,
        "trigger": 0,
        "trigger_ticks": 0,
        "client_order_id": 0,
    }


def test_mt06_value_cannot_be_taken_out_by_a_sale_at_a_twentieth_of_the_mark() -> None:
    """A long offers all he has to an accomplice who bids far below: he sells as low as his equity bears, no lower."""
    scene = Scene(accounts=4)
    scene.deposit(a1=DEEP, a2=100 * IM, a4=DEEP)
    scene.seal()
    scene.trade(TRADER, WHALE, 100)
    scene.order(ACCOMPLICE, 100, 501)
    scene.order(TRADER, -100, 500, flags=REDUCE_ONLY)
    scene.seal()
    scene.seal()
    assert (scene.lots(TRADER), scene.view(TRADER).orders[0].limit_ticks) == (100, 9_501)
    scene.order(ACCOMPLICE, 100, 9_501)
    scene.seal()
    scene.seal()
    assert (scene.lots(TRADER), scene.equity(TRADER)) == (0, 100 * IM - 100 * 499 * K)
