"""The way from the driver to its node: gRPC calls that survive the death of an actor and of the node itself.

A block whose answer was lost is sent again as it was. The node knows its request keys: it seals it now, or repeats the
answer of then.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from types import TracebackType
from typing import Any, TypeVar

import grpc

from breakwater.v1 import admin_pb2, batches_pb2, blocks_pb2, liquidation_pb2, liquidity_pb2
from node.client import Client, RefusedError
from node.client.errors import refused_of
from node.load.child import ChildError, NodeChild
from node.load.driver import Events, ReplayError, Standings
from node.load.standing_stream import StandingStream

RESTARTS_MAX = 8
PATIENCE_S = 120.0
# A block may wait for an actor to be rebuilt.
CALL_TIMEOUT_S = 60.0
# A read that is lost is asked again, of the node that was started again if need be.
READ_TIMEOUT_S = 3.0
_PAUSE_S = 0.1
_READERS = 6
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
# Refusals that pass by themselves: the node recovers, or its validator has not come so far.
_PASSING = ("UNAVAILABLE", "RESUMING", "RATE_LIMITED", "NOT_VALIDATED")

Answer = TypeVar("Answer")


class NodeLink:
    """A child node and the connection to it. Enter starts both, exit stops both."""

    def __init__(self, child: NodeChild) -> None:
        self._child = child
        self._client: Client | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="reader")
        # One thread at a time finds out that the node died, and starts it again.
        self._reviving = Lock()
        self.restarts = 0
        self._standings: dict[int, StandingStream] = {}

    def __enter__(self) -> "NodeLink":
        try:
            self._connect()
        except BaseException:
            self._child.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.shutdown(cancel_futures=True)
        if self._client is not None:
            self._client.close()
        self._child.stop()

    def seal(self, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
        """Seal a block exactly once, whatever dies on the way. Raises ReplayError when the node stays away."""
        return self._insist("seal a block", lambda client: client.admin.SealBlock(request, timeout=CALL_TIMEOUT_S))

    def events_later(self, height: int) -> Events:
        """Ask for the events of a block now; the call that is returned waits for them, and asks again if lost."""
        return self._readers.submit(self._insist, "list events", lambda client: client.events(height)).result

    def standings_later(self, venue: int, height: int) -> Standings:
        """Ask what bots of a venue are told of a block; the call that is returned waits for it."""
        if venue not in self._standings:
            self._standings[venue] = StandingStream(venue, self._insist)
        client = self._client
        assert client is not None, "the link is used inside its `with` only"
        return self._readers.submit(self._standings[venue].block, height, client).result

    def pool(self, venue: int) -> batches_pb2.PoolView:
        """The pool now."""
        return self._insist("read the pool", lambda client: client.pool(venue))

    def backstop(self, venue: int) -> batches_pb2.BackstopView:
        """The vault and the funds of a Margin Trade venue now."""
        request = liquidity_pb2.GetVaultRequest(venue=venue)
        answer = self._insist(
            "read the vault", lambda client: client.liquidity.GetVault(request, timeout=READ_TIMEOUT_S)
        )
        return answer.vault

    def insurance(self, venue: int) -> liquidation_pb2.GetInsuranceResponse:
        """The insurance fund of a Spin venue now."""
        request = liquidation_pb2.GetInsuranceRequest(venue=venue)
        return self._insist(
            "read the fund", lambda client: client.liquidations.GetInsurance(request, timeout=READ_TIMEOUT_S)
        )

    def versions(self, venue: int, market: int) -> batches_pb2.VersionView:
        """A market of a Perennial venue at its desk now."""
        return self._insist("read a market", lambda client: client.version_status(market, venue=venue))

    def accounts(self, venue: int, accounts: Sequence[int]) -> list[batches_pb2.AccountView]:
        """These accounts now, in this order."""

        def read(account: int) -> batches_pb2.AccountView:
            return self._insist("read an account", lambda client: client.account(account, venue))

        return list(self._readers.map(read, accounts))

    def receipt(self, height: int, index: int) -> blocks_pb2.Receipt:
        """The proof of one event, once the validator has signed its block."""
        return self._insist("fetch a receipt", lambda client: client.receipt(height, index))

    def validator_key(self) -> bytes:
        """The public key the validator signs with."""
        return self._insist("ask for the validator's key", lambda client: client.validator_key())

    def _insist(self, what: str, call: Callable[[Client], Answer]) -> Answer:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            client = self._client
            assert client is not None, "the link is used inside its `with` only"
            try:
                return call(client)
            except (grpc.RpcError, RefusedError, ValueError) as error:
                _give_up_unless_passing(error)
                if time.monotonic() > deadline:
                    raise ReplayError(f"could not {what}: no answer for {PATIENCE_S:.0f} s ({error})") from error
            time.sleep(_PAUSE_S)
            self._revive(client)

    def _revive(self, lost: Client) -> None:
        """Start a dead node again on the same data directory, unless another thread has done so."""
        with self._reviving:
            if self._child.alive or self._client is not lost:
                return
            if self.restarts >= RESTARTS_MAX:
                raise ReplayError(f"the node died {self.restarts + 1} times")
            self.restarts += 1
            lost.close()
            self._connect()

    def _connect(self) -> None:
        try:
            address = self._child.start()
            self._client = Client(address, self._child.dev_key("dev"), timeout_s=READ_TIMEOUT_S)
        except ChildError as error:
            raise ReplayError(str(error)) from error


def _give_up_unless_passing(error: Any) -> None:
    """Raise for an answer that asking again will not change."""
    if isinstance(error, ValueError):
        # What grpc raises for a call on a channel that another thread has closed.
        if "closed channel" in str(error):
            return
        raise error
    refused = error if isinstance(error, RefusedError) else refused_of(error)
    if refused is None and error.code() in _LOST:
        return
    if refused is not None and refused.refusal in _PASSING:
        return
    raise ReplayError(f"the node refused: {refused or error.details()}") from error
