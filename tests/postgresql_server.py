"""The private PostgreSQL of the tests: it can be killed and damaged, and is skipped where it cannot be had."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from cluster.journal import postgres_connection
from node.bench.journal_server import NoPostgresql, PrivateServer, binaries
from tests.striking import strike

ROOT = Path(__file__).resolve().parents[1]
_PATIENCE_S = 60.0


def _lives(pid: int) -> bool:
    """Whether the process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class KillableServer(PrivateServer):
    """A server whose every process can be killed, and whose files are at hand while it is down."""

    def kill9(self) -> None:
        """SIGKILL to the postmaster and all its children, as a power failure would end them."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)  # it starts no further child
        children = self.processes()
        for pid in (self._process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        # A server does not start on what one of them still holds.
        deadline = time.monotonic() + _PATIENCE_S
        while any(_lives(pid) for pid in children):
            assert time.monotonic() < deadline, f"killed, and still there: {children}"
            time.sleep(0.005)

    def restart(self) -> None:
        """Start again on what the last run left."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP to every process of it: the socket takes bytes, nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT to every process of it."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, how: signal.Signals) -> None:
        assert self._process is not None
        for pid in (self._process.pid, *self.processes()):
            with suppress(ProcessLookupError):  # a backend whose client is gone ends when it comes to it
                strike(pid, how)

    def processes(self) -> list[int]:
        """Children of the postmaster, backends among them."""
        assert self._process is not None
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue  # it ended meanwhile
            if parent == self._process.pid:
                found.append(int(status.parent.name))
        return found

    def file_of(self, database: str, relation: str) -> Path:
        """The file that holds a table or index of a database, everything written out to it."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            row = connection.execute("SELECT pg_relation_filepath(%s)", (relation,)).fetchone()
        assert row is not None
        return self.data / str(row[0])


def database_of(url: str) -> str:
    """Name of the database in a URL of `new_database`."""
    return url.partition("@/")[2].partition("?")[0]


@contextmanager
def server() -> Iterator[KillableServer]:
    """A running one, installed first where it is missing and that is allowed; skips the test where it is not.

    Journals of this process wait longer for it than nodes do for theirs: the machine may be busy.
    """
    try:
        binaries()
    except NoPostgresql:
        subprocess.run([ROOT / "scripts" / "postgresql"], capture_output=True, check=False)
    try:
        made = KillableServer()
    except NoPostgresql as reason:
        pytest.skip(str(reason))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(postgres_connection, "_CONNECT_TIMEOUT_S", int(_PATIENCE_S))
            patch.setattr(postgres_connection.Connection, "patience_s", _PATIENCE_S)
            yield made
    finally:
        made.close()
