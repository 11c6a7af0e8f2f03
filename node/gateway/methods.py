"""What a gateway passes on: every method of the API, how it streams, and whether a call of it may be sent twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from breakwater.v1 import (
    accounts_pb2,
    admin_pb2,
    block_service_pb2,
    history_pb2,
    liquidation_pb2,
    liquidity_pb2,
    markets_pb2,
    oracle_pb2,
    orders_pb2,
    trading_pb2,
    versions_pb2,
)

STATUS: Final = "/breakwater.v1.AdminService/GetStatus"
REFLECTION: Final = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
# Calls that change nothing begin with one of these words.
READING: Final = ("Get", "List", "Estimate", "Quote")
# Every file of the API that has services.
FILES: Final[tuple[Any, ...]] = (
    accounts_pb2,
    admin_pb2,
    block_service_pb2,
    history_pb2,
    liquidation_pb2,
    liquidity_pb2,
    markets_pb2,
    oracle_pb2,
    orders_pb2,
    trading_pb2,
    versions_pb2,
)
SERVICES: Final = tuple(name.full_name for file in FILES for name in file.DESCRIPTOR.services_by_name.values())


@dataclass(frozen=True)
class Method:
    """A method by its full gRPC name. `request` is the message of a command that carries a request key, else None."""

    path: str
    streams_in: bool = False
    streams_out: bool = False
    reads: bool = False
    request: type[Message] | None = None

    def may_be_repeated(self, raw: bytes) -> bool:
        """Whether this call may reach a node twice: it only reads, or its request key makes the second one harmless."""
        if self.reads:
            return True
        if self.request is None:
            return False
        try:
            message: Any = self.request.FromString(raw)
        except DecodeError:
            return False
        if "batch" in self.request.DESCRIPTOR.fields_by_name:
            return bool(message.batch.request_key)
        return bool(message.request_key.key)


@cache
def methods() -> dict[str, Method]:
    """Full name -> method, of every service of the API and of reflection, which a node offers in dev mode."""
    services = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
    found = [_method(service, call) for service in services for call in service.methods_by_name.values()]
    found.append(Method(REFLECTION, streams_in=True, streams_out=True))
    return {method.path: method for method in found}


def _method(service: Any, call: Any) -> Method:
    reads = call.name.startswith(READING)
    return Method(
        path=f"/{service.full_name}/{call.name}",
        streams_in=call.client_streaming,
        streams_out=call.server_streaming,
        reads=reads,
        request=None if reads or not _carries_key(call.input_type) else GetMessageClass(call.input_type),
    )


def _carries_key(message: Any) -> bool:
    fields = message.fields_by_name
    return "request_key" in fields or ("batch" in fields and fields["batch"].message_type.name == "CommandBatch")
