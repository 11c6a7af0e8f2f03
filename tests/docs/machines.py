"""Machines as the pages of an operator see them: `sudo systemctl` and `breakwater`, with the units of deploy/systemd.

A unit's own command line is started, in folders and on ports of the test, in dev mode and without Ray. Whatever a page
calls /var/lib, /etc and 127.0.0.1:7400 on a machine is that machine's alone; /var/backups is brought from one to the
other.
"""

import configparser
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from tests.docs.printing import ROOT
from tests.faults.live_process import free_port

PATIENCE_S = 120.0
SMALL = ("--transport", "inline", "--dev", "--no-house-bot", "--json")
CONFIG = 'margin_trade = ""\nspin = ""\nperennial = ""\n'
_PORTS = (7400, 7500)


class Machine:
    """One machine: its files, its ports, and the units that run on it."""

    def __init__(self, folder: Path, backups: Path, environment: Mapping[str, str]) -> None:
        """`environment` is what its files in /etc/breakwater say."""
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.ports = {port: free_port() for port in _PORTS}
        (folder / "etc").mkdir(parents=True)
        (folder / "etc" / "node.toml").write_text(CONFIG, encoding="utf-8")
        self._words = {
            "/var/lib/breakwater": str(folder / "lib"),
            "/etc/breakwater": str(folder / "etc"),
            "/var/backups/breakwater": str(backups),
            "${BREAKWATER_HOST}": "127.0.0.1",
            "${BREAKWATER_LISTEN}": "127.0.0.1:7500",
        }

    def name_nodes(self, addresses: Sequence[str]) -> None:
        """What /etc/breakwater/gateway.env says."""
        self._environment["BREAKWATER_NODES"] = " ".join(addresses)

    @property
    def data(self) -> Path:
        """The data directory of its node."""
        return self._folder / "lib" / "data"

    def here(self, words: Sequence[str]) -> list[str]:
        """The words of a command as they are meant on this machine."""
        return [self._word(word) for word in words]

    def _word(self, word: str) -> str:
        if word in ("7401", "7501"):
            return "0"  # metrics: any port
        if word.isdigit() and int(word) in self.ports:
            return str(self.ports[int(word)])
        for there, meant in self._words.items():
            word = word.replace(there, meant)
        for port, meant_port in self.ports.items():
            word = word.replace(f"127.0.0.1:{port}", f"127.0.0.1:{meant_port}")
        return word

    def systemctl(self, verb: str, unit: str) -> None:
        """Starts or stops a unit of deploy/systemd."""
        assert unit in ("breakwater-node", "breakwater-standby", "breakwater-gateway"), unit
        if verb == "stop":
            self._stop(unit)
            return
        assert verb == "start" and unit not in self._running, (verb, unit)
        words = self.here(_exec_start(unit))
        self._running[unit] = self._spawn([*words[1:], *(SMALL if words[1] == "up" else ())])

    def breakwater(self, words: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
        """Runs a command to its end, its key that of dev mode where there is one."""
        environment = dict(self._environment)
        keys = self.data / "dev_keys.json"
        if keys.exists():
            environment["BREAKWATER_API_KEY"] = orjson.loads(keys.read_bytes())["dev"]
        environment.pop("BREAKWATER_JOURNAL", None)  # of the unit, not of the operator's shell
        command = [sys.executable, "-m", "node.cli", *self.here(words)]
        return subprocess.run(command, capture_output=True, env=environment, timeout=PATIENCE_S, check=False)

    def _spawn(self, words: Sequence[str]) -> "subprocess.Popen[bytes]":
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "node.cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    def _stop(self, unit: str) -> None:
        process = self._running.pop(unit)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def log(self) -> str:
        """The end of what its units said."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")[-3_000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for unit in list(self._running):
            self._stop(unit)


def _exec_start(unit: str) -> list[str]:
    """The command line of a unit."""
    read = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    read.read_string((ROOT / "deploy" / "systemd" / f"{unit}.service").read_text(encoding="utf-8"))
    return shlex.split(read["Service"]["ExecStart"])


def until_it_answers(machine: Machine, words: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
    """Runs a command again until it ends well: what an operator does while a node starts or takes over."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done = machine.breakwater(words)
        if done.returncode == 0 or time.monotonic() > deadline:
            return done
        time.sleep(0.2)
