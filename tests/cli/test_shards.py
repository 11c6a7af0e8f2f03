"""`breakwater shards`: a page, JSON, and a sentence for whatever cannot be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.config import NodeConfig
from node.server import NodeServer
from tests.cli.running import breakwater, only_object


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A node's directory."""
    server = NodeServer(NodeConfig(data_dir=tmp_path, transport="inline", validator_process=False, dev=True, shards=3))
    server.start()
    yield tmp_path
    server.stop()


def test_shards_are_listed_moved_and_added(data: Path) -> None:
    page = breakwater("shards", "list", "--data", data)
    assert page.exit_code == 0, page.stderr
    assert [line.split()[:2] for line in page.stdout.splitlines()[2:]] == [["0", "342"], ["1", "341"], ["2", "341"]]
    moved = only_object(breakwater("shards", "move", "1,4-10/3", "--to", 0, "--data", data, "--json"))
    assert (moved["moved"], moved["to_shard"], moved["pause_us"] > 0) == (4, 0, True)
    said = breakwater("shards", "move", "--all-of", 2, "--to", 1, "--data", data)
    assert said.stdout.startswith("341 buckets moved to shard 1 after block ")
    added = breakwater("shards", "add", 2, "--data", data)
    assert added.stdout.startswith("5 shards after block ") and "--shards 5" in added.stdout
    listed = only_object(breakwater("shards", "list", "--data", data, "--json"))
    assert [len(shard["buckets"]) for shard in listed["shards"]] == [307, 307, 0, 205, 205]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("move", "0", "--to", 3), "there is no shard 3: they are numbered 0 to 2"),
        (("move", "0,0", "--to", 1), "bucket 0 is named 2 times"),
        (("move", "0-1", "--to", 1), "bucket 1 is at shard 1 already"),
        (("move", "1024", "--to", 1), "'1024' is no range of buckets: they are numbered 0 to 1023"),
        (("move", "a-b", "--to", 1), "'a-b' is no bucket and no range of buckets"),
        (("move", "--to", 1), "name the buckets, or with --all-of the shard that gives all of its own"),
        (("move", "0", "--all-of", 0, "--to", 1), "name the buckets, or with --all-of the shard"),
        (("move", "--all-of", 7, "--to", 1), "there is no shard 7: they are numbered 0 to 2"),
        (("move", "--all-of", 1, "--to", 1), "bucket 1 is at shard 1 already"),
        (("add", 1022), "3 shards and 1,022 more are more than there are buckets, 1,024"),
    ],
)
def test_a_sentence_says_what_cannot_be(data: Path, words: tuple[object, ...], sentence: str) -> None:
    result = breakwater("shards", *words, "--data", data)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_placement_file_that_is_none_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "placement.json").write_text("[]")
    result = breakwater("up", "--data", tmp_path, "--transport", "inline")
    assert result.exit_code == 2
    assert "bucket 0 has no shard" in result.stderr
