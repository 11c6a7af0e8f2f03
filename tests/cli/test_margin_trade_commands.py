"""A Margin Trade venue from the command line: orders, books, margin, vault, statements in two formats, the ladder."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from node.client import Client
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, config_of
from tests.api.margin_scene import BTC, PRICE_TICKS, USDC, VENUE, funded, settled, steady_marks
from tests.cli.running import breakwater, only_object

FUNDS = 50_000 * USDC


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a node in dev mode, its BTC market with a mark."""
    server = NodeServer(config_of(tmp_path_factory.mktemp("node")))
    server.start()
    with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        steady_marks(client, {BTC: PRICE_TICKS})
    yield server.config.data_dir
    server.stop()


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[Client]:
    """For what a test needs before its commands."""
    from node.cli.connection import endpoint

    with Client(*endpoint(None, None, data), TIMEOUT_S) as client:
        yield client


@pytest.fixture
def pair(client: Client) -> tuple[int, int]:
    """Two funded accounts."""
    return funded(client, FUNDS), funded(client, FUNDS)


def asked(data: Path, *words: object) -> dict[str, Any]:
    result = breakwater(*words, "--data", data, "--json")
    assert result.exit_code == 0, result.stderr
    return only_object(result)


def page(data: Path, *words: object) -> str:
    result = breakwater(*words, "--data", data)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_an_order_is_placed_amended_filled_and_shown(data: Path, client: Client, pair: tuple[int, int]) -> None:
    seller, buyer = pair
    placed = asked(data, "order", "sell", "0.05", "--account", seller, "--limit", "100100", "--client-id", 9)
    assert (placed["status"], placed["remaining_lots"], placed["order"]) == ("RESTING", 5_000, placed["reference"])
    amended = asked(data, "amend", placed["order"], "--account", seller, "--size", "0.04")
    assert (amended["status"], amended["remaining_lots"]) == ("RESTING", 4_000)
    asked(data, "leverage", 5, "--account", buyer)
    estimate = asked(data, "estimate", "buy", "0.01", "--account", buyer)
    assert (estimate["refusal"], estimate["average_price_ticks"]) == ("UNSPECIFIED", 1_001_000)
    bought = asked(data, "order", "buy", "0.01", "--account", buyer)
    assert (bought["status"], bought["filled_lots"]) == ("FILLED", 1_000)
    settled(client, buyer, bought["height"])
    book = asked(data, "book")
    assert (book["asks"]["price_ticks"], book["asks"]["lots"]) == ([1_001_000], [3_000])
    assert "100,100.0" in page(data, "book") and "0.03000" in page(data, "book")
    (trade,) = asked(data, "trades")["trades"]
    assert (trade["side"], trade["lots"], trade["price_ticks"]) == ("LONG", 1_000, 1_001_000)
    assert "buy" in page(data, "trades")
    margin = asked(data, "margin", "--account", buyer)
    (position,) = margin["account"]["cross"]["positions"]
    assert (position["lots"], position["leverage"], margin["ranks"][0]["rank"]) == (1_000, 5, 1)
    shown = page(data, "margin", "--account", buyer)
    assert "BTC-PERP" in shown and "1 of 1" in shown and "healthy" in shown
    assert "Open orders" in page(data, "margin", "--account", seller)
    cancelled = asked(data, "cancel", "--account", seller, "--client-id", 9)
    assert (cancelled["status"], cancelled["remaining_lots"]) == ("DONE", 3_000)
    assert asked(data, "book")["asks"]["lots"] == []


def test_prices_are_published_into_a_book_market(data: Path) -> None:
    published = asked(data, "publish", "--venue", VENUE, "--market", 2, "--points", 2, "--speed", 600)
    assert (published["publishers"], published["ticks"]) == ([1, 2, 3, 11, 12, 13], 12)
    # A busy machine brings the two points together, and a source has one price a millisecond.
    assert published["accepted"] >= 6, published
    watched = asked(data, "watch", "depth", "--venue", VENUE, "--market", 2, "--count", 1)
    assert watched["messages"][0]["snapshot"]["market"] == 2
    assert asked(data, "watch", "trades", "--venue", VENUE, "--seconds", 0.2)["messages"] == []


