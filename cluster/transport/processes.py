"""Processes of a machine: whether one gets anywhere, and its end. Runs where the process is, here or as a Ray task."""

import contextlib
import os
import signal
from pathlib import Path
from typing import NamedTuple

# A process that waits for its next call uses about 1% of a processor, one that works all it gets.
WORKING_SHARE = 0.03
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_STOPPED, _RUNNING = "tTZX", "R"


class Look(NamedTuple):
    """A process at a moment: processor seconds it has used, and whether it runs or would if a processor were free."""

    cpu_s: float
    is_running: bool


def look(pid: int) -> Look | None:
    """None where the process is stopped, dead or gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if words[0] in _STOPPED:
        return None
    return Look((int(words[11]) + int(words[12])) / _TICKS_A_SECOND, words[0] == _RUNNING)


def is_working(before: Look | None, after: Look | None, between_s: float) -> bool:
    """Whether a process that owes an answer is busy with it, or waits for a processor; a single look tells little."""
    if after is None:
        return False
    return before is None or after.is_running or after.cpu_s - before.cpu_s >= WORKING_SHARE * between_s


def end(pid: int) -> None:
    """Ends the process at once, a stopped one too."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
