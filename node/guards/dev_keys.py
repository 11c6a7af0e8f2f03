"""Keys of dev mode: one a role, and `dev` with every role and every account. Never for a node others can reach."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

from node.guards.key_file import KEYS_NAME, KeyTable, digest_of, update_keys, write_private
from node.guards.roles import Role

DEV_KEYS_NAME: Final = "dev_keys.json"
DEV: Final = "dev"
# What the door keeps in a data directory.
PRIVATE_FILES: Final = (KEYS_NAME, DEV_KEYS_NAME)
# Roles whose work is with accounts of others; the rest is bound to the accounts it opens.
_EVERY_ACCOUNT: Final = frozenset({Role.MARKET_OPERATOR, Role.CUSTODIAN, Role.ADMIN, Role.AUDITOR})


def ensure_dev_keys(data_dir: Path) -> dict[str, str]:
    """Role (or `dev`) -> text of its key, made where missing, in an order that gives them the same numbers anywhere.

    Raises KeyFileBroken.
    """
    path = data_dir / DEV_KEYS_NAME
    texts = _known(path)

    def change(table: KeyTable) -> None:
        wanted = [(DEV, frozenset(Role), True)]
        wanted += [(role.value, frozenset({role}), role in _EVERY_ACCOUNT) for role in Role]
        for name, roles, every_account in wanted:
            record = table.by_name(name)
            if record is not None and record.digest == digest_of(texts.get(name, "")):
                continue
            if record is not None:
                raise ValueError(f"a key named {name!r} exists whose text is lost: delete it from {KEYS_NAME}")
            texts[name] = table.add(name, roles, every_account)
        # Before the table is written: a text without its record is replaced, a record without its text is lost.
        write_private(path, orjson.dumps(texts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))

    update_keys(data_dir / KEYS_NAME, change)
    return texts


def _known(path: Path) -> dict[str, str]:
    try:
        texts: dict[str, str] = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return texts
