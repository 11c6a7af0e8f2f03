"""Whether a Perennial position may be liquidated and for what reward, by the scalar rulebook (PE-02, PE-09)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple, cast

from actors.risk.perennial_terms import Terms
from actors.rulebooks import perennial
from actors.rulebooks.perennial import NOTHING, Totals
from actors.rulebooks.perennial_orders import order_effect, position_fee_floor_atoms, settlement_fee_atoms
from actors.rulebooks.perennial_versions import Accumulators, settle_account
from actors.sinks import Refused
from breakwater.v1 import batches_pb2, events_pb2, liquidation_pb2, refusals_pb2

_KINDS = (events_pb2.POSITION_KIND_MAKER, events_pb2.POSITION_KIND_LONG, events_pb2.POSITION_KIND_SHORT)


class Standing(NamedTuple):
    """A settled position (lots unsigned) and its collateral at the latest version, floored, before pending fees."""

    account: int
    kind: int
    lots: int
    collateral_atoms: int

    @property
    def sizes(self) -> Totals:
        """The position as the rulebook reads it."""
        return Totals(*(self.lots if self.kind == kind else 0 for kind in _KINDS))


class Desk:
    """A market's desk as one reading shows it, its pending orders by account."""

    def __init__(self, view: batches_pb2.VersionView, terms: Terms, block_time_ms: int) -> None:
        """`view` must show what is pending of everybody who is asked about."""
        self.view = view
        self.terms = terms
        self.block_time_ms = block_time_ms
        self.totals = Totals(view.pending_maker_lots, view.pending_long_lots, view.pending_short_lots)
        self._pending: dict[int, list[batches_pb2.PendingPosition]] = {}
        for order in view.pending:
            self._pending.setdefault(order.account, []).append(order)

    def pending(self, account: int) -> list[batches_pb2.PendingPosition]:
        """The account's orders, by version."""
        return self._pending.get(account, [])

    def locked_version_ms(self, account: int) -> int:
        """The version that ends the account's lock, 0 where it is not locked (PE-08)."""
        return next((order.version_ms for order in self.pending(account) if order.is_liquidation), 0)

    def values(self) -> Accumulators:
        """What a unit of each side has earned at the latest version."""
        record = self.view.record
        return Accumulators(record.maker_value_e6, record.long_value_e6, record.short_value_e6)


def standings_of_rows(rows: Iterable[tuple[int, ...]], desks: Mapping[int, Desk]) -> dict[int, list[Standing]]:
    """Everybody with a position, by market and account, from rows of `StandingRows`."""
    found: dict[int, list[Standing]] = {market: [] for market in desks}
    for _, account, market, kind, lots, cost_atoms, basis in rows:
        if lots and market in desks:
            standing = Standing(account, kind, lots, cost_atoms)
            earned = settle_account(Accumulators(basis, basis, basis), desks[market].values(), standing.sizes)
            found[market].append(standing._replace(collateral_atoms=cost_atoms + earned.amount_atoms))
    return found


def quote(standing: Standing, desk: Desk) -> liquidation_pb2.LiquidationQuote:
    """What closing the position at the next version would take and pay, or why it may not be closed."""
    terms, price = desk.terms, desk.view.record.price_ticks
    closing_fees = _closing_fees_atoms(standing, desk)
    collateral = standing.collateral_atoms - _pending_fees_atoms(standing, desk)
    requirement = _requirement_atoms(standing, desk)
    fee = perennial.liquidation_fee_floor_atoms(
        requirement,
        terms.risk.liquidation_fee_ppm,
        terms.risk.min_liquidation_fee_atoms,
        terms.risk.max_liquidation_fee_atoms,
        terms.exact,
    )
    refused = _why_not(standing, desk, collateral - closing_fees, requirement)
    limit = perennial.reward_limit_atoms(fee, collateral, closing_fees, terms.exact)
    return liquidation_pb2.LiquidationQuote(
        market=desk.view.market,
        kind=cast(events_pb2.PositionKind, standing.kind),
        lots=standing.lots,
        mark_ticks=price,
        equity_atoms=collateral - closing_fees,
        required_atoms=requirement,
        liquidatable_lots=0 if refused else standing.lots,
        value_atoms=0 if refused else perennial.notional_floor_atoms(standing.lots, price),
        reward_atoms=0 if refused else max(0, min(limit, desk.view.sums.balance_atoms)),
        refusal=refused.refusal if refused else refusals_pb2.REFUSAL_UNSPECIFIED,
        required=refused.required if refused else 0,
        actual=refused.actual if refused else 0,
        next_version_ms=desk.view.next_version_ms,
        locked_version_ms=desk.locked_version_ms(standing.account),
    )


def severity(found: liquidation_pb2.LiquidationQuote) -> Fraction:
    """How far below its requirement a position is: the part of it that is covered, as a sort key."""
    return Fraction(found.equity_atoms, max(1, found.required_atoms))


def _requirement_atoms(standing: Standing, desk: Desk) -> int:
    """PE-01, of the settled position at the latest version's price."""
    risk = desk.terms.risk
    return perennial.requirement_floor_atoms(
        standing.lots, desk.view.record.price_ticks, risk.maintenance_ppm, risk.min_maintenance_atoms
    )


def _pending_fees_atoms(standing: Standing, desk: Desk) -> int:
    return sum(order.fee_atoms + order.settlement_fee_atoms for order in desk.pending(standing.account))


def _closing_fees_atoms(standing: Standing, desk: Desk) -> int:
    """What an order of zero size over settled and pending would cost now (PE-07, PE-14)."""
    orders, terms = desk.pending(standing.account), desk.terms
    last = standing.sizes
    if orders:
        last = Totals(orders[-1].maker_lots, orders[-1].long_lots, orders[-1].short_lots)
    effect = order_effect(desk.totals, last, NOTHING, terms.risk.virtual_taker_lots)
    fee = position_fee_floor_atoms(effect, desk.view.record.price_ticks, terms.risk, terms.market.closed)
    return fee + settlement_fee_atoms(effect, terms.market)


def _why_not(standing: Standing, desk: Desk, collateral_atoms: int, requirement_atoms: int) -> Refused | None:
    """What the desk would refuse, in its order (PE-02, PE-04, PE-08)."""
    if locked_ms := desk.locked_version_ms(standing.account):
        return Refused(refusals_pb2.REFUSAL_LIQUIDATION_PENDING, locked_ms, desk.block_time_ms)
    if not desk.view.valid_ms:
        return Refused(refusals_pb2.REFUSAL_NO_VERSION, 1, 0)
    age_ms = desk.view.next_version_ms - desk.view.valid_ms
    if age_ms >= desk.terms.risk.stale_after_ms:
        return Refused(refusals_pb2.REFUSAL_STALE_VERSION, desk.terms.risk.stale_after_ms, age_ms)
    if not perennial.is_liquidatable(collateral_atoms, requirement_atoms):
        return Refused(refusals_pb2.REFUSAL_NOT_LIQUIDATABLE, requirement_atoms, collateral_atoms)
    return None
