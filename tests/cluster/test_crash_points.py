"""A process dies at the point it was told to and nowhere else; without the variable nowhere at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.crash_points import VARIABLE

# Passes three points and one payload, printing what it has survived.
WALK = """
from cluster import crash_points
for point in ("node:sealed", "actor:shard/0:before:SETTLE+MARK", "node:sealed"):
    crash_points.reached(point)
    print(point, flush=True)
crash_points.handed(bytes.fromhex("00c0ffee00"))
print("payload", flush=True)
"""


def walk(wanted: str) -> tuple[int, list[str]]:
    """(exit code, lines printed) of a process that passes the points."""
    settings = {**os.environ, VARIABLE: wanted}
    done = subprocess.run([sys.executable, "-c", WALK], env=settings, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("wanted", "survived"),
    [
        ("", 4),
        ("node:seal", 4),
        ("node:sealed", 0),
        ("node:sealed#1", 0),
        ("node:sealed#2", 2),
        ("node:sealed#3", 4),
        ("actor:shard/0:before", 1),
        ("actor:shard/0:before:SETTLE+MARK", 1),
        ("actor:shard/0:before:SETTLE", 4),
        ("actor:shard/*:before:*MARK*", 1),
        ("actor:pool/*", 4),
        ("payload:c0ffee", 3),
        ("payload:c0ffef", 4),
    ],
)
def test_a_process_dies_where_it_was_told_to(wanted: str, survived: int) -> None:
    code, lines = walk(wanted)
    assert (code, len(lines)) == (0 if survived == 4 else -signal.SIGKILL, survived)


def test_a_point_in_a_file_is_met_once_by_whoever_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "point"
    assert walk(f"@{file}")[0] == 0
    file.write_text("node:sealed#2\n")
    assert walk(f"@{file}") == (-signal.SIGKILL, ["node:sealed", "actor:shard/0:before:SETTLE+MARK"])
    assert not file.exists() and file.with_suffix(".met").exists()
    assert walk(f"@{file}")[0] == 0


def test_a_poisonous_payload_in_a_file_kills_every_time(tmp_path: Path) -> None:
    file = tmp_path / "point"
    file.write_text("payload:c0ffee")
    assert walk(f"@{file}")[0] == walk(f"@{file}")[0] == -signal.SIGKILL
