"""Ratios that are kept, and what is said of a run that has others."""

from pathlib import Path

import orjson
import pytest

from node.bench import regression, run
from node.bench.regression import RatiosError, compare
from node.bench.table import Row
from tests.cli.running import breakwater, only_object

RATE = Row("orders", 500.0, "orders/s", None, "echo", 1_000.0)  # ratio 0.5
TIME = Row("block", 6.0, "ms", None, "calls", 3.0)  # ratio 2
BARE = Row("start", 5.0, "s")


def test_of_a_rate_a_smaller_ratio_is_worse() -> None:
    assert compare([RATE], {"orders": 0.6}).worse == []  # exactly a fifth
    (worse,) = compare([RATE], {"orders": 0.61}).worse
    assert (worse.before, worse.now) == (0.61, 0.5)
    assert worse.worse == pytest.approx(1.22)
    assert compare([RATE], {"orders": 0.1}).worse == []


def test_of_a_time_a_larger_ratio_is_worse() -> None:
    assert compare([TIME], {"block": 2.0 / 1.19}).worse == []
    (worse,) = compare([TIME], {"block": 1.0}).worse
    assert worse.worse == 2.0
    assert compare([TIME], {"block": 20.0}).worse == []


def test_the_worst_comes_first_and_rows_without_a_ratio_are_not_compared() -> None:
    verdict = compare([RATE, TIME, BARE], {"orders": 5.0, "block": 1.0, "start": 1.0, "gone": 1.0})
    assert [one.name for one in verdict.worse] == ["orders", "block"]
    assert verdict.missing == ["start", "gone"]
    assert verdict.new == []
    assert verdict.lines()[0] == "orders: ratio 5, now 0.5, 900% worse"
    assert compare([RATE], {}).new == ["orders"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "ratios.json"
    regression.write(path, [RATE, TIME, BARE], quick=False, whole=True)
    assert regression.read(path, quick=False) == {"orders": 0.5, "block": 2.0}
    assert regression.read(path, quick=True) == {}
    regression.write(path, [Row("other", 1.0, "ms", None, "peer", 3.0)], quick=False, whole=False)
    assert regression.read(path, quick=False) == {"orders": 0.5, "block": 2.0, "other": 0.3333}
    regression.write(path, [TIME], quick=True, whole=True)
    regression.write(path, [RATE], quick=False, whole=True)
    assert regression.read(path, quick=False) == {"orders": 0.5}
    assert regression.read(path, quick=True) == {"block": 2.0}


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"whole": {}, "quick": {"a": 0}}', '{"whole": {"a": "b"}, "quick": {}}', "{"]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ratios.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RatiosError, match=r"ratios\.json"):
        regression.read(path, quick=True)


def test_the_file_of_the_repository_can_be_read() -> None:
    path = Path(__file__).resolve().parents[2] / "bench" / "ratios.json"
    assert {quick: regression.read(path, quick) for quick in (True, False)}


def test_the_command_checks_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PIECES", {"one": lambda folder, quick: iter([RATE, TIME])})
    path, scratch = tmp_path / "ratios.json", tmp_path / "runs"
    arguments = ("bench", "--quick", "--ratios", path, "--scratch", scratch)
    missing = breakwater(*arguments, "--check")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "`breakwater bench --write` makes it" in missing.stderr
    assert breakwater(*arguments, "--write").exit_code == 0
    assert breakwater(*arguments, "--check").exit_code == 0
    path.write_bytes(orjson.dumps({"whole": {}, "quick": {"orders": 1.0, "block": 2.0}}))
    worse = breakwater(*arguments, "--check", "--json")
    assert worse.exit_code == 1
    assert [row["name"] for row in only_object(worse)["rows"]] == ["orders", "block"]
    assert "orders: ratio 1, now 0.5, 100% worse" in worse.stderr
