"""What the command line may import: quick to start, and the client commands need neither Ray nor Numba."""

import os
import subprocess
import sys

import pytest

HEAVY = ("ray", "zmq", "numba", "matplotlib", "structlog", "prometheus_client", "psutil", "pyarrow")
CHECK = """
import sys
sys.modules.update(dict.fromkeys({blocked!r}))
from typer.testing import CliRunner
from node.cli.main import app
result = CliRunner().invoke(app, {arguments!r})
print(result.exit_code, result.stderr.strip() or result.stdout.strip().splitlines()[0])
print([name for name in {watched!r} if name in sys.modules and sys.modules[name] is not None])
"""


def _run(arguments: list[str], blocked: tuple[str, ...], watched: tuple[str, ...]) -> list[str]:
    code = CHECK.format(blocked=blocked, arguments=arguments, watched=watched)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "BREAKWATER_TIMEOUT_S": "0.3"},
    )
    return done.stdout.splitlines()


def test_help_imports_nothing_heavy() -> None:
    said, heavy = _run(["--help"], (), (*HEAVY, "numpy", "grpc", "cluster"))
    assert said.startswith("0 Usage: breakwater")
    assert heavy == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["pool"],
        ["positions", "--account", "1"],
        ["deposit", "5"],
        ["open", "long", "--margin", "5", "--leverage", "2", "--account", "1"],
        ["close", "7", "--account", "1"],
        ["order", "buy", "1", "--account", "1"],
        ["amend", "7", "--size", "1", "--account", "1"],
        ["cancel", "--account", "1"],
        ["leverage", "5", "--account", "1"],
        ["estimate", "sell", "1", "--account", "1"],
        ["book"],
        ["trades"],
        ["margin", "--account", "1"],
        ["vault"],
        ["statement", "--account", "1", "--format", "parquet", "--out", "rows.parquet"],
        ["liquidations"],
        ["watch", "marks"],
        ["publish"],
        ["receipt"],
    ],
)
def test_client_commands_reach_for_the_node_without_the_extra(arguments: list[str]) -> None:
    away = ["--address", "127.0.0.1:1", "--api-key", "none"]
    said, heavy = _run([*arguments, *away], HEAVY, ("cluster",))
    assert said.startswith("3 breakwater: no node answers")
    assert heavy == "[]"


def test_verify_needs_no_extra() -> None:
    said, _ = _run(["verify", "nowhere.json", "--key", "00" * 32], HEAVY, ())
    assert said.startswith("1 nowhere.json is REFUSED: nowhere.json cannot be read")
