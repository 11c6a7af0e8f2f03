"""Processes of a machine: whether one gets anywhere, and its end. Runs where the process is, here or as a Ray task."""

import contextlib
import os
import signal
from pathlib import Path

# A process that waits for its next call uses about 1% of a processor, one that works all it gets.
WORKING_SHARE = 0.03
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_STOPPED = "TtZX"


def cpu_s(pid: int) -> float | None:
    """Processor seconds the process has used; None where it is stopped, dead or gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in _STOPPED else (int(words[11]) + int(words[12])) / _TICKS_A_SECOND


def is_working(before_s: float | None, after_s: float | None, between_s: float) -> bool:
    """Whether a process that owes an answer is busy with it: it used processor time between two looks."""
    if after_s is None:
        return False
    return before_s is None or after_s - before_s >= WORKING_SHARE * between_s


def end(pid: int) -> None:
    """Ends the process at once, a stopped one too."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
