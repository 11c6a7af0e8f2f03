"""Keys of replays' summaries and of an explanation are documented; read from the code that writes them."""

import ast
import re
from collections.abc import Iterator

import pytest

from node.load.margin_trade.tally import BookTally, VaultPoint
from tests.docs.printing import ROOT

REPORT = ROOT / "node" / "report"
PAGE = ROOT / "docs" / "commands.md"


def keys_of(file: str, function: str) -> Iterator[str]:
    """Every text key of a dictionary that a function of a report builds."""
    for node in ast.parse((REPORT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Dict):
                    yield from (str(key.value) for key in inner.keys if isinstance(key, ast.Constant))


@pytest.fixture(scope="module")
def documented() -> set[str]:
    return set(re.findall(r"`([a-z0-9_]+)`", PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("file", "function", "fewest"),
    [
        ("book_summary.py", "book_facts", 15),
        ("market_summary.py", "market_facts", 2),
        ("market_summary.py", "trade_facts", 5),
        ("market_summary.py", "rung_facts", 3),
        ("market_summary.py", "_path", 3),
        ("spin_summary.py", "spin_facts", 15),
        ("perennial_summary.py", "perennial_facts", 15),
        ("comparison.py", "_column", 10),
        ("book_summary.py", "_vault", 4),
        ("explanation.py", "as_json", 10),
    ],
)
def test_every_key_is_documented(file: str, function: str, fewest: int, documented: set[str]) -> None:
    keys = set(keys_of(file, function))
    assert len(keys) >= fewest
    assert keys <= documented


def test_rungs_and_points_of_the_vault_are_documented(documented: set[str]) -> None:
    assert set(BookTally().rung_counts()) | set(VaultPoint._fields) <= documented
