"""Starting Ray: embedded for one machine, or joining a cluster whose address was given; never silently a third way.

Ray's ports listen on all interfaces whatever address is given, so every cluster this starts demands a token that only
this process and its children know.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

EMBEDDED_CPUS = 2
_CONNECT_TIMEOUT_S = 3.0
_GONE_PATIENCE_S = 5.0
_STARTS = 3


def start_ray(address: str | None, temp_dir: Path | None = None) -> None:
    """Starts an embedded Ray (no address) or connects to the cluster at the address. Raises ConnectionError."""
    settings: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "namespace": f"breakwater-{os.getpid()}",
    }
    if address is None:
        os.environ["RAY_AUTH_MODE"] = "token"
        # Ray reads it once a process: a second start of its own goes on with the first one's.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ.setdefault("RAY_task_events_report_interval_ms", "0")
        settings |= {"address": "local", "num_cpus": EMBEDDED_CPUS, "include_dashboard": False}
        if temp_dir is not None:
            settings["_temp_dir"] = str(temp_dir)
    else:
        _require_answer(address)
        settings["address"] = address
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    if address is None:
        _embed(settings)
        return
    import ray

    ray.init(**settings)


def _embed(settings: dict[str, Any]) -> None:
    """Where a process of Ray's is lost before it is its program, Ray gives up after half a minute: it is started anew.

    In a program that forks with gRPC's handlers on (see `node`) that happens now and then.
    """
    import ray

    for left in reversed(range(_STARTS)):
        with _making_nodes() as nodes:
            try:
                ray.init(**settings)
                return
            except Exception as error:
                for node in nodes:
                    node.kill_all_processes(check_alive=False, wait=True)
                # What else can go wrong at a start has a type of its own.
                if not left or type(error) not in (Exception, RuntimeError):
                    raise


# Started with every cluster, and for nothing in one that never grows, shows no dashboard and forwards no logs: half of
# the time Ray takes to start, a quarter of its memory.
_HELPERS = ("start_monitor", "start_log_monitor", "start_api_server")


@contextmanager
def _making_nodes() -> Iterator[list[Any]]:
    """Ray's nodes that are made meanwhile: without autoscaler, log forwarder and dashboard.

    Ray has no setting that says so, and of a node that does not come up it keeps nothing by which to end its processes.
    """
    from ray._private.node import Node

    nodes: list[Any] = []
    replaced = {name: getattr(Node, name) for name in ("__init__", *_HELPERS)}

    def begin(node: Any, *arguments: Any, **settings: Any) -> None:
        nodes.append(node)
        replaced["__init__"](node, *arguments, **settings)

    try:
        setattr(Node, "__init__", begin)  # noqa: B010 - mypy knows a method when it sees one
        for name in _HELPERS:
            setattr(Node, name, lambda *arguments, **settings: None)
        yield nodes
    finally:
        for name, method in replaced.items():
            setattr(Node, name, method)


def _require_answer(address: str) -> None:
    """Ray itself would try for minutes before it says that nobody is there. Raises ConnectionError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), _CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(f"no Ray cluster answers at {address}") from error


def what_ended() -> str:
    """Processes of the embedded Ray that are no more, by name; empty while all are there, and for a joined cluster.

    Ray itself would wait for its control store for a minute, and for its daemon for ever.
    """
    import ray

    node = ray._private.worker._global_node
    return " and ".join(sorted({str(name) for name, _ in node.dead_processes()})) if node else ""


def stop_ray() -> None:
    """Leaves the cluster; an embedded one ends. One that has lost a process is given a few seconds for it."""
    import ray

    if not what_ended():
        ray.shutdown()
        return
    leaving = Thread(target=ray.shutdown, name="leaving Ray", daemon=True)
    leaving.start()
    leaving.join(_GONE_PATIENCE_S)
