"""While no mark moves nobody can fall below zero, whatever is traded with whom: nothing to take out."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.margin_trade.scene import DEEP, IM, IOC, LOT, MARK, REDUCE_ONLY, Scene

TRADERS, MAKER, ACCOMPLICE = (1, 2, 3), 4, 5
# Far off the mark on both sides, as the band of 95% allows, and near it.
AWAY = (MARK // 20 - MARK, -5_000, -1_000, -250, -10, 0, 10, 250, 1_000, 5_000, MARK * 19 // 20)


@settings(max_examples=25)
@given(st.integers(0, 1 << 30), st.booleans())
def test_at_a_constant_mark_nobody_falls_below_zero(seed: int, is_vault_deep: bool) -> None:
    """Traders take what leverage they get from a maker at the mark, then trade with an accomplice anywhere."""
    draw = random.Random(seed)
    scene = Scene(accounts=5, markets=2)
    scene.deposits({account: draw.choice((20, 100, 400)) * IM for account in TRADERS} | {MAKER: DEEP, ACCOMPLICE: DEEP})
    scene.seal()
    if is_vault_deep:
        scene.provide(MAKER, DEEP // 2)
        scene.seal()
    for _ in range(5):
        quoted(scene, draw)
        for _ in range(3):
            for market in (1, 2):
                off = draw.choice((200, 1_000, 5_000, 9_000))
                scene.order(ACCOMPLICE, 10_000, MARK - off, market=market)
                scene.order(ACCOMPLICE, -10_000, MARK + off, market=market)
            for _ in range(draw.randint(1, 5)):
                act(scene, draw)
            sealed(scene)
            scene.cancel(ACCOMPLICE)
    sealed(scene)


def quoted(scene: Scene, draw: random.Random) -> None:
    """A block in which a maker stands at the mark, and traders take lots of him; his quotes go with the next."""
    for market in (1, 2):
        scene.order(MAKER, 10_000, MARK, market=market)
        for account in TRADERS:
            if draw.random() < 0.7:
                scene.order(account, -draw.choice((10, 19, 50, 90)), MARK, market=market)
    sealed(scene)
    scene.cancel(MAKER)
    sealed(scene)
    for market in (1, 2):
        scene.order(MAKER, -10_000, MARK, market=market)
        for account in TRADERS:
            if draw.random() < 0.7:
                scene.order(account, draw.choice((10, 19, 50, 90, 300)), MARK, market=market)
    sealed(scene)
    scene.cancel(MAKER)


def sealed(scene: Scene) -> None:
    scene.seal()
    assert min(scene.equity(account) for account in TRADERS) >= 0
    assert scene.funds.shortfall_atoms == 0


def act(scene: Scene, draw: random.Random) -> None:
    """An order of any kind, a cancel, or a withdrawal."""
    account, dice = draw.choice(TRADERS), draw.random()
    if dice < 0.05:
        scene.cancel(account)
    elif dice < 0.1:
        scene.withdraw(account, draw.choice((LOT // 4, 5 * LOT)))
    else:
        market, flags = draw.choice((1, 2)), draw.choice((0, REDUCE_ONLY))
        # Mostly all of what he holds, at any price.
        held = scene.lots(account, market)
        lots = -held if held and draw.random() < 0.6 else draw.choice((1, 5, 20, 80, 200)) * draw.choice((1, -1))
        ticks = 0 if draw.random() < 0.1 else MARK + draw.choice(AWAY)
        if draw.random() < 0.5:
            ticks = MARK + (AWAY[-1] if lots > 0 else AWAY[0])
        scene.order(account, lots, ticks, market=market, in_force=draw.choice((0, IOC)), flags=flags)
