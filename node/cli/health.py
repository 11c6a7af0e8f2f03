"""`health`: what the standard health service of a node or a gateway says, for whoever watches it from outside."""

from typing import Annotated

import typer

from node.cli.connection import DEFAULT_DATA, AddressOption, DataOption, address_of, addresses, tls_credentials
from node.cli.output import EXIT_AWAY, EXIT_NO, JsonOption, Refusal, end, put_json, put_line

_TIMEOUT_S = 5.0


def health(
    service: Annotated[
        str, typer.Option(help="Default: the whole. breakwater.Gateway: whether a gateway's process lives.")
    ] = "",
    address: AddressOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Ask for the health of a node or a gateway; exit code 0 where it says SERVING, 1 or 3 where not."""
    where = addresses(address or address_of(data))[0]
    status = _asked(where, service)
    if as_json:
        put_json({"address": where, "service": service, "status": status})
    else:
        put_line(f"{where} is {status}")
    if status != "SERVING":
        end(EXIT_NO)


def _asked(address: str, service: str) -> str:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    trusted = tls_credentials()
    channel = grpc.insecure_channel(address) if trusted is None else grpc.secure_channel(address, trusted)
    with channel:
        try:
            request = health_pb2.HealthCheckRequest(service=service)
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                raise Refusal(f"{address} knows no service {service!r}") from error
            raise Refusal(f"{address} does not answer: {error.details()}", EXIT_AWAY) from error
    status: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return status
