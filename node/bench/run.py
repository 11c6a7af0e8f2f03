"""Every piece of the bench in its order: one after the other, so that none disturbs the next."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from node.bench import (
    api,
    blocks,
    cross_scan,
    crowd,
    journal_append,
    many_accounts,
    matching,
    memory,
    replay_speed,
    scan,
    stream,
)
from node.bench.table import Row

# What a piece of this name measures, given a folder of its own and whether to be quick.
PIECES: Final[dict[str, Callable[[Path, bool], Iterator[Row]]]] = {
    "stream": stream.rows,
    "scan": lambda _, quick: scan.rows(quick),
    "matching": lambda _, quick: matching.rows(quick),
    "cross-scan": lambda _, quick: cross_scan.rows(quick),
    "crowd": lambda _, quick: crowd.rows(quick),
    "journal": journal_append.rows,
    "replay": lambda _, quick: replay_speed.rows(quick),
    "accounts": lambda _, quick: many_accounts.rows(quick),
    "blocks": blocks.rows,
    "memory": memory.rows,
    "api": api.rows,
}


class UnknownPiece(Exception):
    """There is no piece of this name; the message lists them."""


def rows(scratch: Path, quick: bool, only: Collection[str] = ()) -> Iterator[Row]:
    """Measures and yields row by row: every piece, or those named. Raises UnknownPiece.

    Files are made in a folder below `scratch` that is removed at the end.
    """
    for name in only:
        if name not in PIECES:
            raise UnknownPiece(f"there is no piece {name!r}: {', '.join(PIECES)}")
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=scratch) as folder:
        for name, piece in PIECES.items():
            if not only or name in only:
                directory = Path(folder) / name
                directory.mkdir()
                yield from piece(directory, quick)
