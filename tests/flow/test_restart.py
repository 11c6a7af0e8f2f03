"""A node that is killed and started again in the middle of a load: the load goes on, and says what became of what."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from node.bench.program import Program
from node.client import Client
from tests.flow.test_load_command import check_counts

PATIENCE_S = 120.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s, "it did not come to that"
        time.sleep(0.05)


@pytest.mark.soak
def test_a_load_outlives_its_node(tmp_path: Path) -> None:
    words = ("up", "--dev", "--json", "--no-house-bot", "--transport", "inline", "--port", str(free_port()))
    node = Program("node.cli", (*words, "--data", str(tmp_path / "data")), tmp_path / "node.log")
    out = tmp_path / "out"
    asked = (
        "--rate",
        "300",
        "--seconds",
        "25",
        "--accounts",
        "40",
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(out),
    )
    command = [sys.executable, "-m", "node.cli", "load", "--json", *asked]
    load = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.extend(load.stderr or ()), daemon=True)
    reader.start()
    try:
        with Client(node.facts["address"], node.facts["dev_keys"]["dev"]) as client:
            wait(lambda: len(client.depth(1).bids.price_ticks) > 0)
        node.kill()
        node = Program("node.cli", (*words, "--data", str(tmp_path / "data")), tmp_path / "node.log")
        assert load.stdout is not None
        facts = orjson.loads(load.stdout.read())
        assert load.wait(PATIENCE_S) == 0, b"".join(said).decode()
    finally:
        load.kill()
        node.stop()
    check_counts(facts)
    counts = facts["counts"]
    assert counts["reconnects"] >= 1 and counts["unknown"] == 0
    answered = [one["answered"] for one in facts["seconds"]]
    assert sum(answered[:6]) > 0 and sum(answered[-5:]) > 0
    assert any("found again" in line.decode() for line in said)
