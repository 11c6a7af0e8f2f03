"""Perennial from one version to the next: fees, funding, interest and profit, added to what a lot has ever earned.

A side's accumulator is the sum of what one unit (1e6 lots) of it has earned, in atoms, floored at every addition; an
account earns its lots times the move of its side, floored. Both roundings are against the account, so a market owes
never more than it has: `VersionStep.residue_e12` and `Settled.remainder_e12` say exactly how much less, in 1e-12 USDC.
"""

from typing import NamedTuple

from actors.rulebooks.perennial import (
    UNIT_LOTS,
    ControllerRules,
    MarketRules,
    ProtocolRules,
    RiskRules,
    Totals,
    UtilisationCurve,
    notional_floor_atoms,
)
from actors.units import PPM, div_floor, div_toward_zero, mul_div_floor, mul_div_toward_zero

YEAR_SECONDS = 365 * 86_400
US_PER_MS = 1_000


class Accumulators(NamedTuple):
    """What one unit of each side has earned since the market began, in atoms; below zero where it has lost."""

    maker_atoms_per_unit: int = 0
    long_atoms_per_unit: int = 0
    short_atoms_per_unit: int = 0


class Controller(NamedTuple):
    """The funding rate of a year at the last version, and the skew that has been moving it since (PE-15)."""

    rate_ppm: int = 0
    skew_ppm: int = 0


class Interval(NamedTuple):
    """The two valid prices a step leads between, and how long it lasts."""

    from_price_ticks: int
    to_price_ticks: int
    elapsed_ms: int


class SideAmounts(NamedTuple):
    """What goes to each side of the market, below zero where it pays; atoms."""

    maker_atoms: int
    long_atoms: int
    short_atoms: int


class Breakdown(NamedTuple):
    """Where the amounts of a step come from; the fees of the last three lines go to the market."""

    position_fee: SideAmounts
    funding: SideAmounts
    interest: SideAmounts
    pnl: SideAmounts
    position_fee_atoms: int
    funding_fee_atoms: int
    interest_fee_atoms: int


class VersionStep(NamedTuple):
    """The state after a version, and the account of it.

    meant is what the rules give each side, granted_e12 (1e-12 USDC) what its accumulator can hand out at most to all
    its lots, residue_e12 the difference over all sides, never below zero. It holds exactly:
    sum(granted_e12) + residue_e12 + market_fee_atoms * 10**6 = order_fees_atoms * 10**6.
    """

    accumulators: Accumulators
    controller: Controller
    market_fee_atoms: int
    breakdown: Breakdown
    meant: SideAmounts
    granted_e12: tuple[int, int, int]
    residue_e12: int


class Settled(NamedTuple):
    """What an account gets, floored, and what flooring kept from it, 1e-12 USDC."""

    amount_atoms: int
    remainder_e12: int


class FeeSplit(NamedTuple):
    """Who gets the fees of a version; the four add up to what came in."""

    protocol_atoms: int
    oracle_atoms: int
    risk_atoms: int
    donation_atoms: int


NOTHING_FOR_ANYBODY = SideAmounts(0, 0, 0)


def accumulate(
    accumulators: Accumulators,
    controller: Controller,
    totals: Totals,
    next_totals: Totals,
    order_fees_atoms: int,
    interval: Interval,
    market: MarketRules,
    risk: RiskRules,
) -> VersionStep:
    """One step: `totals` were held during the interval, `next_totals` are from its end (PE-10, PE-12, PE-14, PE-15).

    order_fees_atoms are the position fees of the orders that settle at its end; for an invalid version there are none,
    next_totals are totals and both prices are the latest valid one. A closed market accrues position fees only.
    """
    assert interval.elapsed_ms >= 0, f"a step of {interval.elapsed_ms} ms"
    fee_atoms, position_fee = _share_position_fee(order_fees_atoms, totals, market)
    funding = interest = pnl = NOTHING_FOR_ANYBODY
    funding_fee_atoms = interest_fee_atoms = 0
    if not market.closed:
        controller, funding_fee_atoms, funding = _fund(controller, totals, next_totals, interval, market, risk)
        interest_fee_atoms, interest = _charge_interest(totals, interval, market, risk)
        pnl = side_pnl(totals, interval)
    parts = (position_fee, funding, interest, pnl)
    after = _increment_floor(accumulators, parts, totals)
    meant = SideAmounts(*(sum(side) for side in zip(*parts, strict=True)))
    granted_e12 = tuple((now - then) * lots for now, then, lots in zip(after, accumulators, totals, strict=True))
    residue_e12 = sum(meant) * UNIT_LOTS - sum(granted_e12)
    market_fee_atoms = fee_atoms + funding_fee_atoms + interest_fee_atoms
    assert sum(meant) + market_fee_atoms == order_fees_atoms, "a version makes or loses money"
    assert residue_e12 >= 0, "a version grants more than it has"
    breakdown = Breakdown(position_fee, funding, interest, pnl, fee_atoms, funding_fee_atoms, interest_fee_atoms)
    return VersionStep(
        after,
        controller,
        market_fee_atoms,
        breakdown,
        meant,
        (granted_e12[0], granted_e12[1], granted_e12[2]),
        residue_e12,
    )


