"""The client: sync and asyncio, over the generated stubs. It needs neither Ray nor anything of the node."""

from node.client.aio import AsyncClient
from node.client.errors import RefusedError
from node.client.sync import Client

__all__ = ["AsyncClient", "Client", "RefusedError"]
