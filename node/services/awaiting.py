"""Futures of other threads, awaited on the event loop: however many are done at once, the loop is woken once."""

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Wakings:
    """Of the event loop that makes it. A wake-up is a system call, and whoever makes one lets the interpreter go.

    The thread that makes blocks would lose it once an answer, and wait for it each time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: deque[tuple[Future[Any], asyncio.Future[Any]]] = deque()
        self._is_woken = False

    def of(self, future: "Future[T]") -> "asyncio.Future[T]":
        """What `future` comes to; cancelling it leaves `future` as it is."""
        awaited: asyncio.Future[T] = self._loop.create_future()
        future.add_done_callback(lambda done: self._wake(done, awaited))
        return awaited

    def _wake(self, done: "Future[Any]", awaited: "asyncio.Future[Any]") -> None:
        self._done.append((done, awaited))
        if not self._is_woken and not self._loop.is_closed():
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        # Whoever comes from here on wakes the loop again: nobody is left behind.
        self._is_woken = False
        while self._done:
            done, awaited = self._done.popleft()
            if awaited.cancelled():
                continue
            if error := done.exception():
                awaited.set_exception(error)
            else:
                awaited.set_result(done.result())
