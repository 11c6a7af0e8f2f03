"""Signals to processes under test. One is sent at once, and whoever gets it may do something more before it stops."""

import os
import signal

from cluster.transport.processes import look
from tests.waiting import wait


def strike(pid: int, how: signal.Signals) -> None:
    """Sends it; after SIGSTOP the process stands still, or is gone. Raises ProcessLookupError where it was before."""
    os.kill(pid, how)
    if how == signal.SIGSTOP:
        wait(lambda: look(pid) is None, lambda: f"process {pid} does not stop")
