"""Short versions of the campaign on real processes (tests/faults/__main__.py has the whole of it)."""

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.faults import __main__ as faults
from tests.faults.verdict import SHORT, Amount, Report

# A dead head of Ray is left to the campaign; stores and kills have tests of their own.
IN_ONE_PROCESS = ("node-kills", "gateway-kills", "zombies", "postgresql-kills", "full-disk", "damage", "partitions")


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [*IN_ONE_PROCESS, pytest.param("two-raylets", marks=[pytest.mark.ray, pytest.mark.soak])]
)
def test_nothing_acknowledged_is_lost_or_doubled(part: str, tmp_path: Path) -> None:
    (report,) = faults.PARTS[part].run(tmp_path, SHORT)
    print("\n".join(report.lines()))
    assert report.violations == []
    if not report.rows:
        pytest.skip("; ".join(report.notes))


def broken(folder: Path, amount: Amount) -> list[Report]:
    report = Report("a part", ("times", "seconds"))
    report.row(amount.of(2, 40), 0.5)
    report.blame("somewhere", ["something was lost"])
    return [report]


def test_a_violation_is_shown_and_ends_the_campaign_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    monkeypatch.setitem(faults.PARTS, "broken", SimpleNamespace(TITLE="a part", run=broken))
    assert faults.main(["--only", "broken", "--share", "0.25"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:4] == ["a part", "  times  seconds", "  10     0.50", "  VIOLATION somewhere: something was lost"]
    assert said[-1] == "violations: 1"


def test_a_part_that_breaks_off_is_a_violation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)
    monkeypatch.setitem(faults.PARTS, "gone", SimpleNamespace(TITLE="gone", run=lambda folder, amount: 1 / 0))
    assert faults.main(["--only", "gone"]) == 1
    assert "gone: broke off" in capsys.readouterr().out
