"""Whether the pool takes an open: claims, TVL, utilisation, the limits of TW-19, the venue's exact range."""

from typing import NamedTuple

from actors.pooling.state import PoolBook
from actors.rulebooks import twilight
from actors.sinks import Refused
from actors.units import INT64_MAX, PPM, TOTAL_BOUND
from breakwater.v1 import refusals_pb2 as refusals

_LIMIT_REFUSALS = {
    twilight.LimitBreach.SIZE: refusals.REFUSAL_POSITION_SIZE_LIMIT,
    twilight.LimitBreach.OI: refusals.REFUSAL_OPEN_INTEREST_LIMIT,
    twilight.LimitBreach.SKEW: refusals.REFUSAL_SKEW_LIMIT,
    twilight.LimitBreach.LIMIT: refusals.REFUSAL_LIMIT,
}


class OpenTerms(NamedTuple):
    """An open at the mark: EV, PS, fee (ceil, to the pool) and what stays as margin held."""

    entry_ticks: int
    entry_value_atoms: int
    position_size: int
    fee_atoms: int
    margin_held_atoms: int


def open_terms(mark_ticks: int, margin_atoms: int, leverage_hundredths: int, fee_rate_e9: int) -> OpenTerms:
    """TW-02, TW-07 at the mark."""
    entry_value = twilight.entry_value_floor_atoms(margin_atoms, leverage_hundredths)
    size = twilight.position_size(entry_value, mark_ticks)
    fee = twilight.fee_ceil_atoms(size, mark_ticks, fee_rate_e9)
    return OpenTerms(mark_ticks, entry_value, size, fee, margin_atoms - fee)


def why_not_open(book: PoolBook, market: int, side: int, terms: OpenTerms) -> Refused | None:
    """The first reason in the fixed order, on the state after the open, or None."""
    rules = book.terms.twilight
    if book.claims_atoms:  # TW-15a
        return Refused(refusals.REFUSAL_CLAIMS_OUTSTANDING, 0, book.claims_atoms)
    if book.nav_atoms <= 0:
        return Refused(refusals.REFUSAL_POOL_EMPTY, 1, book.nav_atoms)
    margin_after = book.trader_margin_atoms + terms.margin_held_atoms
    value_after = book.nav_atoms + terms.fee_atoms
    if twilight.utilisation_reached(margin_after, value_after, rules.utilisation_cap_ppm):
        return Refused(refusals.REFUSAL_UTILISATION_CAP, rules.utilisation_cap_ppm, margin_after * PPM // value_after)
    return (_limit_breached(book, market, side, terms) if rules.limits_on else None) or _out_of_range(
        book, market, side, terms
    )


def _limit_breached(book: PoolBook, market: int, side: int, terms: OpenTerms) -> Refused | None:
    """TW-19 in atoms of notional at the mark, against the lower of realised and marked NAV."""
    rules, mark = book.terms.twilight, terms.entry_ticks
    long_size, short_size = book.sizes(market)
    equity = max(0, min(book.nav_atoms, book.nav_marked_atoms()))
    limits = twilight.risk_limits(
        long_size // mark,
        short_size // mark,
        equity,
        rules.max_oi_ppm,
        rules.max_net_ppm,
        rules.max_position_ppm,
        may_open=True,
    )
    breach = twilight.limit_breached(limits, side, terms.entry_value_atoms)
    if breach is None:
        return None
    room = {
        twilight.LimitBreach.SIZE: limits.position_max,
        twilight.LimitBreach.OI: limits.room_oi,
        twilight.LimitBreach.SKEW: limits.room_net_long if side > 0 else limits.room_net_short,
        twilight.LimitBreach.LIMIT: limits.max_long if side > 0 else limits.max_short,
    }[breach]
    return Refused(_LIMIT_REFUSALS[breach], room, terms.entry_value_atoms)


def _out_of_range(book: PoolBook, market: int, side: int, terms: OpenTerms) -> Refused | None:
    long_size, short_size = book.sizes(market)
    after = (long_size if side > 0 else short_size) + terms.position_size
    return Refused(refusals.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, min(after, INT64_MAX)) if after >= TOTAL_BOUND else None
