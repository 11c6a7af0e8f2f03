"""The invariants see whom the ladder left: one atom too little on an account, and nothing that accounts for it."""

import pytest

from cluster.invariants import check_after_block
from tests.simulation.margin_trade.scene import DEEP, IM, VAULT, Scene, Told

WHALE, TRADER, BIDDER = 1, 2, 3


def standing(lots: int = 100) -> tuple[Scene, Told]:
    """A trader at 9,750 ticks: 25,000 atoms a lot are left, 24,375 required."""
    scene = Scene(accounts=4)
    scene.deposit(a1=DEEP, a2=lots * IM, a3=DEEP)
    scene.seal()
    scene.trade(TRADER, WHALE, lots)
    return scene, scene.seal(m1=9_750)


def faults(scene: Scene, told: Told, account: int, atoms: int) -> list[str]:
    """What the check says when the account has so much less behind the ladder's back."""
    scene.book.accounts.post(account, free=-atoms)
    return check_after_block(scene.replica, told.result)


@pytest.mark.parametrize(("short_of_it", "rung"), [(0, 0), (1, 1), (100 * 8_125, 1), (100 * 8_125 + 1, 2)])
def test_an_atom_below_a_rung_is_seen(short_of_it: int, rung: int) -> None:
    scene, told = standing()
    found = faults(scene, told, TRADER, 100 * 625 + short_of_it)
    assert [f"account {TRADER} is on rung {rung}" in fault for fault in found] == ([True] if rung else [])


@pytest.mark.parametrize("account", [BIDDER, VAULT])
def test_a_debt_without_a_position_is_seen(account: int) -> None:
    scene, told = standing()
    cash = scene.view(account).cash_atoms
    assert faults(scene, told, account, cash) == []
    assert len(faults(scene, told, account, 1)) == 1


def test_who_was_acted_on_may_stay_on_the_first_rung_but_not_on_the_second() -> None:
    scene, _ = standing()
    told = scene.seal(m1=9_740)
    assert len(told.of("liquidation_ordered")) == 1
    view = scene.view(TRADER)
    assert view.equity_atoms < view.maintenance_atoms
    assert check_after_block(scene.replica, told.result) == []
    assert len(faults(scene, told, TRADER, 100 * 10_000)) == 1


def test_who_waits_for_a_market_is_accounted_for() -> None:
    scene, _ = standing()
    scene.halt(1)
    scene.seal()
    told = scene.seal()
    scene.book.accounts.post(TRADER, free=-100 * 20_000)
    assert len(check_after_block(scene.replica, told.result)) == 1
    scene.book.accounts.post(TRADER, free=100 * 20_000)
    assert check_after_block(scene.replica, told.result) == []
