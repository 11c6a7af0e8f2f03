"""Short versions of the campaign on real processes (tests/faults/__main__.py has the whole of it)."""

from pathlib import Path

import pytest

from tests.faults.__main__ import PARTS
from tests.faults.verdict import SHORT

pytestmark = pytest.mark.slow

READY = ("node-kills",)


@pytest.mark.parametrize("part", READY)
def test_nothing_acknowledged_is_lost_or_doubled(part: str, tmp_path: Path) -> None:
    report = PARTS[part].run(tmp_path, SHORT)
    print("\n".join(report.lines()))
    assert report.violations == []
    skipped = [note for note in report.notes if note.startswith("skipped: ")]
    if skipped and not report.rows:
        pytest.skip(skipped[0])
    assert report.rows
