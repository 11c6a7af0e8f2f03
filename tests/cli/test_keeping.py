"""`prune` and `export` on a node that rests, and the audit afterwards."""

from contextlib import closing
from pathlib import Path

import pytest

from cluster.host import Host
from tests.cli.running import breakwater, only_object
from tests.cluster.story import config, play, story

BLOCKS = len(story().blocks)


@pytest.fixture(params=["sqlite", "postgresql"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[str]]:
    """A node that rests: its directory, and the options that say where the rest is."""
    options: list[str] = []
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
        options = ["--journal", url]
    with closing(Host.open(config(tmp_path / "data", journal=url, snapshot_every=4))) as host:
        play(host)
    return tmp_path / "data", options


def test_a_journal_is_pruned_audited_and_exported(node: tuple[Path, list[str]], tmp_path: Path) -> None:
    data, where = node
    frames = tmp_path / "frames"
    facts = only_object(breakwater("prune", data, "--keep-blocks", 2, "--archive", frames, *where, "--json"))
    begins_at = facts["begins_at"]
    assert facts["frames"] == begins_at - 1 == facts["snapshot_height"] > 3
    assert [Path(path).parent for path in facts["files"]] == [frames]
    page = breakwater("prune", data, "--keep-blocks", 2, *where)
    assert page.exit_code == 0
    assert "removed" in page.stdout
    assert "0 frames" in page.stdout
    part = only_object(breakwater("audit", data, *where, "--json"))
    assert (part["first_height"], part["heights"]) == (begins_at, BLOCKS - begins_at + 1)
    assert f"after block {begins_at - 1}" in part["on_trust"]
    whole = only_object(breakwater("audit", data, "--frames", frames, *where, "--json"))
    assert (whole["first_height"], whole["heights"], whole["on_trust"]) == (1, BLOCKS, "")
    assert part["final_state_root"] == whole["final_state_root"]
    page = breakwater("audit", data, *where)
    assert f"from {begins_at:,} on" in page.stdout
    assert "on trust" in page.stdout
    exported = only_object(breakwater("export", data, "--out", tmp_path / "out", "--json"))
    assert (exported["first_height"], exported["last_height"], exported["headers"]) == (1, BLOCKS, BLOCKS)
    assert all((tmp_path / "out" / path).exists() for path in exported["files"])
    again = breakwater("export", data, "--out", tmp_path / "out")
    assert again.exit_code == 2
    assert "is not empty" in again.stderr


def test_a_running_node_is_not_pruned(node: tuple[Path, list[str]]) -> None:
    data, where = node
    url = where[1] if where else None
    with closing(Host.open(config(data, journal=url))):
        result = breakwater("prune", data, *where)
    assert result.exit_code == 1
    assert "is in use by pid" in result.stderr


def test_what_is_not_there_is_said(tmp_path: Path, postgresql: object) -> None:
    url = postgresql.new_database()  # type: ignore[attr-defined]
    wrong = {
        ("prune", tmp_path / "nowhere"): "no such directory",
        ("prune", tmp_path): "no journal in",
        ("prune", tmp_path, "--journal", url): "its tables are not there",
        ("prune", tmp_path, "--journal", "mysql://host/db"): "is no URL of a journal",
        ("audit", tmp_path, "--journal", url): "its tables are not there",
        ("export", tmp_path, "--out", tmp_path / "out"): "no archive in it",
    }
    for words, reason in wrong.items():
        result = breakwater(*words)
        assert result.exit_code in {1, 2}, words
        assert reason in result.stderr, words
    assert list(tmp_path.iterdir()) == []
