"""nautilus_trader's backtest engine, run once in its own environment."""

from __future__ import annotations

import subprocess
from typing import Final

import orjson

from node.bench.peers import nautilus_driver
from node.bench.peers.environments import NAUTILUS_TRADER, NoPeer

_PATIENCE_S: Final = 120.0


def operations_per_s(operations: int) -> float:
    """Operations of its mixed flow a second. Raises NoPeer where it is not installed or does not come to an end."""
    words = [str(NAUTILUS_TRADER.installed()), nautilus_driver.__file__, str(operations)]
    try:
        done = subprocess.run(words, check=False, capture_output=True, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise NoPeer(f"not run: not done within {_PATIENCE_S:.0f} s") from None
    if done.returncode:
        raise NoPeer(f"not run: {' '.join(done.stderr.decode(errors='replace').strip().splitlines()[-1:])}")
    facts: dict[str, int] = orjson.loads(done.stdout)
    assert facts["operations"] == operations, f"{facts['operations']} of {operations} operations were sent"
    return facts["operations"] / facts["ns"] * 1e9
