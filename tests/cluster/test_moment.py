"""An account at a block, from the journal alone: the numbers of the scan are those the ladder's events carry."""

from pathlib import Path

import pytest

from breakwater.v1 import events_pb2 as events
from cluster.moment import Moment, NoSuchBlock, moment
from tests.cluster.bot_story import LONGER, PERENNIAL, bot_story
from tests.cluster.journals import book_journal, bot_journal, end_of, events_of, twilight_journal

BOOKS, TWILIGHT = 2, 1


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return book_journal(tmp_path_factory.mktemp("books"), snapshot_every=16)


@pytest.fixture(scope="module")
def told(directory: Path) -> list[events.Event]:
    return [event for block in events_of(directory) for event in block]


def _first_round(told: list[events.Event], body: str) -> list[events.Event]:
    """Events of the ladder whose numbers are those of the block's first scan."""
    return [event for event in told if event.WhichOneof("body") == body and getattr(event, body).round == 1]


def _looked(directory: Path, event: events.Event) -> Moment:
    return moment(directory, BOOKS, event.account, event.height)


@pytest.mark.parametrize("body", ["liquidation_ordered", "taken_over", "takeover_refused"])
def test_the_numbers_are_those_the_ladder_decided_on(directory: Path, told: list[events.Event], body: str) -> None:
    found = _first_round(told, body)
    assert found
    for event in (found[0], found[-1]):
        looked = _looked(directory, event)
        cross, decided = looked.scanned.cross, getattr(event, body)
        assert (cross.equity_atoms, cross.maintenance_atoms) == (decided.equity_atoms, decided.maintenance_atoms)
        assert list(looked.candidates.account) == [event.account]
        assert event in looked.events
        assert looked.block_time_ms == event.block_time_ms


def test_after_the_block_a_takeover_left_nothing(directory: Path, told: list[events.Event]) -> None:
    event = _first_round(told, "taken_over")[0]
    looked = _looked(directory, event)
    assert any(position.lots for position in looked.scanned.cross.positions)
    assert not any(position.lots for position in looked.after.cross.positions)
    assert looked.after.cross.equity_atoms == 0


def test_the_end_is_the_state_of_the_last_block(directory: Path, told: list[events.Event]) -> None:
    tip = sum(1 for _ in events_of(directory))
    assert tip >= told[-1].height
    for account in (0, 30, 60):
        (view,) = end_of(directory, BOOKS, [account])
        assert moment(directory, BOOKS, account, tip).after == view


def test_only_events_of_the_account_are_there(directory: Path, told: list[events.Event]) -> None:
    event = _first_round(told, "taken_over")[0]
    looked = _looked(directory, event)
    mine = [other for other in told if (other.venue, other.account, other.height) == (2, event.account, event.height)]
    assert looked.events == mine


def test_snapshots_change_nothing(directory: Path, told: list[events.Event], tmp_path: Path) -> None:
    without = book_journal(tmp_path, snapshot_every=0)
    event = _first_round(told, "liquidation_ordered")[-1]
    assert event.height > 18, "a snapshot lies before it"
    assert _looked(directory, event) == _looked(without, event)


def test_the_first_block_has_its_moment(directory: Path) -> None:
    looked = moment(directory, BOOKS, 0, 1)
    assert looked.venue.venue == BOOKS
    assert looked.after.exists, "the vault is opened with its venue"
    assert looked.after.cross.cash_atoms == 0
    assert not moment(directory, BOOKS, 1, 1).after.exists


def test_a_twilight_account_is_seen_with_its_thresholds(tmp_path: Path) -> None:
    directory = twilight_journal(tmp_path)
    liquidated = [event for block in events_of(directory) for event in block if event.HasField("position_liquidated")]
    assert liquidated
    for event in liquidated:
        looked = moment(directory, TWILIGHT, event.account, event.height)
        assert event.position_liquidated.position in list(looked.candidates.position)
        assert event.position_liquidated.position in [position.position for position in looked.scanned.positions]
        assert event.position_liquidated.position not in [position.position for position in looked.after.positions]


@pytest.mark.parametrize("height", [0, 10_000])
def test_a_block_that_is_not_there(directory: Path, height: int) -> None:
    tip = sum(1 for _ in events_of(directory))
    with pytest.raises(NoSuchBlock, match=f"the journal goes from 1 to {tip}$"):
        moment(directory, BOOKS, 30, height)


def test_a_venue_and_an_account_that_are_not_there(directory: Path) -> None:
    with pytest.raises(KeyError):
        moment(directory, 7, 30, 20)
    assert not moment(directory, BOOKS, 99_999, 20).scanned.exists


def test_what_waits_at_version_desks_is_seen_before_and_after_whatever_the_snapshot(tmp_path: Path) -> None:
    height = bot_story().at["repinned"]
    directory = bot_journal(tmp_path / "with", snapshot_every=5)
    looked = moment(directory, PERENNIAL, LONGER, height)
    (before,), (after,) = looked.scanned.versioned, looked.after.versioned
    assert [order.is_liquidation for order in before.pending] == [True]
    assert after.locked_version_ms > before.locked_version_ms == before.pending[0].version_ms
    assert [event.version_settled.valid for event in looked.nearby] == [False, False]
    assert looked == moment(bot_journal(tmp_path / "without", last=height), PERENNIAL, LONGER, height)
