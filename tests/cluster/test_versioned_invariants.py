"""The invariants of a Perennial venue see a row, an order, a lock or a debt changed behind the market's back."""

import pytest

from actors.rulebooks.perennial import NOTHING, Totals
from actors.versioned.book import VersionedBook
from actors.versioning.pending import Order, PendingAccount
from actors.versioning.state import VersionBook
from cluster.commit import BlockResult
from cluster.replica import Replica
from cluster.versioned_invariants import versioned_faults
from tests.building import bodies, parsed
from tests.cluster.bot_story import (
    LONGER,
    MAKER,
    PERENNIAL,
    SHORTER,
    UNIT,
    VERSION_MS,
    after,
    bot_story,
)


def faults(replica: Replica, result: BlockResult) -> list[str]:
    return versioned_faults(replica, PERENNIAL, parsed(result), result.events.facts())


def book(replica: Replica) -> VersionedBook:
    (found,) = replica.versioned_books(PERENNIAL)
    return found


def desk(replica: Replica) -> VersionBook:
    (found,) = replica.version_books(PERENNIAL)
    return found


def test_the_story_has_what_they_are_about() -> None:
    def told(kind: str) -> int:
        return sum(len(bodies(result, kind)) for result in bot_story().results)

    assert (told("position_locked"), told("position_repinned")) == (1, 1)
    assert told("shortfall_repaid") == 2
    assert any(not body.valid for result in bot_story().results for body in bodies(result, "version_settled"))


@pytest.mark.parametrize("changed", [{"kind": 0}, {"kind": 4}, {"lots": 0}, {"basis": (1 << 62) + 1}, {"lots": -1}])
def test_a_row_on_no_side_or_out_of_range_is_seen(changed: dict[str, int]) -> None:
    replica, result = after("locked")
    table = book(replica).positions.table
    key = book(replica).positions.key(MAKER, 1)
    for name, value in changed.items():
        table.put(key, name, value)
    (fault,) = faults(replica, result)
    assert fault.endswith("is no position") and f"account={MAKER}" in fault


def test_a_version_past_its_grace_or_behind_the_last_is_seen() -> None:
    replica, result = after("orders pinned")
    assert faults(replica, result) == []
    (waiting,) = desk(replica).pending.versions_ms()
    replica.state.block_time_ms = waiting + desk(replica).market_terms.perennial.grace_ms
    assert faults(replica, result) == []
    replica.state.block_time_ms += 1
    assert [f"version {waiting} waits though" in fault for fault in faults(replica, result)] == [True]
    replica.state.block_time_ms = result.block_time_ms
    desk(replica).settled_ms = waiting
    assert [f"waits behind {waiting}" in fault for fault in faults(replica, result)] == [True]


def lock(replica: Replica) -> PendingAccount:
    return desk(replica).pending.accounts[LONGER]


def test_an_order_behind_a_lock_is_seen() -> None:
    replica, result = after("locked")
    (version_ms,) = lock(replica).orders
    assert lock(replica).orders[version_ms].is_liquidation
    desk(replica).pending.pin(
        LONGER, lock(replica).settled, version_ms + VERSION_MS, Order(NOTHING, 0, 0, is_liquidation=False)
    )
    assert [f"account {LONGER} is locked by [{version_ms}]" in fault for fault in faults(replica, result)] == [True]


def test_a_second_close_is_seen() -> None:
    replica, result = after("locked")
    (version_ms,) = lock(replica).orders
    second = Order(NOTHING, 0, 0, is_liquidation=True)
    desk(replica).pending.pin(LONGER, lock(replica).settled, version_ms + VERSION_MS, second)
    assert [f"account {LONGER} is locked by" in fault for fault in faults(replica, result)] == [True]


def test_a_lock_that_leaves_something_is_seen() -> None:
    replica, result = after("locked")
    (order,) = lock(replica).orders.values()
    order.target = Totals(0, 1, 0)
    found = faults(replica, result)
    assert any("is locked by" in fault for fault in found)
    assert any("with all orders sizes are" in fault for fault in found)


def test_an_order_whose_version_does_not_wait_is_seen() -> None:
    replica, result = after("orders pinned")
    pending = desk(replica).pending.accounts[SHORTER]
    (version_ms,) = pending.orders
    pending.orders[version_ms + 1] = pending.orders.pop(version_ms)
    assert any(f"account {SHORTER} has orders at [{version_ms + 1}]" in fault for fault in faults(replica, result))


@pytest.mark.parametrize(("name", "says"), [("max_pending", "account"), ("max_pending_versions", "versions")])
def test_more_pinned_than_the_market_allows_is_seen(name: str, says: str) -> None:
    replica, result = after("orders pinned")
    rules = desk(replica).market_terms.perennial
    setattr(rules, name, 1)
    assert faults(replica, result) == []
    setattr(rules, name, 0)
    found = faults(replica, result)
    assert found and all(says in fault and " at most" in fault for fault in found)


@pytest.mark.parametrize("name", ["repaid in part", "repinned"])
def test_the_ledger_is_who_is_below_zero_less_what_is_on_its_way(name: str) -> None:
    replica, result = after(name)
    found = desk(replica)
    assert faults(replica, result) == []
    found.set_debt(LONGER, found.debts.get(LONGER, 0) + 1)
    seen = faults(replica, result)
    # While its close waits the account's debt is not known yet.
    assert len(seen) == (name == "repaid in part")
    found.debts.clear()
    assert any("shortfall" in fault for fault in faults(replica, result))


def test_a_debt_nobody_wrote_down_is_seen() -> None:
    replica, result = after("repaid in part")
    table, key = book(replica).positions.table, book(replica).positions.key(SHORTER, 1)
    for name, value in {"kind": 0, "lots": 0, "basis": 0, "collateral": -5}.items():
        table.put(key, name, value)
    assert any(f"{SHORTER}: 5" in fault for fault in faults(replica, result))


def test_values_out_of_range_are_seen() -> None:
    replica, result = after("orders pinned")
    values = desk(replica).values
    desk(replica).values = values._replace(long_atoms_per_unit=-(1 << 62) - 1)
    assert any("out of range" in fault for fault in faults(replica, result))
    assert desk(replica).totals.maker_lots == 10 * UNIT
