"""`gateway`: a process that speaks the whole API and passes every call on to the node that sequences."""

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json
from node.cli.signals import stop_on_signals


def gateway(
    node: Annotated[
        list[str] | None, typer.Option("--node", envvar="BREAKWATER_NODES", help="HOST:PORT of a node; repeat.")
    ] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to listen on; default a free port of loopback.")] = None,
    metrics_port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Serve Prometheus metrics.")] = None,
    wait: Annotated[
        float | None, typer.Option(min=0, help="Seconds a call waits for a node at most; default 10.")
    ] = None,
    share_port: Annotated[bool, typer.Option("--share-port", help="Several gateways may listen on the port.")] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): speak TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    client_ca: Annotated[Path | None, typer.Option(help="Only clients whose certificate this one signed.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; its table `limits` holds here, too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Pass calls on to the node that sequences, in the foreground, until interrupted."""
    from node.gateway.server import GatewayServer, load_gateway_config

    settings = load_gateway_config(
        config,
        nodes=node or [],
        listen=listen,
        metrics_port=metrics_port,
        wait_s=wait,
        share_port=share_port or None,
        tls=_tls(tls_cert, tls_key, client_ca),
    )
    server = GatewayServer(settings)
    server.start()
    try:
        with stop_on_signals() as stop:
            _announce(server, as_json)
            stop.wait()
    finally:
        server.stop()


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> Any:
    from node.gateway.credentials import Tls

    if certificate is not None and key is not None:
        return Tls(certificate, key, client_ca)
    if certificate is not None or key is not None or client_ca is not None:
        raise Refusal("TLS needs both --tls-cert and --tls-key; --client-ca goes with them", EXIT_USAGE)
    return None


def _announce(server: Any, as_json: bool) -> None:
    import os

    facts: dict[str, Any] = {
        "address": server.address,
        "pid": os.getpid(),
        "nodes": server.config.nodes,
        "sequencing": server.sequencing,
        "tls": server.config.tls is not None,
        "metrics_address": server.metrics_address,
    }
    if as_json:
        put_json(facts)
        return
    facts |= {"nodes": ", ".join(server.config.nodes), "sequencing": server.sequencing or "nobody yet"}
    put_facts("Gateway is listening", [(name.replace("_", " "), str(value)) for name, value in facts.items()])
