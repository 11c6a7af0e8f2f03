"""`explain`: why an account was liquidated, left alone or refused, on books and on Twilight, in words and as JSON."""

import re
from pathlib import Path
from typing import Any

import pytest

from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from node.client.errors import refusal_name
from node.report.amounts import count
from node.report.explanation import RULES, STEPS
from tests.cli.running import breakwater, only_object
from tests.cluster.journals import book_journal, events_of, twilight_journal


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return book_journal(tmp_path_factory.mktemp("books"), snapshot_every=20)


@pytest.fixture(scope="module")
def told(directory: Path) -> list[events.Event]:
    return [event for block in events_of(directory) for event in block]


def _first(told: list[events.Event], body: str, **fields: Any) -> events.Event:
    for event in told:
        if event.WhichOneof("body") == body:
            found = getattr(event, body)
            if all(getattr(found, name) == value for name, value in fields.items()):
                return event
    raise AssertionError(f"the crash has no {body} with {fields}")


def _page(directory: Path, event: events.Event, venue: int = 2) -> str:
    result = breakwater(
        "explain", "--data", directory, "--venue", venue, "--account", event.account, "--height", event.height
    )
    assert result.exit_code == 0, result.stderr
    return re.sub(r"\s+", " ", result.stdout)


def _object(directory: Path, account: int, height: int, venue: int = 2) -> dict[str, Any]:
    where = ("--data", directory, "--venue", venue, "--account", account, "--height", height)
    result = breakwater("explain", *where, "--json")
    assert result.exit_code == 0, result.stderr
    return only_object(result)


def test_a_liquidated_account_has_its_two_numbers_and_the_rung(directory: Path, told: list[events.Event]) -> None:
    event = _first(told, "liquidation_ordered", round=1)
    body, page = event.liquidation_ordered, _page(directory, event)
    assert (
        f"liquidatable: equity {count(body.equity_atoms)} < maintenance {count(body.maintenance_atoms)} atoms" in page
    )
    assert "rung 1: an order into the book (MT-12)" in page
    assert f"limit_ticks {body.limit_ticks}" in page


def test_a_takeover_is_told_with_the_part_it_fell_below(directory: Path, told: list[events.Event]) -> None:
    event = _first(told, "taken_over", round=1)
    page = _page(directory, event)
    assert f"below the backstop: equity {count(event.taken_over.equity_atoms)} < 2/3 of maintenance" in page
    assert "rung 2: everything moved to the vault (MT-13)" in page


def test_a_refused_takeover_goes_on_to_deleveraging(directory: Path, told: list[events.Event]) -> None:
    page = _page(directory, _first(told, "takeover_refused", round=1))
    assert "the vault could not take it (MT-14)" in page
    assert "rung 3: closed against the other side (MT-15)" in page
    assert "actual" in page and "required" in page


def test_a_counterparty_is_healthy_and_reduced(directory: Path, told: list[events.Event]) -> None:
    page = _page(directory, _first(told, "deleveraged"))
    assert "not liquidated: equity" in page
    assert "reduced for somebody else's liquidation (MT-15)" in page


def test_a_healthy_account_is_left_alone(directory: Path, told: list[events.Event]) -> None:
    event = _first(told, "position_updated")
    later = events.Event(account=event.account, height=event.height + 1)
    found = _object(directory, later.account, later.height)
    cross = found["scanned"]["cross"]
    equity, needed = int(cross["equity_atoms"]), int(cross["maintenance_atoms"])
    assert equity >= needed > 0
    assert found["verdict"] == f"not liquidated: equity {count(equity)} >= maintenance {count(needed)} atoms (MT-11)"
    assert found["ladder"] == []
    assert "BTC-PERP" in _page(directory, later)


def test_an_account_without_position_says_so(directory: Path, told: list[events.Event]) -> None:
    opened = _first(told, "account_opened")
    assert _object(directory, opened.account, opened.height + 1)["verdict"].startswith(
        "not liquidated: it had no position (MT-11)"
    )


