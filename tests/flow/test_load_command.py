"""`breakwater load` against real nodes: a run with its report, and what it says where it cannot run."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from node.client import Client
from node.config import Limits, NodeConfig
from node.flow.tally import COUNTS
from node.server import NodeServer
from tests.api.conftest import config_of
from tests.cli.running import breakwater, only_object

# Longer than a busy machine stands still: a load keeps to the clock, and what it slept through is never sent.
SECONDS = 8


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    server = NodeServer(
        NodeConfig(data_dir=tmp_path_factory.mktemp("loaded"), transport="inline", validator_process=False, dev=True)
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def around(node: NodeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to stand in, beside the node's data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BREAKWATER_DATA", str(node.config.data_dir))
    return tmp_path


def load(*arguments: object) -> dict[str, Any]:
    """A load that runs; its facts."""
    result = breakwater("load", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return only_object(result)


def check_counts(facts: dict[str, Any]) -> None:
    """Every command sent was settled once, and everything is told."""
    counts = facts["counts"]
    assert set(counts) == set(COUNTS)
    settled = counts["answered"] + counts["never_sequenced"] + counts["unknown"]
    assert counts["sent"] == settled > 0
    assert counts["answered"] == counts["accepted"] + counts["refused"] == sum(facts["statuses"].values())
    assert counts["refused"] == sum(one["rows"] for one in facts["refusals"].values())
    assert sum(one["sent"] for one in facts["seconds"]) == counts["sent"]
    assert counts["in_flight"] == 0 and facts["failures"] == []


def test_a_load_leaves_a_report_that_says_what_the_node_did(around: Path, node: NodeServer) -> None:
    facts = load("--rate", 2_000, "--seconds", SECONDS, "--accounts", 64, "--processes", 2, "--markets", 2, "--seed", 5)
    check_counts(facts)
    assert facts["latency_ms"]["p50"] >= facts["service_ms"]["p50"] > 0
    percentiles = [facts["latency_ms"][name] for name in ("p50", "p75", "p90", "p99", "p99.9", "p100")]
    assert percentiles == sorted(percentiles)
    assert facts["statuses"]["RESTING"] > 0 and facts["statuses"]["DONE"] > 0
    assert all(facts["by_archetype"][name] > 0 for name in ("maker", "noise", "momentum", "whale"))
    assert facts["node"]["blocks"] > 0 and facts["node"]["nav_atoms"] > 0
    assert facts["scenery"]["counts"]["ticks"] > 0
    folder = Path(facts["run_dir"])
    assert folder.parent == Path("runs") and folder.name.startswith("load-")
    written = orjson.loads((folder / "report.json").read_bytes())
    assert written == {name: value for name, value in facts.items() if name != "run_dir"}
    text = (folder / "report.txt").read_text(encoding="utf-8")
    assert f"{facts['counts']['answered']:,}" in text and "p99.9" in text and node.dev_keys["dev"] not in text
    for name in ("latency.png", "rate.png", "flow.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    words = shlex.split((folder / "reproduce.txt").read_text(encoding="utf-8"))
    assert words[:2] == ["breakwater", "load"] and {"--seed", "5", "--markets", "2"} <= set(words)
    assert breakwater(*words[1:], "--seconds", 1, "--out", around / "again").exit_code == 0
    with Client(node.address, node.dev_keys["dev"]) as client:
        book = client.depth(1)
    assert len(book.bids.price_ticks) > 0 and len(book.asks.price_ticks) > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("--rate", 150, "--mode", "orders"),
        pytest.param(("--rate", 500, "--blind"), marks=pytest.mark.soak),
        pytest.param(("--rate", "max", "--prepare", 1_000, "--batch", 200), marks=pytest.mark.soak),
        ("--rate", 300, "--venue", 1),
        ("--rate", 300, "--venue", 3, "--blind", "--branching", 0),
        ("--rate", 200, "--venue", 4, "--markets", 2),
        pytest.param(("--rate", 60, "--venue", 1, "--mode", "orders"), marks=pytest.mark.soak),
        pytest.param(("--rate", 60, "--venue", 4, "--mode", "orders"), marks=pytest.mark.soak),
    ],
    ids=lambda arguments: " ".join(map(str, arguments)),
)
def test_every_mode_runs_on_every_kind_of_venue(around: Path, arguments: tuple[object, ...]) -> None:
    facts = load(*arguments, "--seconds", SECONDS, "--accounts", 40, "--out", around / "out")
    check_counts(facts)
    # Where a busy machine brings prices late, what waits for the next version is most of what is refused.
    least = 0 if 4 in arguments else 0.5
    assert facts["counts"]["accepted"] > least * facts["counts"]["answered"]


def test_prices_follow_a_file_and_the_mark_follows_them(around: Path, node: NodeServer) -> None:
    # Up within half a second, and there for longer than the load goes on: whichever price comes last is one of those.
    rows = ["60000,100,104,100,104", *(f"{60_000 * minute},104,104,104,104" for minute in range(2, 60))]
    lines = ["open_time_ms,open,high,low,close", *rows]
    (around / "bars.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with Client(node.address, node.dev_keys["dev"]) as client:
        before = client.mark(1, 2).mark
        load("--rate", 100, "--seconds", SECONDS, "--accounts", 16, "--prices", "bars.csv", "--speed", 120)
        after = client.mark(1, 2).mark
    assert after.index_ticks / before.mark_ticks == pytest.approx(1.04, rel=0.01)


def test_an_impossible_rate_says_what_was_reached(around: Path) -> None:
    seconds = 2 * SECONDS  # what a pause at the end adds is not half of it
    words = ("--rate", 5_000_000, "--seconds", seconds, "--accounts", 64, "--in-flight", 2, "--batch", 500)
    result = breakwater("load", *words, "--json")
    assert result.exit_code == 0, result.stderr
    facts = only_object(result)
    check_counts(facts)
    counts = facts["counts"]
    assert counts["unsent"] > 10 * counts["sent"]
    assert counts["unsent"] + counts["sent"] == pytest.approx(5_000_000 * seconds, rel=0.5)
    assert "wanted 5,000,000 commands a second, reached " in result.stderr
    assert "never sent" in (Path(facts["run_dir"]) / "report.txt").read_text(encoding="utf-8")


def refused(code: int, *arguments: object) -> str:
    """A load that is refused with this exit code in one sentence, and leaves nothing; the sentence."""
    result = breakwater("load", *arguments)
    assert result.exit_code == code, result.stdout + result.stderr
    assert result.stdout == "" and result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_what_cannot_be_run_is_refused_in_a_sentence_before_anything_is_left(
    around: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAKWATER_TIMEOUT_S", "1")
    assert "no node answers" in refused(3, "--address", "127.0.0.1:1", "--api-key", "x")
    assert "not on this machine" in refused(2, "--address", "192.0.2.1:7400", "--api-key", "x")
    assert "names nothing" in refused(2, "--address", "192.0.2.1:7400", "--api-key", "x", "--not-loopback")
    assert "--rate is max or 1 to" in refused(2, "--rate", "fast")
    assert "--rate is max or 1 to" in refused(2, "--rate", "nan")
    assert "--mode is columns or orders" in refused(2, "--mode", "both")
    assert "2 processes need 16 accounts" in refused(2, "--processes", 2, "--accounts", 10)
    assert "UNAUTHENTICATED" in refused(1, "--api-key", "no such key")
    assert "the node has no venue 9, it has: 1 (twilight), 2" in refused(2, "--venue", 9)
    assert "venue 2 has 3 markets, not 4" in refused(2, "--markets", 4)
    assert "no file of bars" in refused(2, "--prices", ".")
    assert "nowhere.csv: cannot be read" in refused(2, "--prices", "nowhere.csv")
    assert "client order ids" in refused(2, "--venue", 1, "--blind")
    assert list(around.iterdir()) == []


def test_a_key_without_the_roles_is_told_what_it_may_not(around: Path, node: NodeServer) -> None:
    assert "NOT_ALLOWED" in refused(1, "--api-key", node.dev_keys["auditor"])


def test_without_a_publisher_a_market_needs_a_price(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path / "bare", limits=Limits()))
    server.start()
    try:
        words = ("--address", server.address, "--api-key", server.dev_keys["dev"], "--out", tmp_path / "out")
        assert "market 1 of venue 2 has no usable mark, it is NONE" in refused(2, "--no-publish", *words)
    finally:
        server.stop()


def test_a_node_that_is_driven_takes_no_load(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path / "driven", driver_mode=True))
    server.start()
    try:
        words = ("--address", server.address, "--api-key", server.dev_keys["dev"], "--out", tmp_path / "out")
        assert "driver mode" in refused(2, *words)
    finally:
        server.stop()


@pytest.mark.soak
def test_the_metrics_of_the_node_are_beside_the_figures(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path / "metered", limits=Limits(), metrics_port=0))
    server.start()
    try:
        url = f"http://{server.metrics_address}/metrics"
        words = ("--address", server.address, "--api-key", server.dev_keys["dev"], "--out", tmp_path / "out")
        asked = ("--rate", 100, "--seconds", 2, "--accounts", 16, "--metrics")
        facts = load(*asked, url, *words)
        assert "cannot" in breakwater("load", *asked, "http://127.0.0.1:1/metrics", *words).stderr
    finally:
        server.stop()
    moved = facts["node"]["metrics"]
    assert moved["breakwater_commands_total{status=accepted}"] >= facts["counts"]["accepted"]
    assert moved["breakwater_events_total"] > 0
