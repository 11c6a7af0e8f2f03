"""Spin: cross margin ruled by a margin ratio and liquidated by bots, in the integers the state is kept in.

atoms are 1e-6 USDC, prices whole ticks, sizes whole lots, and k = `quote_atoms_per_tick_lot` makes lots * ticks * k a
whole number of atoms, exact. A position is (lots, cost_atoms), both signed, as on Margin Trade. Rates are fractions in
1e-9. Collateral is a fraction of value and is carried in 1e-9 atoms (`_atoms_e9`), whole numbers, never rounded; the
margin ratio Mr = E / (sum Cp + sum Co) is never divided but compared by cross-multiplication. So no rounding moves a
tier: 0.3, 0.7 and 1 are hit exactly. Sides are LONG = 1 (buy) and SHORT = -1 (sell). `spin_exact` is the same in
rationals and is the specification of this file.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from actors.units import (
    E9,
    LONG,
    PRICE_BOUND,
    SHORT,
    div_ceil,
    div_floor,
    mul_div_ceil,
    mul_div_floor,
    mul_div_half_away,
)

USDC_ATOMS = 10**6

# The bounds of the tiers, in tenths of Mr (SP-04).
OPEN_TENTHS = 10
TARGET_TENTHS = 7
COMPLETE_TENTHS = 3

TENTHS = 10


@dataclass(frozen=True, slots=True)
class SpinParameters:
    """What an operator of a Spin venue may set. Rates are 1e-9 fractions; a negative maker fee is a rebate."""

    taker_fee_e9: int = 800_000
    maker_fee_e9: int = -400_000
    reward_e9: int = 15_000_000
    fund_share_e9: int = 10_000_000
    funding_clamp_e9: int = 10_000_000
    fund_target_e9: int = 50_000_000
    fund_target_least_atoms: int = 100_000 * USDC_ATOMS

    @property
    def penalty_e9(self) -> int:
        """Tf: what a liquidated account pays of the closed value, reward and fund share together (SP-06, SP-08)."""
        return self.reward_e9 + self.fund_share_e9


def value_atoms(lots: int, price_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    """What these lots are worth at a price, signed like the lots, exact (SP-02)."""
    return lots * price_ticks * quote_atoms_per_tick_lot


def notional_atoms(lots: int, price_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    """The absolute value of a position or an order at a price, exact (SP-02)."""
    return abs(lots) * price_ticks * quote_atoms_per_tick_lot


def upnl_atoms(lots: int, cost_atoms: int, mark_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    """Value at the mark less cost, exact (SP-02)."""
    return value_atoms(lots, mark_ticks, quote_atoms_per_tick_lot) - cost_atoms


class PositionAtMark(NamedTuple):
    """One position and what is said of its market; accrued funding is what it owes, below zero what it gets."""

    lots: int
    cost_atoms: int
    mark_ticks: int
    quote_atoms_per_tick_lot: int
    collateral_e9: int
    accrued_funding_atoms: int = 0


def equity_atoms(cash_atoms: int, positions: Iterable[PositionAtMark]) -> int:
    """E = balance + sum uPnL - sum accrued funding (already rounded up), exact; it may be negative (SP-02)."""
    equity = cash_atoms
    for position in positions:
        upnl = upnl_atoms(position.lots, position.cost_atoms, position.mark_ticks, position.quote_atoms_per_tick_lot)
        equity += upnl - position.accrued_funding_atoms
    return equity


def collateral_atoms_e9(lots: int, price_ticks: int, quote_atoms_per_tick_lot: int, collateral_e9: int) -> int:
    """Cc * |size| * price in 1e-9 atoms, exact: Cp at the mark (SP-02), Co of increasing lots (SP-03)."""
    return notional_atoms(lots, price_ticks, quote_atoms_per_tick_lot) * collateral_e9


def position_collateral_atoms_e9(positions: Iterable[PositionAtMark]) -> int:
    """sum Cp of an account in 1e-9 atoms, exact (SP-02)."""
    return sum(
        collateral_atoms_e9(p.lots, p.mark_ticks, p.quote_atoms_per_tick_lot, p.collateral_e9) for p in positions
    )


class Order(NamedTuple):
    """An open order: lots left, unsigned, and its limit; a market order has the mark for a price (SP-03)."""

    order_id: int
    side: int
    lots: int
    price_ticks: int


def increasing_lots(position_lots: int, orders: Sequence[Order]) -> list[int]:
    """The increasing part of each order of one market, in the order given (SP-03).

    On each side the best price goes first, then the lower id; the first |position| lots of the side opposite to the
    position reduce, all others increase.
    """
    increasing = [0] * len(orders)
    for side in (LONG, SHORT):
        ranked = [(-side * o.price_ticks, o.order_id, index) for index, o in enumerate(orders) if o.side == side]
        reducible = max(0, -side * position_lots)
        for _, _, index in sorted(ranked):
            reducing = min(reducible, orders[index].lots)
            increasing[index] = orders[index].lots - reducing
            reducible -= reducing
    assert all(order.side in (LONG, SHORT) for order in orders), f"a side must be {LONG} or {SHORT}"
    return increasing


def order_collateral_atoms_e9(
    position_lots: int, orders: Sequence[Order], quote_atoms_per_tick_lot: int, collateral_e9: int
) -> int:
    """sum Co of one market: Cc * price on the increasing part of each order, in 1e-9 atoms, exact (SP-03)."""
    parts = increasing_lots(position_lots, orders)
    return sum(
        collateral_atoms_e9(lots, order.price_ticks, quote_atoms_per_tick_lot, collateral_e9)
        for lots, order in zip(parts, orders, strict=True)
    )


class Tier(IntEnum):
    """What an account's margin ratio allows, the best first (SP-04)."""

    OPEN = 0
    REDUCE_ONLY = 1
    PARTIAL = 2
    COMPLETE = 3


