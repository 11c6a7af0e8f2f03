"""The golden journals kept in the repository replay to the roots they were kept with: any shards, any hash seed."""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from actors.cross import settle as cross_settle
from actors.isolated import admit as isolated_admit
from actors.isolated import settle as isolated_settle
from actors.ledger import account_commands
from actors.orders import admission as order_admission
from actors.orders import cancels as order_cancels
from actors.pooling import work as pool_work
from actors.ratio import settle as ratio_settle
from actors.ways import Way
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from cluster.replica import Replica
from tests.building import parsed
from tests.golden.journals import SETS, Kept, compare, play, stored, stored_in, summary
from tests.golden.make_golden import main as make

# From how many rows on they are worked by columns.
BY_COLUMNS_FROM = (
    (cross_settle, "FEW_LEGS"),
    (isolated_admit, "FEW_ROWS"),
    (isolated_settle, "FEW_ROWS"),
    (account_commands, "FEW_ROWS"),
    (order_admission, "FEW_ORDERS"),
    (order_cancels, "FEW_CANCELS"),
    (pool_work, "FEW_ROWS"),
    (ratio_settle, "FEW_LEGS"),
)
ROOT = Path(__file__).resolve().parents[2]
SIZE_BOUND_BYTES = 320_000


@pytest.mark.parametrize("kept", SETS, ids=[kept.name for kept in SETS])
def test_a_set_is_as_it_was_first_written_and_is_not_written_anew(kept: Kept) -> None:
    with pytest.raises(SystemExit, match="is there already"):
        make(kept.name)
    assert kept.found_digest() == kept.digest


def test_headers_name_the_version_each_venue_lives_under() -> None:
    met = []
    for kept in SETS:
        results = [result for one in stored_in(kept) for result in play(Replica(1), one.blocks, one.voided)]
        met.append({name for result in results for name in result.header.rulebooks})
    assert met == [{"twilight/1", "margin-trade/1", "perennial/1", "spin/1"}, {"perennial/1", "perennial/2"}]


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_the_roots_are_those_they_were_kept_with(shards: int) -> None:
    compare(shards)


@pytest.mark.parametrize(("seed", "shards"), [("0", 1), ("1", 3), ("31337", 2)])
def test_the_order_of_python_s_sets_and_dicts_does_not_show(seed: str, shards: int) -> None:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": seed,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}",
    }
    command = [sys.executable, "-m", "tests.golden.journals", str(shards)]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    expected = [[row[1] for row in journal.expected["blocks"] if row[1]][-1] for journal in stored()]
    assert found.stdout.split() == expected


def test_kernels_that_are_given_every_row_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journals' blocks are small: row by row otherwise."""
    for module, fewest in BY_COLUMNS_FROM:
        assert isinstance(getattr(module, fewest), int)
        monkeypatch.setattr(module, fewest, 1)
    compare(2)


@pytest.mark.parametrize("way", [Way.LIQUIDATIONS_BY_ROW, Way.BY_ROW])
def test_the_scalar_rulebook_of_a_validator_gives_the_same(way: Way) -> None:
    for journal in stored():
        results = play(Replica(2, way), journal.blocks, journal.voided)
        assert summary(results) == journal.expected["blocks"]


@pytest.mark.parametrize("every_row", [False, True])
def test_the_way_may_change_from_block_to_block(every_row: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever one way keeps for its next block, another way in between leaves nothing of it behind."""
    for module, fewest in BY_COLUMNS_FROM if every_row else ():
        monkeypatch.setattr(module, fewest, 1)
    ways, draw = list(Way), random.Random(7)
    for journal in stored():
        replica, results = Replica(2), []
        for block in journal.blocks:
            replica.take_way(draw.choice(ways))
            results += play(replica, [block], journal.voided)
        assert summary(results) == journal.expected["blocks"]


@pytest.mark.parametrize(("before", "after"), [(1, 4), (3, 2)])
def test_a_cut_in_the_middle_goes_on_with_other_shards(before: int, after: int) -> None:
    for journal in stored():
        half = len(journal.blocks) // 2
        first, second = Replica(before), Replica(after)
        rows = summary(play(first, journal.blocks[:half], journal.voided))
        second.restore(first.cut())
        rows += summary(play(second, journal.blocks[half:], journal.voided))
        assert rows == journal.expected["blocks"]


def test_they_hold_every_event_and_most_refusals_in_little_space() -> None:
    met: Counter[str] = Counter()
    for journal in stored():
        for result in play(Replica(1), journal.blocks, journal.voided):
            met.update(str(event.WhichOneof("body")) for event in parsed(result))
            met.update(refusals.Refusal.Name(refusal) for refusal in result.outcomes.refusal)
    bodies = {field.name for field in events.Event.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert bodies <= set(met), bodies - set(met)
    assert sum(name.startswith("REFUSAL_") for name in met) >= 90
    stored_bytes = sum(path.stat().st_size for path in (ROOT / "tests" / "golden").iterdir() if path.is_file())
    assert stored_bytes < SIZE_BOUND_BYTES
