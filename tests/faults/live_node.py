"""A node as an operator runs it: `breakwater up` in a process of its own, and what faults do to that process.

The port stays the same over restarts, so that clients find the node again by themselves. A node may run inside the
namespaces of another process (`inside`), behind its own network or on its own small disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc
import orjson

from breakwater.v1 import admin_pb2 as admin
from cluster.journal import ReadableJournal, open_reader
from node.client import Client, RefusedError
from node.guards.dev_keys import DEV, DEV_KEYS_NAME, ensure_dev_keys
from node.guards.key_file import KEYS_NAME
from tests.faults.live_process import LOOPBACK, PATIENCE_S, LiveProcess, breakwater, free_port

CALL_TIMEOUT_S = 60.0
# The number of the key `dev`, the first that a node in dev mode makes.
PRINCIPAL = 1
# One market each on the first two rulebooks: faults are about the node, not about how many markets it has.
CONFIG = 'margin_trade = "BTC"\nspin = ""\nperennial = ""\n'


@dataclass(frozen=True)
class NodeSettings:
    """How a node is started. `options` are further options of `up`, `inside` a command in front of everything.

    `seen_at` is where its data directory is seen from here, where that is another path than the node's own; `door` the
    address clients reach it at, where that is not the one it listens on.
    """

    data_dir: Path
    transport: str = "inline"
    shards: int = 2
    host: str = LOOPBACK
    journal: str | None = None
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    inside: Sequence[str] = ()
    snapshot_every: int = 200
    seen_at: Path | None = None
    door: str = ""

    @property
    def seen_dir(self) -> Path:
        """The data directory as this process reads it."""
        return self.seen_at or self.data_dir


class LiveNode(LiveProcess):
    """One node at a time on one data directory and one port."""

    def __init__(self, settings: NodeSettings, log: Path) -> None:
        """Nothing is started yet."""
        super().__init__(log)
        self.settings = settings
        self.port = free_port()
        self._keys: dict[str, str] = {}

    @property
    def address(self) -> str:
        """Where clients reach it, the same after every start."""
        return self.settings.door or f"{self.settings.host}:{self.port}"

    def start(self, *options: str, wait: bool = True, **environment: str) -> Self:
        """Starts the process, by default until it serves. Raises ProcessEnded, NotInTime."""
        self.begin(self._command(options), {**self.settings.environment, **environment})
        if wait:
            self.wait_serving()
        return self

    def _command(self, options: Sequence[str]) -> list[str]:
        settings = self.settings
        config = self.log.with_suffix(".toml")
        config.write_text(f"{CONFIG}snapshot_every = {settings.snapshot_every}\n", encoding="utf-8")
        journal = ["--journal", settings.journal] if settings.journal else []
        return [
            *settings.inside,
            *breakwater("up", "--dev", "--no-house-bot", "--config", str(config), "--data", str(settings.data_dir)),
            *("--host", settings.host, "--port", str(self.port)),
            *("--transport", settings.transport, "--shards", str(settings.shards)),
            *(*journal, *settings.options, *options),
        ]

    def wait_serving(self, patience_s: float = PATIENCE_S) -> None:
        """Until the process has written that it serves. Raises ProcessEnded, NotInTime."""
        self.until(self._serves, f"the node of {self.log.name} to serve", patience_s)

    def _serves(self) -> bool:
        try:
            content = orjson.loads((self.settings.seen_dir / "node.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return False
        return bool(content.get("pid") == self.pid)

    def client(self, role: str = DEV, timeout_s: float = CALL_TIMEOUT_S) -> Client:
        """A client under the key of a role; the caller closes it."""
        return Client(self.address, self.key(role), timeout_s)

    def key(self, role: str = DEV) -> str:
        """The text of an API key; made beforehand, so that a client may wait for a node that does not run yet."""
        if not self._keys:
            self.settings.seen_dir.mkdir(parents=True, exist_ok=True)
            self._keys = ensure_dev_keys(self.settings.seen_dir)
        return self._keys[role]

    def share_keys(self, other: LiveNode) -> None:
        """Gives another node the same keys under the same numbers, as an operator does for a node that may follow."""
        self.key()
        other.settings.seen_dir.mkdir(parents=True, exist_ok=True)
        for name in (KEYS_NAME, DEV_KEYS_NAME):
            shutil.copy(self.settings.seen_dir / name, other.settings.seen_dir / name)

    def status(self) -> admin.GetStatusResponse | None:
        """What the node says of itself; None where it does not answer."""
        with self.client(timeout_s=2.0) as client, suppress(grpc.RpcError, RefusedError):
            return client.status()
        return None

    def wait_state(self, *states: str, patience_s: float = PATIENCE_S) -> admin.GetStatusResponse:
        """Until `status` names one of these states (READY, FENCED, ...). Raises ProcessEnded, NotInTime."""
        found: list[admin.GetStatusResponse] = []

        def arrived() -> bool:
            status = self.status()
            if status is not None and state_name(status) in states:
                found.append(status)
            return bool(found)

        self.until(arrived, f"state {' or '.join(states)}", patience_s)
        return found[0]

    def journal(self) -> ReadableJournal:
        """What it wrote, to be read; a file only once the node is gone."""
        return open_reader(self.settings.journal, self.settings.seen_dir)


def state_name(status: admin.GetStatusResponse) -> str:
    """READY for NODE_STATE_READY."""
    return admin.NodeState.Name(status.state).removeprefix("NODE_STATE_")
