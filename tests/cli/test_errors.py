"""Mistakes on the command line: one sentence on standard error, an exit code, never a traceback."""

from pathlib import Path

import pytest

from node.cli import checking
from node.cli.output import EXIT_AWAY, EXIT_FAULT, EXIT_USAGE
from tests.cli.running import breakwater, only_object

BAD_CSV = "open_time_ms,open,high,low,close\n60000,1,2,3,1\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["status", "--data", "nowhere"], EXIT_AWAY, "no node runs on nowhere"),
        (["pool", "--address", "127.0.0.1:1", "--data", "nowhere"], EXIT_USAGE, "nowhere has no keys of dev mode"),
        (["opne"], EXIT_USAGE, "No such command 'opne'"),
        (["open", "long"], EXIT_USAGE, "Missing option '--margin'"),
        (["open", "up", "--margin", "1", "--leverage", "2", "--account", "1"], EXIT_USAGE, "'up' is not one of"),
        (["replay", "--prices", "nowhere.csv"], EXIT_USAGE, "nowhere.csv: cannot be read"),
        (["replay", "--transport", "pigeon"], EXIT_USAGE, "transport is one of inline, ray, lane, not 'pigeon'"),
        (["replay", "--venue", "mars"], 1, "no venue is named 'mars'; there is twilight, margin-trade"),
        (
            ["replay", "--ticks-per-bar", "0"],
            EXIT_USAGE,
            "Input should be greater than or equal to 1",
        ),
        (["conformance", "nowhere"], EXIT_USAGE, "nowhere: no such file or folder"),
        (["audit", "nowhere"], EXIT_USAGE, "nowhere: no such directory"),
        (["verify", "nowhere.json", "--key", "12"], EXIT_USAGE, "--key is neither 64 hex digits nor a file"),
        (["receipt", "--index", "3"], EXIT_USAGE, "--index needs --height"),
        (["watch", "account"], EXIT_USAGE, "watch account needs --account"),
        (["pool", "--deposit", "5"], EXIT_USAGE, "the --account that moves"),
        (["keys", "new"], EXIT_USAGE, "an API key needs a NAME and at least one --role"),
        (["keys", "new", "me", "--role", "king"], EXIT_USAGE, "no role is named king; there are trader"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], code: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = breakwater(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("breakwater: ")
    assert sentence in only_object(breakwater(*arguments, "--json"))["error"]


def test_a_stream_as_one_object_needs_an_end() -> None:
    result = breakwater("watch", "marks", "--json")
    assert result.exit_code == EXIT_USAGE
    assert "needs --count or --seconds" in only_object(result)["error"]


def test_a_bad_price_file_is_named_with_its_line_and_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prices = tmp_path / "bad.csv"
    prices.write_text(BAD_CSV, encoding="utf-8")
    result = breakwater("replay", "--prices", prices, "--json")
    assert result.exit_code == EXIT_USAGE
    assert only_object(result) == {"error": f"{prices}: line 2: high 2 is below low 3"}
    assert not (tmp_path / "runs").exists()


def test_a_fault_of_ours_shows_no_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(text: str) -> bytes:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(checking, "_public_key", broken)
    result = breakwater("verify", tmp_path / "r.json", "--key", "0" * 64)
    assert result.exit_code == EXIT_FAULT
    assert result.stderr == "breakwater: internal fault, ZeroDivisionError: a b\n"


def test_help_lists_every_command() -> None:
    result = breakwater("--help")
    assert result.exit_code == 0
    for name in (
        *("up", "status", "replay", "conformance", "audit", "publish", "open", "close", "deposit", "positions"),
        *("pool", "watch", "receipt", "verify", "keys", "warm"),
    ):
        assert f"  {name} " in result.stdout