@pytest.mark.parametrize(
    ("refusal", "rule"),
    [(refusals.REFUSAL_NOTHING_TO_MATCH, "MT-06"), (refusals.REFUSAL_SHARES_LOCKED, "MT-14")],
)
def test_a_refused_command_has_its_numbers_and_rule(
    directory: Path, told: list[events.Event], refusal: int, rule: str
) -> None:
    event = _first(told, "command_refused", refusal=refusal)
    body = event.command_refused
    why = f"{refusal_name(refusal)}, required {count(body.required)}, actual {count(body.actual)} ({rule})"
    assert f"refused command {body.command}: {why}" in _page(directory, event)
    assert f"command {body.command}: {why}" in _object(directory, event.account, event.height)["refused"]


def test_the_vault_is_no_account_like_others(directory: Path, told: list[events.Event]) -> None:
    """Moves of the fund that concern nobody stand in the name of account 0: they are not the vault's."""
    fees = _first(told, "insurance_moved", reason=events.INSURANCE_REASON_LIQUIDATION_FEES)
    assert fees.account == 0
    found = _object(directory, 0, fees.height)
    assert found["verdict"] == "not liquidated: it had no position (MT-11)"
    assert found["ladder"] == []
    later = _first(told, "takeover_refused", round=1)
    carried = _object(directory, 0, later.height + 1)
    assert carried["verdict"].startswith("not liquidated: equity")
    assert any(int(position["lots"]) > 0 for position in carried["scanned"]["cross"]["positions"])


def test_the_object_holds_what_the_sentences_were_made_from(directory: Path, told: list[events.Event]) -> None:
    event = _first(told, "taken_over", round=1)
    found = _object(directory, event.account, event.height)
    assert found.keys() == {
        *("height", "block_time_ms", "venue", "venue_name", "account", "verdict"),
        *("scanned", "after", "ladder", "refused", "events"),
    }
    assert (found["height"], found["account"], found["venue"]) == (event.height, event.account, 2)
    assert found["venue_name"] == "margin-trade"
    assert any("taken_over" in told_event for told_event in found["events"])
    assert found["ladder"][0]["step"] == "rung 2: everything moved to the vault (MT-13)"
    assert int(found["after"]["cross"].get("equity_atoms", 0)) == 0


def test_twilight_is_explained_by_its_own_rules(tmp_path: Path) -> None:
    directory = twilight_journal(tmp_path)
    told = [event for block in events_of(directory) for event in block]
    event = _first(told, "position_liquidated")
    page = _page(directory, event, venue=1)
    assert "thresholds met by the mark (TW-10, TW-11)" in page
    assert f"position {event.position_liquidated.position}," in page
    assert "liquidated (TW-11)" in page
    healthy = _object(directory, 2, event.height - 1, venue=1)
    assert healthy["verdict"].startswith("not liquidated: ")
    assert healthy["verdict"].endswith("(TW-10)")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--account", 30, "--height", 10_000), 2, "height 10000: the journal goes from 1 to "),
        (("--account", 30, "--height", 20, "--venue", 7), 2, "venue 7 is not there at height 20"),
        (("--account", 30, "--height", 0), 2, "'--height': Input should be greater than or equal to 1"),
        (("--account", -1, "--height", 5), 2, "'--account': Input should be greater than or equal to 0"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(
    directory: Path, arguments: tuple[object, ...], code: int, sentence: str
) -> None:
    result = breakwater("explain", "--data", directory, *arguments, "--json")
    assert result.exit_code == code
    assert sentence in only_object(result)["error"]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    result = breakwater("explain", "--data", tmp_path / "none", "--account", 1, "--height", 1)
    assert result.exit_code == 2
    assert "none: no such directory" in result.stderr


def test_an_account_that_is_not_there(directory: Path) -> None:
    assert _object(directory, 99_999, 20)["verdict"] == "there was no such account at this height"


def test_every_rule_named_is_one_of_the_rulebooks(shared_dir: Path) -> None:
    rulebooks = "".join(
        (shared_dir / "rulebooks" / name).read_text(encoding="utf-8") for name in ("margin-trade.md", "twilight.md")
    )
    for rule in [*RULES.values(), *(rule for _, rule in STEPS.values())]:
        assert re.search(rf"\b{rule}\b", rulebooks), rule
