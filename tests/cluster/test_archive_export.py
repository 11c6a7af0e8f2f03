"""The archive as Parquet holds what the archive holds, in ranges, with hashes that are those of the files."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from blake3 import blake3
from pyarrow import parquet

from breakwater.v1 import events_pb2 as events
from cluster.archive import NO_ACCOUNT, Archive
from cluster.archive_export import ExportRefused, export
from tests.cluster.journals import twilight_journal
from tests.cluster.story import story

BLOCKS = len(story().blocks)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return twilight_journal(tmp_path_factory.mktemp("node"))


@pytest.mark.parametrize("blocks_per_file", [1, 7, 10_000])
def test_everything_is_there_in_order(directory: Path, tmp_path: Path, blocks_per_file: int) -> None:
    with closing(Archive(directory)) as archive:
        made = export(archive, tmp_path / "out", blocks_per_file)
        headers, told = archive.headers(1, BLOCKS), list(archive.iter_events())
        outcomes = list(archive.iter_outcomes(1, BLOCKS))
    tables = {
        kind: [
            row
            for file in made.files
            if file.kind == kind
            for row in parquet.read_table(tmp_path / "out" / file.path).to_pylist()
        ]
        for kind in ("headers", "events", "outcomes")
    }
    assert (made.first_height, made.last_height) == (1, BLOCKS)
    assert (made.headers, made.events, made.outcomes) == (len(headers), len(told), len(outcomes))
    assert made.outcomes == len({outcome.request_key for outcome in outcomes}) > 10
    assert [(row["height"], row["header"], row["signature"]) for row in tables["headers"]] == [
        (header.height, header.header, header.signature) for header in headers
    ]
    assert [(row["height"], row["index"], row["event"]) for row in tables["events"]] == [
        (event.height, event.idx, event.bytes) for event in told
    ]
    assert [row["request_key"] for row in tables["outcomes"]] == [outcome.request_key for outcome in outcomes]
    assert made.last_header_hash == blake3(headers[-1].header).hexdigest()
    for row, event in zip(tables["events"], told, strict=True):
        message = events.Event.FromString(event.bytes)
        assert row["kind"] == message.WhichOneof("body")
        assert row["account"] == (None if event.account == NO_ACCOUNT else event.account)
        assert json.loads(row["json"])[row["kind"]] is not None


def test_files_are_of_their_heights_and_hashes(directory: Path, tmp_path: Path) -> None:
    with closing(Archive(directory)) as archive:
        made = export(archive, tmp_path / "out", 5)
    listed = json.loads((tmp_path / "out" / "export.json").read_text())
    assert [file["path"] for file in listed["files"]] == [file.path for file in made.files]
    assert len(made.files) == 3 * -(-BLOCKS // 5)
    for file in made.files:
        content = (tmp_path / "out" / file.path).read_bytes()
        assert blake3(content).hexdigest() == file.blake3
        heights = parquet.read_table(tmp_path / "out" / file.path)["height"].to_pylist()
        assert len(heights) == file.rows
        assert heights == sorted(heights)
        assert set(heights) <= set(range(file.first_height, file.last_height + 1))


def test_nothing_is_written_where_there_is_something(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with closing(Archive(directory)) as archive, pytest.raises(ExportRefused, match="is not empty"):
        export(archive, tmp_path)
    with closing(Archive(tmp_path / "new")) as archive, pytest.raises(ExportRefused, match="archive is empty"):
        export(archive, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "note.txt"]
