"""Where the time of the column stream goes: py-spy looks into every process that works while it runs.

Each process gets a flame graph (SVG) and its ten functions with the most samples of their own, native ones included
where they can be told. Only threads that hold the interpreter count, as kernels do: that is what a process has one of.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from breakwater.v1 import admin_pb2
from node.bench.feeder import begin, finish, wait_until_warm
from node.bench.program import Program
from node.bench.stream import SHARDS, orders_for, streaming_node
from node.client import Client

TOP: Final = 10
_RATE: Final = 100
_WARM_S: Final = 3.0
_LOOK_S: Final = 2.0
_SPARE_S: Final = 60.0
# Of a processor: who uses less than this is not worth a graph.
_WORKING_SHARE: Final = 0.02
_VALIDATOR: Final = "ray::Validator"
_PYTHON: Final = re.compile(r"\.py:\d+\)$")
_ADDRESS: Final = re.compile(r"^0x[0-9a-f]+ ")
_NO_LIBRARY: Final = "(?)"
_SCOPE: Final = Path("/proc/sys/kernel/yama/ptrace_scope")


class ProfileError(Exception):
    """No profile can be made; the message says why and what helps."""


class Profiled(NamedTuple):
    """A process: what it is, how much of a processor it used, its flame graph, its functions by their own samples."""

    name: str
    share: float
    graph: Path
    top: list[tuple[str, float]]

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        top = [{"function": function, "share": round(share, 4)} for function, share in self.top]
        return {"name": self.name, "processor": round(self.share, 3), "graph": self.graph.name, "top": top}

    def lines(self) -> list[str]:
        """For people."""
        head = f"{self.name}: {self.share:.0%} of a processor, {self.graph.name}"
        return [head, *(f"  {share:6.1%}  {function}" for function, share in self.top)]


def profile(out: Path, transport: str, seconds: float) -> Iterator[Profiled]:
    """Runs the stream on a node of its own and yields its processes, the busiest first. Raises ProfileError.

    Each is looked into twice for `seconds`: once for the graph, once for the list.
    """
    spy = _spy()
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="node-", dir=out) as folder,
        streaming_node(Path(folder), transport, SHARDS[transport]) as program,
    ):
        # As long as everybody may take, one after the other; the feeder is ended before.
        orders = orders_for(program, warm_s=_WARM_S, seconds=1_000.0)
        with begin(orders) as feeder:
            try:
                wait_until_warm(feeder, orders)
                names = {feeder.pid: "generator", **processes(program)}
                for pid, share in working(names, _LOOK_S):
                    found = _profiled(spy, pid, names[pid], share, out, seconds)
                    if found is not None:
                        yield found
                if feeder.poll() is not None:
                    finish(feeder, orders)
            finally:
                feeder.kill()


def _profiled(spy: str, pid: int, name: str, share: float, out: Path, seconds: float) -> Profiled | None:
    """Raises ProfileError. None of a process that has ended meanwhile: an actor that was given up, and made again."""
    graph = out / f"{name.replace('/', '-').replace(' ', '')}.svg"
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        try:
            _record(spy, pid, seconds, "flamegraph", graph)
            _record(spy, pid, seconds, "raw", raw)
        except ProfileError:
            if psutil.pid_exists(pid):
                raise
            return None
        return Profiled(name, share, graph, top_of(raw.read_text(encoding="utf-8").splitlines()))


def processes(program: Program) -> dict[int, str]:
    """The processes of a node on this machine by number: the node, its actors by name, its validator."""
    node = program.facts["pid"]
    with Client(program.facts["address"], program.facts["dev_keys"]["dev"]) as client:
        status = client.admin.GetStatus(admin_pb2.GetStatusRequest())
    names: dict[int, str] = {}
    for actor, pid in zip(status.actors, status.actor_pids, strict=True):
        names[pid] = f"{names[pid]}, {actor}" if pid in names else actor
    names[node] = "node"
    for child in psutil.Process(node).children(recursive=True):
        if child.name().startswith(_VALIDATOR[:15]):  # the system keeps no more of a name
            names[child.pid] = "validator"
    return names


def working(pids: Iterable[int], look_s: float) -> list[tuple[int, float]]:
    """Those that use a processor noticeably and how much of one, the busiest first."""
    seen = {pid: psutil.Process(pid) for pid in pids}
    for process in seen.values():
        process.cpu_percent()
    time.sleep(look_s)
    shares = {pid: process.cpu_percent() / 100 for pid, process in seen.items()}
    return sorted(((pid, share) for pid, share in shares.items() if share >= _WORKING_SHARE), key=lambda one: -one[1])


def top_of(stacks: Iterable[str], most: int = TOP) -> list[tuple[str, float]]:
    """Functions with the most samples of their own and their share, from collapsed stacks (`outer;inner count`).

    What is native counts for the Python function it works for; an address without a name is code of its library.
    """
    own: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        own[_who_works(frames.split(";"))] += int(count)
    return [(function, count / own.total()) for function, count in own.most_common(most)]


def _who_works(frames: list[str]) -> str:
    inner = _ADDRESS.sub("", frames[-1])
    caller = next((frame for frame in reversed(frames) if _PYTHON.search(frame)), frames[-1])
    if caller == frames[-1]:
        return inner
    return f"{'compiled code' if inner == _NO_LIBRARY else inner} for {caller}"


def _spy() -> str:
    """The profiler. Raises ProfileError."""
    found = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise ProfileError("py-spy is not installed: it comes with the development requirements (make setup)")
    return found


def _record(spy: str, pid: int, seconds: float, kind: str, output: Path) -> None:
    """Raises ProfileError. Without native frames where they cannot be told."""
    words = [spy, "record", "--pid", str(pid), "--duration", str(max(1, round(seconds))), "--rate", str(_RATE)]
    words += ["--gil", "--function", "--format", kind, "--output", str(output)]
    for more in (["--native"], []):
        try:
            done = subprocess.run(
                [*words, *more],
                check=False,
                capture_output=True,
                text=True,
                timeout=seconds + _SPARE_S,
                env={**os.environ, "RUST_BACKTRACE": "0"},
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0 and output.exists():
            return
        if "Permission" in done.stderr or "EPERM" in done.stderr:
            raise ProfileError(not_allowed(_scope()))
    raise ProfileError(f"py-spy could not look into process {pid}: {' '.join(done.stderr.split())[-300:]}")


def _scope() -> int:
    try:
        return int(_SCOPE.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def not_allowed(scope: int) -> str:
    """What to say where the system lets nobody look into the processes of a node, by Yama's ptrace_scope."""
    if scope:
        return (
            f"this system lets only a parent look into a process (kernel.yama.ptrace_scope is {scope}): "
            "profile as root, or set it to 0 for the while"
        )
    return "this system lets no process look into another: a container needs the capability SYS_PTRACE for it"


def write_top(out: Path, profiled: Iterable[Profiled]) -> Path:
    """The lists of all processes in one text."""
    path = out / "top.txt"
    path.write_text("\n".join(line for one in profiled for line in one.lines()) + "\n", encoding="utf-8")
    return path
