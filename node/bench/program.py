"""A program of ours as a child process that says in one JSON line when it serves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

_STOP_TIMEOUT_S = 30.0


class Program:
    """Started with the object; `facts` is what it said, `start_s` how long that took from its start."""

    def __init__(self, module: str, arguments: Sequence[str], log: Path) -> None:
        """Runs `python -m module arguments`; raises ChildProcessError when it ends without serving."""
        # A node in dev mode may say its keys: the log is for its owner only.
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        begun_s = time.perf_counter()
        with os.fdopen(descriptor, "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        # Ray may say something of its own before.
        line = next((line for line in self._process.stdout if line.startswith(b"{")), b"")
        self.start_s = time.perf_counter() - begun_s
        if not line:
            self.stop()
            raise ChildProcessError(f"{module} ended before it served (log: {log})")
        self.facts: dict[str, Any] = orjson.loads(line)
        if "error" in self.facts:
            self.stop()
            raise ChildProcessError(f"{module} does not serve: {self.facts['error']} (log: {log})")

    def stop(self) -> None:
        """Asks it to end, and ends it when it does not."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._process.kill()
        self.stop()


@contextmanager
def running(module: str, arguments: Sequence[str], log: Path) -> Iterator[Program]:
    """A program that is stopped at the end, whatever happens."""
    program = Program(module, arguments, log)
    try:
        yield program
    finally:
        program.stop()