def test_triggers_and_words_of_an_order(data: Path, pair: tuple[int, int]) -> None:
    account, _ = pair
    armed = asked(data, "order", "buy", "0.01", "--account", account, "--stop", "110000", "--limit", "111000")
    assert armed["status"] == "ARMED"
    assert page(data, "order", "sell", "0.01", "--account", account, "--take-profit", "120000").startswith(
        "Waits for its trigger\n"
    )
    both = breakwater("order", "buy", "1", "--account", account, "--stop", "1", "--take-profit", "2", "--data", data)
    assert both.exit_code == 2
    refused = breakwater(
        "order", "buy", "0.01", "--account", account, "--tif", "ioc", "--limit", "50000", "--data", data
    )
    assert refused.exit_code == 1
    assert "NOTHING_TO_MATCH: required 500000, actual 0" in refused.stderr
    estimate = page(data, "estimate", "buy", "90", "--account", account, "--price", "100000")
    assert "BELOW_INITIAL_MARGIN" in estimate
    page(data, "cancel", "--account", account)


def test_the_vault_and_the_funds(data: Path, pair: tuple[int, int]) -> None:
    account, _ = pair
    minted = asked(data, "vault", "--deposit", 1_000 * USDC, "--account", account)
    assert minted["micro_shares"] == minted["reference"] > 0
    view = asked(data, "vault", "--account", account)
    assert view["holdings"][0]["locked_micro_shares"] == minted["micro_shares"]
    assert "insurance fund" in page(data, "vault", "--account", account)
    locked = breakwater("vault", "--withdraw", 5, "--account", account, "--data", data)
    assert locked.exit_code == 1 and "SHARES_LOCKED" in locked.stderr
    assert breakwater("vault", "--withdraw", 5, "--data", data).exit_code == 2
    ladder = asked(data, "liquidations")
    assert (ladder["venue"], ladder["events"], ladder["insurance"]["shortfall_atoms"]) == (VENUE, [], 0)
    assert "Insurance" in page(data, "liquidations", "--market", 1)


def test_a_statement_is_the_same_in_csv_and_parquet(
    data: Path, client: Client, pair: tuple[int, int], tmp_path: Path
) -> None:
    seller, buyer = pair
    page(data, "order", "sell", "0.02", "--account", seller, "--limit", "100000")
    for _ in range(2):
        filled = asked(data, "order", "buy", "0.01", "--account", buyer)
    settled(client, buyer, filled["height"])
    totals = asked(data, "statement", "--account", buyer)
    assert (totals["fills"], totals["deposited_atoms"]) == (2, FUNDS)
    table, sheet = tmp_path / "rows.parquet", tmp_path / "rows.csv"
    written = asked(data, "statement", "--account", buyer, "--format", "parquet", "--out", table)
    asked(data, "statement", "--account", buyer, "--format", "csv", "--out", sheet)
    rows = parquet.read_table(table).to_pylist()
    with sheet.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [{name: str(value) for name, value in row.items()} for row in rows] == lines
    assert written["rows"] == len(rows)
    assert sum(row["amount_atoms"] for row in rows) == totals["change_atoms"]
    assert {row["kind"] for row in rows} == {"FILL", "TRANSFER", "PNL"}
    asked(data, "statement", "--account", buyer, "--format", "csv", "--out", sheet, "--kind", "fill")
    assert len(sheet.read_text(encoding="utf-8").splitlines()) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv", "rows.parquet"]
    assert breakwater("statement", "--account", buyer, "--format", "csv", "--data", data).exit_code == 2
    nowhere = breakwater(
        "statement", "--account", buyer, "--format", "csv", "--out", tmp_path / "no" / "a.csv", "--data", data
    )
    assert nowhere.exit_code == 1
