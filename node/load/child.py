"""A node as a child process: started, waited for, started again when it died, stopped at the end."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05
_LOG_TAIL_BYTES = 2_000


class ChildError(Exception):
    """The node could not be started; the text says why, as far as its log does."""


@dataclass(frozen=True)
class ChildSettings:
    """What the node is started with."""

    data_dir: Path
    shards: int
    transport: str
    log: Path

    def command(self) -> list[str]:
        """The command line of the node, in driver mode on a free port."""
        return [
            *(sys.executable, "-m", "node.cli", "up", "--driver", "--dev", "--port", "0"),
            *("--transport", self.transport, "--shards", str(self.shards), "--data", str(self.data_dir)),
        ]


class NodeChild:
    """One node at a time on one data directory."""

    def __init__(self, settings: ChildSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Number of the process that was started last; 0 before."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> str:
        """Start the node and wait until it serves; answers its address. Raises ChildError."""
        settings = self._settings
        settings.log.parent.mkdir(parents=True, exist_ok=True)
        # A node in dev mode says its keys: the log is for its owner only.
        with os.fdopen(os.open(settings.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self._process = subprocess.Popen(
                settings.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.alive:
                code = self._process.poll()
                raise ChildError(f"the node ended with code {code} before it served{_tail(settings.log)}")
            address = self._address()
            if address:
                return address
            time.sleep(_POLL_S)
        self.stop()
        raise ChildError(f"the node did not serve within {START_TIMEOUT_S:.0f} s{_tail(settings.log)}")

    def stop(self) -> None:
        """Ask the node to stop, and end it when it does not."""
        if self._process is None:
            return
        if self.alive:
            self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def dev_key(self, role: str) -> str:
        """The API key the node made for a role. Raises ChildError."""
        path = self._settings.data_dir / "dev_keys.json"
        try:
            return str(orjson.loads(path.read_bytes())[role])
        except (OSError, orjson.JSONDecodeError, KeyError) as error:
            raise ChildError(f"{path} has no key for {role}") from error

    def _address(self) -> str:
        """The address of this very process: the file may be of one that died."""
        try:
            content = orjson.loads((self._settings.data_dir / "node.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return ""
        return str(content.get("address", "")) if content.get("pid") == self.pid else ""


def _environment() -> dict[str, str]:
    """Ours, and the node imports from where we do."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _tail(log: Path) -> str:
    """The last line of the log, as the end of a sentence."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _LOG_TAIL_BYTES))
            lines = stream.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f": {lines[-1].strip()} (log: {log})" if lines else f" (log: {log})"
