"""A node as an operator runs it: `breakwater up` in a process of its own, and what faults do to that process.

The port stays the same over restarts, so that clients find the node again by themselves. A node may run inside the
namespaces of another process (`inside`), behind its own network or on its own small disk.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import orjson
import psutil

from breakwater.v1 import admin_pb2 as admin
from node.client import Client, RefusedError
from node.guards.dev_keys import DEV, ensure_dev_keys

LOOPBACK = "127.0.0.1"
# Generous: several nodes and a compiler may share two processors.
PATIENCE_S = 90.0
POLL_S = 0.02
CALL_TIMEOUT_S = 10.0
# Ray's processes notice within seconds that their node is gone.
_FAREWELL_S = 5.0
# One market each on the first two rulebooks: faults are about the node, not about how many markets it has.
CONFIG = 'margin_trade = "BTC"\nspin = ""\nperennial = ""\nsnapshot_every = {snapshot_every}\n'


class NodeEnded(Exception):
    """The process ended where it should have served; the text has its code and the end of its log."""


class NotInTime(Exception):
    """Something did not come about within the patience of the tests; the text says what."""


@dataclass(frozen=True)
class NodeSettings:
    """How a node is started. `options` are further options of `up`, `inside` a command in front of everything."""

    data_dir: Path
    transport: str = "inline"
    shards: int = 2
    host: str = LOOPBACK
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    inside: Sequence[str] = ()
    snapshot_every: int = 200
    # Where its files are seen from here, where that is another path than the node's own.
    seen_at: Path | None = None
    config: str = ""

    @property
    def seen_dir(self) -> Path:
        """The data directory as this process reads it."""
        return self.seen_at or self.data_dir


class LiveNode:
    """One node at a time on one data directory and one port. Leaving the `with` ends it, whatever state it is in."""

    def __init__(self, settings: NodeSettings, log: Path) -> None:
        """Nothing is started yet; `log` takes standard output and error of every start."""
        self.settings = settings
        self.log = log
        self.port = free_port()
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def address(self) -> str:
        """host:port, the same after every start."""
        return f"{self.settings.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process started last."""
        assert self._process is not None, "the node was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether that process runs (or is stopped, which is not dead)."""
        return self._process is not None and self._process.poll() is None

    def start(self, wait: bool = True, **environment: str) -> Self:
        """Starts the process, by default until it serves. Raises NodeEnded, NotInTime."""
        assert not self.alive, "the node runs already"
        self.starts += 1
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**_environment(), **self.settings.environment, **environment},
            )
        if wait:
            self.wait_serving()
        return self

    def _command(self) -> list[str]:
        settings = self.settings
        config = self.log.with_suffix(".toml")
        config.write_text((settings.config or CONFIG).format(snapshot_every=settings.snapshot_every), encoding="utf-8")
        return [
            *settings.inside,
            *(sys.executable, "-m", "node.cli", "up", "--dev", "--no-house-bot"),
            *("--host", settings.host, "--port", str(self.port), "--config", str(config)),
            *("--transport", settings.transport, "--shards", str(settings.shards), "--data", str(settings.data_dir)),
            *settings.options,
        ]

    def wait_serving(self, patience_s: float = PATIENCE_S) -> None:
        """Until the process has written that it serves. Raises NodeEnded, NotInTime."""
        self.until(self._serves, f"the node of {self.log} to serve", patience_s)

    def _serves(self) -> bool:
        try:
            content = orjson.loads((self.settings.seen_dir / "node.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return False
        return bool(content.get("pid") == self.pid)

    def until(self, wanted: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> float:
        """Waits for something this node brings about; the seconds it took. Raises NodeEnded, NotInTime."""
        begun_s = time.monotonic()
        while not wanted():
            if not self.alive:
                raise NodeEnded(f"waited for {what}, the node ended with code {self.exit_code()}: {self.last_words()}")
            if time.monotonic() - begun_s > patience_s:
                raise NotInTime(f"waited {patience_s:.0f} s for {what}: {self.last_words()}")
            time.sleep(POLL_S)
        return time.monotonic() - begun_s

    def client(self, role: str = DEV, timeout_s: float = CALL_TIMEOUT_S) -> Client:
        """A client under the key of a role; the caller closes it."""
        return Client(self.address, self.key(role), timeout_s)

    def key(self, role: str = DEV) -> str:
        """The text of an API key; made beforehand, so that a client may wait for a node that does not run yet."""
        self.settings.seen_dir.mkdir(parents=True, exist_ok=True)
        return ensure_dev_keys(self.settings.seen_dir)[role]

    def status(self) -> admin.GetStatusResponse | None:
        """What the node says of itself; None where it does not answer."""
        with self.client(timeout_s=2.0) as client, suppress(grpc.RpcError, RefusedError):
            return client.status()
        return None

    def wait_state(self, *states: str, patience_s: float = PATIENCE_S) -> admin.GetStatusResponse:
        """Until `status` names one of these states (READY, FENCED, ...). Raises NodeEnded, NotInTime."""
        found: list[admin.GetStatusResponse] = []

        def arrived() -> bool:
            status = self.status()
            if status is not None and state_name(status) in states:
                found.append(status)
            return bool(found)

        self.until(arrived, f"state {' or '.join(states)}", patience_s)
        return found[0]

    def kill(self) -> None:
        """kill -9, a stopped process included, and whatever it leaves of its own Ray; harmless when repeated."""
        if self._process is None:
            return
        below = self.descendants()
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        _, left = psutil.wait_procs(below, timeout=_FAREWELL_S)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def stop(self, patience_s: float = PATIENCE_S) -> int:
        """SIGTERM, as an operator ends a node; its exit code. Raises NotInTime."""
        assert self._process is not None, "the node was never started"
        self._process.terminate()
        return self.wait_exit(patience_s)

    def pause(self) -> None:
        """SIGSTOP: the process holds everything it has and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def unpause(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_exit(self, patience_s: float = PATIENCE_S) -> int:
        """Until the process ended by itself; its exit code, negative for a signal. Raises NotInTime."""
        assert self._process is not None, "the node was never started"
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired as error:
            raise NotInTime(f"waited {patience_s:.0f} s for the node to end: {self.last_words()}") from error

    def exit_code(self) -> int | None:
        """Of the process that ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def descendants(self) -> list[psutil.Process]:
        """Processes below the node: Ray's, the actors', the house bot's."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def log_text(self) -> str:
        """Everything the node has said so far, over all starts."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def last_words(self, lines: int = 4) -> str:
        """The end of the log."""
        return " | ".join(self.log_text().strip().splitlines()[-lines:])


def state_name(status: admin.GetStatusResponse) -> str:
    """READY for NODE_STATE_READY."""
    return admin.NodeState.Name(status.state).removeprefix("NODE_STATE_")


def free_port(host: str = LOOPBACK) -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    """Ours, and the node imports from where we do."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
