"""What only a server brings: leases of the living, streams, readers beside a writer, and all that can be in the way."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from cluster.journal import (
    BadJournalUrl,
    Fenced,
    JournalCorrupted,
    LeaseHeld,
    OutcomeUnknown,
    StoreFailed,
    open_journal,
    open_reader,
    postgres_connection,
)
from cluster.journal.postgres import PostgresJournal
from cluster.journal.postgres_connection import Address, Connection
from tests.cluster.journal_cases import extend
from tests.cluster.journal_torture import ACKNOWLEDGED_A_KILL, judge, torture
from tests.postgresql_server import KillableServer, database_of, server


@pytest.fixture
def url(postgresql: KillableServer) -> str:
    return postgresql.new_database()


@pytest.fixture
def journal(url: str) -> Iterator[PostgresJournal]:
    with closing(PostgresJournal.open(url, holder="first")) as made:
        made.take_lease()
        yield made


# Of a lease that outlives any pause of a test.
LONG_MS = 600_000


def patient(url: str) -> str:
    """For who asks for a lease: its holder is alive though it was not heard of for minutes."""
    return with_option(url, f"lease_ttl_ms={LONG_MS}")


def with_option(url: str, option: str) -> str:
    return f"{url}&{option}"


# The lease


def test_opening_never_steals_from_the_living(journal: PostgresJournal, url: str) -> None:
    frames = extend(journal, 2)
    with closing(PostgresJournal.open(patient(url), holder="second")) as other:
        assert other.tip() == frames[-1].tip
        with pytest.raises(LeaseHeld, match=r"in use by first, epoch 1, seen [\d,]+ ms ago; free in [\d,]+ ms") as held:
            other.take_lease()
        assert held.value.free_in_ms is not None
        assert 0 < held.value.free_in_ms <= LONG_MS
        assert other.epoch == 0
        with pytest.raises(Fenced):
            other.append(frames[-1].tip.next_frame(1, b"without a lease"))
        frames += extend(journal, 1)
        assert other.take_lease(force=True) == 2
        with pytest.raises(Fenced):
            journal.append(frames[-1].tip.next_frame(1, b"overtaken"))
        frames += extend(other, 1)
        assert [frame.epoch for frame in frames] == [1, 1, 1, 2]
        assert list(journal.frames()) == frames


def test_a_silent_holder_loses_the_lease_when_its_time_is_over(journal: PostgresJournal, url: str) -> None:
    second = PostgresJournal.open(patient(url), holder="second")
    with closing(second) as other, psycopg.connect(url, autocommit=True) as raw:
        journal.renew()
        raw.execute("UPDATE lease SET seen_ms = seen_ms - 200000")
        with pytest.raises(LeaseHeld) as held:
            other.take_lease()
        assert held.value.free_in_ms is not None
        assert held.value.free_in_ms <= 400_000
        raw.execute("UPDATE lease SET seen_ms = seen_ms - 400001")
        assert other.take_lease() == 2
        with pytest.raises(Fenced):
            journal.renew()


def test_appending_and_renewing_are_signs_of_life(journal: PostgresJournal, url: str) -> None:
    second = PostgresJournal.open(patient(url), holder="second")
    with closing(second) as other, psycopg.connect(url, autocommit=True) as raw:
        for sign in (lambda: extend(journal, 1), journal.renew, journal.resume):
            raw.execute("UPDATE lease SET seen_ms = 0")
            sign()
            with pytest.raises(LeaseHeld):
                other.take_lease()


def test_the_time_of_a_lease_is_part_of_the_url(journal: PostgresJournal, url: str) -> None:
    assert Address.of(url).ttl_ms == 5_000
    with (
        closing(PostgresJournal.open(patient(url), holder="patient")) as slow,
        closing(PostgresJournal.open(with_option(url, "lease_ttl_ms=1"), holder="hasty")) as hasty,
        psycopg.connect(url, autocommit=True) as raw,
    ):
        raw.execute("UPDATE lease SET seen_ms = seen_ms - 10000")
        with pytest.raises(LeaseHeld):
            slow.take_lease()
        assert hasty.take_lease() == 2


def test_a_closed_journal_is_free_at_once(url: str) -> None:
    for epoch in (1, 2, 3):
        with closing(PostgresJournal.open(url, holder=f"holder {epoch}")) as made:
            assert made.take_lease() == epoch
            extend(made, 1)


def test_one_data_directory_has_one_node(url: str, postgresql: KillableServer, tmp_path: Path) -> None:
    with closing(open_journal(url, tmp_path, holder="first")), pytest.raises(LeaseHeld, match="in use by first"):
        open_journal(postgresql.new_database(), tmp_path, holder="second")
    open_journal(url, tmp_path, holder="third").close()


def test_streams_of_one_database_know_nothing_of_each_other(url: str) -> None:
    with (
        closing(PostgresJournal.open(with_option(url, "stream=east"), holder="a")) as east,
        closing(PostgresJournal.open(with_option(url, "stream=west"), holder="b")) as west,
    ):
        for made in (east, west):
            made.take_lease()
        frames = extend(east, 5), extend(west, 3)
        assert (list(east.frames()), list(west.frames())) == frames
        assert east.cut_before(4) == 3
        assert west.verify().height == 3


def test_a_server_leaves_no_torn_tail_so_nothing_is_cut(url: str) -> None:
    with closing(PostgresJournal.open(url, holder="first")) as made:
        made.take_lease()
        extend(made, 4)
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("UPDATE lease SET anchor_height = 0")
        raw.execute("UPDATE journal SET payload = '' WHERE height = 4")
        with pytest.raises(JournalCorrupted, match="height 4: its content does not match its hash"):
            PostgresJournal.open(url, holder="second")
        assert raw.execute("SELECT count(*) FROM journal").fetchone() == (4,)


def test_a_closed_journal_stays_closed(url: str, tmp_path: Path) -> None:
    made = PostgresJournal.open(url, holder="first")
    reader = open_reader(url, tmp_path)
    for journal in (made, reader):
        journal.close()
        journal.close()
        with pytest.raises(StoreFailed, match="was closed"):
            journal.tip()


# Reading beside the writer


def test_who_follows_sees_frames_as_they_come(journal: PostgresJournal, url: str, tmp_path: Path) -> None:
    with closing(open_reader(url, tmp_path)) as reader:
        assert list(reader.frames()) == []
        first = extend(journal, 20)
        assert list(reader.frames()) == first
        second = extend(journal, 3)
        assert list(reader.frames(21)) == second
        assert reader.tip() == second[-1].tip


def test_verifying_beside_a_writer_finds_nothing_wrong(journal: PostgresJournal, url: str, tmp_path: Path) -> None:
    extend(journal, 20)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            extend(journal, 1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with closing(open_reader(url, tmp_path)) as reader:
            heights = [reader.verify().height for _ in range(10)]
            PostgresJournal.open(url, holder="beside").close()
    finally:
        done.set()
        writer.join()
    assert heights == sorted(heights)
    assert heights[0] >= 20


# What can be in the way


def test_a_url_that_is_none_is_refused_without_its_password(tmp_path: Path) -> None:
    wrong = {
        "mysql://user:secret@host/db": "only postgresql:// is known",
        "postgresql://user:secret@host/db?stream=": "stream is a name",
        "postgresql://user:secret@host/db?lease_ttl_ms=soon": "number of milliseconds",
        "postgresql://user:secret@host/db?no_such_option=1": "no_such_option",
        "postgresql://user:secret@host/db?nonsense": "nonsense",
    }
    for url, reason in wrong.items():
        with pytest.raises(BadJournalUrl, match=reason) as refusal:
            open_journal(url, tmp_path, holder="test")
        assert "secret" not in str(refusal.value)


def test_an_address_is_shown_without_its_password() -> None:
    shown = {
        "postgresql://user:secret@host:5433/db?stream=x&sslmode=require": "postgresql://user@host:5433/db?stream=x",
        "postgresql:///db?host=/run/pg&password=secret": "postgresql:///db?host=/run/pg&stream=main",
        "postgres://a,b/db": "postgresql://a,b/db?stream=main",
        "postgresql://h/db?stream=a%20b&options=-c%20geqo%3Doff": "postgresql://h/db?stream=a b",
    }
    assert {url: Address.of(url).shown for url in shown} == shown


def test_what_keeps_a_server_from_serving_is_said(postgresql: KillableServer, url: str, tmp_path: Path) -> None:
    name = database_of(url)
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("DROP ROLE IF EXISTS guest")
        raw.execute("CREATE ROLE guest LOGIN")
        raw.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO guest")
    guest = url.replace("breakwater@", "guest@")
    wrong = {
        f"postgresql://breakwater@/{name}?host={tmp_path}": "cannot connect",
        "postgresql://breakwater@127.0.0.1:1/db": "cannot connect.*refused",
        url.replace(f"/{name}?", "/nowhere?"): 'database "nowhere" does not exist',
        guest: "permission denied.*tables journal, journal_cut, journal_start, lease are missing",
    }
    for address, reason in wrong.items():
        with pytest.raises(StoreFailed, match=reason):
            PostgresJournal.open(address, holder="test")
    with pytest.raises(FileNotFoundError, match="its tables are not there"):
        open_reader(url, tmp_path)
    PostgresJournal.open(url, holder="owner").close()
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest")
    with closing(PostgresJournal.open(guest, holder="test")) as made:
        made.take_lease()
        extend(made, 2)


def test_an_old_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "OLDEST_VERSION", 99)
    with pytest.raises(StoreFailed, match=r"it is PostgreSQL \d\d, and 99 or later is needed"):
        PostgresJournal.open(url, holder="test")


def test_a_connection_lost_while_idle_is_made_again(journal: PostgresJournal, url: str) -> None:
    frames = extend(journal, 2)
    uses: list[Callable[[], object]] = [lambda: frames.extend(extend(journal, 1)), journal.renew, journal.checkpoint]
    for use in uses:
        journal._connection.close()
        use()
    assert journal.epoch == 1
    journal._connection.close()
    assert journal.cut_before(2) == 1
    journal._connection.close()
    assert journal.take_lease() == 2
    frames = frames[1:]
    assert list(journal.frames()) == frames


def test_a_backend_that_is_ended_leaves_the_outcome_open(journal: PostgresJournal, url: str) -> None:
    frames = extend(journal, 2)
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("SELECT pg_terminate_backend(%s)", (journal._connection.info.backend_pid,))
    with pytest.raises(OutcomeUnknown):
        journal.append(frames[-1].tip.next_frame(1, b"never sent"))
    assert journal.resume() == frames[-1].tip
    frames += extend(journal, 1)
    assert [frame.epoch for frame in frames] == [1, 1, 2]


# A server of one's own, to stop and to kill


@pytest.mark.slow
def test_a_stopped_server_and_a_killed_one_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notices: list[str] = []
    with server() as own:
        url = own.new_database()
        with closing(open_journal(url, tmp_path, holder="test", notice=notices.append)) as journal:
            assert notices == []
            journal.take_lease()
            frames = extend(journal, 3)
            own.pause()
            monkeypatch.setattr(Connection, "patience_s", 0.5)
            monkeypatch.setattr(postgres_connection, "_CONNECT_TIMEOUT_S", 2)
            try:
                with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.5 s"):
                    journal.append(frames[-1].tip.next_frame(1, b"to a stopped server"))
                with pytest.raises(StoreFailed):
                    journal.resume()
            finally:
                own.wake()
                monkeypatch.undo()
            tip = journal.resume()
            assert tip.height in {3, 4}
            frames = list(journal.frames())
            own.kill9()
            with pytest.raises(OutcomeUnknown):
                journal.append(tip.next_frame(journal.epoch, b"to a dead server"))
            for _ in range(2):
                with pytest.raises(StoreFailed, match="cannot connect"):
                    journal.resume()
            own.start()
            assert journal.resume() == frames[-1].tip
            frames += extend(journal, 1)
            assert list(journal.frames()) == frames


@pytest.mark.slow
def test_a_server_that_may_lose_commits_or_takes_none_is_named() -> None:
    notices: list[str] = []
    with server() as own:
        url = own.new_database()
        with psycopg.connect(own.conninfo(), autocommit=True) as raw:
            raw.execute("ALTER SYSTEM SET fsync = off")
        own.restart()
        PostgresJournal.open(url, holder="test", notice=notices.append).close()
        assert len(notices) == 1
        assert "fsync=off" in notices[0]
        own.stop()
        signal_file = own.data / "standby.signal"
        signal_file.touch()
        os.chown(signal_file, own.data.stat().st_uid, own.data.stat().st_gid)
        own.start()
        with pytest.raises(StoreFailed, match="standby"):
            PostgresJournal.open(url, holder="test")


def torn(seed: int, writers: int, kills: int, seconds_between: float) -> None:
    with server() as own:
        url, toll = torture(own, seed, writers, kills, seconds_between)
        with closing(open_reader(url, Path())) as reader:
            frames = list(reader.frames())
            assert reader.verify() == frames[-1].tip
    assert judge(frames, toll) == []
    assert toll.kills == kills
    assert len(toll.acknowledged) > ACKNOWLEDGED_A_KILL * kills
    assert toll.takeovers > kills
    assert toll.doubts > 0


@pytest.mark.slow
def test_writers_that_compete_on_a_server_that_dies_lose_and_double_nothing() -> None:
    torn(seed=5, writers=3, kills=3, seconds_between=1.0)


@pytest.mark.soak
def test_writers_compete_on_a_dying_server_for_a_long_time() -> None:
    for seed in range(4):
        torn(seed, writers=4, kills=12, seconds_between=1.5)
