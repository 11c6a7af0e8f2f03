"""`void` over the command line: it does nothing to a journal that can be executed, and says so."""

from contextlib import closing
from pathlib import Path

import pytest

from cluster.host import Host
from tests.cli.running import breakwater, only_object
from tests.cluster.story import config, play


def test_a_journal_that_can_be_executed_is_left_alone(tmp_path: Path) -> None:
    with closing(Host.open(config(tmp_path))) as host:
        play(host, last=3)
        height = host.height()
    found = breakwater("void", tmp_path, "--height", height, "--index", 0, "--json")
    assert found.exit_code == 1
    assert f"all {height} blocks can be executed" in only_object(found)["error"]


@pytest.mark.parametrize("arguments", [("--height", 1), ("--index", 0), ("--height", 0, "--index", 0)])
def test_block_and_command_must_be_named(tmp_path: Path, arguments: tuple[object, ...]) -> None:
    assert breakwater("void", tmp_path, *arguments).exit_code == 2


def test_there_must_be_a_directory(tmp_path: Path) -> None:
    found = breakwater("void", tmp_path / "nothing", "--height", 1, "--index", 0, "--json")
    assert (found.exit_code, "no such directory" in only_object(found)["error"]) == (2, True)
