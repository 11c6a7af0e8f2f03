"""Starting Ray: embedded for one machine, or joining a cluster whose address was given; never silently a third way.

Ray's ports listen on all interfaces whatever address is given, so every cluster this starts demands a token that only
this process and its children know.
"""

import os
import secrets
import socket
from pathlib import Path
from typing import Any

EMBEDDED_CPUS = 2
_CONNECT_TIMEOUT_S = 3.0


def start_ray(address: str | None, temp_dir: Path | None = None) -> None:
    """Starts an embedded Ray (no address) or connects to the cluster at the address. Raises ConnectionError."""
    settings: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "namespace": f"breakwater-{os.getpid()}",
    }
    if address is None:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.setdefault("RAY_task_events_report_interval_ms", "0")
        settings |= {"address": "local", "num_cpus": EMBEDDED_CPUS, "include_dashboard": False}
        if temp_dir is not None:
            settings["_temp_dir"] = str(temp_dir)
    else:
        _require_answer(address)
        settings["address"] = address
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    import ray

    ray.init(**settings)


def _require_answer(address: str) -> None:
    """Ray itself would try for minutes before it says that nobody is there. Raises ConnectionError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), _CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(f"no Ray cluster answers at {address}") from error


def stop_ray() -> None:
    """Leaves the cluster; an embedded one ends."""
    import ray

    ray.shutdown()
