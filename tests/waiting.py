"""How a test of something live waits: for what happens, however slow the machine is, and never for a time."""

import time
from collections.abc import Callable

PATIENCE_S = 60.0
_LOOK_S = 0.02


def wait(is_so: Callable[[], object], say: Callable[[], object] = lambda: "it did not come to that") -> None:
    """Until it is so, a minute at most; `say` tells what there is instead."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s, say()
        time.sleep(_LOOK_S)
