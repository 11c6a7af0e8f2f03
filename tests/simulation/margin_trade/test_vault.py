"""The vault through whole blocks: its limits, its own inventory at its limit, unwinding, LP money (MT-13, MT-14)."""

import pytest

from breakwater.v1 import events_pb2 as events
from tests.simulation.margin_trade.scene import DEEP, HOUR_MS, IM, LOT, SECOND_MS, VAULT, Scene

WHALE, TRADER, PROVIDER, BIDDER = 1, 2, 3, 4
LEVERAGE, LOSS, OWN = (
    events.TAKEOVER_LIMIT_LEVERAGE,
    events.TAKEOVER_LIMIT_LOSS,
    events.TAKEOVER_LIMIT_VAULT,
)
LOCK_MS = 4 * 24 * HOUR_MS


def backed(vault_atoms: int, lots: int = 100, market: dict[str, int] | None = None, **rules: int) -> Scene:
    """A trader at 20x long of the whale, and a vault with so much money."""
    scene = Scene(accounts=4, market=market, **rules)
    scene.deposit(a1=DEEP, a2=lots * IM, a3=max(1, vault_atoms), a4=DEEP)
    scene.seal()
    if vault_atoms:
        scene.provide(PROVIDER, vault_atoms)
        scene.seal()
    scene.trade(TRADER, WHALE, lots)
    return scene


def limit_of(scene: Scene, **ticks: int) -> tuple[int, int, int] | None:
    """Why the vault refused at these prices; None where it took the trader over."""
    told = scene.seal(**ticks)
    refused = told.of("takeover_refused", TRADER)
    assert len(told.of("taken_over")) + len(refused) == 1
    return (refused[0].limit, refused[0].required, refused[0].actual) if refused else None


@pytest.mark.parametrize(("short_of_it", "actual"), [(0, None), (1, 501)])
def test_mt14_the_leverage_limit_is_met_or_missed_by_an_atom(short_of_it: int, actual: int | None) -> None:
    # 100 lots at 9,600 are 96 USDC of notional; the trader brings 1 USDC, so 18.2 make five times.
    scene = backed(18_200_000 - short_of_it)
    refused = limit_of(scene, m1=9_600)
    assert refused == (None if actual is None else (LEVERAGE, 500, actual))
    assert scene.lots(VAULT) == (100 if actual is None else 0)
    assert scene.equity(TRADER) == 0


@pytest.mark.parametrize(("short_of_it", "taken"), [(0, True), (1, False)])
def test_mt14_the_loss_limit_is_met_or_missed_by_an_atom(short_of_it: int, taken: bool) -> None:
    """At 9,000 the trader is 5 USDC below zero: a vault of 20 may lose exactly those."""
    scene = backed(20 * LOT, vault_max_leverage_hundredths=10_000)
    if short_of_it:
        scene.change(vault_max_leverage_hundredths=10_000, vault_loss_limit_ppm=249_999)
        scene.seal()
    refused = limit_of(scene, m1=9_000)
    assert refused == (None if taken else (LOSS, 15_000_020, 15_000_000))
    assert scene.equity(VAULT) == (15 * LOT if taken else 20 * LOT)
    assert scene.funds.shortfall_atoms == 0


def test_mt14_the_vaults_own_inventory_at_its_limit_is_deleveraged() -> None:
    scene = backed(20 * LOT)
    assert limit_of(scene, m1=9_600) is None
    assert scene.lots(VAULT) == 100
    # 21 USDC were the vault's; at 7,700 two are left, less than its requirement of 1.925.
    assert scene.seal(m1=7_700).of("deleverage_run") == []
    told = scene.seal(m1=7_690)
    (refused,) = told.of("takeover_refused")
    assert (refused.limit, told.who("takeover_refused")) == (OWN, [VAULT])
    assert told.of("deleveraged")[0].liquidated_account == VAULT
    assert (scene.lots(VAULT), scene.lots(WHALE)) == (0, 0)
    assert scene.equity(VAULT) == 0
    scene.same_everywhere()


def test_mt14_what_is_accepted_counts_for_the_next_offer() -> None:
    """Two traders at one tick, by (ratio, account): the first fills the vault, the second goes to the other side."""
    scene = Scene(accounts=5)
    scene.deposit(a1=DEEP, a2=100 * IM, a3=20 * LOT, a4=DEEP, a5=100 * IM)
    scene.seal()
    scene.provide(PROVIDER, 20 * LOT)
    scene.seal()
    scene.trade(5, WHALE, 100)
    scene.trade(TRADER, WHALE, 100)
    told = scene.seal(m1=9_600)
    assert (told.who("taken_over"), told.who("takeover_refused")) == ([TRADER], [5])
    assert (scene.lots(VAULT), scene.lots(5), scene.lots(WHALE)) == (100, 0, -100)


