"""Small venues and blocks made by hand, for minds to decide on."""

from collections.abc import Iterable
from typing import NamedTuple

from breakwater.v1 import (
    answers_pb2,
    batches_pb2,
    common_pb2,
    events_pb2,
    liquidation_pb2,
    parameters_pb2,
    refusals_pb2,
)

SPIN_VENUE, PERENNIAL_VENUE = 3, 4
E9 = 10**9
MAKER, LONG, SHORT = (
    events_pb2.POSITION_KIND_MAKER,
    events_pb2.POSITION_KIND_LONG,
    events_pb2.POSITION_KIND_SHORT,
)
DESK = -1
FRESH, HALTED = common_pb2.MARK_STATE_FRESH, common_pb2.MARK_STATE_HALTED


class Row(NamedTuple):
    """A standing row; market 0 is cash, kind -1 the version desk's."""

    account: int
    market: int
    kind: int
    lots: int
    cost: int
    basis: int = 0


def cash(account: int, atoms: int) -> Row:
    """What an account of a Spin venue has."""
    return Row(account, 0, 0, 0, atoms)


def position(account: int, lots: int, cost: int, market: int = 1, basis: int = 0) -> Row:
    """A Spin position."""
    return Row(account, market, 0, lots, cost, basis)


def block(
    height: int,
    rows: Iterable[Row] = (),
    marks: Iterable[common_pb2.Mark] = (),
    versions: Iterable[batches_pb2.VersionRecord] = (),
    venue: int = SPIN_VENUE,
) -> liquidation_pb2.StreamStandingsResponse:
    """One block of the feed, a second after the one before."""
    told = list(rows)
    columns = batches_pb2.StandingRows(
        venue=[venue for _ in told],
        account=[row.account for row in told],
        market=[row.market for row in told],
        kind=[row.kind for row in told],
        lots=[row.lots for row in told],
        cost_atoms=[row.cost for row in told],
        basis=[row.basis for row in told],
    )
    return liquidation_pb2.StreamStandingsResponse(
        height=height, block_time_ms=height * 1_000, rows=columns, marks=list(marks), versions=list(versions)
    )


def mark(ticks: int, market: int = 1, state: int = FRESH, index_e9: int = 0) -> common_pb2.Mark:
    """A mark of a Spin market."""
    return common_pb2.Mark(venue=SPIN_VENUE, market=market, mark_ticks=ticks, state=state, funding_index_e9=index_e9)


def spin_venue() -> parameters_pb2.VenueParameters:
    """1.5% and 1% (SP-08)."""
    rules = parameters_pb2.SpinParameters(liquidator_reward_e9=15_000_000, insurance_share_e9=10_000_000)
    return parameters_pb2.VenueParameters(venue=SPIN_VENUE, rulebook=common_pb2.RULEBOOK_SPIN, spin=rules)


def spin_market(market: int = 1, **changes: int) -> parameters_pb2.MarketParameters:
    """10% collateral, one atom a tick and lot, steps of 10 lots."""
    rules = {
        "lot_size_e9": 1_000_000,
        "quote_atoms_per_tick_lot": 1,
        "collateral_ratio_e9": E9 // 10,
        "step_lots": 10,
        "max_order_lots": 1 << 40,
        "max_position_lots": 1 << 40,
        **changes,
    }
    return parameters_pb2.MarketParameters(
        venue=SPIN_VENUE, market=market, tick_size_e9=E9, spin=parameters_pb2.SpinMarket(**rules)
    )


def perennial_venue() -> parameters_pb2.VenueParameters:
    """Terms that bind no keeper."""
    return parameters_pb2.VenueParameters(
        venue=PERENNIAL_VENUE,
        rulebook=common_pb2.RULEBOOK_PERENNIAL,
        perennial=parameters_pb2.PerennialParameters(),
    )


def perennial_market(market: int = 1, **changes: int) -> parameters_pb2.MarketParameters:
    """20% maintenance, 10% of it for the liquidator, versions of ten seconds, no fees."""
    rules = {
        "maintenance_ppm": 200_000,
        "min_maintenance_atoms": 1_000,
        "liquidation_fee_ppm": 100_000,
        "min_liquidation_fee_atoms": 1_000,
        "max_liquidation_fee_atoms": 10**9,
        "version_ms": 10_000,
        "grace_ms": 5_000,
        "stale_after_ms": 60_000,
        **changes,
    }
    return parameters_pb2.MarketParameters(
        venue=PERENNIAL_VENUE, market=market, tick_size_e9=1_000, perennial=parameters_pb2.PerennialMarket(**rules)
    )


def version(
    price_ticks: int, version_ms: int = 10_000, market: int = 1, values: tuple[int, int, int] = (0, 0, 0)
) -> batches_pb2.VersionRecord:
    """A valid version; values of maker, long and short."""
    maker, long, short = values
    return batches_pb2.VersionRecord(
        venue=PERENNIAL_VENUE,
        market=market,
        version_ms=version_ms,
        price_ticks=price_ticks,
        maker_value_e6=maker,
        long_value_e6=long,
        short_value_e6=short,
    )


def taken_over(height: int, lots: int) -> answers_pb2.CommandOutcome:
    """A Spin liquidation that was done."""
    return answers_pb2.CommandOutcome(height=height, status=common_pb2.OUTCOME_STATUS_LIQUIDATED, filled_lots=lots)


def refused(
    refusal: refusals_pb2.Refusal, required: int = 0, actual: int = 0, height: int = 0
) -> answers_pb2.CommandOutcome:
    """A refusal; over gRPC its height is not told."""
    return answers_pb2.CommandOutcome(
        height=height,
        status=common_pb2.OUTCOME_STATUS_REFUSED,
        refusal=refusal,
        required=required,
        actual=actual,
    )
