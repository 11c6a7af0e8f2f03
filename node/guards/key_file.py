"""keys.json: the API keys of a data directory, hashed, with their numbers, roles, accounts and publishers.

The file has mode 0600 and is replaced whole, under a lock, so that `breakwater keys new` and a running node may both
change it. The text of a key is shown once, when it is made.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from blake3 import blake3

from node.guards.bindings import EVERY, AccountBindings
from node.guards.roles import Role

KEYS_NAME: Final = "keys.json"
_PREFIX: Final = "bw_"


class KeyFileBroken(Exception):
    """keys.json is no key file of this node; the message says what is wrong and shows nothing of its content."""


@dataclass
class KeyRecord:
    """One API key without its text. `publishers` None: it may publish under every number."""

    principal: int
    name: str
    digest: bytes
    roles: frozenset[Role]
    accounts: AccountBindings
    publishers: frozenset[int] | None

    def to_json(self) -> dict[str, Any]:
        """The record as it stands in the file."""
        return {
            "principal": self.principal,
            "name": self.name,
            "blake3": self.digest.hex(),
            "roles": sorted(role.value for role in self.roles),
            "accounts": self.accounts.to_json(),
            "publishers": EVERY if self.publishers is None else sorted(self.publishers),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> KeyRecord:
        """Reads what `to_json` wrote; raises KeyError, TypeError or ValueError."""
        publishers = value["publishers"]
        return cls(
            principal=int(value["principal"]),
            name=str(value["name"]),
            digest=bytes.fromhex(value["blake3"]),
            roles=frozenset(Role(role) for role in value["roles"]),
            accounts=AccountBindings.from_json(value["accounts"]),
            publishers=None if publishers == EVERY else frozenset(int(number) for number in publishers),
        )


@dataclass
class KeyTable:
    """The content of the file. Numbers are never used twice: a request key belongs to the number it came under."""

    next_principal: int = 1
    records: list[KeyRecord] = field(default_factory=list)

    def by_name(self, name: str) -> KeyRecord | None:
        """The key of that name."""
        return next((record for record in self.records if record.name == name), None)

    def add(
        self,
        name: str,
        roles: Iterable[Role],
        every_account: bool = False,
        publishers: Iterable[int] | None = None,
    ) -> str:
        """Makes a key and returns its text, which is kept nowhere. Raises ValueError when the name is taken."""
        if self.by_name(name) is not None:
            raise ValueError(f"a key named {name!r} exists already")
        text = _PREFIX + secrets.token_hex(32)
        self.records.append(
            KeyRecord(
                principal=self.next_principal,
                name=name,
                digest=digest_of(text),
                roles=frozenset(roles),
                accounts=AccountBindings(every=every_account),
                publishers=None if publishers is None else frozenset(publishers),
            )
        )
        self.next_principal += 1
        return text


def digest_of(text: str) -> bytes:
    """What is kept of a key: its BLAKE3. Keys are 256 random bits, so no salt is needed."""
    return blake3(text.encode("utf-8", errors="replace")).digest()


def read_keys(path: Path) -> KeyTable:
    """The keys of a file, none where there is no file; raises KeyFileBroken."""
    try:
        content = orjson.loads(path.read_bytes())
        records = [KeyRecord.from_json(value) for value in content["keys"]]
        return KeyTable(next_principal=int(content["next_principal"]), records=records)
    except FileNotFoundError:
        return KeyTable()
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise KeyFileBroken(f"{path} is not a key file: {type(error).__name__}") from error


def update_keys(path: Path, change: Callable[[KeyTable], None]) -> KeyTable:
    """Reads the file, applies the change and replaces it durably, alone among all processes that do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        table = read_keys(path)
        change(table)
        content = {"next_principal": table.next_principal, "keys": [record.to_json() for record in table.records]}
        write_private(path, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return table
    finally:
        os.close(lock)


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file that only its owner may read, whole or not at all, and durably."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk must not be left with less room than before
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
