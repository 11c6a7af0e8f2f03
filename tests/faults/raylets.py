"""A Ray cluster of several daemons on this machine, each `ray start --block` in a session of its own, ended by pid.

Never `ray stop`, which would stop every Ray of the machine. Its ports listen everywhere, so it demands a token.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.faults.live_process import LOOPBACK, PATIENCE_S, POLL_S, NotInTime, free_port

# A daemon that does not answer for a second is given up: two looks of half a second, a fifth of a second apart.
HEALTH_CHECKS = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "200",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "2",
}
# The custom resource that every daemon offers, beside its own: near or far.
EITHER = "either"
_FAREWELL_S = 10.0
_CPUS = 2
_STORE_BYTES = 100 << 20


@dataclass
class Raylet:
    """One daemon with its workers. `log` is what `ray start` said."""

    process: subprocess.Popen[bytes]
    log: Path

    def below(self) -> list[psutil.Process]:
        """The daemon, its agents, its workers, and on the head the control store."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def pids(self, name: str) -> list[int]:
        """Processes of a name: raylet, gcs_server, or ray:: for workers."""
        return [process.pid for process in self.below() if _name(process).startswith(name)]

    def kill(self) -> None:
        """kill -9 of the daemon and everything below it, as when the machine loses its power."""
        everybody = [*self.below(), psutil.Process(self.process.pid)] if self.process.poll() is None else []
        for process in everybody:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(everybody, timeout=_FAREWELL_S)


class Raylets:
    """A head and further daemons. `environment` is for nodes that join; leaving the `with` ends all of them."""

    def __init__(self, folder: Path, address: str = LOOPBACK, inside: Sequence[str] = ()) -> None:
        """`address` is the head's, `inside` a command in front of its start; logs go into the folder."""
        self._folder = folder
        # Ray puts sockets below it, whose paths may have 107 bytes at most.
        self._temp = Path(tempfile.mkdtemp(prefix="bw-"))
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_task_events_report_interval_ms": "0",
            **HEALTH_CHECKS,
        }
        self._address = f"{address}:{free_port()}"
        self._inside = inside
        self._raylets: list[Raylet] = []
        self._begin_head(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for raylet in reversed(self._raylets):
            raylet.kill()
        shutil.rmtree(self._temp, ignore_errors=True)

    @property
    def address(self) -> str:
        """What `up --address` is given."""
        return self._address

    @property
    def head(self) -> Raylet:
        """The first daemon, with the control store."""
        return self._raylets[0]

    def _begin_head(self, address: str) -> None:
        port = self._address.rpartition(":")[2]
        options = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._temp}"]
        self._start("head", address, self._inside, options, "near")

    @contextmanager
    def head_is_taken(self) -> Iterator[None]:
        """While entered, nothing placed by EITHER finds room on the head: it goes to another daemon."""
        process = subprocess.Popen(
            [*self._inside, sys.executable, "-c", _OCCUPIER, self._address, EITHER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
        )
        try:
            assert process.stdout is not None and b"taken" in process.stdout.readline(), "the head could not be taken"
            yield
        finally:
            process.communicate(timeout=PATIENCE_S)

    def join(self, name: str, address: str = LOOPBACK, inside: Sequence[str] = ()) -> Raylet:
        """A further daemon, which offers the custom resource `far`. Raises NotInTime."""
        return self._start(name, address, inside, [f"--address={self._address}"], "far")

    def _start(self, name: str, address: str, inside: Sequence[str], options: Sequence[str], offers: str) -> Raylet:
        log = self._folder / f"ray-{name}.log"
        resources = {offers: 1, EITHER: 1}
        command = [
            *(*inside, sys.executable, "-c", "from ray.scripts.scripts import main; main()"),
            *(
                "start",
                "--block",
                "--disable-usage-stats",
                "--include-log-monitor=false",
                f"--node-ip-address={address}",
                f"--num-cpus={_CPUS}",
            ),
            *(f"--resources={json.dumps(resources)}", f"--object-store-memory={_STORE_BYTES}", *options),
            *(f"--{port}={free_port()}" for port in _PORTS),
        ]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        raylet = Raylet(process, log)
        self._raylets.append(raylet)
        self._wait_started(raylet)
        return raylet

    def _wait_started(self, raylet: Raylet) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while "Ray runtime started" not in raylet.log.read_text(errors="replace"):
            if raylet.process.poll() is not None or time.monotonic() > deadline_s:
                raise NotInTime(f"Ray did not start: {raylet.log.read_text(errors='replace')[-2_000:]}")
            time.sleep(POLL_S)


# Holds all of the head's share in an actor of no use until its input ends.
_OCCUPIER = """
import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False, namespace="occupier")
idle = ray.remote(type("Idle", (), {"wait": lambda self: None}))
held = idle.options(num_cpus=0, resources={"near": 1, sys.argv[2]: 1}).remote()
ray.get(held.wait.remote())
print("taken", flush=True)
sys.stdin.read()
"""
_PORTS = (
    "node-manager-port",
    "object-manager-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
)


def _name(process: psutil.Process) -> str:
    """What a process calls itself: workers write their actor's class over their command line."""
    with suppress(psutil.NoSuchProcess):
        line = process.cmdline()
        return line[0] if line and line[0].startswith("ray::") else process.name()
    return ""
