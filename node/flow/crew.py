"""The processes of a load, seen from the one that runs it: started, heard, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import orjson

# Longer than a process waits for its last answers.
_STOP_S: Final = 15.0
_READY_S: Final = 120.0
# A batch is a hundred kilobytes: without these its memory is given back and taken anew, page by page, every time.
_MEMORY: Final = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(512 << 20)}


class Hand:
    """One child process: it is told a line, says that it is ready, is told the start, and then says facts."""

    def __init__(self, module: str, line: bytes, heard: Callable[[dict[str, Any]], None], over: Callable[[], None]):
        """Starts it. `heard` takes its facts, `over` is called when it says no more, both in a thread of its own."""
        self._heard, self._over = heard, over
        self.is_ready = threading.Event()
        self.is_over = threading.Event()
        self.complaint = "it said nothing"
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**_MEMORY, **os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self._say(line)
        self._thread = threading.Thread(target=self._listen, name=module, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def wait_ready(self) -> bool:
        """Whether it is ready to start; False where it ended before."""
        self.is_ready.wait(_READY_S)
        return self.is_ready.is_set() and not self.is_over.is_set()

    def start(self, at_s: float) -> None:
        """Tells it when to start, by the monotonic clock."""
        self._say(f"{at_s!r}\n".encode())

    def end(self) -> None:
        """Asks it to end by closing its input, and ends it when it does not."""
        if self._process.stdin is not None:
            with suppress(OSError):  # it may be gone already
                self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join(_STOP_S)

    def _say(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # its end is heard
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            facts = orjson.loads(line)
            if facts.get("ready"):
                self.is_ready.set()
            elif not self.is_ready.is_set():
                self.complaint = facts["failure"]
            else:
                self._heard(facts)
        self._process.stdout.close()
        self.is_over.set()
        self.is_ready.set()
        self._over()
