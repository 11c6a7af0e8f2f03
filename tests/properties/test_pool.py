"""The pool under drawn histories (TW-15 to TW-18): nobody gains by moving liquidity, caps hold, settlements add up."""

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.units import PPM
from tests.engine.desk import Desk
from tests.engine.naive import NaiveResult
from tests.engine.state import DONE, R
from tests.simulation.script import VENUE, Script, answer, said

PROVIDERS = (1, 2)
TRADERS = (3, 4, 5, 6)
MONEY = 10**9


@dataclass(frozen=True)
class Step:
    """One block: a price move in permille, then one act of one account."""

    move_permille: int
    act: str
    account: int
    side: int
    atoms: int
    leverage: int


steps = st.builds(
    Step,
    move_permille=st.integers(-60, 60),
    act=st.sampled_from(("open", "open", "close", "provide", "redeem")),
    account=st.integers(0, 3),
    side=st.sampled_from((1, -1)),
    atoms=st.sampled_from((1, 2, 999, 20_000, 10**6, 10**7)),
    leverage=st.sampled_from((100, 333, 5_000)),
)
histories = st.lists(steps, max_size=25)
quick = settings(max_examples=40, suppress_health_check=list(HealthCheck))


class Market(Script):
    """A pool with money in it and a price that moves."""

    def __init__(self, safe: bool, pool: int) -> None:
        super().__init__(shards=(), safe=safe)
        self.price = 50_000
        deposits = [self.deposit(account, MONEY) for account in (*PROVIDERS, *TRADERS)]
        self.block(*deposits, self.provide(1, pool), price=self.price)

    def play(self, step: Step) -> NaiveResult:
        """The step's block, then an empty one that settles it."""
        self.price = max(1, self.price + self.price * step.move_permille // 1_000)
        trader, provider = TRADERS[step.account], PROVIDERS[step.account % 2]
        mine = [held.number for held in self.engine.state.positions.values() if held.account == trader]
        batches = {
            "open": self.open(trader, step.side, step.atoms, step.leverage),
            "close": self.close(trader, min(mine, default=1)),
            "provide": self.provide(provider, step.atoms),
            "redeem": self.redeem(provider, step.atoms * 1_000),
        }
        result = self.block(batches[step.act], price=self.price)
        self.block()
        return result

    def worth(self, minting: bool) -> int:
        """NAV that shares are priced at."""
        return Desk(self.engine.state, self.engine.block, VENUE).share_price(minting)


@quick
@given(histories, st.booleans(), st.sampled_from((10**4, 10**6, 10**8)))
def test_invariants_hold_whatever_is_played(history: list[Step], safe: bool, pool: int) -> None:
    market = Market(safe, pool)
    for step in history:
        market.play(step)


@quick
@given(histories, st.booleans(), st.integers(1, 10**8))
def test_in_and_out_at_one_mark_never_pays(history: list[Step], safe: bool, atoms: int) -> None:
    market = Market(safe, 10**8)
    for step in history:
        market.play(step)
    owned = market.pool.shares.get(2, 0)
    entered = market.block(market.provide(2, atoms))
    minted = market.pool.shares.get(2, 0) - owned
    if answer(entered, 0)[0] == DONE and not market.pool.claims:
        left = market.block(market.redeem(2, minted))
        if answer(left, 0)[0] == DONE:
            assert answer(left, 0)[6] <= atoms
        else:
            assert answer(left, 0)[1] in (R.REFUSAL_WITHDRAWAL_LIMIT, R.REFUSAL_POOL_INSOLVENT)


@quick
@given(histories, st.booleans(), st.sampled_from(("provide", "redeem")), st.integers(1, 10**8))
def test_who_stays_loses_nothing_when_others_move(history: list[Step], safe: bool, act: str, atoms: int) -> None:
    market = Market(safe, 10**8)
    for step in history:
        market.play(step)
    market.block(market.provide(2, 10**6))
    market.block()
    before, shares_before = market.worth(act == "provide"), market.pool.total_shares
    moved = market.block(market.provide(2, atoms) if act == "provide" else market.redeem(2, atoms))
    after, shares_after = market.worth(act == "provide"), market.pool.total_shares
    if answer(moved, 0)[0] == DONE and shares_after and before > 0:
        assert after * shares_before >= before * shares_after


@quick
@given(histories, st.booleans())
def test_caps_hold_after_every_open_and_every_redemption(history: list[Step], safe: bool) -> None:
    market = Market(safe, 10**6)
    for step in history:
        result = market.play(step)
        pool, rules = market.pool, market.engine.state.venues[VENUE].twilight
        if said(result, "position_opened"):
            assert pool.margin * PPM < pool.nav * rules.utilisation_cap_ppm
        if said(result, "shares_redeemed"):
            assert pool.nav >= pool.margin


@quick
@given(histories, st.booleans())
def test_every_settlement_adds_up(history: list[Step], safe: bool) -> None:
    """TW-15: payout + what the pool receives is the margin; the payment is what the parts say."""
    market = Market(safe, 10**7)
    for step in history:
        nav = market.pool.nav
        result = market.play(step)
        for event in said(result, "position_closed"):
            closed = event.position_closed
            held, initial = closed.margin_held_atoms, closed.initial_margin_atoms
            assert closed.payment_atoms == closed.upnl_atoms + held - initial - closed.fee_atoms
            assert closed.payout_atoms == initial + closed.payment_atoms >= 0
            if not said(result, "position_liquidated"):
                assert closed.claim_atoms == max(0, closed.payout_atoms - held - nav)
