"""The venues of a simulated world: the presets, with everything slow made fast and everything far made near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from actors.rulebooks.versions import newest
from breakwater.v1 import common_pb2, parameters_pb2
from node.margin_presets import SCALES, margin_trade_market, margin_trade_venue
from node.perennial_presets import perennial_market, perennial_venue
from node.presets import twilight_venue
from node.spin_presets import spin_market, spin_venue

USDC: Final = 10**6
_MINUTE_MS: Final = 60_000
# The preset's 10,000 NEAR would stop every second order of these makers.
_SPIN_POSITION_LOTS: Final = 10**9
# What operators pay in at first: nothing, less than most deficits, more than they come to.
_FUNDS_USDC: Final = (0, 20, 2_000, 50_000)
_POLICIES: Final = (
    common_pb2.DELEVERAGE_POLICY_QUEUE,
    common_pb2.DELEVERAGE_POLICY_QUEUE,
    common_pb2.DELEVERAGE_POLICY_PRO_RATA_POSITION,
    common_pb2.DELEVERAGE_POLICY_PRO_RATA_PROFIT,
)
_BANKRUPTCY: Final = common_pb2.DELEVERAGE_PRICE_BANKRUPTCY
_PRICES: Final = (_BANKRUPTCY, _BANKRUPTCY, _BANKRUPTCY, common_pb2.DELEVERAGE_PRICE_PREVIOUS_MARK)


@dataclass
class Listed:
    """A venue with its markets as they were listed, where prices begin, and who has how much at first.

    Accounts are numbered from 1; `mood` says how prices behave (`prices.py`).
    """

    venue: parameters_pb2.VenueParameters
    markets: dict[int, parameters_pb2.MarketParameters]
    prices_ticks: dict[int, int]
    deposits_atoms: list[int]
    mood: str
    liquidity_atoms: int = 0
    fund_atoms: int = 0
    subaccounts: int = 0

    @property
    def number(self) -> int:
        """The venue's number."""
        return self.venue.venue

    @property
    def rulebook(self) -> int:
        """Its rulebook."""
        return self.venue.rulebook


def listed(draw: Random, rulebook: int) -> Listed:
    """One venue of a rulebook as a seed has it."""
    return _LISTINGS[rulebook](draw)


def _oracle(draw: Random, oracle: parameters_pb2.OracleParameters) -> None:
    oracle.tick_interval_ms = draw.choice((1, 100, 500))
    oracle.source_fresh_ms = draw.choice((2_000, 10_000))
    oracle.warn_age_ms = oracle.source_fresh_ms
    oracle.breaker_move_ppm = draw.choice((0, 0, 0, 80_000))
    oracle.breaker_window_ms = 3_000
    oracle.breaker_hold_ms = 1_500
    if oracle.funding_interval_ms:
        oracle.funding_interval_ms = _MINUTE_MS


