"""matching-engine as a server: its own gateway over HTTP with an fsync before every answer, on the mixed flow.

It is the nearest a Python user gets to a node without us: sequenced, durable when it is answered, matched. It has no
accounts, no margin and no risk. Sixty-four connections, each with one request on its way.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from node.bench.peers.environments import MATCHING_ENGINE, NoPeer

_CONNECTIONS: Final = 64
_MARKET: Final = "BTC-USDT"
_MIDDLE: Final = 100_000
_START_S: Final = 30.0
_STOP_S: Final = 10.0


def operations_per_s(directory: Path, seconds: float) -> float:
    """Requests answered a second. Raises NoPeer where it is not installed or does not start."""
    with _serving(MATCHING_ENGINE.installed(), directory) as port:
        return asyncio.run(_feed(port, seconds))


@contextmanager
def _serving(interpreter: Path, directory: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "ME_DATA_DIR": str(directory / "matching-engine"), "ME_MARKETS": f"{_MARKET}:1:1"}
    with (directory / "matching-engine.log").open("wb") as log:
        words = [str(interpreter), "-m", "matching_engine", "serve", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise NoPeer(f"not run: {MATCHING_ENGINE.title} did not serve within {_START_S:.0f} s")


async def _feed(port: int, seconds: float) -> float:
    until_s = time.perf_counter() + seconds
    begun_s = time.perf_counter()
    done = await asyncio.gather(*(_connection(port, number, until_s) for number in range(_CONNECTIONS)))
    return sum(done) / (time.perf_counter() - begun_s)


async def _connection(port: int, number: int, until_s: float) -> int:
    """One customer: places, cancels what still rests of his, crosses. Answers how many were answered."""
    draw, resting, done = random.Random(number), list[int](), 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until_s:
        kind = draw.random()
        if kind < 0.3 and resting:
            target = f"DELETE /markets/{_MARKET}/orders/{resting.pop(0)}?account={number + 1}"
            await _asked(reader, writer, target, b"")
        else:
            side, is_crossing = draw.choice(("buy", "sell")), kind >= 0.9
            away = -1_000 if is_crossing else 1 + int(draw.expovariate(1 / 40))
            order = {
                "account": number + 1,
                "side": side,
                "price": str(_MIDDLE + (-away if side == "buy" else away)),
                "quantity": str(draw.randint(1, 300 if is_crossing else 100)),
                "time_in_force": "ioc" if is_crossing else "gtc",
                "self_trade_prevention": "cancel_maker",
            }
            answer = await _asked(reader, writer, f"POST /markets/{_MARKET}/orders", orjson.dumps(order))
            if answer["status"] == "resting":
                resting.append(answer["order_id"])
        done += 1
    writer.close()
    return done


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, body: bytes
) -> dict[str, Any]:
    """One request of HTTP/1.1 on a connection that stays open; its answer, which must be JSON with a length."""
    head = f"{target} HTTP/1.1\r\nhost: peer\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    assert lines[0].split()[1] == "200", f"the peer answered {lines[0]}"
    length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
    answer: dict[str, Any] = orjson.loads(await reader.readexactly(length))
    return answer
