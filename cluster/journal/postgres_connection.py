"""The way to a PostgreSQL server: the URL of a journal, a connection that does not wait for ever, clear refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import psycopg
from psycopg import conninfo, errors
from psycopg.abc import PQGen

from cluster.journal.journal import BadJournalUrl, NoticeSink, StoreFailed

SCHEMES: Final = ("postgresql", "postgres")
DEFAULT_STREAM: Final = "main"
DEFAULT_TTL_MS: Final = 5_000
OLDEST_VERSION: Final = 14

_PATIENCE_S: Final = 15.0
_CONNECT_TIMEOUT_S: Final = 5
_TCP_TIMEOUT_MS: Final = 10_000
# Whatever role or database say otherwise: a commit is on disk before it returns, a statement sees what is committed
# when it gets its locks, and nobody waits for a lock longer than a lease lives.
_SESSION: Final = (
    "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; "
    "SET default_transaction_read_only = off; SET lock_timeout = '5s'; SET client_min_messages = warning"
)
_UNSAFE: Final = ("fsync", "full_page_writes")

RV = TypeVar("RV")


@dataclass(frozen=True, slots=True)
class Address:
    """A journal on a server. `shown` is how people and logs may see it: without a password."""

    conninfo: str
    shown: str
    stream: str = DEFAULT_STREAM
    ttl_ms: int = DEFAULT_TTL_MS

    @classmethod
    def of(cls, url: str) -> Address:
        """Read `postgresql://user@host/db?stream=main&lease_ttl_ms=5000`; all else in it is libpq's.

        Raises BadJournalUrl.
        """
        place, _, query = url.partition("?")
        options = dict(option.partition("=")[::2] for option in query.split("&") if option)
        if place.partition("://")[0] not in SCHEMES:
            raise BadJournalUrl(
                url, "only postgresql:// is known; without a URL the journal is a file of the data directory"
            )
        stream = unquote(options.pop("stream", DEFAULT_STREAM))
        ttl = options.pop("lease_ttl_ms", str(DEFAULT_TTL_MS))
        if not stream or not ttl.isdigit() or int(ttl) < 1:
            raise BadJournalUrl(url, "stream is a name, lease_ttl_ms a number of milliseconds from 1 on")
        bare = "?".join(filter(None, (place, "&".join("=".join(option) for option in options.items()))))
        try:
            known = conninfo.conninfo_to_dict(bare)
        except psycopg.ProgrammingError as error:
            raise BadJournalUrl(url, str(error).strip()) from error
        return cls(bare, _shown(known, stream), stream, int(ttl))


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """Gives every statement a time to answer in: a stopped or cut-off server looks like a lost one."""

    patience_s = _PATIENCE_S

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's; when the time is over the connection is closed, for nobody knows what its state is."""
        if self.pgconn.socket < 0:
            raise errors.OperationalError("the connection is closed")
        try:
            return super().wait(gen, interval, timeout if timeout is not None else self.patience_s)
        except errors._WaitTimeout as error:
            self.pgconn.finish()
            raise errors.OperationalError(f"no answer within {timeout or self.patience_s:g} s") from error


def connect(address: Address, holder: str, *, write: bool, notice: NoticeSink | None = None) -> Connection:
    """Connect, set the session up, and make sure the server is one a journal can be kept on.

    Tells `notice` of settings that let an acknowledged frame be lost. Raises StoreFailed.
    """
    try:
        connection = Connection.connect(address.conninfo, autocommit=True, **_defaults(address, holder))
    except psycopg.Error as error:
        raise failed(address, f"cannot connect: {_first_line(error)}") from error
    try:
        _require_usable(address, connection, write)
        connection.execute(_SESSION)
        connection.prepare_threshold = 0
        if notice is not None:
            for setting in _UNSAFE:
                if _one(connection, f"SHOW {setting}") == "off":
                    notice(
                        f"journal: {address.shown} runs with {setting}=off: a crash there can lose acknowledged blocks"
                    )
    except psycopg.Error as error:
        connection.close()
        raise failed(address, _first_line(error)) from error
    except StoreFailed:
        connection.close()
        raise
    return connection


def failed(address: Address, reason: object) -> StoreFailed:
    """The server does not answer, or refuses."""
    return StoreFailed(f"the journal's store {address.shown} does not serve: {reason}")


def is_refusal(error: psycopg.Error, connection: Connection) -> bool:
    """Whether the server itself said no, and its transaction is over without an effect for certain.

    Not so where the connection went, or the server took itself down (class 57P) while it was at it.
    """
    state = error.sqlstate or ""
    return state != "" and not state.startswith(("08", "57P")) and not connection.closed


def is_damage(error: psycopg.Error) -> bool:
    """Whether an error while reading means that stored bytes are not what was written."""
    return (error.sqlstate or "").startswith(("XX", "22", "58"))


def explained(error: psycopg.Error) -> str:
    """The server's own words with their SQLSTATE, in one line."""
    return f"{_first_line(error)} (SQLSTATE {error.sqlstate})" if error.sqlstate else _first_line(error)


def _defaults(address: Address, holder: str) -> dict[str, Any]:
    """What the URL leaves open."""
    wanted = {
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "tcp_user_timeout": _TCP_TIMEOUT_MS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "client_encoding": "utf8",
        "application_name": f"breakwater: {holder}"[:63],
    }
    known = conninfo.conninfo_to_dict(address.conninfo)
    return {name: value for name, value in wanted.items() if name not in known}


def _require_usable(address: Address, connection: Connection, write: bool) -> None:
    version = connection.info.server_version // 10_000
    if version < OLDEST_VERSION:
        raise failed(address, f"it is PostgreSQL {version}, and {OLDEST_VERSION} or later is needed")
    if write and _one(connection, "SELECT pg_is_in_recovery()"):
        raise failed(address, "it is a standby of another server and takes no writes")


def _one(connection: Connection, sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    return row[0] if row else None


def _first_line(error: psycopg.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _shown(known: dict[str, Any], stream: str) -> str:
    user = f"{known['user']}@" if known.get("user") else ""
    host = known.get("host") or known.get("hostaddr") or ""
    port = f":{known['port']}" if str(known.get("port") or "").strip(",") else ""
    where = f"{user}{host}{port}" if not str(host).startswith("/") else user
    socket = f"host={host}&" if str(host).startswith("/") else ""
    return f"postgresql://{where}/{known.get('dbname', '')}?{socket}stream={stream}"