FIVE = {
    "unwind_step_ms": 10 * SECOND_MS,
    "unwind_fraction_ppm": 300_000,
    "unwind_full_lots": 25,
    "unwind_depth_ppm": 500_000,
    "unwind_slippage_ppm": 20_000,
}


def unwound(told: object) -> list[tuple[int, int]]:
    """(lots, price) of what the vault sold."""
    fills = told.of("order_filled", VAULT)  # type: ignore[attr-defined]
    return [(fill.lots, fill.price_ticks) for fill in fills if fill.is_unwinding and not fill.is_maker]


def holding_vault() -> Scene:
    """The vault has 100 lots at a mark of 9,600 and sold none yet: the first step is due at once but finds nobody."""
    scene = backed(100 * LOT, market=FIVE)
    assert limit_of(scene, m1=9_600) is None
    return scene


def test_mt14_unwinding_by_five_numbers() -> None:
    scene = holding_vault()
    scene.order(BIDDER, 1_000, 9_500)
    scene.seal()
    assert scene.lots(VAULT) == 100
    # A step is due ten seconds after the last: 30% of what is left, up.
    assert unwound(scene.seal(step_ms=8 * SECOND_MS)) == []
    assert unwound(scene.seal()) == [(30, 9_500)]
    assert unwound(scene.seal()) == []
    assert unwound(scene.seal(step_ms=9 * SECOND_MS)) == [(21, 9_500)]
    assert unwound(scene.seal(step_ms=10 * SECOND_MS)) == [(15, 9_500)]
    assert unwound(scene.seal(step_ms=10 * SECOND_MS)) == [(11, 9_500)]
    # 23 lots are no more than the full-disposal size.
    assert unwound(scene.seal(step_ms=10 * SECOND_MS)) == [(23, 9_500)]
    scene.seal()
    assert scene.lots(VAULT) == 0


def test_mt14_never_more_than_its_part_of_the_depth_nor_beyond_the_slippage() -> None:
    scene = holding_vault()
    scene.order(BIDDER, 20, 9_408)
    scene.order(BIDDER, 1_000, 9_407)
    scene.seal(step_ms=5 * SECOND_MS)
    # 2% below 9,600 is 9,408: half of the 20 lots there.
    assert unwound(scene.seal(step_ms=10 * SECOND_MS)) == [(10, 9_408)]


def test_mt14_lp_shares_are_locked_then_redeemed_at_the_marked_value() -> None:
    scene = backed(100 * LOT, market={"interest_rate_e9": 0})
    assert scene.funds.micro_shares == 100 * LOT
    limit_of(scene, m1=9_600)
    scene.redeem(PROVIDER, 10 * LOT)
    assert scene.seal().refused == ["SHARES_LOCKED"]
    # 100 lots at 9,700 gained 1 USDC, and the trader's last one came with them: 102 USDC for 100 shares.
    scene.redeem(PROVIDER, 50 * LOT)
    (redeemed,) = scene.seal(step_ms=LOCK_MS, m1=9_700).of("shares_redeemed")
    assert (redeemed.amount_atoms, redeemed.nav_atoms) == (51 * LOT, 102 * LOT)
    scene.seal()
    assert scene.view(PROVIDER).cash_atoms == 51 * LOT
    # What is left must carry the inventory: its initial margin is 4.85 USDC.
    scene.redeem(PROVIDER, 50 * LOT)
    assert scene.seal().refused == ["VAULT_BELOW_MARGIN"]


def test_mt14_a_deposit_is_priced_at_the_marked_value_and_returned_where_it_may_not_be() -> None:
    scene = backed(100 * LOT)
    limit_of(scene, m1=9_600)
    scene.provide(BIDDER, 51 * LOT)
    (minted,) = scene.seal(m1=9_700).of("shares_minted")
    assert minted.micro_shares == 50 * LOT
    scene.seal()
    before = scene.view(BIDDER).cash_atoms
    scene.halt(1)
    scene.provide(BIDDER, LOT)
    assert scene.seal().refused == ["MARKET_HALTED"]
    scene.seal()
    assert scene.view(BIDDER).cash_atoms == before
