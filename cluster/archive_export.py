"""The archive as Parquet: headers, events and outcomes in ranges of heights, for whoever has a reader of Parquet.

Every row has what a question is asked by in columns of its own, the bytes that were hashed and signed, and the same in
JSON. A manifest lists every file with its rows and BLAKE3 hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from blake3 import blake3
from google.protobuf.json_format import MessageToJson

from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import events_pb2 as events
from cluster.archive import NO_ACCOUNT, Archive

BLOCKS_PER_FILE: Final = 10_000
MANIFEST_NAME: Final = "export.json"
_FORMAT: Final = "breakwater/archive-export/v1"
_GROUP_ROWS: Final = 10_000
Row = tuple[Any, ...]


class ExportRefused(Exception):
    """There is nothing to export, or no room for it to go to."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file: what it holds, between which heights, how many rows, and the hash of its bytes."""

    path: str
    kind: str
    first_height: int
    last_height: int
    rows: int
    blake3: str


@dataclass(frozen=True, slots=True)
class Export:
    """Everything that was written. `last_header_hash` names the chain up to the last block."""

    first_height: int
    last_height: int
    last_header_hash: str
    headers: int
    events: int
    outcomes: int
    files: tuple[ExportedFile, ...]


def export(archive: Archive, out: Path, blocks_per_file: int = BLOCKS_PER_FILE) -> Export:
    """Write the whole archive below `out`, which must be empty or new. Raises ExportRefused, OSError."""
    tip, first = archive.tip(), archive.first_height()
    if tip is None or first is None:
        raise ExportRefused("the archive is empty: there is nothing to export")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportRefused(f"{out} is not empty: an export has a folder of its own")
    files: list[ExportedFile] = []
    for low in range(first, tip + 1, blocks_per_file):
        high = min(low + blocks_per_file - 1, tip)
        for kind, rows in (
            ("headers", _headers(archive, low, high)),
            ("events", _events(archive, low, high)),
            ("outcomes", _outcomes(archive, low, high)),
        ):
            files.append(_write(out, kind, low, high, rows))
    counts = {kind: sum(file.rows for file in files if file.kind == kind) for kind in _COLUMNS}
    last = archive.header(tip)
    assert last is not None, f"the archive's tip {tip} has no header"
    made = Export(first, tip, blake3(last.header).hexdigest(), **counts, files=tuple(files))
    document = {"format": _FORMAT, **asdict(made)}
    (out / MANIFEST_NAME).write_text(json.dumps(document, indent=1), encoding="utf-8")
    return made


_COLUMNS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "headers": (
        ("height", "int64"),
        ("block_time_ms", "int64"),
        ("epoch", "int64"),
        ("commands", "int64"),
        ("events", "int64"),
        ("previous_header_hash", "binary"),
        ("commands_root", "binary"),
        ("events_root", "binary"),
        ("state_root", "binary"),
        ("header", "binary"),
        ("signature", "binary"),
        ("json", "string"),
    ),
    "events": (
        ("height", "int64"),
        ("index", "int64"),
        ("venue", "int64"),
        ("account", "int64"),
        ("kind", "string"),
        ("event", "binary"),
        ("json", "string"),
    ),
    "outcomes": (
        ("height", "int64"),
        ("request_key", "binary"),
        ("body_hash", "binary"),
        ("outcome", "binary"),
        ("json", "string"),
    ),
}


def _headers(archive: Archive, low: int, high: int) -> Iterator[Row]:
    for height in range(low, high + 1, _GROUP_ROWS):
        for row in archive.headers(height, min(height + _GROUP_ROWS - 1, high)):
            header = blocks.BlockHeader.FromString(row.header)
            counts = (header.epoch, header.command_count, header.event_count)
            roots = (header.previous_header_hash, header.commands_root, header.events_root, header.state_root)
            yield row.height, row.block_time_ms, *counts, *roots, row.header, row.signature, _json(header)


def _events(archive: Archive, low: int, high: int) -> Iterator[Row]:
    for row in archive.iter_events(low, high):
        event = events.Event.FromString(row.bytes)
        account = None if row.account == NO_ACCOUNT else row.account
        yield row.height, row.idx, row.venue, account, event.WhichOneof("body"), row.bytes, _json(event)


def _outcomes(archive: Archive, low: int, high: int) -> Iterator[Row]:
    for row in archive.iter_outcomes(low, high):
        outcome = answers.BatchOutcome.FromString(row.outcome)
        yield row.height, row.request_key, row.body_hash, row.outcome, _json(outcome)


def _json(message: Any) -> str:
    """As protobuf has it: 64-bit integers are strings there."""
    return MessageToJson(message, indent=None, preserving_proto_field_name=True)


def _write(out: Path, kind: str, low: int, high: int, rows: Iterable[Row]) -> ExportedFile:
    import pyarrow as arrow
    from pyarrow import parquet

    path = out / kind / f"{kind}-{low:020d}-{high:020d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    types = {"int64": arrow.int64(), "binary": arrow.large_binary(), "string": arrow.large_string()}
    schema = arrow.schema([(name, types[type_]) for name, type_ in _COLUMNS[kind]], metadata={"format": _FORMAT})
    count, rest = 0, iter(rows)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(rest, _GROUP_ROWS)):
            writer.write_table(arrow.table(_columns(group), schema=schema))
            count += len(group)
    return ExportedFile(str(path.relative_to(out)), kind, low, high, count, _hash_of(path))


def _columns(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _hash_of(path: Path) -> str:
    return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()
