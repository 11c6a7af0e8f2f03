"""Negative equity of bot-run venues is published until somebody acts on it."""

import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cluster.host import Host
from node.server import NodeServer
from node.shortfall_gauges import UnrealisedShortfall
from tests.api.conftest import TIMEOUT_S, config_of
from tests.cluster.bot_story import PERENNIAL, SPIN, bot_story, replica_at
from tests.cluster.journals import bot_journal
from tests.cluster.story import config

ACCOUNTS = range(1, 10)
VICTIM_BELOW, LONGER_BELOW = 2_641_158_750, 16_833_051_800


@contextmanager
def stopped_at(directory: Path, height: int) -> Iterator[Host]:
    """A host that has come so far in the story."""
    with closing(Host.open(config(bot_journal(directory, last=height), shards=3))) as host:
        yield host


def by_views(height: int) -> int:
    """What accounts of Spin with positions are below zero, as a reader sees each of them."""
    views = [view.ratio for view in replica_at(height).accounts(SPIN, ACCOUNTS).accounts]
    return sum(max(0, -ratio.equity_atoms) for ratio in views if ratio.positions)


def gauge(host: Host) -> dict[str, int]:
    """What a scrape finds, by venue."""
    (family,) = UnrealisedShortfall(host).collect()
    return {sample.labels["venue"]: int(sample.value) for sample in family.samples}


@pytest.mark.parametrize(
    ("height", "spin", "perennial"),
    [(4, 0, 0), (13, 0, LONGER_BELOW), ("half taken", VICTIM_BELOW, 0), ("deficit on its way", 0, 0)],
)
def test_it_is_what_is_below_zero_with_a_position(tmp_path: Path, height: int | str, spin: int, perennial: int) -> None:
    found = bot_story().at[height] if isinstance(height, str) else height
    with stopped_at(tmp_path, found) as host:
        assert gauge(host) == {str(SPIN): spin, str(PERENNIAL): perennial}
    assert by_views(found) == spin


def test_a_scrape_of_a_node_has_it(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path, metrics_port=0))
    server.start()
    try:
        with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=TIMEOUT_S) as answer:
            text = answer.read().decode()
    finally:
        server.stop()
    for venue in (SPIN, PERENNIAL):
        assert f'breakwater_unrealised_shortfall_atoms{{venue="{venue}"}} 0.0' in text
