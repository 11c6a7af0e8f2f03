"""Commands shown in the documentation exist with their options; those marked `runnable` are run, in their order.

A fence with the word `runnable` behind its language is run against one inline node in dev mode, page by page. POSITION
in a command stands for the newest open position of account 2.
"""

import os
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli.main import app
from node.client import Client
from node.config import NodeConfig
from node.server import NodeServer
from tests.api.scene import now_ms
from tests.cli.running import breakwater, only_object
from tests.docs.printing import PAGES, ROOT

_FENCE = re.compile(
    r"^```(?P<language>console|sh|python)?(?P<mark> runnable)?\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)
_IN_PASSING = re.compile(r"`breakwater (\w+)")
_TARGET = re.compile(r"^(?P<name>[a-z-]+):.*##", re.MULTILINE)
_TICK_INTERVAL_MS = 500


def fences(page: Path, language: str, runnable: bool) -> list[str]:
    """Texts of a page's fences of a language."""
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return [match["text"] for match in found if match["language"] == language and bool(match["mark"]) == runnable]


def commands(text: str) -> Iterator[list[str]]:
    """The words of every line after a `$`."""
    for line in text.splitlines():
        if line.startswith("$ "):
            yield shlex.split(line[2:])


def shown(page: Path) -> list[list[str]]:
    """Every command a page shows, to be run or not."""
    return [words for mark in (False, True) for text in fences(page, "console", mark) for words in commands(text)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """A node of one's own, as `breakwater up --dev --transport inline` starts it."""
    server = NodeServer(
        NodeConfig(data_dir=tmp_path_factory.mktemp("docs"), transport="inline", validator_process=False, dev=True)
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def around(node: NodeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment in which the documentation is read: a node's data directory, an empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BREAKWATER_DATA", str(node.config.data_dir))
    monkeypatch.setenv("BREAKWATER_ADDRESS", node.address)
    monkeypatch.setenv("BREAKWATER_API_KEY", node.dev_keys["dev"])


def newest_position() -> int:
    """Of account 2."""
    view = only_object(breakwater("positions", "--account", 2, "--json"))
    return int(view["positions"][-1]["position"])


def until_marked(venue: int, since_ms: int) -> None:
    """Waits until the mark has seen every price of before: it moves once in half a second of block time (TW-20)."""
    deadline = time.monotonic() + 60
    with Client(os.environ["BREAKWATER_ADDRESS"], os.environ["BREAKWATER_API_KEY"]) as client:
        while (mark := client.mark(1, venue).mark).published_ms + mark.age_ms < since_ms + _TICK_INTERVAL_MS:
            assert time.monotonic() < deadline, mark
            time.sleep(0.05)


def test_the_first_five_minutes_can_be_lived(around: None) -> None:
    texts = fences(ROOT / "README.md", "console", runnable=True)
    assert len(texts) == 9
    ran = []
    for words in (words for text in texts for words in commands(text)):
        assert words[0] == "breakwater"
        begun_ms = now_ms()
        result = breakwater(*(newest_position() if word == "POSITION" else word for word in words[1:]))
        assert result.exit_code == 0, f"{shlex.join(words)}: {result.stderr}"
        ran.append(words[1])
        if words[1:3] == ["watch", "marks"]:  # a person looks on until the price has fallen
            until_marked(int(words[words.index("--venue") + 1]), begun_ms)
    assert {"publish", "deposit", "open", "positions", "pool", "status", "close"} <= set(ran)
    assert {"order", "amend", "cancel", "leverage", "estimate", "book", "trades", "margin", "vault"} <= set(ran)
    closed = only_object(breakwater("positions", "--account", 2, "--json"))
    assert closed["positions"] == []
    margin = only_object(breakwater("margin", "--account", 2, "--json"))
    cross = margin["account"]["cross"]
    assert [position["lots"] > 0 for position in cross["positions"]] == [True]
    assert cross["orders"] == []
    assert {"subaccount", "transfer", "liquidatable", "liquidate", "bot", "position", "version"} <= set(ran)
    spin = only_object(breakwater("margin", "--account", 2, "--venue", 3, "--json"))["account"]["ratio"]
    assert (spin["tier"], spin["positions"][0]["liquidatable_lots"]) == (1, 0)
    (row,) = only_object(breakwater("margin", "--account", 2, "--venue", 4, "--json"))["account"]["versioned"]
    assert row["locked_version_ms"] > 0 and row["lots"] > 0


def run_example(number: int, page: str = "api.md", examples: int = 2) -> None:
    """A runnable Python fence of a page, counted from 0; there are so many."""
    texts = fences(ROOT / "docs" / page, "python", runnable=True)
    assert len(texts) == examples
    exec(compile(texts[number], page, "exec"), {"__name__": "docs"})


def test_the_example_in_columns_runs(around: None, capsys: pytest.CaptureFixture[str]) -> None:
    run_example(0)
    assert re.search(r"^100 of 100 filled at \d+, durable at height \d+$", capsys.readouterr().out, re.MULTILINE)


def test_the_example_of_a_stream_runs(around: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert breakwater("publish", "--venue", 2, "--points", 2, "--speed", 5).exit_code == 0
    run_example(1)
    quoted, gone = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"4 quotes at height \d+, best bid 73550", quoted)
    assert re.fullmatch(r"at height \d+ best bid (none|73500)", gone)


def test_the_example_of_an_operator_runs(around: None, capsys: pytest.CaptureFixture[str]) -> None:
    run_example(0, "operating.md", 1)
    listed, closed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"market 3 is listed at height \d+", listed)
    assert closed == "market 2 is at version 2"


def test_the_example_of_an_upgrade_runs(around: None, capsys: pytest.CaptureFixture[str]) -> None:
    run_example(0, "logic-versions.md", 1)
    assert capsys.readouterr().out == "perennial lives under version 2\n"


def test_every_runnable_fence_is_run_somewhere() -> None:
    marked = {
        (page.name, match["language"]) for page in PAGES for match in _FENCE.finditer(page.read_text()) if match["mark"]
    }
    pages = ("api.md", "operating.md", "logic-versions.md")
    consoles = ("README.md", "operating.md", "load.md")
    assert marked == {*((page, "console") for page in consoles), *((page, "python") for page in pages)}


def test_commands_named_in_passing_exist() -> None:
    known = {one.name or one.callback.__name__.rstrip("_") for one in app.registered_commands if one.callback}
    known |= {str(group.name) for group in app.registered_groups}
    for page in PAGES:
        named = set(_IN_PASSING.findall(page.read_text(encoding="utf-8")))
        assert named <= known | {"COMMAND"}, f"{page.name}: {named - known}"


def test_every_command_has_its_part_of_the_page() -> None:
    heads = re.findall(r"^## (.+)$", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    told = {word.strip() for head in heads for word in re.split(r",| ", head)}
    known = {str(one.name or one.callback.__name__.rstrip("_")) for one in app.registered_commands if one.callback}
    known |= {str(group.name) for group in app.registered_groups}
    # The bench has a page of its own.
    assert known - told == {"bench"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_shown_exist(page: Path) -> None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for words in shown(page):
        if words[0] == "make":
            assert words[1] in targets, shlex.join(words)
            continue
        if words[:2] == ["sudo", "systemctl"]:
            assert (ROOT / "deploy" / "systemd" / f"{words[3]}.service").exists(), shlex.join(words)
            continue
        assert words[0] == "breakwater", shlex.join(words)
        name = words[1:3] if words[1] in {group.name for group in app.registered_groups} else words[1:2]
        said = breakwater(*name, "--help")
        assert said.exit_code == 0, shlex.join(words)
        for option in (word for word in words[2:] if word.startswith("--")):
            assert option in said.stdout, f"{shlex.join(words)}: {option} is no option of {words[1]}"
