"""What of an account of a Spin venue may be liquidated, and for what: the calculator (SP-06) by the scalar rulebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from actors.risk.tradable import halt_age_in_force_ms, is_usable, why_not_tradable
from actors.rulebooks import spin
from actors.sinks import Refused
from actors.units import E9, div_ceil, div_floor
from breakwater.v1 import batches_pb2, common_pb2, liquidation_pb2, parameters_pb2, refusals_pb2
from node.guards.refusals import INT64_MAX, clamped
from node.lots import quote_atoms_per_tick_lot

CASH_MARKET: Final = 0
# How many of a market's numbers its collateral follows from: the first ones.
_COLLATERAL: Final = 3
_NO_MARK: Final = common_pb2.Mark(state=common_pb2.MARK_STATE_NONE)


class Market(NamedTuple):
    """One market's numbers, read from its messages once; k is what a lot at a tick is worth in atoms."""

    mark_ticks: int
    k: int
    collateral_e9: int
    index_e9: int
    is_usable: bool
    refused: Refused | None


class Terms:
    """The rules in force and the marks of one block."""

    def __init__(
        self,
        venue: parameters_pb2.VenueParameters,
        markets: Mapping[int, parameters_pb2.MarketParameters],
        marks: Mapping[int, common_pb2.Mark],
    ) -> None:
        """Both by market."""
        self.rules = venue.spin
        self.limits = {number: market.spin for number, market in markets.items()}
        self.markets = {number: _market(market, marks.get(number, _NO_MARK)) for number, market in markets.items()}


def _market(terms: parameters_pb2.MarketParameters, mark: common_pb2.Mark) -> Market:
    return Market(
        mark.mark_ticks,
        quote_atoms_per_tick_lot(terms),
        terms.spin.collateral_ratio_e9,
        mark.funding_index_e9,
        is_usable(mark),
        why_not_tradable(mark, halt_age_in_force_ms(terms.halted, terms.oracle.halt_age_ms)),
    )


class Standing(NamedTuple):
    """An account without its increasing orders (SP-05): equity (floor) and signed lots by market."""

    account: int
    equity_atoms: int
    lots: Mapping[int, int]

    def collateral_atoms_e9(self, terms: Terms) -> int:
        """Sum Cp in 1e-9 atoms, exact (SP-02)."""
        return sum(
            spin.collateral_atoms_e9(lots, *terms.markets[market][:_COLLATERAL]) for market, lots in self.lots.items()
        )

    def is_below_target(self, terms: Terms) -> bool:
        """Mr < 0.7 (SP-05)."""
        return not spin.reaches(self.equity_atoms, self.collateral_atoms_e9(terms), spin.TARGET_TENTHS)

    def severity(self, terms: Terms) -> Fraction | None:
        """Mr as a sort key, exact; None where nothing needs collateral."""
        collateral = self.collateral_atoms_e9(terms)
        return Fraction(self.equity_atoms * E9, collateral) if collateral else None


def standing_of_view(view: batches_pb2.AccountView) -> Standing:
    """The standing an account's own view shows."""
    lots = {position.market: position.lots for position in view.ratio.positions if position.lots}
    return Standing(view.account, view.ratio.equity_atoms, lots)


def standings_of_rows(rows: Iterable[tuple[int, ...]], terms: Terms) -> list[Standing]:
    """The standings of rows of `StandingRows`, by account. A gain at a mark that is not usable counts as zero."""
    cash: dict[int, int] = {}
    positions: dict[int, dict[int, tuple[int, int, int]]] = {}
    for _, account, market, _, lots, cost_atoms, basis in rows:
        if market == CASH_MARKET:
            cash[account] = cost_atoms
        elif lots:
            positions.setdefault(account, {})[market] = (lots, cost_atoms, basis)
    return [
        Standing(
            account,
            cash.get(account, 0) + sum(_worth_atoms(market, *row, terms) for market, row in held.items()),
            {market: lots for market, (lots, _, _) in held.items()},
        )
        for account, held in sorted(positions.items())
    ]


def _worth_atoms(market: int, lots: int, cost_atoms: int, paid_index_e9: int, terms: Terms) -> int:
    """What a position adds to equity: uPnL less accrued funding, the latter rounded up (SP-02, SP-11)."""
    mark_ticks, k, _, index_e9, usable, _ = terms.markets[market]
    upnl = spin.upnl_atoms(lots, cost_atoms, mark_ticks, k)
    if not usable:
        upnl = min(upnl, 0)
    return upnl - spin.accrued_ceil_atoms(lots, paid_index_e9, index_e9, k)


def quotes(standing: Standing, terms: Terms, market: int = 0) -> list[liquidation_pb2.LiquidationQuote]:
    """A quote for every market the account has a position in, or for the one asked about."""
    wanted = [market] if market else sorted(standing.lots)
    collateral = standing.collateral_atoms_e9(terms)
    return [_quote(standing, terms, one, collateral) for one in wanted]


def may_be_liquidated(found: Sequence[liquidation_pb2.LiquidationQuote]) -> bool:
    """Whether anything of the account may be taken over now."""
    return any(quote.liquidatable_lots for quote in found)


def _quote(standing: Standing, terms: Terms, market: int, collateral_e9: int) -> liquidation_pb2.LiquidationQuote:
    rules, limits = terms.rules, terms.limits[market]
    mark_ticks, k, ratio_e9, *_ = terms.markets[market]
    lots, equity = standing.lots.get(market, 0), standing.equity_atoms
    penalty_e9 = rules.liquidator_reward_e9 + rules.insurance_share_e9
    calculation = (lots, mark_ticks, k, ratio_e9, penalty_e9, limits.step_lots)
    refused = _why_not(standing, terms, market, collateral_e9)
    liquidatable = 0 if refused else spin.closable_lots(equity, collateral_e9, *calculation)
    value = spin.notional_atoms(liquidatable, mark_ticks, k)
    penalty = spin.penalty_atoms(value, rules.liquidator_reward_e9, rules.insurance_share_e9)
    return liquidation_pb2.LiquidationQuote(
        market=market,
        lots=lots,
        mark_ticks=mark_ticks,
        equity_atoms=equity,
        required_atoms=div_ceil(collateral_e9, E9),
        ratio_e9=clamped(div_floor(equity * E9 * E9, collateral_e9)) if collateral_e9 else INT64_MAX,
        tier=spin.tier_of(equity, collateral_e9),
        liquidatable_lots=liquidatable,
        value_atoms=value,
        reward_atoms=penalty.reward_atoms,
        # SP-09: of its own share the fund gets what the account can pay after the reward.
        insurance_atoms=spin.payments_of(equity, penalty).fund_paid_atoms,
        refusal=refused.refusal if refused else refusals_pb2.REFUSAL_UNSPECIFIED,
        required=refused.required if refused else 0,
        actual=refused.actual if refused else 0,
        step_lots=limits.step_lots,
    )


def _why_not(standing: Standing, terms: Terms, market: int, collateral_e9: int) -> Refused | None:
    """What the owner's shard would refuse, in its order (SP-05, SP-07)."""
    if halted := terms.markets[market].refused:
        return halted
    if spin.reaches(standing.equity_atoms, collateral_e9, spin.TARGET_TENTHS) or not standing.lots.get(market):
        needed = div_ceil(spin.TARGET_TENTHS * collateral_e9, spin.TENTHS * E9)
        return Refused(refusals_pb2.REFUSAL_NOT_LIQUIDATABLE, needed, standing.equity_atoms)
    return None