def reaches(equity_atoms: int, collateral_atoms_e9: int, tenths: int) -> bool:
    """Mr >= tenths / 10, exact; always where there is no collateral, Mr being infinite there (SP-03, SP-04)."""
    return collateral_atoms_e9 == 0 or equity_atoms * E9 * TENTHS >= collateral_atoms_e9 * tenths


def tier_of(equity_atoms: int, collateral_atoms_e9: int) -> Tier:
    """The tier of an account, exact: 1 and 0.7 belong to the tier above them, 0.3 is partial (SP-04).

    For the liquidation test collateral is sum Cp alone, for all else sum Cp + sum Co (SP-05).
    """
    if reaches(equity_atoms, collateral_atoms_e9, OPEN_TENTHS):
        return Tier.OPEN
    if reaches(equity_atoms, collateral_atoms_e9, TARGET_TENTHS):
        return Tier.REDUCE_ONLY
    return Tier.PARTIAL if reaches(equity_atoms, collateral_atoms_e9, COMPLETE_TENTHS) else Tier.COMPLETE


def may_open(equity_after_atoms: int, collateral_after_atoms_e9: int) -> bool:
    """Mr >= 1 in the state after the order, orders counted (SP-04). What adds no collateral is not asked."""
    return reaches(equity_after_atoms, collateral_after_atoms_e9, OPEN_TENTHS)


def may_withdraw(equity_after_atoms: int, collateral_after_atoms_e9: int) -> bool:
    """Mr >= 1 in the state after the withdrawal, orders counted, and nothing owed where Mr is infinite (SP-04)."""
    return equity_after_atoms >= 0 and reaches(equity_after_atoms, collateral_after_atoms_e9, OPEN_TENTHS)


def withdrawable_floor_atoms(equity_atoms: int, collateral_atoms_e9: int) -> int:
    """The most `may_withdraw` lets go: equity less the collateral rounded up, never negative (SP-04)."""
    return max(0, equity_atoms - div_ceil(collateral_atoms_e9, E9))


def stays_above_one(equity_after_atoms: int, collateral_after_atoms_e9: int) -> bool:
    """Mr > 1, strict: what a liquidator must keep, counting all its orders, holds and reservations (SP-07)."""
    return collateral_after_atoms_e9 == 0 or equity_after_atoms * E9 > collateral_after_atoms_e9


