"""Damage to stores, as a campaign: `python -m tests.cluster.damage_campaign`; `make faults` runs it, too.

25 bits of frames' content on each store and 25 of a snapshot, every one detected; 25 bits anywhere in the files, each
detected or harmless and said where; a log torn at every byte of its last transaction.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.damage import Flip, postgresql_flips, snapshot_flips, sqlite_flips
from tests.cluster.torn import recovered_at, torn_log
from tests.faults.verdict import Report
from tests.postgresql_server import server

SEED = 20_251_010
_MEMORY = Path("/dev/shm")
_PAGE = re.compile(r"page \d+, ")
_FLIPS = 25
_FLIPS_SHORT = 4
_TORN_FRAMES = 6
_EVERY_SHORT = 797


def bit_flips(folder: Path, short: bool) -> Report:
    """Bits turned in journals and snapshots; the seed of the places is in the title."""
    count = _FLIPS_SHORT if short else _FLIPS
    report = Report(
        f"bit flips, seed {SEED}", ("store", "turned in", "flips", "detected", "harmless", "harmless were in")
    )
    for directory in ("content", "anywhere"):
        (folder / directory).mkdir(parents=True)
    _add(report, "SQLite", "frames", sqlite_flips(folder / "content", SEED, count, content=True))
    _add(report, "SQLite", "anywhere", sqlite_flips(folder / "anywhere", SEED, count, content=False))
    with server() as own:
        _add(report, "PostgreSQL", "frames", postgresql_flips(own, SEED, count, content=True))
        _add(report, "PostgreSQL", "anywhere", postgresql_flips(own, SEED, count, content=False))
    _add(report, "snapshot", "anywhere", snapshot_flips(folder, SEED, count))
    return report


def torn_tails(folder: Path, short: bool) -> Report:
    """A log of SQLite that ends at every byte (short: at some) of its last transaction."""
    report = Report("torn tails", ("log", "behind the tear", "bytes of the last transaction", "tears tried", "exact"))
    # Nothing here depends on what a disk does: in memory a hundred thousand starts take minutes, not hours.
    with tempfile.TemporaryDirectory(prefix="torn-", dir=_MEMORY if _MEMORY.is_dir() else folder) as scratch:
        for turned in (False, True):
            log = torn_log(Path(scratch) / f"turned-{turned}", _TORN_FRAMES, turned)
            for behind in (False, True) if turned else (False,):
                cuts = range(log.first, log.end + 1, _EVERY_SHORT if short else 1)
                tried, faults = recovered_at(log, [*cuts, log.end], behind, Path(scratch) / "start")
                name = "written from its start again" if turned else "fresh"
                bytes_torn = log.end - log.first
                report.row(name, "an older turn" if behind else "nothing", bytes_torn, tried, tried - len(faults))
                report.blame(name, faults)
    return report


def _add(report: Report, store: str, place: str, flips: Iterable[Flip]) -> None:
    done = list(flips)
    verdicts = Counter(flip.verdict for flip in done)
    harmless = Counter(_PAGE.sub("", flip.where) for flip in done if flip.verdict == "harmless")
    said = "; ".join(f"{where} ({times})" if times > 1 else where for where, times in sorted(harmless.items()))
    report.row(store, place, len(done), verdicts["detected"], verdicts["harmless"], said)
    report.blame(f"{store}, {place}", [v for v in verdicts if v not in {"detected", "harmless"}])


def main() -> int:
    """Both tables; 1 where anything was not noticed."""
    short = "--short" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="damage-") as scratch:
        reports = [bit_flips(Path(scratch) / "flips", short), torn_tails(Path(scratch) / "torn", short)]
    for report in reports:
        print("\n".join(report.lines()))
    return 1 if any(report.violations for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
