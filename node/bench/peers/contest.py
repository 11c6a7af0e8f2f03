"""A peer's book in its own process, that is given batches of operations and says what each took."""

from __future__ import annotations

import subprocess
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from node.bench.peers import driver
from node.bench.peers.environments import NoPeer

_PATIENCE_S: Final = 20.0


class Contestant:
    """One driver at the other end of two pipes. It is stopped by `state`, or when the object is closed."""

    def __init__(self, interpreter: Path, name: str) -> None:
        """Starts it with the Python of its environment."""
        self.name = name
        self._process = subprocess.Popen(
            [interpreter, driver.__file__, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def turn(self, rows: np.ndarray) -> int:
        """Nanoseconds of a batch: int64[operations, 7], the columns of `driver`. Raises NoPeer where it has ended."""
        self._send([len(rows)], np.ascontiguousarray(rows, dtype=np.int64).tobytes())
        return self._read(1)[0]

    def state(self) -> tuple[int, ...]:
        """Its book at the end: orders, best bid, best ask, lots bid, lots asked."""
        self._send([driver.END], b"")
        return tuple(self._read(driver.STATE))

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate(timeout=_PATIENCE_S)

    def _send(self, head: list[int], content: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(array("q", head).tobytes() + content)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None

    def _read(self, count: int) -> array[int]:
        assert self._process.stdout is not None
        numbers = array("q")
        numbers.frombytes(self._process.stdout.read(count * numbers.itemsize))
        if len(numbers) != count:
            raise self._gone()
        return numbers

    def _gone(self) -> NoPeer:
        assert self._process.stderr is not None
        last = self._process.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
        return NoPeer(f"not run: {' '.join(last) or 'it ended without a word'}")


@contextmanager
def contesting(interpreter: Path, name: str) -> Iterator[Contestant]:
    """A contestant that is ended whatever happens."""
    contestant = Contestant(interpreter, name)
    try:
        yield contestant
    finally:
        contestant.close()
