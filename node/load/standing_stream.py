"""What bots of a venue are told, block by block, over a stream that may be lost with the node it comes from.

A node that was started again remembers no standings of the blocks before. Then everybody is listed, and what the
listing does not name any more is told as gone: the table that bots keep ends up the same, so they decide the same.
"""

from collections.abc import Callable, Iterator
from typing import Any

import grpc

from actors.columns import add_row, rows
from breakwater.v1 import batches_pb2, liquidation_pb2
from node.client import Client, RefusedError
from node.load.driver import ReplayError

CASH_MARKET = 0
# The kind of a row that a version desk tells.
FROM_DESK = -1

Block = liquidation_pb2.StreamStandingsResponse
Insist = Callable[[str, Callable[[Client], Any]], Any]


class StandingStream:
    """One venue's. Blocks are asked for in their order, each once."""

    def __init__(self, venue: int, insist: Insist) -> None:
        """`insist` makes a call until it is answered, by a node started again if need be."""
        self._venue, self._insist = venue, insist
        self._stream: Iterator[Block] | None = None
        # (account, market, whether it is the desk's) of every row that said something when it was told last.
        self._known: set[tuple[int, int, bool]] = set()

    def block(self, height: int, client: Client) -> Block:
        """What was told of this block. Raises ReplayError where the node is further already."""
        block = self._streamed(height, client) or self._listed(height)
        for _, account, market, kind, *values in rows(block.rows):
            key = account, market, kind == FROM_DESK
            if any(values):
                self._known.add(key)
            else:
                self._known.discard(key)
        return block

    def _streamed(self, height: int, client: Client) -> Block | None:
        """The next block of the stream, or none where it is lost."""
        try:
            if self._stream is None:
                self._stream = client.stream_standings(height, self._venue)
            for block in self._stream:
                if block.height == height:
                    return block
                if block.height > height:
                    break
        except (grpc.RpcError, RefusedError, ValueError):
            # The listing that follows finds out whether the node is there.
            pass
        self._stream = None
        return None

    def _listed(self, height: int) -> Block:
        listing = self._insist("list standings", lambda client: client.standings(self._venue))
        if listing.height != height:
            raise ReplayError(
                f"the node is at height {listing.height}: it cannot tell bots what it held at {height}; a replay of a "
                "venue with bots begins on a data directory of its own"
            )
        told = {(account, market, kind == FROM_DESK) for _, account, market, kind, *_ in rows(listing.rows)}
        block = Block(
            height=height,
            block_time_ms=listing.block_time_ms,
            rows=listing.rows,
            marks=listing.marks,
            versions=listing.versions,
        )
        for account, market, is_desk in sorted(self._known - told):
            cash = self._cash_atoms(account) if market == CASH_MARKET else 0
            add_row(block.rows, self._venue, account, market, FROM_DESK if is_desk else 0, 0, cash, 0)
        return block

    def _cash_atoms(self, account: int) -> int:
        """Of somebody without a position, whom a listing leaves out."""
        view: batches_pb2.AccountView = self._insist(
            "read an account", lambda client: client.account(account, self._venue)
        )
        return view.ratio.cash_atoms if view.HasField("ratio") else view.free_atoms
