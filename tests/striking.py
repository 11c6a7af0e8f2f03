"""Signals to processes under test. One is sent at once, and whoever gets it may do something more before it stops."""

import os
import signal
import time

from cluster.transport.processes import look

_PATIENCE_S = 60.0


def strike(pid: int, how: signal.Signals) -> None:
    """Sends it; after SIGSTOP the process stands still, or is gone. Raises ProcessLookupError where it was before."""
    os.kill(pid, how)
    deadline = time.monotonic() + _PATIENCE_S
    while how == signal.SIGSTOP and look(pid) is not None:
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(0.01)
