"""Rules and totals that Perennial's tests share: the seed's example market, and strategies for random ones."""

from hypothesis import strategies as st

from actors.rulebooks.perennial import (
    UNIT_LOTS,
    ControllerRules,
    MarketRules,
    ProtocolRules,
    RiskRules,
    Totals,
    UtilisationCurve,
)
from actors.units import PPM

USDC = 10**6
PRICE = 1_000 * 10**6

CURVE = UtilisationCurve(20_000, 100_000, PPM, 800_000)
RISK = RiskRules(
    maintenance_ppm=200_000,
    min_maintenance_atoms=50 * USDC,
    liquidation_fee_ppm=200_000,
    min_liquidation_fee_atoms=5 * USDC,
    max_liquidation_fee_atoms=1_000 * USDC,
    maker_fee_ppm=500,
    maker_impact_ppm=100,
    taker_fee_ppm=1_000,
    taker_skew_ppm=500,
    taker_impact_ppm=200,
    maker_limit_lots=1_000 * UNIT_LOTS,
    efficiency_limit_ppm=100_000,
    curve=CURVE,
    controller=ControllerRules(k_us=40_000 * 10**6, max_rate_ppm=1_200_000),
)
MARKET = MarketRules(1_500_000, 100_000, 100_000, 200_000, 100_000, 100_000)
PROTOCOL = ProtocolRules(500_000, 10_000, 1_000 * USDC, 500_000, 10 * PPM, 10_000, 100_000)


def whole(maker: int, long: int, short: int) -> Totals:
    """Totals in whole units of the asset."""
    return Totals(maker * UNIT_LOTS, long * UNIT_LOTS, short * UNIT_LOTS)


def price_ticks() -> st.SearchStrategy[int]:
    return st.integers(1, 10**12)


def totals() -> st.SearchStrategy[Totals]:
    """Any market: empty sides, a single lot, thousands of units, takers far beyond makers."""
    side = st.one_of(st.just(0), st.integers(1, 20), st.integers(1, 10**10))
    return st.builds(Totals, side, side, side)


def ppm() -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from([0, 1, PPM // 2, PPM]), st.integers(0, PPM))


def market_rules() -> st.SearchStrategy[MarketRules]:
    return st.builds(
        MarketRules,
        funding_fee_ppm=ppm(),
        interest_fee_ppm=ppm(),
        position_fee_ppm=ppm(),
        oracle_fee_ppm=st.integers(0, PPM // 2),
        risk_fee_ppm=st.integers(0, PPM // 2),
        closed=st.sampled_from([False, False, False, True]),
    )


def risk_rules() -> st.SearchStrategy[RiskRules]:
    rate = st.integers(0, 10 * PPM)
    return st.builds(
        RISK._replace,
        curve=st.builds(UtilisationCurve, rate, rate, rate, ppm()),
        controller=st.builds(ControllerRules, st.integers(1, 10**12), rate),
        virtual_taker_lots=st.integers(0, 10**9),
        maker_receive_only=st.booleans(),
    )
