"""The first five minutes, command by command, with a node started by `up`; and two nodes on one directory."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.prices import write_prices
from tests.cli.running import PATIENCE_S, breakwater, only_object


def _up(data: Path, *more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "node.cli", "up", "--data", str(data), "--transport", "inline", *more, "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A node in dev mode, with a price."""
    folder = tmp_path_factory.mktemp("node")
    process = _up(folder / "data", "--dev")
    with process:
        assert process.stdout is not None and process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read().decode()
            assert {"address", "dev_keys", "validator_key"} <= orjson.loads(line).keys()
            prices = write_prices(folder / "prices.csv")
            published = _object("publish", "--prices", prices, "--speed", 600, "--points", 4, "--data", folder / "data")
            # A busy machine brings points together: the later ones may come too soon for the market.
            assert published["ticks"] == 12 and published["accepted"] >= 3, published
            yield folder / "data"
        finally:
            process.send_signal(signal.SIGTERM)
            ended = process.wait(PATIENCE_S)
        assert ended == 0
        assert process.stdout.read() == b""


def _object(*arguments: object) -> dict[str, Any]:
    result = breakwater(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return only_object(result)


@pytest.fixture(scope="module")
def trader(data: Path) -> int:
    """An account with money, and a pool to trade against."""
    lp = _object("deposit", 5_000_000_000, "--data", data)
    assert lp["opened"] is True
    minted = _object("pool", "--deposit", 4_000_000_000, "--account", lp["account"], "--data", data)
    assert minted["micro_shares"] > 0
    account: int = _object("deposit", 10_000_000, "--data", data)["account"]
    return account


def _position(data: Path, trader: int) -> dict[str, Any]:
    opened = _object("open", "long", "--margin", 1_000_000, "--leverage", 10, "--account", trader, "--data", data)
    assert (opened["status"], opened["account"]) == ("FILLED", trader)
    return opened


def test_a_position_is_opened_guarded_and_closed(data: Path, trader: int) -> None:
    number = _position(data, trader)["position"]
    level = breakwater("close", number, "--account", trader, "--stop-loss", "1000", "--data", data)
    assert level.stdout.startswith("Level set\n")
    (held,) = _object("positions", "--account", trader, "--data", data)["positions"]
    assert (held["position"], held["side"], held["stop_loss_ticks"]) == (number, "LONG", 1_000)
    closed = breakwater("close", number, "--account", trader, "--data", data)
    assert closed.stdout.startswith("Closed\n")
    assert _object("positions", "--account", trader, "--data", data)["positions"] == []


def test_a_refusal_is_one_sentence_with_its_numbers(data: Path, trader: int) -> None:
    arguments = ("open", "long", "--margin", 1_000_000, "--account", trader, "--data", data)
    for leverage in ("51", "NaN"):
        refused = breakwater(*arguments, "--leverage", leverage, "--json")
        assert refused.exit_code == 1
        assert only_object(refused)["error"].startswith("LEVERAGE_OUT_OF_RANGE (leverage): required ")


def test_the_pool_and_the_node_are_shown(data: Path, trader: int) -> None:
    pool = _object("pool", "--account", 1, "--data", data)
    assert pool["holdings"][0]["micro_shares"] == pool["micro_shares"]
    assert "nav realised" in breakwater("pool", "--data", data).stdout
    status = _object("status", "--data", data)
    assert (status["state"], status["driver_mode"], status["stopped_because"]) == ("READY", False, "")


def test_an_account_is_watched(data: Path, trader: int) -> None:
    seen = _object("watch", "account", "--account", trader, "--count", 1, "--data", data)
    assert seen["messages"][0]["snapshot"]["account"] == trader
    assert _object("watch", "liquidations", "--seconds", 0.2, "--data", data)["messages"] == []


def test_there_is_no_receipt_before_a_liquidation(data: Path) -> None:
    result = breakwater("receipt", "--data", data)
    assert result.exit_code == 1
    assert "has had no liquidation yet" in result.stderr


def test_a_second_node_on_the_same_directory_is_refused(data: Path) -> None:
    with _up(data) as second:
        out, error = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "in use by" in orjson.loads(out)["error"]
    assert b"Traceback" not in error
    assert _object("status", "--data", data)["state"] == "READY"


def test_a_damaged_journal_is_named_by_its_height(data: Path, trader: int, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    # Of files a node writes to meanwhile a copy may be of two moments.
    _object("backup", "--to", tmp_path / "backup", "--data", data)
    _object("restore", tmp_path / "backup", "--data", copy)
    with closing(sqlite3.connect(copy / "journal.sqlite")) as journal, journal:
        journal.execute("UPDATE journal SET payload = zeroblob(length(payload)) WHERE height = 2")
    for arguments in (("audit", copy), ("up", "--data", copy, "--transport", "inline")):
        result = breakwater(*arguments, "--json")
        assert result.exit_code == 1
        assert "corrupted at height 2" in only_object(result)["error"]
