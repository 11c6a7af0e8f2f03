"""What a journal promises, the same on every store: the chain, the lease, the way back, pruning."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from cluster.journal import (
    GENESIS_TIP,
    Fenced,
    Frame,
    FrameNotAppended,
    FramesPruned,
    HeightOutOfOrder,
    JournalCorrupted,
    OutcomeUnknown,
    StoreFailed,
    Tip,
)
from tests.cluster.journal_cases import extend
from tests.cluster.journal_stores import AnyJournal, JournalPlace, ServerStream, SqliteFile, filled, flip, read_all

STORES = ("sqlite", "postgresql")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> JournalPlace:
    if request.param == "sqlite":
        return SqliteFile(tmp_path)
    return ServerStream(request.getfixturevalue("postgresql"), tmp_path)


@pytest.fixture
def journal(store: JournalPlace) -> Iterator[AnyJournal]:
    made = store.open(lonely=False)
    made.take_lease()
    yield made
    made.close()


def test_what_was_appended_is_read_back_after_reopening(store: JournalPlace) -> None:
    with closing(store.open()) as made:
        assert made.tip() == made.start() == GENESIS_TIP
        assert list(made.frames()) == []
    frames = filled(store, 40)
    assert read_all(store) == frames
    with closing(store.open()) as made:
        assert made.tip() == frames[-1].tip
        assert list(made.frames(17)) == frames[16:]
        assert made.verify() == made.tip()


def test_only_the_successor_of_the_tip_is_taken(journal: AnyJournal) -> None:
    frames = extend(journal, 2)
    wrong = [
        frames[-1],
        Frame.seal(4, 1, frames[-1].hash, b""),
        Frame.seal(3, 1, frames[0].hash, b""),
        Frame(3, 1, frames[-1].hash, bytes(32), b"hash of something else"),
    ]
    for frame in wrong:
        with pytest.raises(HeightOutOfOrder):
            journal.append(frame)
    assert list(journal.frames()) == frames


def test_reading_past_the_end_names_where_the_journal_ends(journal: AnyJournal) -> None:
    extend(journal, 2)
    assert list(journal.frames(3)) == []
    with pytest.raises(JournalCorrupted, match="ends at 2"):
        list(journal.frames(9))


# The lease


def test_nothing_is_written_without_the_lease(store: JournalPlace) -> None:
    with closing(store.open()) as made:
        uses: list[Callable[[], object]] = [made.renew, made.checkpoint, made.resume, lambda: made.cut_before(1)]
        for use in [lambda: made.append(GENESIS_TIP.next_frame(1, b"")), *uses]:
            with pytest.raises(Fenced):
                use()
        assert made.tip() == GENESIS_TIP


def test_an_old_epoch_cannot_append_after_a_takeover(journal: AnyJournal) -> None:
    stale = journal.tip().next_frame(journal.epoch, b"from the paused writer")
    assert journal.take_lease() == 2
    with pytest.raises(Fenced):
        journal.append(stale)
    frames = extend(journal, 1)
    with pytest.raises(Fenced):
        journal.append(journal.tip().next_frame(1, b"still the paused writer"))
    assert list(journal.frames()) == frames


def test_a_successor_in_the_store_shuts_the_writer_out(journal: AnyJournal, store: JournalPlace) -> None:
    """The writer does not know, the statement does."""
    frames = extend(journal, 3)
    store.alter("UPDATE lease SET epoch = epoch + 1, holder = 'successor'")
    with pytest.raises(Fenced) as refusal:
        journal.append(journal.tip().next_frame(journal.epoch, b"too late"))
    assert refusal.value.epoch == 1
    assert "fenced" in str(refusal.value)
    for use in (journal.checkpoint, journal.renew, lambda: journal.cut_before(3), journal.resume, journal.resume):
        with pytest.raises(Fenced):
            use()
    with pytest.raises(Fenced):
        journal.append(frames[-1].tip.next_frame(journal.epoch, b"still too late"))
    assert journal.holder()[:2] == ("successor", 2)
    assert list(journal.frames()) == frames
    assert journal.start() == GENESIS_TIP


def test_epochs_rise_even_when_the_lease_row_forgot(store: JournalPlace) -> None:
    for expected in (1, 2, 3):
        with closing(store.open()) as made:
            assert made.take_lease() == expected
            extend(made, 1)
    store.alter("UPDATE lease SET epoch = 0")
    with closing(store.open()) as made:
        assert made.take_lease() == 4


def test_a_holder_is_seen_and_closing_releases(store: JournalPlace) -> None:
    with closing(store.open("first", lonely=False)) as made:
        assert made.holder()[:2] == ("", 0)
        made.take_lease()
        store.alter("UPDATE lease SET seen_ms = seen_ms - 3600000")
        assert made.holder().seen_age_ms >= 3_600_000
        made.renew()
        assert made.holder()[:2] == ("first", 1)
        assert made.holder().seen_age_ms < 600_000
    with closing(store.open("second")) as made:
        assert made.holder().name == ""
        made.take_lease()
        assert made.holder()[:2] == ("second", 2)


# Appends that fail


def in_doubt(journal: AnyJournal) -> tuple[Frame, Tip]:
    """A frame whose append failed half-way, and where the journal ends when that was looked into."""
    frame = journal.tip().next_frame(journal.epoch, b"lost or not")
    with pytest.raises(OutcomeUnknown) as failure:
        journal.append(frame)
    assert failure.value.height == frame.height
    uses: list[Callable[[], object]] = [journal.renew, journal.checkpoint, lambda: journal.cut_before(1)]
    for use in [lambda: journal.append(frame.tip.next_frame(1, b"must wait")), *uses]:
        with pytest.raises(OutcomeUnknown, match="resume comes first"):
            use()
    return frame, journal.resume()


@pytest.mark.parametrize("after", [True, False])
def test_a_commit_of_unknown_outcome_shows_in_the_tip(journal: AnyJournal, store: JournalPlace, after: bool) -> None:
    frames = extend(journal, 2)
    store.fail_appends(journal, after)
    frame, tip = in_doubt(journal)
    assert tip == journal.tip() == (frame if after else frames[-1]).tip
    assert journal.epoch == 2
    frames += [frame] if after else []
    frames += extend(journal, 2)
    assert frames[-1].epoch == 2
    assert list(journal.frames()) == frames


def test_a_refusal_of_the_store_is_certain_and_changes_nothing(journal: AnyJournal, store: JournalPlace) -> None:
    frames = extend(journal, 2)
    if journal.kind == "sqlite":
        pages = journal.query("PRAGMA page_count", 1)[0][0]
        journal.query(f"PRAGMA max_page_count = {pages}", 1)
    else:
        store.rows(
            "CREATE FUNCTION full_disk() RETURNS trigger AS "
            "'BEGIN RAISE EXCEPTION ''could not extend file'' USING ERRCODE = ''53100''; END' LANGUAGE plpgsql; "
            "CREATE TRIGGER full_disk BEFORE INSERT ON journal EXECUTE FUNCTION full_disk()"
        )
    for _ in range(2):
        with pytest.raises(FrameNotAppended, match=r"full|53100") as failure:
            journal.append(journal.tip().next_frame(1, bytes(1 << 18)))
        assert failure.value.height == 3
    assert journal.epoch == 1
    if journal.kind == "sqlite":
        journal.query("PRAGMA max_page_count = 100000", 1)
    else:
        store.rows("DROP TRIGGER full_disk ON journal")
    frames += extend(journal, 1)
    assert list(journal.frames()) == frames


def losing_the_answer(real: Callable[[], AbstractContextManager[object]]) -> Callable[[], AbstractContextManager[None]]:
    """A transaction that takes effect, and whose answer never comes."""

    @contextmanager
    def lost() -> Iterator[None]:
        with real():
            yield
        raise StoreFailed("server closed the connection unexpectedly")

    return lost


def test_a_lost_answer_to_a_resume_or_a_takeover_is_no_fence(
    journal: AnyJournal, store: JournalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = extend(journal, 2)
    store.fail_appends(journal, after=True)
    frame = journal.tip().next_frame(1, b"lost or not")
    with pytest.raises(OutcomeUnknown):
        journal.append(frame)
    for take, epoch in ((journal.resume, 3), (journal.take_lease, 5)):
        with monkeypatch.context() as patch:
            patch.setattr(journal, "_transaction", losing_the_answer(journal._transaction))
            with pytest.raises(StoreFailed):
                take()
        take()
        assert journal.epoch == epoch
    frames += [frame, *extend(journal, 1)]
    assert list(journal.frames()) == frames


def test_a_successor_of_the_same_name_is_another(journal: AnyJournal, store: JournalPlace) -> None:
    extend(journal, 1)
    assert journal.holder()[:2] == ("test", 1)
    store.alter("UPDATE lease SET epoch = 2, holder = 'test'")
    assert journal.holder()[:2] == ("test", 2)
    with pytest.raises(Fenced):
        journal.resume()


# Damage


@pytest.mark.parametrize("column", ["epoch", "prev_hash", "hash", "payload", "height"])
@pytest.mark.parametrize("height", [1, 6, 12])
def test_a_flipped_bit_in_any_column_stops_the_start_and_names_the_height(
    store: JournalPlace, height: int, column: str
) -> None:
    filled(store, 12)
    flip(store, height, column)
    with pytest.raises(JournalCorrupted) as refusal:
        store.open()
    assert refusal.value.height == height
    with closing(store.read()) as reader, pytest.raises(JournalCorrupted) as refusal:
        reader.verify()
    assert refusal.value.height == height
    assert f"height {height}" in str(refusal.value)


@pytest.mark.parametrize("height", [1, 3, 5])
def test_a_missing_frame_is_corruption(store: JournalPlace, height: int) -> None:
    filled(store, 5)
    store.alter("DELETE FROM journal WHERE height = ?", height)
    with pytest.raises(JournalCorrupted) as refusal:
        store.open()
    assert refusal.value.height == height


def test_a_snapshot_spares_the_older_frames_and_pins_the_newest_cut(store: JournalPlace) -> None:
    frames = filled(store, 8)
    flip(store, 2, "payload")
    with closing(store.open(verify_after=frames[4].tip)) as made:
        assert made.tip().height == 8
        assert list(made.frames(6)) == frames[5:]
        with pytest.raises(JournalCorrupted) as refusal:
            made.verify()
        assert refusal.value.height == 2
    for wrong in (Tip(5, frames[3].hash), Tip(9, frames[7].hash)):
        with pytest.raises(JournalCorrupted):
            store.open(verify_after=wrong)


# Pruning


def test_a_cut_journal_goes_on_from_where_it_was_cut(store: JournalPlace) -> None:
    frames = filled(store, 20)
    with closing(store.open()) as made:
        made.take_lease()
        assert made.cut_before(8) == 7
        assert made.cut_before(8) == made.cut_before(3) == 0
        assert made.start() == frames[6].tip
        assert list(made.frames()) == list(made.frames(8)) == frames[7:]
        assert made.verify() == made.tip() == frames[-1].tip
        with pytest.raises(FramesPruned, match=r"frame 7 was pruned.*begins at height 8") as refusal:
            list(made.frames(7))
        assert refusal.value.first_height == 8
        with pytest.raises(ValueError, match="ends at 20"):
            made.cut_before(22)
        frames += extend(made, 2)
        assert made.cut_before(15) == 7
    assert read_all(store) == frames[14:]
    with closing(store.open(verify_after=frames[16].tip)) as made:
        assert made.tip() == frames[-1].tip
    with pytest.raises(FramesPruned):
        store.open()


def test_a_journal_can_be_cut_to_nothing_and_goes_on(store: JournalPlace) -> None:
    frames = filled(store, 6)
    with closing(store.open()) as made:
        made.take_lease()
        assert made.cut_before(7) == 6
        assert made.start() == made.tip() == frames[-1].tip
        assert list(made.frames()) == []
        (new,) = extend(made, 1)
        assert new.height == 7
    with closing(store.open(verify_after=frames[-1].tip)) as made:
        assert made.tip() == new.tip


@pytest.mark.parametrize(("column", "value"), [("height", 6), ("hash", bytes(32)), ("epoch", 9)])
def test_a_damaged_start_of_a_cut_journal_is_noticed(store: JournalPlace, column: str, value: object) -> None:
    frames = filled(store, 9)
    with closing(store.open()) as made:
        made.take_lease()
        made.cut_before(5)
    store.alter(f"UPDATE journal_start SET {column} = ?", value)
    with closing(store.read()) as reader, pytest.raises(JournalCorrupted):
        reader.verify()
    store.alter("DELETE FROM journal_start")
    with closing(store.read()) as reader, pytest.raises(JournalCorrupted, match="height 1"):
        reader.verify()
    with pytest.raises(JournalCorrupted):
        store.open(verify_after=frames[2].tip)


def test_a_cut_that_fails_half_way_cuts_nothing(store: JournalPlace) -> None:
    frames = filled(store, 9)
    with closing(store.open(lonely=False)) as made:
        made.take_lease()
        if made.kind == "sqlite":
            store.rows(
                "CREATE TRIGGER stubborn BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
            )
        else:
            store.rows(
                "CREATE FUNCTION stubborn() RETURNS trigger AS 'BEGIN RAISE EXCEPTION ''no''; END' LANGUAGE plpgsql; "
                "CREATE TRIGGER stubborn BEFORE DELETE ON journal EXECUTE FUNCTION stubborn()"
            )
        with pytest.raises(Exception, match=r"disk I/O|no") as failure:
            made.cut_before(5)
        assert type(failure.value).__module__ == "cluster.journal.journal"
        assert made.start() == GENESIS_TIP
        assert list(made.frames()) == frames
        frames += extend(made, 1)
    assert read_all(store) == frames


def test_who_reads_while_it_is_cut_is_told(journal: AnyJournal) -> None:
    extend(journal, 60)
    reading = journal.frames()
    next(reading)
    journal.cut_before(50)
    with pytest.raises(FramesPruned, match="begins at height 50"):
        list(reading)
