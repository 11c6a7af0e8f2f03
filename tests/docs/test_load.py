"""The loads docs/load.md shows are run, and their reports say what the page says.

They are given more time than the page asks for: a busy machine may stand still for two or three seconds.
"""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from node.config import NodeConfig
from node.server import NodeServer
from tests.cli.running import breakwater
from tests.docs.printing import ROOT
from tests.docs.test_commands import commands, fences
from tests.flow.test_load_command import SECONDS, check_counts


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    server = NodeServer(
        NodeConfig(data_dir=tmp_path_factory.mktemp("load"), transport="inline", validator_process=False, dev=True)
    )
    server.start()
    yield server
    server.stop()


def test_every_load_shown_is_run(node: NodeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BREAKWATER_DATA", str(node.config.data_dir))
    texts = fences(ROOT / "docs" / "load.md", "console", runnable=True)
    lines = [words for text in texts for words in commands(text)]
    assert [words[:2] for words in lines] == [["breakwater", "load"]] * 4
    for words in lines:
        result = breakwater(*words[1:], "--seconds", SECONDS)
        assert result.exit_code == 0, result.stderr
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == len(lines)
    for folder in folders:
        assert folder.name.startswith("load-")
        names = {"report.txt", "report.json", "latency.png", "rate.png", "flow.png", "prices.npy", "reproduce.txt"}
        assert {path.name for path in folder.iterdir()} == names
        facts = orjson.loads((folder / "report.json").read_bytes())
        check_counts(facts)
        assert facts["counts"]["accepted"] > 0
