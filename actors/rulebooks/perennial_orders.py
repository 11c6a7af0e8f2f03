"""Perennial's orders: what one does to the market, what it costs, and why it may be refused."""

from typing import NamedTuple

from actors.rulebooks.perennial import MarketRules, RiskRules, Totals, notional_floor_atoms
from actors.units import PPM, mul_div_floor, mul_div_toward_zero


class OrderEffect(NamedTuple):
    """What an order adds, signed: to its own three sides, and to the measures of the market's totals.

    skew_ppm is the size of the skew's move, impact_ppm what that does to the size of the skew (PE-14).
    """

    maker_lots: int
    long_lots: int
    short_lots: int
    net_lots: int
    skew_ppm: int
    impact_ppm: int
    utilisation_ppm: int
    efficiency_ppm: int

    @property
    def is_empty(self) -> bool:
        """No side moves."""
        return self.maker_lots == self.long_lots == self.short_lots == 0

    @property
    def increases_taker(self) -> bool:
        """A long or a short grows."""
        return self.long_lots > 0 or self.short_lots > 0

    @property
    def increases_position(self) -> bool:
        """Any side grows."""
        return self.maker_lots > 0 or self.increases_taker

    @property
    def decreases_liquidity(self) -> bool:
        """Makers come by less than the net of the takers does."""
        return self.maker_lots < self.net_lots


def totals_after(before: Totals, old: Totals, new: Totals) -> Totals:
    """The market's totals once an account's target is `new` instead of `old`; none may fall below zero."""
    after = Totals(
        before.maker_lots + new.maker_lots - old.maker_lots,
        before.long_lots + new.long_lots - old.long_lots,
        before.short_lots + new.short_lots - old.short_lots,
    )
    assert min(after) >= 0, f"{old} is not among {before}"
    return after


def order_effect(before: Totals, old: Totals, new: Totals, virtual_taker_lots: int) -> OrderEffect:
    """What an account's move from `old` to `new` does to totals that hold all pending orders (PE-13, PE-14)."""
    after = totals_after(before, old, new)
    skew_before_ppm = before.skew_toward_zero_ppm(virtual_taker_lots)
    skew_after_ppm = after.skew_toward_zero_ppm(virtual_taker_lots)
    return OrderEffect(
        maker_lots=new.maker_lots - old.maker_lots,
        long_lots=new.long_lots - old.long_lots,
        short_lots=new.short_lots - old.short_lots,
        net_lots=after.net_lots - before.net_lots,
        skew_ppm=abs(skew_after_ppm - skew_before_ppm),
        impact_ppm=abs(skew_after_ppm) - abs(skew_before_ppm),
        utilisation_ppm=after.utilisation_floor_ppm - before.utilisation_floor_ppm,
        efficiency_ppm=after.efficiency_floor_ppm - before.efficiency_floor_ppm,
    )


def position_fee_floor_atoms(effect: OrderEffect, price_ticks: int, risk: RiskRules, closed: bool) -> int:
    """What an order pays on its notional, every product cut; never below zero, and nothing in a closed market (PE-14).

    Maker: max(0, maker_fee + maker_impact * utilisation). Taker: max(0, taker_fee + taker_skew * |skew| +
    taker_impact * impact). The price is the latest valid one at admission.
    """
    if closed:
        return 0
    maker_rate_ppm = risk.maker_fee_ppm + mul_div_toward_zero(risk.maker_impact_ppm, effect.utilisation_ppm, PPM)
    taker_rate_ppm = (
        risk.taker_fee_ppm
        + mul_div_floor(risk.taker_skew_ppm, effect.skew_ppm, PPM)
        + mul_div_toward_zero(risk.taker_impact_ppm, effect.impact_ppm, PPM)
    )
    maker_atoms = notional_floor_atoms(abs(effect.maker_lots), price_ticks)
    taker_atoms = notional_floor_atoms(abs(effect.long_lots) + abs(effect.short_lots), price_ticks)
    return mul_div_floor(maker_atoms, max(maker_rate_ppm, 0), PPM) + mul_div_floor(
        taker_atoms, max(taker_rate_ppm, 0), PPM
    )


def settlement_fee_atoms(effect: OrderEffect, market: MarketRules) -> int:
    """The fixed fee of every order that moves something (PE-14)."""
    return 0 if effect.is_empty else market.settlement_fee_atoms


def liquidity_check_applies(effect: OrderEffect, market: MarketRules) -> bool:
    """Whether efficiency and socialisation are asked about; liquidations are not brought here at all (PE-13)."""
    if market.closed or market.maker_close_always:
        return False
    return not market.taker_close_always or effect.increases_taker


def is_below_efficiency(effect: OrderEffect, after: Totals, risk: RiskRules, market: MarketRules) -> bool:
    """Refused: the order lowers the efficiency, and it is then below the limit (PE-13)."""
    return (
        liquidity_check_applies(effect, market)
        and effect.efficiency_ppm < 0
        and after.efficiency_floor_ppm < risk.efficiency_limit_ppm
    )


def leaves_socialised(effect: OrderEffect, after: Totals, market: MarketRules) -> bool:
    """Refused: takers are then without an answering side, and the order made it no better (PE-13)."""
    return liquidity_check_applies(effect, market) and after.is_socialised and effect.decreases_liquidity


def is_over_maker_limit(after: Totals, risk: RiskRules) -> bool:
    """Refused: makers are then above the limit, whoever moved (PE-13)."""
    return after.maker_lots > risk.maker_limit_lots


def is_refused_as_closed(effect: OrderEffect, market: MarketRules) -> bool:
    """Refused: the market is closed and a side grows (PE-13)."""
    return market.closed and effect.increases_position
