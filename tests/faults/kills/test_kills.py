"""A short version of the kill campaign (tests/faults/kills/__main__.py has the whole of it), and its parts."""

from pathlib import Path

import pytest

from tests.faults.kills.driven import KINDS, drive_round
from tests.faults.kills.tally import Tally
from tests.faults.kills.victims import ACTORS, RANDOM, Blow, Deck, Order, every_blow

BARS, KILLS, SEED = 6, 20, 7


@pytest.mark.ray
@pytest.mark.soak
def test_whoever_is_killed_every_root_is_that_of_an_undisturbed_run(tmp_path: Path) -> None:
    tally = Tally()
    kinds = [kind for kind in KINDS if kind != "node"]  # tests/faults/test_bot_kills.py kills the node
    faults = drive_round(tmp_path / "round", Deck(kinds, SEED), KILLS, tally, SEED, "shards", BARS)
    print("\n".join(tally.report("kills").lines()))
    assert faults == []
    assert tally.kills >= KILLS // 2


def test_a_deck_has_every_blow_before_it_begins_again() -> None:
    blows = every_blow(KINDS)
    assert {blow.actor for blow in blows} == {
        "node",
        "validator",
        *(name for names in ACTORS.values() for name in names),
    }
    assert {blow.kind for blow in blows if blow.phase == RANDOM} == set(KINDS)
    deck, again = Deck(KINDS, 3), Deck(KINDS, 3)
    drawn = [deck.draw() for _ in blows]
    assert sorted(map(str, drawn)) == sorted(map(str, blows))
    assert drawn == [again.draw() for _ in blows], "the same seed gives the same order"
    assert all(blow is not None and blow.actor != "node" for blow in (deck.draw(["node"]) for _ in range(200)))


def test_an_order_is_met_or_withdrawn_never_both(tmp_path: Path) -> None:
    order = Order(tmp_path / "crash-at")
    blow = Blow("pool", "pool/1", "before a call", "actor:pool/1:before")
    order.give(blow)
    assert order.met_at_s() == 0.0
    assert order.withdraw()
    order.give(blow)
    (tmp_path / "crash-at").rename(tmp_path / "crash-at.met")
    assert order.met_at_s() > 0
    assert not order.withdraw()
    order.give(blow)
    assert order.met_at_s() == 0.0, "the death of before is forgotten"
