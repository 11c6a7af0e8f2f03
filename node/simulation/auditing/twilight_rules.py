"""Twilight's formulas once more, in plain integers from the rulebook, by nobody's code but this."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from breakwater.v1 import common_pb2, parameters_pb2
from node.simulation.auditing.seen import E9, ceil_div, half_away

# A percent of 1e-9 fractions: the funding formula is in percent (TW-08).
_PERCENT_E9: Final = E9 // 100
_STOP_LOSS: Final = common_pb2.ORDER_KIND_STOP_LOSS


@dataclass
class Held:
    """A position: side +1 or -1, entry value EV and size PS (TW-02), margins in atoms; levels as (ticks, set at)."""

    account: int
    market: int
    side: int
    entry_ticks: int
    entry_value_atoms: int
    initial_margin_atoms: int
    margin_held_atoms: int
    levels: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """PS = EV * entry (TW-02)."""
        return self.entry_value_atoms * self.entry_ticks


def fee_atoms(size: int, ticks: int, rate_e9: int) -> int:
    """A fraction of PS / price, at least an atom, rounded up (TW-07)."""
    return max(1, ceil_div(size * rate_e9, ticks * E9))


def maintenance_e9(held: Held, rules: parameters_pb2.TwilightParameters, rate_e9: int) -> int:
    """MM = ratio * EV + (fee + funding this side pays) * BV, BV = EV + side * IM (TW-03, TW-04)."""
    bankruptcy = held.entry_value_atoms + held.side * held.initial_margin_atoms
    paid_e9 = max(0, held.side * rate_e9)
    return rules.maintenance_ratio_e9 * held.entry_value_atoms + (rules.taker_fee_e9 + paid_e9) * bankruptcy


def equity_times_mark(held: Held, mark_ticks: int) -> int:
    """(margin held + uPnL) * mark, exact; uPnL = side * (EV * mark - PS) / mark (TW-05)."""
    return held.margin_held_atoms * mark_ticks + held.side * (held.entry_value_atoms * mark_ticks - held.size)


def is_liquidatable(held: Held, mark_ticks: int, requirement_e9: int) -> bool:
    """Equity <= MM (TW-10)."""
    return equity_times_mark(held, mark_ticks) * E9 <= requirement_e9 * mark_ticks


def funding_rate_e9(sizes: list[int], psi: int) -> int:
    """((L - S) / (L + S))^2 / (8 psi) percent, signed, cut toward zero (TW-08)."""
    longs, shorts = sizes
    if not longs + shorts:
        return 0
    size = (longs - shorts) ** 2 * _PERCENT_E9 // (8 * psi * (longs + shorts) ** 2)
    return size if longs >= shorts else -size


def payment_atoms(held: Held, mark_ticks: int, rate_e9: int) -> int:
    """What the position pays, rounded up; negative where it receives (TW-08)."""
    return ceil_div(held.side * rate_e9 * held.size, mark_ticks * E9)


def close_payment(held: Held, mark_ticks: int, rate_e9: int) -> tuple[int, int, int]:
    """uPnL, fee, payout of a close: IM + round(uPnL) + margin held - IM - fee (TW-15)."""
    upnl = half_away(held.side * (held.entry_value_atoms * mark_ticks - held.size), mark_ticks)
    fee = fee_atoms(held.size, mark_ticks, rate_e9)
    return upnl, fee, held.margin_held_atoms + upnl - fee


def meets(held: Held, kind: int, level_ticks: int, mark_ticks: int) -> bool:
    """Whether the mark meets the level: a stop on the losing side, the others on the winning one (TW-14)."""
    side = -held.side if kind == _STOP_LOSS else held.side
    return side * (mark_ticks - level_ticks) >= 0
