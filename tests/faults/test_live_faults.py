"""Short versions of the campaign on real processes (tests/faults/__main__.py has the whole of it)."""

from pathlib import Path

import pytest

from tests.faults.__main__ import PARTS
from tests.faults.verdict import SHORT

pytestmark = pytest.mark.slow

# A dead head of Ray is left to the campaign, stores and kills have tests of their own.
IN_ONE_PROCESS = ("node-kills", "gateway-kills", "zombies", "postgresql-kills", "full-disk", "damage", "partitions")


@pytest.mark.parametrize("part", [*IN_ONE_PROCESS, pytest.param("two-raylets", marks=pytest.mark.ray)])
def test_nothing_acknowledged_is_lost_or_doubled(part: str, tmp_path: Path) -> None:
    (report,) = PARTS[part].run(tmp_path, SHORT)
    print("\n".join(report.lines()))
    assert report.violations == []
    if not report.rows:
        pytest.skip("; ".join(report.notes))
