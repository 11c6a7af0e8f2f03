"""The campaign of faults on real processes: `python -m tests.faults`, `make faults`.

Prints a table for each part and ends with 1 where anything was lost, doubled, out of order or otherwise violated.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from tests.faults.campaign import (
    actor_kills,
    damaged_stores,
    full_disks,
    gateway_kills,
    node_kills,
    partitions,
    postgresql_kills,
    ray_heads,
    stores,
    two_raylets,
    zombies,
)
from tests.faults.verdict import Amount, Report


class Part(Protocol):
    """A module of tests/faults/campaign."""

    TITLE: str

    def run(self, folder: Path, amount: Amount) -> list[Report]:
        """Its tables; `folder` is there for logs and data."""


PARTS: Final[dict[str, Part]] = {
    "node-kills": node_kills,
    "gateway-kills": gateway_kills,
    "zombies": zombies,
    "postgresql-kills": postgresql_kills,
    "full-disk": full_disks,
    "damage": damaged_stores,
    "ray-head": ray_heads,
    "two-raylets": two_raylets,
    "partitions": partitions,
    "stores": stores,
    "kills": actor_kills,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the parts that are asked for; 0 where nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="a part of it; repeat for several")
    parser.add_argument("--short", action="store_true", help="a few faults of each part, as the tests run it")
    parser.add_argument("--share", type=float, default=1.0, help="of the faults of each kind, for less time (1.0)")
    parser.add_argument("--out", type=Path, help="where logs and data directories stay; without it they are removed")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # what was started is ended
    violations = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        root = chosen.out or Path(scratch)
        for name in chosen.only or PARTS:
            violations += _run(name, root / name, Amount(not chosen.short, chosen.share))
    print(f"violations: {violations}")
    return 1 if violations else 0


def as_markdown() -> str:
    """The parts by the names `--only` knows."""
    return "\n".join(
        ["| part | what |", "|---|---|", *(f"| `{name}` | {part.TITLE} |" for name, part in PARTS.items())]
    )


def _run(name: str, folder: Path, amount: Amount) -> int:
    """One part; how many violations it found. A part that breaks off is one."""
    folder.mkdir(parents=True)
    begun_s = time.monotonic()
    try:
        reports = PARTS[name].run(folder, amount)
    except Exception:
        traceback.print_exc()
        print(f"{name}: broke off after {time.monotonic() - begun_s:.0f} s", flush=True)
        return 1
    for report in reports:
        print("\n".join(report.lines()))
    print(f"  {name}: {time.monotonic() - begun_s:.0f} s\n", flush=True)
    return sum(len(report.violations) for report in reports)


if __name__ == "__main__":
    sys.exit(main())
