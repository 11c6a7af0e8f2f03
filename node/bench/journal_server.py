"""A PostgreSQL server of one's own: a private data directory and Unix socket, no TCP, an unprivileged account.

It is made from the binaries of an installed package and leaves any server of the machine alone.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

import psycopg

_PACKAGES: Final = Path("/usr/lib/postgresql")
_OWNER: Final = "breakwater"
_ACCOUNTS: Final = ("postgres", "nobody")
_PATIENCE_S: Final = 60.0
# No timed checkpoint in the way of a short measurement; everything that makes a commit durable stays as it is.
_SETTINGS: Final = (
    "listen_addresses=",
    "shared_buffers=64MB",
    "max_connections=60",
    "checkpoint_timeout=1h",
    "max_wal_size=4GB",
    "logging_collector=off",
)


class NoPostgresql(Exception):
    """There is no PostgreSQL package on this machine; the message says how to get one."""


def binaries() -> Path:
    """Folder of the newest installed server's programs; raises NoPostgresql."""
    found = sorted(_PACKAGES.glob("*/bin/initdb"), key=lambda path: [int(part) for part in _version(path)])
    if not found:
        raise NoPostgresql(f"no PostgreSQL server in {_PACKAGES}: scripts/postgresql installs Debian's package")
    return found[-1].parent


class PrivateServer:
    """A server that runs while the object is open. It ends with the process that started it, however that ends."""

    def __init__(self, settings: Sequence[str] = ()) -> None:
        """Make the data directory and start; `settings` are `name=value`. Raises NoPostgresql, RuntimeError."""
        self._binaries = binaries()
        self._as_user, account = _unprivileged()
        self.directory = Path(tempfile.mkdtemp(prefix="bwpg"))  # short: a socket's path has at most 107 bytes
        self.data = self.directory / "data"
        self._settings = (*_SETTINGS, f"unix_socket_directories={self.directory}", *settings)
        self._databases = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            if account is not None:
                os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start on the data directory as it is and wait until it answers; raises RuntimeError."""
        settings = [word for setting in self._settings for word in ("-c", setting)]
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, str(self._binaries / "postgres"), "-D", str(self.data), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                psycopg.connect(self.conninfo()).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the private PostgreSQL does not start ({error}):\n{self.log()}") from error
                time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order: connections are closed, the log is written out. Harmless when it does not run."""
        if self._process is not None:
            self._process.send_signal(2)  # fast shutdown
            self._process.wait(_PATIENCE_S)
            self._process = None

    def close(self) -> None:
        """Stop and remove everything."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"d{next(self._databases)}"
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://{_OWNER}@/{name}?host={self.directory}"

    def conninfo(self, database: str = "postgres") -> str:
        """How psycopg gets at a database as its owner."""
        return f"host={self.directory} user={_OWNER} dbname={database}"

    def log(self) -> str:
        """The last lines the server wrote."""
        path = self.directory / "server.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-20:]) if path.exists() else ""

    def _initialise(self) -> None:
        """--no-sync leaves out the syncs of the empty directory only: the server itself syncs all it commits."""
        words = [str(self._binaries / "initdb"), "-D", str(self.data), "-U", _OWNER, "--auth=trust", "--no-sync"]
        if int(_version(self._binaries / "initdb")[0]) >= 18:
            words.append("--no-data-checksums")  # damage is to be found by the journal's own chain
        made = subprocess.run(
            [*self._as_user, *words, "--encoding=UTF8", "--locale=C"],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}")


def _version(program: Path) -> list[str]:
    """`/.../15/bin/initdb` is of version 15."""
    return program.parts[-3].split(".")


def _unprivileged() -> tuple[list[str], pwd.struct_passwd | None]:
    """Words before a command that drop the rights of root, which PostgreSQL refuses to run with, and the account.

    In every case the kernel ends the program when this process has died.
    """
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return words, None
    known = {account.pw_name: account for account in pwd.getpwall()}
    for name in _ACCOUNTS:
        if name in known:
            account = known[name]
            ids = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
            return [*words, *ids], account
    raise NoPostgresql(f"none of the accounts {', '.join(_ACCOUNTS)} exists to run a server as")
