"""`explain` on Spin and Perennial: the numbers that decided, what followed, what was refused and why."""

import re
from pathlib import Path
from typing import Any

import pytest

from breakwater.v1 import events_pb2 as events
from node.report import takeover_explanation, version_explanation
from node.report.amounts import count
from tests.building import parsed
from tests.cli.running import breakwater, only_object
from tests.cluster.bot_story import (
    FIRST_BOT,
    KEEPER,
    LONGER,
    LOSER,
    MAKER,
    PERENNIAL,
    SECOND_BOT,
    SPIN,
    VICTIM,
    bot_story,
)
from tests.cluster.journals import bot_journal


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bot_journal(tmp_path_factory.mktemp("bots"), snapshot_every=9)


def _at(moment: str | int) -> int:
    return moment if isinstance(moment, int) else bot_story().at[moment]


def page(directory: Path, venue: int, account: int, moment: str | int) -> str:
    where = ("--data", directory, "--venue", venue, "--account", account, "--height", _at(moment))
    result = breakwater("explain", *where)
    assert result.exit_code == 0, result.stderr
    return re.sub(r"\s+", " ", result.stdout)


def asked(directory: Path, venue: int, account: int, moment: str | int) -> dict[str, Any]:
    where = ("--data", directory, "--venue", venue, "--account", account, "--height", _at(moment), "--json")
    result = breakwater("explain", *where)
    assert result.exit_code == 0, result.stderr
    return only_object(result)


def told(moment: str, kind: str) -> Any:
    """The first body of a kind in a named block."""
    for event in parsed(bot_story().results[_at(moment) - 1]):
        if event.WhichOneof("body") == kind:
            return getattr(event, kind)
    raise AssertionError(f"no {kind} at {moment}")


def test_a_takeover_has_the_two_numbers_the_ratio_and_the_calculator(directory: Path) -> None:
    body: events.AccountLiquidated = told("raced for", "account_liquidated")
    found = page(directory, SPIN, VICTIM, "raced for")
    numbers = f"equity {count(body.equity_atoms)}, collateral of positions {count(body.collateral_atoms)} atoms"
    assert (
        f"liquidatable: {numbers}, Mr 0.676516 without orders, from 0.3 to below 0.7: in part (SP-04, SP-05)" in found
    )
    assert f"may be taken {body.liquidatable_lots}" in found
    assert f"part of its position was taken over (SP-08): liquidator {SECOND_BOT}, lots 517" in found
    assert "nobody took anything over" not in found


def test_orders_count_where_they_increase_and_do_not_decide(directory: Path) -> None:
    found = asked(directory, SPIN, VICTIM, "first part taken")
    ratio = found["scanned"]["ratio"]
    assert int(ratio["order_collateral_atoms"]) == 19_000_000
    assert int(ratio["ratio_e9"]) < int(ratio["ratio_without_orders_e9"]) == 672_251_308
    shown = page(directory, SPIN, VICTIM, "first part taken")
    assert "Mr 0.670916 with orders, 0.672251 without (SP-02, SP-05)" in shown
    assert "BEING_LIQUIDATED, required 0, actual 2 (SP-05)" in shown
    assert any("20 lots unfilled: BEING_LIQUIDATED" in line for line in found["refused"])


def test_a_liquidator_sees_what_it_set_aside_what_it_took_and_what_was_refused(directory: Path) -> None:
    found = page(directory, SPIN, FIRST_BOT, "first part taken")
    assert found.count("set aside for a position it may take over (SP-07): target") == 3
    assert f"took over (SP-07, SP-08): 100 lots of account {VICTIM} at 955,000, reward 14,325,000 atoms" in found
    assert "refused command 17: ABOVE_LIQUIDATABLE, required 517, actual 11,000 (SP-06)" in found
    assert "refused command 18: NOT_LIQUIDATABLE, required 13,370,000,000, actual 409,080,000,000 (SP-05)" in found


def test_below_a_third_the_whole_goes_and_nobody_may_carry_the_loss(directory: Path) -> None:
    found = page(directory, SPIN, LOSER, "taken whole")
    assert "Mr -0.300000 without orders, below 0.3: the whole of it" in found
    assert "a loss nobody could carry (SP-09): amount_atoms 2580000000" in found
    fund = page(directory, SPIN, FIRST_BOT, "taken whole")
    assert "the part of a reward that the account could not pay (SP-09)" in fund
    assert "owed by the fund 1,290,000,000" in fund


def test_who_was_left_alone_though_liquidatable_is_told_so(directory: Path) -> None:
    found = asked(directory, SPIN, VICTIM, bot_story().at["taken whole"] - 1)
    assert found["verdict"].endswith("nobody took anything over in this block (SP-07)")
    assert found["ladder"] == []


