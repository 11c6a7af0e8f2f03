"""A load that is interrupted leaves a report of what it did, and no process."""

import signal
import subprocess
import sys
from pathlib import Path

import orjson
import psutil
import pytest

from node.client import Client
from node.server import NodeServer
from tests.api.conftest import config_of
from tests.flow.test_restart import PATIENCE_S, wait


@pytest.mark.soak
def test_an_interrupt_ends_it_with_a_report(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path / "data"))
    server.start()
    out = tmp_path / "out"
    words = ("--rate", "200", "--seconds", "600", "--accounts", "16", "--batch", "100", "--out", str(out))
    where = ("--address", server.address, "--api-key", server.dev_keys["dev"])
    load = subprocess.Popen([sys.executable, "-m", "node.cli", "load", *words, *where], stderr=subprocess.PIPE)
    try:
        with Client(server.address, server.dev_keys["dev"]) as client:
            wait(lambda: len(client.depth(1).bids.price_ticks) > 0)
        children = psutil.Process(load.pid).children(recursive=True)
        assert len(children) == 2
        load.send_signal(signal.SIGINT)
        said = load.communicate(timeout=PATIENCE_S)[1].decode()
    finally:
        load.kill()
        server.stop()
    assert load.returncode == 1 and "interrupted" in said
    facts = orjson.loads((out / "report.json").read_bytes())
    assert facts["counts"]["answered"] == facts["counts"]["sent"] > 0
    assert "interrupted" in facts["failures"]
    assert not any(child.is_running() for child in children)
