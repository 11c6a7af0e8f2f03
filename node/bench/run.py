"""Every piece of the bench in its order: one after the other, so that none disturbs the next."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from node.bench import api, blocks, cross_scan, crowd, journal_append, matching, replay_speed, scan
from node.bench.table import Row


def rows(scratch: Path, quick: bool) -> Iterator[Row]:
    """Measures and yields row by row. Files are made in a folder below `scratch` that is removed at the end."""
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=scratch) as folder:
        directory = Path(folder)
        yield from scan.rows(quick)
        yield from matching.rows(quick)
        yield from cross_scan.rows(quick)
        yield from crowd.rows(quick)
        yield from journal_append.rows(directory, quick)
        yield from replay_speed.rows(quick)
        yield from blocks.rows(directory, quick)
        yield from api.rows(directory, quick)