def calculated_lots_ceil(
    equity_atoms: int,
    position_collateral_atoms_e9: int,
    lots: int,
    mark_ticks: int,
    quote_atoms_per_tick_lot: int,
    collateral_e9: int,
    penalty_e9: int,
    step_lots: int,
) -> int:
    """The liquidation calculator: the lots of one market, unsigned, that bring Mr back to 0.7 (SP-06).

    x = (0.7 * sum Cp - E) / (mark * (0.7 * Cc - Tf)) rounded up to step_lots, capped at |lots|; sum Cp over all
    markets. 0 where Mr >= 0.7, all where 0.7 is out of reach. Where the penalty, rounded up, would leave Mr a fraction
    of an atom below 0.7, it is asked of one atom less of equity. The sign is the position's.
    """
    size = abs(lots)
    if reaches(equity_atoms, position_collateral_atoms_e9, TARGET_TENTHS):
        return 0
    per_lot = mark_ticks * quote_atoms_per_tick_lot
    # Mr gained in tenths by a lot: none where Cc <= Tf / 0.7. Mr < Tf / Cc makes x exceed the position by itself.
    gain = per_lot * (TARGET_TENTHS * collateral_e9 - TENTHS * penalty_e9)
    if gain <= 0:
        return size
    missing = TARGET_TENTHS * position_collateral_atoms_e9 - TENTHS * E9 * equity_atoms
    found = div_ceil(missing, gain * step_lots) * step_lots
    penalty = mul_div_ceil(found * per_lot, penalty_e9, E9)
    left = position_collateral_atoms_e9 - found * per_lot * collateral_e9
    if found < size and not reaches(equity_atoms - penalty, left, TARGET_TENTHS):
        found = div_ceil(missing + TENTHS * E9, gain * step_lots) * step_lots
    return min(size, found)


def closable_lots(
    equity_atoms: int,
    position_collateral_atoms_e9: int,
    lots: int,
    mark_ticks: int,
    quote_atoms_per_tick_lot: int,
    collateral_e9: int,
    penalty_e9: int,
    step_lots: int,
) -> int:
    """The most lots of one position, unsigned, that a liquidator may take over now (SP-05, SP-07).

    None at Mr >= 0.7, without orders; the calculator's in the partial tier; the position in the complete tier.
    """
    tier = tier_of(equity_atoms, position_collateral_atoms_e9)
    if tier == Tier.COMPLETE:
        return abs(lots)
    if tier != Tier.PARTIAL:
        return 0
    return calculated_lots_ceil(
        equity_atoms,
        position_collateral_atoms_e9,
        lots,
        mark_ticks,
        quote_atoms_per_tick_lot,
        collateral_e9,
        penalty_e9,
        step_lots,
    )


class Penalty(NamedTuple):
    """What closing a value costs the liquidated account: the liquidator's reward and the fund's share, atoms."""

    reward_atoms: int
    fund_share_atoms: int


def penalty_atoms(closed_value_atoms: int, reward_e9: int, fund_share_e9: int) -> Penalty:
    """1.5% to the liquidator and 1% to the fund, of the closed value at mark (SP-08).

    The account pays the two together rounded up, the liquidator receives rounded down, the odd atom is the fund's.
    """
    total = mul_div_ceil(abs(closed_value_atoms), reward_e9 + fund_share_e9, E9)
    reward = mul_div_floor(abs(closed_value_atoms), reward_e9, E9)
    return Penalty(reward, total - reward)


class Payments(NamedTuple):
    """What the liquidated account pays itself, and what the fund owes the liquidator on top, atoms."""

    reward_paid_atoms: int
    fund_paid_atoms: int
    reward_owed_by_fund_atoms: int


def payments_of(equity_atoms: int, penalty: Penalty) -> Payments:
    """The penalty out of equity as it stands after the takeover: the reward first, then the fund's share (SP-09).

    Exact; paying never brings equity below zero. The rest of the fund's own share is owed by nobody.
    """
    available = max(0, equity_atoms)
    reward = min(available, penalty.reward_atoms)
    share = min(available - reward, penalty.fund_share_atoms)
    return Payments(reward, share, penalty.reward_atoms - reward)


def deficit_atoms(equity_atoms: int) -> int:
    """What an account without positions owes beyond its balance; the fund pays it, never the liquidator (SP-09)."""
    return max(0, -equity_atoms)


class FundPayments(NamedTuple):
    """What the insurance fund pays of a liquidation and what it cannot: the rest of each is a recorded shortfall."""

    reward_atoms: int
    deficit_atoms: int
    reward_shortfall_atoms: int
    deficit_shortfall_atoms: int


def fund_payments_of(fund_atoms: int, reward_owed_atoms: int, deficit_atoms: int) -> FundPayments:
    """The fund pays the rest of the reward, then the deficit, as far as it goes, exact, never below zero (SP-09).

    The shortfall of a reward is money the liquidator does not get; that of a deficit is debt written off.
    """
    assert fund_atoms >= 0, f"the fund is below zero: {fund_atoms}"
    reward = min(fund_atoms, reward_owed_atoms)
    deficit = min(fund_atoms - reward, deficit_atoms)
    return FundPayments(reward, deficit, reward_owed_atoms - reward, deficit_atoms - deficit)