@pytest.mark.parametrize(("moment", "says"), [(5, "it had no position (SP-05)"), (12, "at least 0.7 (SP-05)")])
def test_a_healthy_account_of_spin(directory: Path, moment: int, says: str) -> None:
    verdict = asked(directory, SPIN, VICTIM, moment)["verdict"]
    assert verdict.startswith("not liquidatable: ") and says in verdict


def test_a_withdrawal_beyond_the_ratio_is_refused_by_its_rule(directory: Path) -> None:
    (line,) = asked(directory, SPIN, VICTIM, 11)["refused"]
    assert line.endswith("MARGIN_RATIO, required 10,019,000,000, actual 5,920,000,000 (SP-04)")


def test_a_lock_has_the_numbers_it_was_decided_on(directory: Path) -> None:
    body: events.PositionLocked = told("locked", "position_locked")
    found = page(directory, PERENNIAL, LONGER, "locked")
    numbers = f"{count(body.collateral_atoms)} atoms after all fees, {count(body.requirement_atoms)} required"
    assert f"BTC-PERP liquidatable: {numbers} (PE-02); a liquidation began" in found
    assert "nobody closed it" not in found
    keeper = page(directory, PERENNIAL, KEEPER, "locked")
    assert f"liquidated another (PE-07, PE-09): account {LONGER}, 5,000,000 lots at version" in keeper
    assert "refused command 18: NOT_LIQUIDATABLE" in keeper and "(PE-02)" in keeper


def test_what_is_pending_and_what_locks_is_told_with_its_version(directory: Path) -> None:
    found = page(directory, PERENNIAL, LONGER, "repinned")
    assert "BTC-PERP locked until version 2025-10-09 09:10:16 UTC has settled" in found
    assert (
        "pending liquidation to maker 0, long 0, short 0 at version 2025-10-09 09:10:16 UTC: fee 204,435,000" in found
    )
    assert "the version was invalid: its close waits for the next (PE-06)" in found
    assert "BTC-PERP version was invalid (PE-06)" in found
    assert "COLLATERAL_LOCKED" in found and "(PE-08)" in found
    rows = asked(directory, PERENNIAL, LONGER, "repinned")
    before, after = (rows[name]["versioned"][0]["locked_version_ms"] for name in ("scanned", "after"))
    assert int(after) - int(before) == 6_000


def test_the_fees_a_close_would_cost_count_before_anybody_closes(directory: Path) -> None:
    """A block before the lock nobody has closed it; its numbers there are those of the lock less the reward."""
    body: events.PositionLocked = told("locked", "position_locked")
    found = asked(directory, PERENNIAL, LONGER, "locked")
    (row,) = found["scanned"]["versioned"]
    left = int(row["collateral_atoms"]) - body.fee_atoms - body.settlement_fee_atoms
    assert left == body.collateral_atoms
    alone = asked(directory, PERENNIAL, LONGER, bot_story().at["locked"] - 2)["verdict"]
    assert re.search(r"liquidatable: -[0-9,]+ atoms after all fees, 3,820,000,000 required", alone)
    assert alone.endswith("nobody closed it in this block (PE-07)")


def test_a_debt_and_its_repayment(directory: Path) -> None:
    settled = page(directory, PERENNIAL, LONGER, 21)
    assert "what it owes the market was recorded (PE-17): amount_atoms 14734541230" in settled
    assert "its order of a version settled (PE-05)" in settled
    assert "debt was repaid (PE-17): payer 5" in page(directory, PERENNIAL, LONGER, "repaid in part")


def test_a_first_order_is_told_before_there_is_a_row(directory: Path) -> None:
    found = asked(directory, PERENNIAL, LONGER, "orders pinned")
    assert found["verdict"].startswith("not liquidatable: it had no settled position (PE-02); new sizes pinned")
    (row,) = found["after"]["versioned"]
    assert [int(order["long_lots"]) for order in row["pending"]] == [5_000_000]


def test_a_healthy_maker(directory: Path) -> None:
    verdict = asked(directory, PERENNIAL, MAKER, "locked")["verdict"]
    assert re.fullmatch(
        r"BTC-PERP not liquidatable: [0-9,]+ atoms after all fees, 7,920,000,000 required \(PE-02\)", verdict
    )


def test_every_rule_named_is_one_of_the_rulebooks(shared_dir: Path) -> None:
    for name, told_by in (("spin", takeover_explanation), ("perennial", version_explanation)):
        rulebook = (shared_dir / "rulebooks" / f"{name}.md").read_text(encoding="utf-8")
        for rule in [*told_by.RULES.values(), *(rule for _, rule in told_by.STEPS.values())]:
            assert re.search(rf"\b{rule}\b", rulebook), rule
