"""The peer of the door: a gRPC server whose one unary method answers the bytes it was sent.

`python -m node.bench.echo` says its address as one JSON object on standard output, then serves until standard input
is closed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

import grpc
import orjson

METHOD: Final = "/breakwater.bench.Echo/Say"


async def serve() -> None:
    """Serves on a free port of loopback."""

    async def say(request: bytes, context: Any) -> bytes:
        return request

    service, name = METHOD[1:].split("/")
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers = {name: grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(orjson.dumps({"address": f"127.0.0.1:{port}"}).decode() + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())