def fund_target_ceil_atoms(average_open_interest_atoms: int, target_e9: int, least_atoms: int) -> int:
    """5% of the 7-day average open interest, at least 100,000 USDC, rounded up: published, not enforced (SP-09)."""
    return max(least_atoms, mul_div_ceil(average_open_interest_atoms, target_e9, E9))


def trading_fee_ceil_atoms(quote_atoms: int, rate_e9: int) -> int:
    """Fee on the quote of a fill, whatever its sign, rounded up (SP-10).

    A rebate has a negative rate and comes out negative, so a payer is rounded up and a receiver down.
    """
    return mul_div_ceil(abs(quote_atoms), rate_e9, E9)


def funding_rate_half_away_e9(mids_ticks: int, mids: int, index_ticks: int, clamp_e9: int) -> int:
    """clamp((avg_mid - index) / index, -1%, +1%) of one epoch, half away from zero (SP-11).

    mids_ticks is the sum of `mids` mid prices; a sum of bids and asks counts twice as many, so half ticks stay exact.
    """
    premium = mul_div_half_away(mids_ticks - mids * index_ticks, E9, mids * index_ticks)
    return max(-clamp_e9, min(clamp_e9, premium))


def funding_step_ticks_e9(rate_e9: int, index_ticks: int) -> int:
    """What one epoch adds to the market's cumulative index: rate * index price, in 1e-9 ticks, exact (SP-11)."""
    return rate_e9 * index_ticks


def accrued_ceil_atoms(lots: int, entry_ticks_e9: int, now_ticks_e9: int, quote_atoms_per_tick_lot: int) -> int:
    """What lots owe between two values of the cumulative index, below zero what they get (SP-11).

    Rounded up: a payer pays the odd atom, a receiver goes without it, and it is the fund's.
    """
    return mul_div_ceil(lots * (now_ticks_e9 - entry_ticks_e9), quote_atoms_per_tick_lot, E9)


def liquidation_price_estimate_ticks(
    lots: int,
    mark_ticks: int,
    quote_atoms_per_tick_lot: int,
    equity_atoms: int,
    position_collateral_atoms_e9: int,
    collateral_e9: int,
) -> int | None:
    """The mark of this market at which Mr without orders is 0.7, the other marks standing still, for people (SP-04).

    mark + side * (0.7 * sum Cp - E) / (size * (1 - side * 0.7 * Cc)). Equity and sum Cp are the account's. Rounded
    towards the mark of a healthy account (long up, short down), so it never promises room that is not there. None
    without a position or where no positive price is it.
    """
    if lots == 0:
        return None
    side = LONG if lots > 0 else SHORT
    slope = abs(lots) * quote_atoms_per_tick_lot * (TENTHS * E9 - side * TARGET_TENTHS * collateral_e9)
    if slope <= 0:
        return None
    missing = TARGET_TENTHS * position_collateral_atoms_e9 - TENTHS * E9 * equity_atoms
    numerator = mark_ticks * slope + side * missing
    estimate = div_ceil(numerator, slope) if side == LONG else div_floor(numerator, slope)
    return estimate if 0 < estimate < PRICE_BOUND else None


class Fill(NamedTuple):
    """A position after a fill, and the profit the fill realised."""

    lots: int
    cost_atoms: int
    realised_atoms: int


def apply_fill(lots: int, cost_atoms: int, fill_lots: int, price_ticks: int, quote_atoms_per_tick_lot: int) -> Fill:
    """The position after buying (fill_lots > 0) or selling at a price; fees come apart (SP-01, SP-07).

    A fill beyond the position closes it first and opens the rest. Released cost = floor(cost * closed / lots) of the
    signed cost; the last lot releases what is left. Conserves: realised - change of cost = -quote. A takeover of x lots
    at mark is a fill of -x for the one and of x for the other, so at the mark neither's equity moves.
    """
    closed = 0
    if lots * fill_lots < 0:
        closed = max(fill_lots, -lots) if fill_lots < 0 else min(fill_lots, -lots)
    released = mul_div_floor(cost_atoms, abs(closed), abs(lots)) if closed else 0
    realised = -value_atoms(closed, price_ticks, quote_atoms_per_tick_lot) - released
    opened = value_atoms(fill_lots - closed, price_ticks, quote_atoms_per_tick_lot)
    return Fill(lots + fill_lots, cost_atoms - released + opened, realised)
