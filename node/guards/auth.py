"""Who is calling: from the key in the metadata to the caller whose roles, accounts and publishers count."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from breakwater.v1 import refusals_pb2
from node.guards.bindings import AccountBindings
from node.guards.key_file import KEYS_NAME, KeyFileBroken, KeyRecord, KeyTable, digest_of, read_keys, update_keys
from node.guards.refusals import Refused
from node.guards.roles import BODIES, Role, roles_of_method
from node.logs import logger

_log = logger("keys")
_SCHEME: Final = "bearer "
_LOOK_AGAIN_S: Final = 1.0

Metadata = Iterable[tuple[str, str | bytes]] | None


@dataclass(frozen=True)
class Caller:
    """The key a call came with. `principal` is its number, written into every batch."""

    principal: int
    name: str
    roles: frozenset[Role]
    accounts: AccountBindings
    publishers: frozenset[int] | None

    def require_account(self, venue: int, account: int) -> None:
        """Raises NOT_ALLOWED unless the key is bound to the account."""
        if not self.accounts.covers(venue, account):
            raise Refused(refusals_pb2.REFUSAL_NOT_ALLOWED, field="account")

    def require_accounts(self, venue: int, accounts: np.ndarray) -> None:
        """Raises NOT_ALLOWED unless the key is bound to every account of the column."""
        if not self.accounts.covers_all(venue, accounts):
            raise Refused(refusals_pb2.REFUSAL_NOT_ALLOWED, field="account")

    def require_publishers(self, publishers: np.ndarray) -> None:
        """Raises NOT_ALLOWED unless the key may publish under every number of the column."""
        if self.publishers is not None and not self.publishers.issuperset(np.unique(publishers).tolist()):
            raise Refused(refusals_pb2.REFUSAL_NOT_ALLOWED, field="publisher")

    def require_body(self, body: str) -> None:
        """Raises NOT_ALLOWED unless a role of the key may send a batch with this body."""
        if self.roles.isdisjoint(BODIES[body]):
            raise Refused(refusals_pb2.REFUSAL_NOT_ALLOWED, field=body)


_caller: ContextVar[Caller] = ContextVar("caller")


def current_caller() -> Caller:
    """The caller of the RPC this task answers."""
    return _caller.get()


class KeyRing:
    """The keys of a data directory in memory. A change of the file, by `breakwater keys new` say, is seen in a second.

    Used from the event loop only.
    """

    def __init__(self, data_dir: Path) -> None:
        """Reads the directory's keys; raises KeyFileBroken."""
        self.path = data_dir / KEYS_NAME
        self._callers: dict[bytes, Caller] = {}
        self._stamp: tuple[int, int] | None = None
        self._looked_s = 0.0
        self._saving = asyncio.Lock()
        self._reload_if_changed()

    def admit(self, method: str, metadata: Metadata) -> Caller:
        """The caller of a method; raises UNAUTHENTICATED, or NOT_ALLOWED when no role of the key may call it."""
        if time.monotonic() - self._looked_s > _LOOK_AGAIN_S:
            self._reload_if_changed()
        caller = self._callers.get(digest_of(_token(metadata)))
        if caller is None:
            raise Refused(refusals_pb2.REFUSAL_UNAUTHENTICATED, field="authorization")
        if caller.roles.isdisjoint(roles_of_method(method)):
            raise Refused(refusals_pb2.REFUSAL_NOT_ALLOWED, field="role")
        _caller.set(caller)
        return caller

    async def bind(self, caller: Caller, venue: int, first: int, last: int) -> None:
        """Binds accounts to a key, durably before it returns."""
        if caller.accounts.covers(venue, first) and caller.accounts.covers(venue, last):
            return

        def change(table: KeyTable) -> None:
            for record in table.records:
                if record.principal == caller.principal:
                    record.accounts.add(venue, first, last)

        async with self._saving:
            await asyncio.to_thread(update_keys, self.path, change)
            caller.accounts.add(venue, first, last)

    def _reload_if_changed(self) -> None:
        self._looked_s = time.monotonic()
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._callers, self._stamp = {}, None
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return
        is_first, self._stamp = self._stamp is None, stamp
        try:
            records = read_keys(self.path).records
        except KeyFileBroken as error:
            if is_first:
                raise
            _log.error("keys", kept="those of before", reason=str(error))
            return
        known = {caller.principal: caller for caller in self._callers.values()}
        self._callers = {record.digest: _renewed(known.get(record.principal), record) for record in records}


def _renewed(before: Caller | None, record: KeyRecord) -> Caller:
    """The caller of a record; the object of before while nothing about it changed, since calls in flight hold it."""
    after = Caller(record.principal, record.name, record.roles, record.accounts, record.publishers)
    if before is None or (before.name, before.roles, before.publishers, before.accounts.to_json()) != (
        after.name,
        after.roles,
        after.publishers,
        after.accounts.to_json(),
    ):
        return after
    return before


def _token(metadata: Metadata) -> str:
    for name, value in metadata or ():
        if name == "authorization" and isinstance(value, str) and value[: len(_SCHEME)].lower() == _SCHEME:
            return value[len(_SCHEME) :].strip()
    return ""
