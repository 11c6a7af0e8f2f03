"""Folders of runs, named by the time they were begun."""

import time
from pathlib import Path

_MOST = 1_000


def new_dated_dir(base: Path, prefix: str = "") -> Path:
    """Create base/<prefix><UTC time> and answer it; a second one within the second gets a number behind the time."""
    stamp = time.strftime(f"{prefix}%Y%m%dT%H%M%SZ", time.gmtime())
    for number in range(1, _MOST):
        path = base / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{base / stamp} and {_MOST - 1} more exist already")
