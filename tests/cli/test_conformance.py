"""`conformance`: the last line for people, the report for programs, the exit code for both."""

from pathlib import Path

import orjson

from tests.cli.running import breakwater, only_object


def test_the_last_line_counts(shared_dir: Path) -> None:
    result = breakwater("conformance", shared_dir / "vectors/twilight/risk_limits.json")
    assert result.exit_code == 0
    passed = only_object(breakwater("conformance", shared_dir / "vectors/twilight/risk_limits.json", "--json"))[
        "passed"
    ]
    assert result.stdout.splitlines()[-1] == f"{passed} passed, 0 failed"
    assert passed > 0


def test_a_failure_ends_with_1(shared_dir: Path, tmp_path: Path) -> None:
    document = orjson.loads((shared_dir / "vectors/twilight/risk_limits.json").read_bytes())
    document["vectors"][0]["max_long"] += 1
    path = tmp_path / "limits.json"
    path.write_bytes(orjson.dumps(document))
    result = breakwater("conformance", path, "--json")
    assert result.exit_code == 1
    assert only_object(result)["failed"] == 1


def test_what_is_no_vector_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{", encoding="utf-8")
    result = breakwater("conformance", path, "--json")
    assert result.exit_code == 1
    assert only_object(result)["errors"]
