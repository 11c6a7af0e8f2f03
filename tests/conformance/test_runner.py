"""The conformance runner on files of its own: kinds told from content, outcomes counted, nothing swallowed."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from node.conformance import Report, run
from node.conformance.case import CaseResult, Checks, Outcome, not_applicable
from node.conformance.report import FileReport

FUNDING = {
    "vectors": [
        {
            "total_long_position_size": 700000000000.0,
            "total_short_position_size": 300000000000.0,
            "psi": 1,
            "rate_percent": 0.020000000000000004,
            "rate_exact": "1/50",
        },
        {
            "total_long_position_size": 0,
            "total_short_position_size": 10**12,
            "psi": 1,
            "rate_percent": -0.125,
            "rate_exact": "-1/8",
        },
    ]
}
TRIGGERS = {
    "vectors": [
        {
            "search": "lt",
            "price": 100.87,
            "levels": [99.82, 100.44543, 100.87, 99.19, 100.0],
            "triggered_in_order": [3, 0, 4, 1, 2],
        },
        {"search": "gt", "price": 100.51194, "levels": [100.69, 100.51194, 99.1], "triggered_in_order": [1, 0]},
    ]
}


def write(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def last_line(report: Report) -> str:
    return report.text().splitlines()[-1]


def test_kinds_are_told_from_content_and_folders_are_walked(tmp_path: Path) -> None:
    inner = tmp_path / "deep" / "er"
    inner.mkdir(parents=True)
    write(inner / "triggers_by_name.json", FUNDING)
    write(tmp_path / "funding_by_name.txt", TRIGGERS)
    write(tmp_path / "README.md", "# About these files\n\nWords.\n")
    report = run([tmp_path])
    assert [file.kind for file in report.files] == [
        "text, for reading",
        "twilight funding rate",
        "twilight trigger sets",
    ]
    assert report.ok
    assert last_line(report) == "4 passed, 0 failed"


def test_a_single_file_may_be_named(tmp_path: Path) -> None:
    assert last_line(run([str(write(tmp_path / "a.json", TRIGGERS))])) == "2 passed, 0 failed"


@pytest.mark.parametrize(
    ("field", "wrong", "complaint"),
    [
        ("rate_percent", 0.0200001, "rate_percent: ours 0.02, file 0.0200001"),
        ("rate_exact", "1/40", "rate_exact: ours 0.02, file 0.025"),
        ("total_short_position_size", 3e11 + 1, "rate_percent: ours 0.0199999"),
    ],
)
def test_a_tampered_number_fails_and_is_shown(tmp_path: Path, field: str, wrong: Any, complaint: str) -> None:
    tampered = {"vectors": [{**FUNDING["vectors"][0], field: wrong}, FUNDING["vectors"][1]]}
    report = run([write(tmp_path / "a.json", tampered)])
    assert last_line(report) == "1 passed, 1 failed"
    assert not report.ok
    assert "a.json: rate 0" in report.text()
    assert complaint in report.text()


@pytest.mark.parametrize("wrong", [[], [0], [1, 0, 2], [0, 1]])
def test_a_tampered_order_fails(tmp_path: Path, wrong: list[int]) -> None:
    tampered = {"vectors": [{**TRIGGERS["vectors"][1], "triggered_in_order": wrong}]}
    assert last_line(run([write(tmp_path / "a.json", tampered)])) == "0 passed, 1 failed"


@pytest.mark.parametrize(
    ("field", "wrong", "complaint"),
    [
        ("psi", None, "a number was expected"),
        ("psi", 0, "must be positive"),
        ("psi", True, "a number was expected"),
        ("rate_exact", "one fiftieth", "not a rational"),
        ("rate_exact", "1/0", "not a rational"),
        ("rate_exact", 0.02, "text was expected"),
        ("total_long_position_size", "7e11", "a number was expected"),
    ],
)
def test_a_malformed_case_fails_and_names_the_field(tmp_path: Path, field: str, wrong: Any, complaint: str) -> None:
    report = run(
        [write(tmp_path / "a.json", {"vectors": [{**FUNDING["vectors"][0], field: wrong}, FUNDING["vectors"][1]]})]
    )
    assert last_line(report) == "1 passed, 1 failed"
    assert f"case.{field}: {complaint}" in report.text()


def test_a_missing_field_fails_the_case(tmp_path: Path) -> None:
    cut = {name: value for name, value in FUNDING["vectors"][0].items() if name != "rate_exact"}
    report = run([write(tmp_path / "a.json", {"vectors": [cut, FUNDING["vectors"][1]]})])
    assert last_line(report) == "1 passed, 1 failed"
    assert "case.rate_exact: missing" in report.text()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"vectors": [', "malformed JSON"),
        ('{"vectors": [NaN]}', "malformed JSON"),
        ("", "malformed JSON"),
        ("[" * 100_000, "malformed JSON"),
        ('{"vectors": []}', "unknown kind"),
        ('{"vectors": [{"price": 1}]}', "unknown kind"),
        ('{"vectors": "none"}', "unknown kind"),
        ("[]", "unknown kind"),
        ("7", "unknown kind"),
    ],
)
def test_a_file_that_cannot_be_run_is_an_error_naming_it(tmp_path: Path, content: str, complaint: str) -> None:
    good, bad = write(tmp_path / "good.json", TRIGGERS), write(tmp_path / "odd_one.json", content)
    report = run([bad, good])
    assert not report.ok
    assert len(report.errors) == 1
    assert "odd_one.json" in report.errors[0]
    assert complaint in report.errors[0]
    assert f"error: {report.errors[0]}" in report.text()
    assert last_line(report) == "2 passed, 0 failed"


def test_a_binary_or_missing_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\xff\xfe\x00")
    report = run([tmp_path / "picture", tmp_path / "absent.json"])
    assert [error.split(": ")[1] for error in report.errors] == ["cannot be read as text", "no such file or folder"]


def test_nothing_run_is_not_a_success(tmp_path: Path) -> None:
    assert not run([tmp_path]).ok


def test_relations_and_examples_are_no_vectors(tmp_path: Path) -> None:
    write(tmp_path / "a.json", {"opcodes": "0x03", "programs": {"Close": "a == b"}})
    write(tmp_path / "b.json", {"examples": [{"name": "PnL", "given": {"entry": 40000}}]})
    report = run([tmp_path])
    assert report.ok
    assert report.text().count("not vectors") == 2
    assert last_line(report) == "0 passed, 0 failed"


def test_outcomes_are_counted_as_documented() -> None:
    deviating = Checks("deviating")
    deviating.equal("same", 1, 1)
    deviating.deviates("TW-99", "payout", 1, 2)
    agreeing = Checks("agreeing")
    agreeing.deviates("TW-99", "payout", 2, 2)
    both = Checks("both")
    both.deviates("TW-99", "payout", 1, 2)
    both.equal("fee", 1, 2)
    results = (deviating.result(), agreeing.result(), both.result(), not_applicable("other", "portfolio margin"))
    assert [result.outcome for result in results] == [
        Outcome.DEVIATING,
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.NOT_APPLICABLE,
    ]
    report = Report((FileReport("a.json", kind="made up", results=results),))
    assert report.text().splitlines()[-3:] == [
        "deviating(TW-99): 1",
        "not applicable (portfolio margin): 1",
        "2 passed, 1 failed",
    ]
    assert "deviating(TW-99): a.json: deviating: payout: ours 1, file 2" in report.text()


def test_the_report_is_json(tmp_path: Path) -> None:
    tampered = {"vectors": [TRIGGERS["vectors"][0], {**TRIGGERS["vectors"][1], "triggered_in_order": []}]}
    document = json.loads(json.dumps(run([write(tmp_path / "a.json", tampered)]).to_dict()))
    assert (document["passed"], document["failed"], document["errors"]) == (1, 1, [])
    (case,) = document["files"][0]["cases"]
    assert (case["case"], case["outcome"]) == ("triggers 1", "failed")


@pytest.mark.parametrize(
    ("ours", "theirs", "agrees"), [("7/2", 3, True), ("7/2", 4, True), ("7/2", 5, False), ("351/100", 3, False)]
)
def test_a_tie_may_have_been_rounded_either_way(ours: str, theirs: int, agrees: bool) -> None:
    checks = Checks("tie")
    checks.rounded("payout", Fraction(ours), Fraction(theirs))
    assert (checks.result() == CaseResult("tie", Outcome.PASSED)) is agrees
