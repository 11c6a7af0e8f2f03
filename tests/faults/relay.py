"""Carries connections from one address to another: `python relay.py FROM TO`.

Each is host:port or the path of a Unix socket, which lies in the file system and so is reached from every network
namespace: run inside one, a relay is its door to the outside. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

_CHUNK_BYTES = 1 << 16
_TIMEOUT_S = 20.0


@contextmanager
def relayed(inside: Sequence[str], listen: str, target: str) -> Iterator[None]:
    """A relay inside namespaces, while it is entered."""
    command = [*inside, sys.executable, __file__, listen, target]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n", f"no relay from {listen}"
        yield
    finally:
        process.kill()
        process.communicate(timeout=_TIMEOUT_S)


async def _serve(listen: str, target: str) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if "/" in target:
                far_reader, far_writer = await asyncio.open_unix_connection(target)
            else:
                host, _, port = target.rpartition(":")
                far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))

    if "/" in listen:
        await asyncio.start_unix_server(connected, listen)
    else:
        host, _, port = listen.rpartition(":")
        await asyncio.start_server(connected, host, int(port))
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2]))
