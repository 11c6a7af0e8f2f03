"""One Perennial market by own arithmetic: from version to version, and the fee of an order (PE-01, PE-10 to PE-15)."""

from __future__ import annotations

from typing import Final, NamedTuple

from breakwater.v1 import parameters_pb2
from node.simulation.auditing.seen import MILLION

_YEAR_S: Final = 365 * 86_400
_US: Final = 1_000

Rules = parameters_pb2.PerennialMarket


class Sizes(NamedTuple):
    """Makers, longs, shorts, in lots; of a market or of one account."""

    makers: int = 0
    longs: int = 0
    shorts: int = 0

    def moved(self, old: Sizes, new: Sizes) -> Sizes:
        """The market's once an account has `new` instead of `old`."""
        return Sizes(*(now - before + after for now, before, after in zip(self, old, new, strict=True)))

    @property
    def major(self) -> int:
        """The larger side of the takers."""
        return max(self.longs, self.shorts)

    @property
    def minor(self) -> int:
        """The smaller one."""
        return min(self.longs, self.shorts)

    @property
    def socialised(self) -> int:
        """Takers of the larger side that makers and the other side answer for (PE-12)."""
        return min(self.major, self.minor + self.makers)

    def skew_ppm(self, virtual_lots: int) -> int:
        """(long - short) / (major + virtual), cut toward zero (PE-12)."""
        return cut((self.longs - self.shorts) * MILLION, self.major + virtual_lots) if self.major else 0

    @property
    def utilisation_ppm(self) -> int:
        """major / (maker + minor), 1 at most (PE-12)."""
        answering = self.makers + self.minor
        return min(MILLION, self.major * MILLION // answering) if answering else MILLION


NOTHING: Final = Sizes()


def cut(dividend: int, divisor: int) -> int:
    """Cut toward zero; the divisor is positive."""
    return dividend // divisor if dividend >= 0 else -(-dividend // divisor)


def notional_atoms(lots: int, price_ticks: int) -> int:
    """Cut (PE-01)."""
    return lots * price_ticks // MILLION


def requirement_atoms(sizes: Sizes, price_ticks: int, rules: Rules) -> int:
    """max(size * price * maintenance, least), 0 without a position (PE-01)."""
    if sizes == NOTHING:
        return 0
    return max(notional_atoms(max(sizes), price_ticks) * rules.maintenance_ppm // MILLION, rules.min_maintenance_atoms)


def order_fees_atoms(totals: Sizes, old: Sizes, new: Sizes, price_ticks: int, rules: Rules) -> tuple[int, int]:
    """Position fee and settlement fee of a change, on totals with everything pending (PE-14)."""
    if old == new:
        return 0, 0
    if rules.closed:
        return 0, rules.settlement_fee_atoms
    after = totals.moved(old, new)
    virtual = rules.virtual_taker_lots
    before_ppm, after_ppm = totals.skew_ppm(virtual), after.skew_ppm(virtual)
    used_ppm = after.utilisation_ppm - totals.utilisation_ppm
    maker_ppm = rules.maker_fee_ppm + cut(rules.maker_impact_ppm * used_ppm, MILLION)
    taker_ppm = rules.taker_fee_ppm + rules.taker_skew_ppm * abs(after_ppm - before_ppm) // MILLION
    taker_ppm += cut(rules.taker_impact_ppm * (abs(after_ppm) - abs(before_ppm)), MILLION)
    makers = notional_atoms(abs(new.makers - old.makers), price_ticks)
    takers = notional_atoms(abs(new.longs - old.longs) + abs(new.shorts - old.shorts), price_ticks)
    fee = makers * max(0, maker_ppm) // MILLION + takers * max(0, taker_ppm) // MILLION
    return fee, rules.settlement_fee_atoms


class Step(NamedTuple):
    """What an interval came to: values after it, funding rate, fees of position, funding, interest, and profits."""

    values: tuple[int, int, int]
    rate_ppm: int
    skew_ppm: int
    fees_atoms: tuple[int, int, int]
    profits_atoms: tuple[int, int, int]


class Interval(NamedTuple):
    """Prices it leads between, how long it lasts, and the controller's rate and skew at its beginning."""

    from_ticks: int
    to_ticks: int
    elapsed_ms: int
    rate_ppm: int
    skew_ppm: int


def step(
    values: tuple[int, int, int], totals: Sizes, after: Sizes, order_fees: int, interval: Interval, rules: Rules
) -> Step:
    """One version (PE-10, PE-12 to PE-15); each part is added to the values on its own, floored a unit."""
    kept = order_fees * rules.position_fee_ppm // MILLION if totals.makers else order_fees
    parts = [(order_fees - kept, 0, 0)]
    rate, skew, funding_fee, interest_fee = interval.rate_ppm, interval.skew_ppm, 0, 0
    profits = (0, 0, 0)
    if not rules.closed:
        rate, funding_fee, funding = _funding(totals, interval, rules)
        skew = after.skew_ppm(rules.virtual_taker_lots)
        interest_fee, interest = _interest(totals, interval, rules)
        profits = _profits(totals, interval)
        parts += [funding, interest, profits]
    moved = list(values)
    for part in parts:
        for side, (amount, lots) in enumerate(zip(part, totals, strict=True)):
            if amount:
                moved[side] += amount * MILLION // lots
    return Step((moved[0], moved[1], moved[2]), rate, skew, (kept, funding_fee, interest_fee), profits)


def _yearly(rate_ppm: int, elapsed_us: int, amount: int) -> int:
    """rate * elapsed * amount / 365 days, cut after each."""
    return cut(cut(cut(rate_ppm * elapsed_us, MILLION) * amount, MILLION), _YEAR_S)


def _funding(totals: Sizes, interval: Interval, rules: Rules) -> tuple[int, int, tuple[int, int, int]]:
    """PE-15: the controller's rate in a straight line up to its limit; the smaller side passes on what makers bear."""
    elapsed_us, most = interval.elapsed_ms * _US, rules.controller_max_ppm
    moved = cut(cut(elapsed_us * interval.skew_ppm, MILLION) * MILLION, rules.controller_k_e6)
    rate = max(-most, min(most, interval.rate_ppm + moved))
    within_us = elapsed_us
    if moved:
        room = 0 if abs(interval.rate_ppm) > most else abs((most if moved > 0 else -most) - interval.rate_ppm)
        within_us = min(elapsed_us * room // abs(moved), elapsed_us)
    amount = notional_atoms(totals.socialised, interval.from_ticks)
    owed = cut(_yearly(interval.rate_ppm + rate, within_us, amount), 2) + _yearly(rate, elapsed_us - within_us, amount)
    heavier = totals.longs - totals.shorts
    if rules.maker_receive_only and (owed > 0) - (owed < 0) != (heavier > 0) - (heavier < 0):
        owed = -owed
    fee = abs(owed) * rules.funding_fee_ppm // MILLION
    longs, shorts, makers = -owed - fee + fee // 2, owed - fee // 2, 0
    share_ppm = (totals.socialised - totals.minor) * MILLION // totals.socialised if totals.socialised else 0
    if heavier > 0:
        makers = cut(shorts * share_ppm, MILLION)
        shorts -= makers
    elif heavier < 0:
        makers = cut(longs * share_ppm, MILLION)
        longs -= makers
    return rate, fee, (makers, longs, shorts)


def _interest(totals: Sizes, interval: Interval, rules: Rules) -> tuple[int, tuple[int, int, int]]:
    """PE-15: by the curve of utilisation, on what makers answer for; takers pay by their lots."""
    takers = totals.longs + totals.shorts
    if not takers:
        return 0, (0, 0, 0)
    used, target = totals.utilisation_ppm, rules.target_utilisation_ppm
    if used >= MILLION:
        rate = rules.max_rate_ppm
    elif used < target:
        along = used * MILLION // target
        rate = rules.min_rate_ppm + cut((rules.target_rate_ppm - rules.min_rate_ppm) * along, MILLION)
    else:
        along = (used - target) * MILLION // (MILLION - target)
        rate = rules.target_rate_ppm + cut((rules.max_rate_ppm - rules.target_rate_ppm) * along, MILLION)
    amount = notional_atoms(min(takers, totals.makers), interval.from_ticks)
    interest = _yearly(rate, interval.elapsed_ms * _US, amount)
    fee, longs = interest * rules.interest_fee_ppm // MILLION, interest * totals.longs // takers
    return fee, (interest - fee, -longs, longs - interest)


def _profits(totals: Sizes, interval: Interval) -> tuple[int, int, int]:
    """PE-12: takers on what is answered for, makers the reverse."""
    move = interval.to_ticks - interval.from_ticks
    longs = cut(move * min(totals.makers + totals.shorts, totals.longs), MILLION)
    shorts = cut(-move * min(totals.makers + totals.longs, totals.shorts), MILLION)
    return -longs - shorts, longs, shorts
