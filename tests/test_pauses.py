"""The pauses of `make hunt` meet a process and what it started, and leave both running."""

import random
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from tests import pauses

_WAITS = "import sys; sys.stdin.read()"
_WITH_A_CHILD = (
    "import subprocess, sys\n"
    f"print(subprocess.Popen([sys.executable, '-c', {_WAITS!r}]).pid, flush=True)\n"
    "sys.stdin.read()\n"
)


def test_every_process_of_a_tree_is_stopped_for_moments_until_its_root_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_S", 0.0)
    monkeypatch.setattr(pauses, "_RUNS_BETWEEN_S", (0.0, 0.001))
    met: list[int] = []
    with subprocess.Popen([sys.executable, "-c", _WITH_A_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as root:
        assert root.stdin is not None and root.stdout is not None
        child = int(root.stdout.readline())
        suspend = psutil.Process.suspend

        def told(process: psutil.Process) -> None:
            suspend(process)
            met.append(process.pid)
            if len(met) >= 20 and {root.pid, child} <= set(met):
                with suppress(BrokenPipeError):
                    root.stdin.close()

        monkeypatch.setattr(psutil.Process, "suspend", told)
        count = pauses.pause_now_and_then(psutil.Process(root.pid), random.Random(1), 0.001)
        assert root.wait(60) == 0
    assert count >= 20 and {root.pid, child} <= set(met)
