"""One crash through four rulebooks on one node: the same people, one root, a table that comes to zero."""

import numpy as np
import pytest

from node.load.episodes import Episodes, Spread
from node.load.margin_trade.population import BookPopulation
from node.load.perennial.population import VersionedPopulation
from node.load.pockets import Pockets
from node.load.population import Population
from node.load.spin.population import SpinPopulation
from node.report.comparison import PAYERS, comparison, comparison_lines
from tests.load.replicas import Runs, run_all, short_plans

TRADERS = 60


@pytest.fixture(scope="module")
def run() -> Runs:
    return run_all(short_plans(TRADERS))


def test_every_venue_is_conserved(run: Runs) -> None:
    assert [result.name for result in run.results] == ["twilight", "margin-trade", "spin", "perennial"]
    assert all(result.conservation.conserved for result in run.results)
    assert all(result.tally.blocks == run.driver.final.height for result in run.results)


def test_the_shard_count_changes_nothing(run: Runs) -> None:
    split = run_all(short_plans(TRADERS), shards=3)
    assert split.requests == run.requests
    assert split.driver.final.header.state_root == run.driver.final.header.state_root


def test_the_people_are_the_same_everywhere(run: Runs) -> None:
    twilight, books, spin, perennial = (venue.people for venue in run.driver.runs)
    assert isinstance(books, BookPopulation) and isinstance(spin, SpinPopulation)
    assert isinstance(perennial, VersionedPopulation) and isinstance(twilight, Population)
    habits = books.crowd.habits
    for other in (spin.crowd.habits, perennial._habits):
        for name in ("deposit_atoms", "wanted", "panics", "nerve_ppm", "stop_pm", "long_turns", "first_block"):
            assert np.array_equal(getattr(habits, name), getattr(other, name)), name
    assert habits.leverage.max() == 40 > spin.crowd.habits.leverage.max() == 10
    pockets = twilight._temper
    assert isinstance(pockets, Pockets)
    assert np.array_equal(pockets.leverage, 100 * habits.wanted[pockets.owner])
    assert (pockets.margin_atoms <= pockets.margin_cap_atoms).all()


def test_the_money_is_the_same_everywhere(run: Runs) -> None:
    table = comparison(run.results)
    brought = [column["traders_deposited_usd_e6"] for column in table.values()]
    provided = [column["liquidity_deposited_usd_e6"] for column in table.values()]
    assert max(brought) - min(brought) < max(brought) // 50, "but for second chances"
    assert max(provided) - min(provided) < max(provided) // 100


def test_who_paid_comes_to_zero_with_nothing_hidden(run: Runs) -> None:
    for name, column in comparison(run.results).items():
        paid = column["paid_usd_e6"]
        assert tuple(paid) == PAYERS
        assert sum(paid.values()) in range(-len(PAYERS), 1), f"{name}: but for the floor of each"
        assert abs(paid["rounding"]) < 1_000_000, f"{name}: less than a USD"
        assert paid["traders"] < 0 < paid["fees"], name


def test_losses_rungs_and_breaches_are_told(run: Runs) -> None:
    table = comparison(run.results)
    assert [list(column["rungs"]) for column in table.values()] == [
        ["closed"],
        ["partial", "whole", "takeover", "deleveraged"],
        ["partial", "complete", "fund"],
        ["closed"],
    ]
    for name, column in table.items():
        rung = next(iter(column["rungs"].values()))
        assert (rung["count"] > 0) == (rung["notional_usd_e6"] > 0) == (rung["accounts"] > 0), name
        assert 0 < column["biggest_loss"]["of_deposits_ppm"] <= 1_000_000, name
        assert column["below_zero_usd_e6"] == 0 or name in ("spin", "perennial"), name
    assert table["twilight"]["breach_to_closed"]["worst_ms"] == 0
    assert table["perennial"]["breach_to_closed"]["median_ms"] > 0


def test_the_table_is_lines_of_one_width(run: Runs) -> None:
    facts = {"table": comparison(run.results), "rulebooks": {one.name: {"conserved": True} for one in run.results}}
    lines = comparison_lines(facts)
    assert len({len(words) for _, words in lines}) == 1
    assert {"Traders", "Vault", "Fund", "Deleveraged", "Shortfall", "Biggest loss"} <= {label for label, _ in lines}


def test_an_episode_lasts_until_it_is_over() -> None:
    episodes = Episodes()
    locked = {"b"}
    episodes.look(["a", "b"], 10, lambda key: key in locked)
    episodes.look(["a"], 20, lambda key: key in locked)
    assert episodes.open == ["a", "b"]
    locked.clear()
    episodes.look(["a", "c"], 30, lambda key: key in locked)
    episodes.look([], 70, lambda key: False)
    assert episodes.lasted_ms == [20, 60, 40]
    assert episodes.spread() == Spread(times=3, median_ms=40, p90_ms=60, worst_ms=60, open=0)
    assert Episodes().spread() == Spread(0, 0, 0, 0, 0)