def _twilight(draw: Random) -> Listed:
    venue, (market,) = twilight_venue(draw.choice(("seed", "safe", "safe")))
    rules = venue.twilight
    rules.notice_ms = draw.choice((0, 2_000))
    if draw.random() < 0.5:
        rules.limits_on = False
    _oracle(draw, market.oracle)
    market.oracle.halt_age_ms = draw.choice((0, 0, 4_000))
    pool = draw.choice((2 * 10**7, 10**8, 10**9, 10**9))
    deposits = [2 * pool, pool // 4] + [draw.choice((10**6, 10**7, 4 * 10**7)) for _ in range(8)]
    mood = draw.choice(("edge", "edge", "crash", "drift"))
    return Listed(venue, {1: market}, {1: 50_000}, deposits, mood, liquidity_atoms=pool)


def _with_books(draw: Random, market: parameters_pb2.MarketParameters) -> None:
    _oracle(draw, market.oracle)
    market.oracle.reduce_only_age_ms = draw.choice((0, 0, 3_000, 10_000))
    market.oracle.min_fresh_sources = draw.choice((1, 2))
    market.oracle.mark_rule = draw.choice((common_pb2.MARK_RULE_INDEX, common_pb2.MARK_RULE_MEDIAN_OF_THREE))


def _margin_trade(draw: Random) -> Listed:
    venue = margin_trade_venue()
    rules = venue.margin_trade
    rules.partial_threshold_atoms = draw.choice((1_000, 10_000, 100_000)) * USDC
    # Of a small part sold the account is mostly left below its requirement, so that the long cooldown matters.
    parts = ((0, 200_000), (1_000, 200_000), (30_000, 20_000))
    rules.cooldown_ms, rules.partial_fraction_ppm = draw.choice(parts)
    rules.partial_liquidation = draw.random() < 0.85
    rules.ladder_rounds = draw.choice((1, 2, 6, 6))
    rules.deleverage_policy = draw.choice(_POLICIES)
    rules.deleverage_price = draw.choice(_PRICES)
    rules.vault_lock_ms = draw.choice((0, 2_000, 6_000))
    rules.vault_max_leverage_hundredths = draw.choice((100, 500, 2_000))
    rules.vault_loss_limit_ppm = draw.choice((50_000, 250_000, 10**6))
    rules.notice_ms = draw.choice((0, 2_000))
    rules.max_orders_per_account = draw.choice((12, 100))
    assets = draw.choice((("BTC",), ("BTC", "SOL"), ("ETH", "BTC")))
    markets = {number: margin_trade_market(number, asset) for number, asset in enumerate(assets, 1)}
    for market in markets.values():
        _with_books(draw, market)
        market.margin_trade.unwind_step_ms = draw.choice((500, 2_000))
        market.margin_trade.unwind_fraction_ppm = draw.choice((100_000, 500_000))
        market.margin_trade.price_band_ppm = draw.choice((300_000, 950_000))
    prices = {number: _price_ticks(assets[number - 1], market) for number, market in markets.items()}
    maker = draw.choice((20_000, 200_000, 1_000_000)) * USDC
    deposits = [maker, maker] + [draw.choice((200, 1_000, 5_000, 20_000)) * USDC for _ in range(9)]
    mood = draw.choice(("edge", "crash", "crash", "drift"))
    vault = draw.choice((0, 500, 5_000, 100_000)) * USDC
    return Listed(venue, markets, prices, deposits, mood, vault, draw.choice(_FUNDS_USDC) * USDC)


def _spin(draw: Random) -> Listed:
    venue = spin_venue()
    rules = venue.spin
    rules.liquidator_reward_e9 = draw.choice((15_000_000, 15_000_000, 33_333_333))
    rules.notice_ms = draw.choice((0, 2_000))
    rules.max_orders_per_account = draw.choice((12, 100))
    assets = draw.choice((("BTC",), ("BTC", "NEAR"), ("NEAR",)))
    markets = {number: spin_market(number, asset) for number, asset in enumerate(assets, 1)}
    for market in markets.values():
        _with_books(draw, market)
        market.spin.max_position_lots = max(market.spin.max_position_lots, _SPIN_POSITION_LOTS)
        market.spin.max_order_lots = market.spin.max_position_lots
        market.spin.step_lots = draw.choice((1, 1, 5))
        market.spin.collateral_ratio_e9 = draw.choice((100_000_000, 50_000_000))
    prices = {number: _price_ticks(assets[number - 1], market) for number, market in markets.items()}
    maker = draw.choice((20_000, 200_000, 1_000_000)) * USDC
    deposits = [maker] * 4 + [draw.choice((200, 1_000, 5_000, 20_000)) * USDC for _ in range(8)]
    mood = draw.choice(("edge", "edge", "crash", "drift"))
    return Listed(venue, markets, prices, deposits, mood, 0, draw.choice(_FUNDS_USDC) * USDC, subaccounts=2)


def _perennial(draw: Random) -> Listed:
    venue = perennial_venue()
    # An older logic is still to be lived under, and 0 says the same as 1.
    venue.logic_version = draw.choice((0, newest(common_pb2.RULEBOOK_PERENNIAL)))
    venue.perennial.notice_ms = draw.choice((0, 2_000))
    assets = draw.choice((("BTC",), ("ETH", "BTC")))
    preset = draw.choice(("perennial", "seed"))
    markets = {number: perennial_market(number, asset, maintenance=preset) for number, asset in enumerate(assets, 1)}
    for market in markets.values():
        _oracle(draw, market.oracle)
        market.oracle.tick_interval_ms = draw.choice((1, 100))
        market.oracle.min_fresh_sources = 1
        rules = market.perennial
        rules.version_ms = draw.choice((500, 1_000, 2_000))
        rules.grace_ms = rules.version_ms * draw.choice((1, 2, 4)) // 2
        rules.stale_after_ms = draw.choice((10_000, 60_000))
        rules.max_pending = draw.choice((1, 2, 4))
        rules.efficiency_limit_ppm = draw.choice((200_000, 500_000))
        rules.taker_close_always = draw.random() < 0.5
        rules.virtual_taker_lots = draw.choice((0, 10**5))
    prices = {number: round(SCALES[assets[number - 1]].price_usdc) * USDC for number in markets}
    maker = draw.choice((5_000, 50_000)) * USDC
    deposits = [maker] * 2 + [draw.choice((200, 1_000, 5_000)) * USDC for _ in range(8)]
    return Listed(venue, markets, prices, deposits, draw.choice(("edge", "crash", "drift")))


def _price_ticks(asset: str, market: parameters_pb2.MarketParameters) -> int:
    return round(SCALES[asset].price_usdc * 10**9) // market.tick_size_e9


_LISTINGS: Final[dict[int, Callable[[Random], Listed]]] = {
    common_pb2.RULEBOOK_TWILIGHT: _twilight,
    common_pb2.RULEBOOK_MARGIN_TRADE: _margin_trade,
    common_pb2.RULEBOOK_PERENNIAL: _perennial,
    common_pb2.RULEBOOK_SPIN: _spin,
}
