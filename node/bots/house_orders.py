"""What `up` tells its house bot, and what the house bot tells `up`: one JSON line each way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson

KEY_NAME: Final = "BREAKWATER_HOUSE_BOT_KEY"
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}


@dataclass(frozen=True)
class HouseOrders:
    """Where the node is, under which key, which account on which venue; in dev mode accounts are opened as needed."""

    address: str
    api_key: str
    data_dir: str
    dev: bool
    accounts: dict[str, int] = field(default_factory=dict)

    def line(self) -> bytes:
        """As it goes to the child's standard input, where no other process sees the key."""
        return orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def of(cls, line: bytes) -> HouseOrders:
        """What `line` wrote."""
        content: dict[str, Any] = orjson.loads(line)
        return cls(**content)


def loopback(address: str) -> str:
    """The address at which this machine reaches a node that listens on all of its addresses."""
    host, _, port = address.rpartition(":")
    return f"{_EVERY_ADDRESS.get(host, host)}:{port}"


def accounts_of(words: list[str]) -> dict[str, int]:
    """VENUE=ACCOUNT, once a venue. Raises ValueError for anything else."""
    accounts: dict[str, int] = {}
    for word in words:
        venue, _, account = word.partition("=")
        if not (venue.isdecimal() and account.isdecimal() and int(account) > 0) or venue in accounts:
            raise ValueError(f"a house bot's account is VENUE=ACCOUNT, once a venue, not {word!r}")
        accounts[venue] = int(account)
    return accounts
