"""A program of ours in a process of its own: started, waited for, stopped, stopped for good, all by its number."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.striking import strike

LOOPBACK = "127.0.0.1"
# Generous: several nodes and a compiler may share two processors.
PATIENCE_S = 90.0
POLL_S = 0.02
# Ray's processes notice within seconds that their node is gone.
_FAREWELL_S = 5.0
# Above those of Ray's workers, below those a kernel hands out: nobody is given one while whoever had it starts again.
_PORTS = range(20_000, 32_000)
_CHANCE = random.SystemRandom()


class ProcessEnded(Exception):
    """The process ended where it should have gone on; the text has its code and the end of its log."""


class NotInTime(Exception):
    """Something did not come about within the patience of the tests; the text says what."""


class LiveProcess:
    """One process at a time with one log. Leaving the `with` ends it, whatever state it is in."""

    def __init__(self, log: Path) -> None:
        """Nothing is started yet; `log` takes standard output and error of every start."""
        self.log = log
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process started last."""
        assert self._process is not None, f"the process of {self.log.name} was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether that process runs (or is stopped, which is not dead)."""
        return self._process is not None and self._process.poll() is None

    def begin(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts a command of `breakwater`, which imports from where we do."""
        assert not self.alive, f"the process of {self.log.name} runs already"
        self.starts += 1
        paths = os.pathsep.join(path for path in sys.path if path)
        with os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": paths, **environment},
            )

    def until(self, wanted: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> float:
        """Waits for something this process brings about; the seconds it took. Raises ProcessEnded, NotInTime."""
        begun_s = time.monotonic()
        while not wanted():
            if not self.alive:
                raise ProcessEnded(f"waited for {what}, it ended with code {self.exit_code()}: {self.last_words()}")
            if time.monotonic() - begun_s > patience_s:
                raise NotInTime(f"waited {patience_s:.0f} s for {what}: {self.last_words()}")
            time.sleep(POLL_S)
        return time.monotonic() - begun_s

    def kill(self) -> None:
        """kill -9, a stopped process included, and whatever it leaves of its own; harmless when repeated."""
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
        """SIGTERM, as an operator ends it; its exit code. Raises NotInTime."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait_exit(patience_s)

    def pause(self) -> None:
        """SIGSTOP: the process holds everything it has and does nothing."""
        strike(self.pid, signal.SIGSTOP)

    def unpause(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_exit(self, patience_s: float = PATIENCE_S) -> int:
        """Until the process ended by itself; its exit code, negative for a signal. Raises NotInTime."""
        assert self._process is not None, f"the process of {self.log.name} was never started"
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired as error:
            raise NotInTime(f"waited {patience_s:.0f} s for the end of {self.log.name}: {self.last_words()}") from error

    def exit_code(self) -> int | None:
        """Of the process that ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def descendants(self) -> list[psutil.Process]:
        """Processes below it: Ray's, the actors', the house bot's."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def log_text(self) -> str:
        """Everything it has said so far, over all starts."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def last_words(self, lines: int = 4) -> str:
        """The end of the log."""
        return " | ".join(self.log_text().strip().splitlines()[-lines:])


def breakwater(*arguments: str) -> list[str]:
    """The command line of `breakwater`."""
    return [sys.executable, "-m", "node.cli", *arguments]


def free_port(host: str = LOOPBACK) -> int:
    """A port nobody listens on at this moment, and nobody will be given who asks for any."""
    for port in _CHANCE.sample(_PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise AssertionError(f"a hundred ports of {host} are taken")
