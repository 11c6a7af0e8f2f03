"""Keepers on random tables close whom somebody would close who reckons every position in rationals (PE-01, PE-02)."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.v1 import batches_pb2
from node.bots.intents import Liquidate
from node.bots.keeper_mind import KeeperMind
from node.bots.keeper_watch import KeeperWatch
from tests.bots.worlds import (
    DESK,
    LONG,
    MAKER,
    PERENNIAL_VENUE,
    SHORT,
    Row,
    block,
    perennial_market,
    perennial_venue,
    version,
)

UNIT = 10**6
MARKETS = (1, 9)
SETTLEMENT = 7
MAINTENANCE, LEAST = Fraction(1, 5), 1_000


@st.composite
def versions(draw: st.DrawFn) -> dict[int, batches_pb2.VersionRecord]:
    """One of each market, with values around what they were."""
    return {
        market: version(
            draw(st.integers(1, 5_000)) * UNIT // 10,
            draw(st.sampled_from([10_000, 20_000])),
            market,
            tuple(draw(st.integers(-50, 50)) * UNIT for _ in range(3)),
        )
        for market in MARKETS
    }


@st.composite
def rows(draw: st.DrawFn, records: dict[int, batches_pb2.VersionRecord]) -> list[Row]:
    """Positions at and around their requirement, some locked, some with pending fees."""
    found = []
    for account in range(2, draw(st.integers(3, 7))):
        for market in MARKETS:
            lots = draw(st.one_of(st.just(0), st.integers(1, 5 * UNIT)))
            kind, basis = draw(st.sampled_from([MAKER, LONG, SHORT])), draw(st.integers(-50, 50)) * UNIT
            fees = draw(st.sampled_from([0, 0, 1, 500]))
            position = Row(account, market, kind, lots, 0, basis)
            at_bound = required(position, records) - left(position, fees, records)
            cost = draw(st.sampled_from([0, at_bound, at_bound, 2 * at_bound])) + draw(st.integers(-2, 2))
            found += [
                position._replace(cost=cost),
                Row(account, market, DESK, 0, fees, draw(st.sampled_from([0, 0, 9]))),
            ]
    return found


def value(record: batches_pb2.VersionRecord, kind: int) -> int:
    """What one unit of a side has earned."""
    return {MAKER: record.maker_value_e6, LONG: record.long_value_e6, SHORT: record.short_value_e6}[kind]


def left(row: Row, fees: int, records: dict[int, batches_pb2.VersionRecord]) -> int:
    """Collateral at the record, less all fees, floored where the rules floor."""
    earned = Fraction(row.lots * (value(records[row.market], row.kind) - row.basis), UNIT)
    return row.cost + earned.numerator // earned.denominator - fees - SETTLEMENT


def required(row: Row, records: dict[int, batches_pb2.VersionRecord]) -> int:
    """max(size * price * maintenance, the least), each product cut; 0 without a position."""
    notional = row.lots * records[row.market].price_ticks // UNIT
    return max(int(notional * MAINTENANCE), LEAST) if row.lots else 0


def below(told: list[Row], records: dict[int, batches_pb2.VersionRecord]) -> set[tuple[int, int]]:
    """Account and market of all who may be closed now."""
    desk = {(row.account, row.market): row for row in told if row.kind == DESK}
    found = set()
    for row in told:
        at = desk[row.account, row.market]
        if row.kind == DESK or not row.lots or at.basis:
            continue
        if max(left(row, at.cost, records), 0) < required(row, records):
            found.add((row.account, row.market))
    return found


def new_mind() -> KeeperMind:
    """Both markets, each with a fixed fee for every order."""
    markets = [perennial_market(market, settlement_fee_atoms=SETTLEMENT) for market in MARKETS]
    return KeeperMind(1, KeeperWatch(perennial_venue(), markets))


@settings(max_examples=150)
@given(st.data())
def test_keepers_close_whom_the_rule_gives_up_and_nobody_else(data: st.DataObject) -> None:
    mind, told = new_mind(), {}
    for height in range(11, 11 + data.draw(st.integers(1, 4))):
        records = data.draw(versions())
        fresh = data.draw(rows(records))
        told.update({(row.account, row.market, row.kind == DESK): row for row in fresh})
        mind.take(block(height, fresh, versions=records.values(), venue=PERENNIAL_VENUE))
        expected = below(list(told.values()), records)
        assert set(mind.watch.below) == expected
        assert set(mind.watch.candidates().tolist()) >= {account for account, _ in expected}
    closes = [one.concerns for one in mind.decide() if isinstance(one, Liquidate)]
    assert set(closes) == expected
    assert len(closes) == len(expected)
    assert mind.decide() == []
