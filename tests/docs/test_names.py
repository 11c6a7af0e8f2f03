"""What the documentation names exists: functions with their files, files, links, and every rule of every rulebook."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.printing import PAGES, ROOT

# `name` or `Class.method`, then the file that defines it in brackets; a line may break between the two.
_DEFINED = re.compile(r"`(?P<name>\w+(?:\.\w+)?)`\s+\((?P<path>(?:actors|cluster|node|tests)/[\w/]+\.py)\)")
_PATH = re.compile(r"`(?P<path>(?:actors|cluster|node|tests|protos|docs)/[\w/.-]+)`")
_LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[\w-]+)?\)")
_RULES = {
    "rulebook-twilight.md": [f"TW-{number:02}" for number in range(1, 22)] + ["TW-15a"],
    "rulebook-margin-trade.md": [f"MT-{number:02}" for number in range(1, 19)] + ["MT-16a"],
    "rulebook-perennial.md": [f"PE-{number:02}" for number in range(1, 18)] + ["PE-13a"],
    "rulebook-spin.md": [f"SP-{number:02}" for number in range(1, 13)],
}
_ROW = re.compile(r"\| (?P<tag>[A-Z]{2}-\d\d[a-z]?) \|")


@cache
def defined(path: Path) -> frozenset[str]:
    """Functions, classes and methods (as Class.method) that a file defines."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            members = (member for member in node.body if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}.{member.name}" for member in members}
    return frozenset(names)


def missing_names(text: str) -> list[str]:
    """Names the text places in a file that does not define them."""
    found = [(match["name"], ROOT / match["path"]) for match in _DEFINED.finditer(text)]
    return [f"{name} ({path.name})" for name, path in found if not path.exists() or name not in defined(path)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_functions_exist(page: Path) -> None:
    assert not missing_names(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_and_links_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = [ROOT / match["path"] for match in _PATH.finditer(text)]
    linked = [page.parent / match["target"] for match in _LINK.finditer(text) if ":" not in match["target"]]
    assert not [path for path in named + linked if not path.exists()]


def test_a_name_that_is_gone_is_seen() -> None:
    text = "`Pool.decide` (actors/pool.py), `Pool.undecide`\n(actors/pool.py), `judge` (actors/nowhere.py)"
    assert missing_names(text) == ["Pool.undecide (pool.py)", "judge (nowhere.py)"]


@pytest.mark.parametrize(
    ("page", "life", "fewest"),
    [
        ("README.md", "an order", 15),
        ("README.md", "a Spin takeover", 15),
        ("README.md", "a Perennial liquidation", 15),
        ("docs/lives.md", "a Twilight liquidation", 9),
        ("docs/lives.md", "an order on a book", 15),
        ("docs/lives.md", "a Margin Trade liquidation", 15),
    ],
)
def test_the_lives_name_their_functions(page: str, life: str, fewest: int) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    told = text.split(f"## The life of {life}\n")[1].split("\n## ")[0]
    assert len(_DEFINED.findall(told)) >= fewest


@pytest.mark.parametrize("page", sorted(_RULES))
def test_every_rule_has_a_function_and_a_test(page: str) -> None:
    rows: dict[str, tuple[str, str]] = {}
    for line in (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines():
        if _ROW.match(line):
            tag, _, where, tested = (cell.strip() for cell in line.strip("|").split("|"))
            assert tag not in rows, f"{tag} is there twice"
            rows[tag] = (where, tested)
    assert sorted(rows) == sorted(_RULES[page])
    for tag, (where, tested) in rows.items():
        assert "(actors/" in where, f"{tag} names no function"
        assert tested.startswith("`test_"), f"{tag} names no test"


@pytest.mark.parametrize("page", sorted(_RULES))
def test_the_tags_are_those_of_the_rulebook(page: str, shared_dir: Path) -> None:
    rulebook = shared_dir / "rulebooks" / page.removeprefix("rulebook-")
    tags = re.findall(r"^- ([A-Z]{2}-\d\d[a-z]?) ", rulebook.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(tags) == sorted(_RULES[page])
