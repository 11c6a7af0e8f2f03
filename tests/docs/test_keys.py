"""Keys of the summary of a Margin Trade replay are in the documentation, read from the code that writes them."""

import ast
import re
from collections.abc import Iterator

import pytest

from node.load.margin_trade.tally import BookTally, VaultPoint
from tests.docs.printing import ROOT

SUMMARY = ROOT / "node" / "report" / "book_summary.py"
PAGE = ROOT / "docs" / "commands.md"


def keys_of(function: str) -> Iterator[str]:
    """Every text key of a dictionary that a function of the summary builds."""
    for node in ast.parse(SUMMARY.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Dict):
                    yield from (str(key.value) for key in inner.keys if isinstance(key, ast.Constant))


@pytest.fixture(scope="module")
def documented() -> set[str]:
    return set(re.findall(r"`([a-z0-9_]+)`", PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("function", "fewest"), [("book_facts", 25), ("_path", 3), ("_vault", 4)])
def test_every_key_of_the_summary_is_documented(function: str, fewest: int, documented: set[str]) -> None:
    keys = set(keys_of(function))
    assert len(keys) >= fewest
    assert keys <= documented


def test_rungs_and_points_of_the_vault_are_documented(documented: set[str]) -> None:
    assert set(BookTally().rung_counts()) | set(VaultPoint._fields) <= documented
