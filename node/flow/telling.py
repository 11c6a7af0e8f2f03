"""What the processes of a load share: orders come on standard input, facts go out on standard output, in lines."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import orjson

from node.client import AsyncClient
from node.client.tls import credentials
from node.flow.settings import LoadSettings

_TELL_S: Final = 0.5


def tell(facts: dict[str, Any]) -> None:
    """A line for whoever started this process."""
    sys.stdout.buffer.write(orjson.dumps({"at_s": time.monotonic(), **facts}, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def client_of(settings: LoadSettings, timeout_s: float) -> AsyncClient:
    """A connection as the settings say, with TLS where the environment names its files."""
    return AsyncClient(settings.addresses, settings.api_key, timeout_s, credentials(os.environ))


class Labour(Protocol):
    """What a process of a load does."""

    async def run(self, start_s: float) -> None:
        """From the start, by the monotonic clock."""

    def facts(self) -> dict[str, Any]:
        """What was counted so far."""


async def work(make: Callable[[], Labour]) -> None:
    """Says that it is ready, waits for the line with the start (monotonic clock, s), runs, and tells all the while.

    The end of the input ends it. The last line has `done`, and in `failure` why it ended early.
    """
    try:
        labour = make()
    except Exception as error:
        tell({"failure": _sentence(error)})
        return
    tell({"ready": True})
    line = await asyncio.to_thread(sys.stdin.buffer.readline)
    if not line:
        return
    running, loop = asyncio.current_task(), asyncio.get_running_loop()

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        if running is not None:
            loop.call_soon_threadsafe(running.cancel)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    telling = asyncio.create_task(_telling(labour))
    failure = ""
    try:
        await labour.run(float(line))
    except asyncio.CancelledError:
        failure = "ended early"
    except Exception as error:
        failure = _sentence(error)
    finally:
        telling.cancel()
    tell({**labour.facts(), "done": True, "failure": failure})


async def _telling(labour: Labour) -> None:
    while True:
        await asyncio.sleep(_TELL_S)
        tell(labour.facts())


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def end() -> None:
    """Ends the process at once: the thread that waits for the input may hold its lock, which an orderly exit wants."""
    sys.stdout.flush()
    os._exit(0)