def _share_position_fee(order_fees_atoms: int, totals: Totals, market: MarketRules) -> tuple[int, SideAmounts]:
    """The market's share of the orders' fees, floored, and the makers' rest; all for the market without makers."""
    if totals.maker_lots == 0:
        return order_fees_atoms, NOTHING_FOR_ANYBODY
    fee_atoms = mul_div_floor(order_fees_atoms, market.position_fee_ppm, PPM)
    return fee_atoms, SideAmounts(order_fees_atoms - fee_atoms, 0, 0)


def step_controller(
    controller: Controller, rules: ControllerRules, next_skew_ppm: int, elapsed_ms: int, notional_atoms: int
) -> tuple[Controller, int]:
    """The controller after a time, and what longs owe shorts for it before fees, below zero the other way (PE-15).

    The rate moves in a straight line with the skew kept from before, and stays at +-max from where it meets it: the
    mean of both ends over the first part, max over the second. Every division cuts towards zero.
    """
    elapsed_us = elapsed_ms * US_PER_MS
    rate_ppm = controller.rate_ppm
    moved_ppm = mul_div_toward_zero(mul_div_toward_zero(elapsed_us, controller.skew_ppm, PPM), PPM, rules.k_us)
    next_ppm = max(-rules.max_rate_ppm, min(rules.max_rate_ppm, rate_ppm + moved_ppm))
    within_us = elapsed_us
    if moved_ppm:
        limit_ppm = rules.max_rate_ppm if moved_ppm > 0 else -rules.max_rate_ppm
        room_ppm = 0 if abs(rate_ppm) > rules.max_rate_ppm else abs(limit_ppm - rate_ppm)
        within_us = min(mul_div_floor(elapsed_us, room_ppm, abs(moved_ppm)), elapsed_us)
    twice_atoms = yearly_toward_zero_atoms(rate_ppm + next_ppm, within_us, notional_atoms)
    beyond_atoms = yearly_toward_zero_atoms(next_ppm, elapsed_us - within_us, notional_atoms)
    return Controller(next_ppm, next_skew_ppm), div_toward_zero(twice_atoms, 2) + beyond_atoms


def yearly_toward_zero_atoms(rate_ppm: int, elapsed_us: int, notional_atoms: int) -> int:
    """rate * elapsed * notional / 365 days, cut after each of the three (PE-15)."""
    rate_seconds_e6 = mul_div_toward_zero(rate_ppm, elapsed_us, PPM)
    return div_toward_zero(mul_div_toward_zero(rate_seconds_e6, notional_atoms, PPM), YEAR_SECONDS)


def _fund(
    controller: Controller,
    totals: Totals,
    next_totals: Totals,
    interval: Interval,
    market: MarketRules,
    risk: RiskRules,
) -> tuple[Controller, int, SideAmounts]:
    """The controller after the interval, the market's fee, and what each side gets of the funding (PE-15).

    Both takers bear half of the fee, the odd atom the longs. The smaller side passes the part of its funding on to the
    makers for which they stand in its place.
    """
    notional_atoms = notional_floor_atoms(totals.taker_socialised_lots, interval.from_price_ticks)
    next_skew_ppm = next_totals.skew_toward_zero_ppm(risk.virtual_taker_lots)
    after, owed_atoms = step_controller(controller, risk.controller, next_skew_ppm, interval.elapsed_ms, notional_atoms)
    if risk.maker_receive_only and _sign(owed_atoms) != _sign(totals.skew_toward_zero_ppm(0)):
        owed_atoms = -owed_atoms
    fee_atoms = mul_div_floor(abs(owed_atoms), market.funding_fee_ppm, PPM)
    half_atoms = div_floor(fee_atoms, 2)
    long_atoms, short_atoms = -owed_atoms - fee_atoms + half_atoms, owed_atoms - half_atoms
    maker_atoms = 0
    if totals.long_lots > totals.short_lots:
        maker_atoms = mul_div_toward_zero(short_atoms, totals.socialised_skew_floor_ppm, PPM)
        short_atoms -= maker_atoms
    elif totals.short_lots > totals.long_lots:
        maker_atoms = mul_div_toward_zero(long_atoms, totals.socialised_skew_floor_ppm, PPM)
        long_atoms -= maker_atoms
    return after, fee_atoms, SideAmounts(maker_atoms, long_atoms, short_atoms)


