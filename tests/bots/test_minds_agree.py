"""Minds on random tables decide as somebody who asks the rules about every account, in rationals, step by step."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.v1 import common_pb2
from node.bots.intents import Intent, Liquidate
from node.bots.spin_mind import SpinMind, SpinSettings
from node.bots.spin_watch import SpinWatch
from tests.bots.worlds import E9, FRESH, HALTED, Row, block, cash, mark, position, spin_market, spin_venue, taken_over

BOT = 1
STEP, RATE, REWARD, SHARE = 10, Fraction(1, 10), Fraction(15, 1000), Fraction(10, 1000)
MARKETS = (1, 7)
TARGET = Fraction(7, 10)


class Account:
    """An account in rationals: what SP-02 says, without a thought of speed."""

    def __init__(self, atoms: int, positions: dict[int, tuple[int, int, int]]) -> None:
        self.cash = Fraction(atoms)
        # Market -> lots, cost, basis of funding in 1e-9 ticks.
        self.positions = positions

    def equity(self, marks: dict[int, common_pb2.Mark]) -> Fraction:
        total = self.cash
        for market, (lots, cost, basis) in self.positions.items():
            gain = lots * marks[market].mark_ticks - cost
            if marks[market].state != FRESH:
                gain = min(gain, 0)
            total += gain - ceil(Fraction(lots * (marks[market].funding_index_e9 - basis), E9))
        return total

    def collateral(self, marks: dict[int, common_pb2.Mark]) -> Fraction:
        return sum(
            (RATE * abs(lots) * marks[market].mark_ticks for market, (lots, *_) in self.positions.items()), Fraction(0)
        )


def ceil(number: Fraction) -> int:
    """Upwards, as a payer pays."""
    return -(-number.numerator // number.denominator)


def closable(equity: Fraction, collateral: Fraction, lots: int, ticks: int) -> int:
    """The fewest whole steps after which Mr is 0.7 again, by trying; all lots where none does, or below 0.3 (SP-06)."""
    size = abs(lots)
    if equity >= TARGET * collateral:
        return 0
    if equity < Fraction(3, 10) * collateral:
        return size
    for tried in range(STEP, size, STEP):
        penalty = ceil(tried * ticks * (REWARD + SHARE))
        if equity - penalty >= TARGET * (collateral - RATE * tried * ticks):
            return tried
    return size


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[int, Account], dict[int, common_pb2.Mark]]:
    """Accounts around the bounds of the tiers, some at a mark that may not be acted on."""
    marks = {
        market: mark(
            draw(st.integers(50, 2_000)),
            market,
            draw(st.sampled_from([FRESH, FRESH, FRESH, HALTED])),
            draw(st.integers(-3 * E9, 3 * E9)),
        )
        for market in MARKETS
    }
    accounts: dict[int, Account] = {}
    for number in range(1, draw(st.integers(2, 6)) + 1):
        positions = {}
        for market in MARKETS:
            lots = draw(st.one_of(st.just(0), st.integers(-300, 300)))
            if lots:
                ticks = marks[market].mark_ticks
                cost = lots * ticks + draw(st.integers(-abs(lots) * ticks // 10, abs(lots) * ticks // 10))
                positions[market] = (lots, cost, draw(st.integers(-3 * E9, 3 * E9)))
        account = Account(0, positions)
        needed = account.collateral(marks)
        ratio = draw(st.sampled_from([Fraction(0), Fraction(3, 10), TARGET, Fraction(1), Fraction(3)]))
        account.cash = Fraction(int(ratio * needed - account.equity(marks)) + draw(st.integers(-2, 2)))
        accounts[number] = account
    return accounts, marks


def rows_of(accounts: dict[int, Account]) -> list[Row]:
    """As the feed tells them."""
    rows = []
    for number, account in accounts.items():
        rows.append(cash(number, int(account.cash)))
        rows += [position(number, *row[:2], market=market, basis=row[2]) for market, row in account.positions.items()]
    return rows


def below(accounts: dict[int, Account], marks: dict[int, common_pb2.Mark]) -> dict[int, Fraction]:
    """Account -> Mr, of all that may be liquidated (SP-05)."""
    ratios = {}
    for number, account in accounts.items():
        equity, collateral = account.equity(marks), account.collateral(marks)
        if collateral and equity < TARGET * collateral:
            ratios[number] = equity / collateral
    return ratios


def new_watch() -> SpinWatch:
    """Both markets."""
    return SpinWatch(spin_venue(), [spin_market(market) for market in MARKETS])


@settings(max_examples=150)
@given(worlds())
def test_the_columns_leave_out_nobody_and_the_rule_keeps_only_who_is_below(
    world: tuple[dict[int, Account], dict[int, common_pb2.Mark]],
) -> None:
    accounts, marks = world
    watch = new_watch()
    watch.begin(block(1, rows_of(accounts), marks.values()))
    expected = below(accounts, marks)
    assert set(watch.below) == set(expected)
    assert set(watch.candidates().tolist()) >= set(expected)
    assert watch.below == {number: ratio * E9 // 1 for number, ratio in expected.items()}


@settings(max_examples=60)
@given(st.lists(worlds(), min_size=1, max_size=4), st.booleans())
def test_changes_lead_where_a_new_listing_would(
    story: list[tuple[dict[int, Account], dict[int, common_pb2.Mark]]], marks_stay: bool
) -> None:
    watch = new_watch()
    everybody: dict[int, Account] = {}
    marks = story[0][1]
    for height, (accounts, moved) in enumerate(story, 1):
        marks = marks if marks_stay else moved
        gone = [
            position(number, 0, 0, market=market)
            for number, account in accounts.items()
            for market in everybody.get(number, account).positions
        ]
        everybody.update(accounts)
        watch.take(block(height, [*gone, *rows_of(accounts)], marks.values()))
        assert set(watch.below) == set(below(everybody, marks))


@settings(max_examples=150)
@given(worlds(), st.sampled_from([E9, 5 * E9 // 4, 2 * E9]))
def test_takeovers_are_those_of_somebody_who_tries_every_step(
    world: tuple[dict[int, Account], dict[int, common_pb2.Mark]], least_ratio_e9: int
) -> None:
    accounts, marks = world
    watch = new_watch()
    watch.begin(block(1, rows_of(accounts), marks.values()))
    mind = SpinMind(BOT, watch, SpinSettings(least_ratio_e9=least_ratio_e9, unwind=False))
    found = [(one.target, one.market, one.lots) for one in mind.decide() if isinstance(one, Liquidate)]
    assert found == tried(accounts, marks, Fraction(least_ratio_e9, E9))


def tried(
    accounts: dict[int, Account], marks: dict[int, common_pb2.Mark], least: Fraction
) -> list[tuple[int, int, int]]:
    """The same decision: the worst account, its largest position, step after step while the liquidator may."""
    ratios = below(accounts, marks)
    own_equity, own_collateral = accounts[BOT].equity(marks), accounts[BOT].collateral(marks)
    found = []
    for number in sorted(set(ratios) - {BOT}, key=lambda one: (ratios[one] * E9 // 1, one)):
        account = accounts[number]
        equity, collateral = account.equity(marks), account.collateral(marks)
        by_size = sorted(
            account.positions, key=lambda one: (-abs(account.positions[one][0]) * marks[one].mark_ticks, one)
        )
        for market in by_size:
            ticks = marks[market].mark_ticks
            if marks[market].state != FRESH:
                continue
            most = closable(equity, collateral, account.positions[market][0], ticks)
            lots = 0
            while lots + STEP <= most and own_equity > least * (own_collateral + RATE * STEP * ticks):
                lots += STEP
                own_collateral += RATE * STEP * ticks
            if lots:
                penalty = ceil(lots * ticks * (REWARD + SHARE))
                equity -= min(max(equity, 0), penalty)
                collateral -= RATE * lots * ticks
                found.append((number, market, lots))
    return found


@settings(max_examples=60)
@given(worlds(), st.lists(st.integers(0, 2), max_size=8))
def test_nothing_is_asked_twice_and_the_liquidator_never_reaches_one(
    world: tuple[dict[int, Account], dict[int, common_pb2.Mark]], answers: list[int]
) -> None:
    """Whatever order answers come in, what is out together leaves Mr above 1 and concerns nobody twice."""
    accounts, marks = world
    watch = new_watch()
    watch.begin(block(1, rows_of(accounts), marks.values()))
    mind = SpinMind(BOT, watch, SpinSettings(least_ratio_e9=E9, unwind=False))
    equity, collateral = accounts[BOT].equity(marks), accounts[BOT].collateral(marks)
    out: list[Intent] = []
    done = 0
    for height, answer in enumerate([0, *answers], 2):
        out += mind.decide()
        held = sum(RATE * one.lots * marks[one.market].mark_ticks for one in out if isinstance(one, Liquidate))
        assert not out or equity > collateral + done + held
        concerns = [one.concerns for one in out]
        assert all(first != second for first, second in pairwise(sorted(concerns)))
        if out and answer:
            intent = out.pop(0)
            assert isinstance(intent, Liquidate)
            done += RATE * intent.lots * marks[intent.market].mark_ticks
            mind.answered(intent, taken_over(1_000, intent.lots))
        mind.take(block(height))
