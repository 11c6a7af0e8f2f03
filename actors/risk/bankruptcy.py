"""Where an account is worth nothing: its equity shared out over its markets, and the quotes and limits that follow.

A quote is signed like the position: closing it whole brings in a long's quote and costs a short's (below zero). The
bankruptcy quote of a market leaves exactly the equity share of that market gone, so closing all markets at theirs
ends at zero (MT-12, MT-15).
"""

from collections.abc import Sequence

from actors.units import PRICE_BOUND, div_ceil, div_floor, mul_div_ceil, mul_div_floor


def split_by_cumulative_floor(total: int, weights: Sequence[int]) -> list[int]:
    """`total` (of any sign) shared by weight: each the step of floor(total * weights so far / all), so they add up.

    A weight of zero gets nothing; one weight at least is positive, none is negative.
    """
    whole = sum(weights)
    assert whole > 0 and min(weights) >= 0, f"weights must be positive in sum, none negative: {weights}"
    shares, so_far, given = [], 0, 0
    for weight in weights:
        so_far += weight
        reached = mul_div_floor(total, so_far, whole)
        shares.append(reached - given)
        given = reached
    return shares


def equity_shares_atoms(equity_atoms: int, maintenance_atoms: Sequence[int]) -> list[int]:
    """An account's equity over its markets by their share of its MM, in market order; adds up exactly (MT-15)."""
    return split_by_cumulative_floor(equity_atoms, maintenance_atoms)


def bankruptcy_quote_atoms(lots: int, mark_ticks: int, quote_atoms_per_tick_lot: int, equity_share_atoms: int) -> int:
    """What closing the whole position has to bring in (a short: costs, below zero) to use its share up, exact."""
    return lots * mark_ticks * quote_atoms_per_tick_lot - equity_share_atoms


def quote_part_ceil_atoms(quote_atoms: int, lots_before: int, lots_after: int, lots_whole: int) -> int:
    """The part of a position's bankruptcy quote for its lots from `lots_before` to `lots_after`, counted unsigned.

    Steps of ceil(quote * lots / whole): parts add up to the quote, and whatever was closed so far never brought in
    less than its part, so the account that is closed is not left short by rounding.
    """
    assert 0 <= lots_before <= lots_after <= lots_whole, f"{lots_before} to {lots_after} of {lots_whole} lots"
    before = mul_div_ceil(quote_atoms, lots_before, lots_whole)
    return mul_div_ceil(quote_atoms, lots_after, lots_whole) - before


def bankruptcy_limit_ticks(lots: int, bankruptcy_quote_atoms: int, quote_atoms_per_tick_lot: int) -> int | None:
    """The limit of a liquidation order for a position: at it or better the account keeps what its share covers.

    A long sells, rounded up and at least 1 tick; a short buys, rounded down. None where no price below PRICE_BOUND,
    or no positive one for a buy, does that (MT-12).
    """
    assert lots != 0, "no position, no limit"
    per_tick = abs(lots) * quote_atoms_per_tick_lot
    if lots > 0:
        limit = max(1, div_ceil(bankruptcy_quote_atoms, per_tick))
        return limit if limit < PRICE_BOUND else None
    limit = min(PRICE_BOUND - 1, div_floor(-bankruptcy_quote_atoms, per_tick))
    return limit if limit > 0 else None


def deficit_atoms(equity_atoms: int) -> int:
    """What somebody else has to pay for an account below zero; at zero nobody has to (MT-16a)."""
    return max(0, -equity_atoms)


def fund_can_pay(fund_atoms: int, deficit_atoms: int) -> bool:
    """The insurance fund pays a deficit fully or not at all; it may end at exactly zero (MT-16a)."""
    return deficit_atoms <= fund_atoms