def interest_rate_toward_zero_ppm(curve: UtilisationCurve, utilisation_ppm: int) -> int:
    """The yearly rate at a utilisation: two straight lines that meet at the target, max from 1 on (PE-15)."""
    if utilisation_ppm >= PPM:
        return curve.max_rate_ppm
    if utilisation_ppm < curve.target_utilisation_ppm:
        left_ppm, right_ppm = 0, curve.target_utilisation_ppm
        from_ppm, to_ppm = curve.min_rate_ppm, curve.target_rate_ppm
    else:
        left_ppm, right_ppm = curve.target_utilisation_ppm, PPM
        from_ppm, to_ppm = curve.target_rate_ppm, curve.max_rate_ppm
    along_ppm = mul_div_floor(utilisation_ppm - left_ppm, PPM, right_ppm - left_ppm)
    return from_ppm + mul_div_toward_zero(to_ppm - from_ppm, along_ppm, PPM)


def _charge_interest(
    totals: Totals, interval: Interval, market: MarketRules, risk: RiskRules
) -> tuple[int, SideAmounts]:
    """The market's fee and what each side gets of the interest on the lots makers answer for; takers pay (PE-15).

    Longs pay their share of the takers, floored, shorts the rest.
    """
    taker_lots = totals.long_lots + totals.short_lots
    if taker_lots == 0:
        return 0, NOTHING_FOR_ANYBODY
    notional_atoms = notional_floor_atoms(min(taker_lots, totals.maker_lots), interval.from_price_ticks)
    rate_ppm = interest_rate_toward_zero_ppm(risk.curve, totals.utilisation_floor_ppm)
    interest_atoms = yearly_toward_zero_atoms(rate_ppm, interval.elapsed_ms * US_PER_MS, notional_atoms)
    fee_atoms = mul_div_floor(interest_atoms, market.interest_fee_ppm, PPM)
    long_atoms = mul_div_floor(interest_atoms, totals.long_lots, taker_lots)
    return fee_atoms, SideAmounts(interest_atoms - fee_atoms, -long_atoms, long_atoms - interest_atoms)


def side_pnl(totals: Totals, interval: Interval) -> SideAmounts:
    """What the move of the price gives each side: takers on their socialised lots, makers the reverse (PE-12)."""
    move_ticks = interval.to_price_ticks - interval.from_price_ticks
    long_atoms = mul_div_toward_zero(move_ticks, totals.long_socialised_lots, PPM)
    short_atoms = mul_div_toward_zero(-move_ticks, totals.short_socialised_lots, PPM)
    return SideAmounts(-long_atoms - short_atoms, long_atoms, short_atoms)


def _increment_floor(before: Accumulators, parts: tuple[SideAmounts, ...], totals: Totals) -> Accumulators:
    """The accumulators with each part added on its own, floored per unit; who is not there gets and pays nothing."""
    values = list(before)
    for part in parts:
        for side, (amount_atoms, lots) in enumerate(zip(part, totals, strict=True)):
            if amount_atoms:
                values[side] += mul_div_floor(amount_atoms, UNIT_LOTS, lots)
    return Accumulators(*values)


def settle_account(earlier: Accumulators, later: Accumulators, position: Totals) -> Settled:
    """What a position gets between two versions of its market, floored; fees of its orders come apart (PE-10)."""
    amount_atoms = remainder_e12 = 0
    for then, now, lots in zip(earlier, later, position, strict=True):
        exact_e12 = (now - then) * lots
        floored_atoms = div_floor(exact_e12, UNIT_LOTS)
        amount_atoms += floored_atoms
        remainder_e12 += exact_e12 - floored_atoms * UNIT_LOTS
    return Settled(amount_atoms, remainder_e12)


def split_fees(
    market_fee_atoms: int, settlement_fees_atoms: int, market: MarketRules, protocol: ProtocolRules
) -> FeeSplit:
    """The protocol's share first, oracle and risk shares of the rest, all floored, the donation what is left (PE-13a).

    Settlement fees go to the oracle part, whole.
    """
    protocol_atoms = mul_div_floor(market_fee_atoms, protocol.protocol_fee_ppm, PPM)
    rest_atoms = market_fee_atoms - protocol_atoms
    oracle_atoms = mul_div_floor(rest_atoms, market.oracle_fee_ppm, PPM)
    risk_atoms = mul_div_floor(rest_atoms, market.risk_fee_ppm, PPM)
    donation_atoms = rest_atoms - oracle_atoms - risk_atoms
    return FeeSplit(protocol_atoms, oracle_atoms + settlement_fees_atoms, risk_atoms, donation_atoms)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
