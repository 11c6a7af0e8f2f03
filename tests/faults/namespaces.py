"""Namespaces of the kernel for one test: a small disk, networks of their own, a switch that can be cut.

A holder process keeps each alive and ends with the test, however the test ends; nothing has a name outside, so nothing
is left behind. It takes root, or a kernel that lets anybody make user namespaces.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

_TIMEOUT_S = 20.0


class NotPermitted(Exception):
    """This machine does not let us; the text says what it answered."""


class Holder:
    """A process in new namespaces, which does nothing. `inside` in front of a command runs it in them."""

    def __init__(self, *kinds: str, setup: str = "true") -> None:
        """`kinds` are mount or net; `setup` is shell, run in them once. Raises NotPermitted."""
        flags = [f"--{kind}" for kind in kinds]
        if os.geteuid() != 0:
            flags += ["--user", "--map-root-user"]
        self._process = subprocess.Popen(
            ["unshare", *flags, "sh", "-c", f"{setup} && echo ready && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        if self._process.stdout.readline().strip() != "ready":
            complaint = self._process.stderr.read().strip()
            self.close()
            raise NotPermitted(f"needs root or user namespaces for {' and '.join(kinds)} namespaces: {complaint}")
        entered = [*flags[:-1], "--preserve-credentials"] if os.geteuid() != 0 else flags
        self.pid = self._process.pid
        self.inside = ["nsenter", "--target", str(self.pid), *entered, "--"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process; the namespaces go with the last process that is in them."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def seen(self, path: Path) -> Path:
        """Where a path of the mount namespace is seen from outside."""
        return Path(f"/proc/{self.pid}/root{path}")

    def run(self, *command: str) -> str:
        """Runs a command inside; its output. Raises NotPermitted where it fails."""
        done = subprocess.run([*self.inside, *command], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        if done.returncode:
            raise NotPermitted(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


class SmallDisk(Holder):
    """A file system in memory of so many megabytes at a directory, seen by who runs inside."""

    def __init__(self, directory: Path, megabytes: int) -> None:
        """The directory must exist. Raises NotPermitted."""
        super().__init__("mount", setup=f"mount -t tmpfs -o size={megabytes}m none '{directory}'")
        self.directory = directory
        self._filler = self.seen(directory) / "filler"

    def fill(self) -> int:
        """Takes what is left of it; the bytes that took."""
        taken = 0
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        taken += file.write(bytes(size))
                except OSError:
                    continue
        return taken

    def free(self) -> None:
        """Gives back what `fill` took."""
        self._filler.unlink(missing_ok=True)


class Switch(Holder):
    """A network in a box: whoever is plugged in has an address on it. Unplugged, nothing arrives and nobody is told."""

    def __init__(self) -> None:
        """Raises NotPermitted."""
        super().__init__("net", setup="ip link add hub type bridge && ip link set hub up")
        self._plugs: dict[int, str] = {}

    def join(self, holder: Holder, address: str) -> None:
        """Gives a network namespace an address of the switch's /24. Raises NotPermitted."""
        plug = self._plugs[holder.pid] = f"plug{len(self._plugs)}"
        self.run("ip", "link", "add", plug, "type", "veth", "peer", "name", "net0", "netns", str(holder.pid))
        self.run("ip", "link", "set", plug, "master", "hub", "up")
        holder.run("ip", "address", "add", f"{address}/24", "dev", "net0")
        holder.run("ip", "link", "set", "net0", "up")

    def cut(self, holder: Holder) -> None:
        """From now on nothing arrives there or from there; connections stay open, as when a switch dies."""
        self.run("ip", "link", "set", self._plugs[holder.pid], "nomaster")

    def mend(self, holder: Holder) -> None:
        """Everything arrives again."""
        self.run("ip", "link", "set", self._plugs[holder.pid], "master", "hub")


def network() -> Holder:
    """A network namespace with its loopback up. Raises NotPermitted."""
    return Holder("net", setup="ip link set lo up")
