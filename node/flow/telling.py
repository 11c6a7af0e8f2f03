"""What the processes of a load share: orders come on standard input, facts go out on standard output, in lines."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

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


async def work(run: Callable[[float], Coroutine[Any, Any, None]], facts: Callable[[], dict[str, Any]]) -> None:
    """Says that it is ready, waits for the line with the start (monotonic clock, s), runs, and tells all the while.

    The end of the input ends it. The last line has `done`, and in `failure` why it ended early.
    """
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
    telling = asyncio.create_task(_telling(facts))
    failure = ""
    try:
        await run(float(line))
    except asyncio.CancelledError:
        failure = "ended early"
    except Exception as error:
        failure = " ".join(str(error).split()) or type(error).__name__
    finally:
        telling.cancel()
    tell({**facts(), "done": True, "failure": failure})


async def _telling(facts: Callable[[], dict[str, Any]]) -> None:
    while True:
        await asyncio.sleep(_TELL_S)
        tell(facts())


def end() -> None:
    """Ends the process at once: the thread that waits for the input may hold its lock, which an orderly exit wants."""
    sys.stdout.flush()
    os._exit(0)
