"""A Perennial venue is raised to version 2 in the middle of its life: what is another rule from that block on."""

from breakwater.v1 import commands_pb2 as commands
from tests.simulation.perennial.node import FUNDS, UNIT, USD, VENUE, Node, venue_parameters


def crowd() -> Node:
    """Account 1 makes 10 units, account 2 is long 5 and frozen; a venue as programs before version 2 made it."""
    node = Node()
    node.now_ms += 1
    node.block(
        node.change(1, maker=10 * UNIT, collateral=1_000 * USD), node.change(2, long=5 * UNIT, collateral=200 * USD)
    )
    node.until(1)
    node.at(node.slot(1) + 1, node.batch("freeze_accounts", VENUE, account=[2], frozen=[1]))
    return node


def raised(node: Node, version: int) -> commands.CommandBatch:
    """An operator's word that the venue lives under this version."""
    made = node.batch("set_parameters", VENUE)
    made.set_parameters.venue.CopyFrom(venue_parameters())
    made.set_parameters.venue.logic_version = version
    return made


def named(node: Node) -> list[str]:
    """The rulebooks as the last header names them."""
    assert node.result is not None
    return list(node.result.header.rulebooks)


def test_a_frozen_account_closes_from_the_block_that_raises_the_version() -> None:
    node = crowd()
    node.block(node.change(2, long=0))
    assert (node.refusals(), named(node)) == ([("ACCOUNT_FROZEN", 0, 2)], ["perennial/1"])
    # Parameters apply to all of their block.
    node.block(node.change(2, long=2 * UNIT), raised(node, 2))
    assert (node.refusals(), named(node)) == ([], ["perennial/2"])
    node.block(node.change(2, long=5 * UNIT), node.change(2, long=0, collateral=-1), node.change(2, collateral=1))
    assert node.refusals() == [("ACCOUNT_FROZEN", 0, 2)] * 3
    node.until(2)
    assert node.lots(2) == 2 * UNIT
    node.at(node.slot(2) + 1, node.change(2, long=0))
    node.until(3)
    # What the close left stays in the market, and the account outside of it, until it is thawed.
    assert (node.lots(2), node.collateral(2), node.money(2)) == (0, 200 * USD, FUNDS - 200 * USD)


def test_a_reward_above_the_limit_is_refused_before_and_cut_after() -> None:
    node = crowd()
    node.until(2, 74 * USD)
    node.at(node.slot(2) + 1, node.liquidate(2, 3, 500 * USD))
    ((name, limit, asked),) = node.refusals()
    assert (name, asked) == ("REWARD_ABOVE_LIMIT", 500 * USD)
    node.block(raised(node, 2))
    node.block(node.liquidate(2, 3, 500 * USD))
    (locked,) = node.bodies("position_locked")
    assert (locked.reward_asked_atoms, locked.reward_atoms, locked.reward_limit_atoms) == (asked, limit, limit)
    node.block()
    assert node.money(3) == FUNDS + limit


def test_a_version_never_falls() -> None:
    node = crowd()
    node.block(raised(node, 2))
    node.block(raised(node, 1))
    assert node.refusals() == [("PARAMETER_OUT_OF_BOUNDS", 2, 1)] and named(node) == ["perennial/2"]
