"""Accounts a key is bound to, as ranges, against a plain set."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from node.guards.bindings import AccountBindings

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=12)


@given(ranges=RANGES)
def test_ranges_are_the_set_of_their_accounts(ranges: list[tuple[int, int]]) -> None:
    bindings, accounts = AccountBindings(), set()
    for first, more in ranges:
        new = set(range(first, first + more + 1))
        assert bindings.add(1, first, first + more) == bool(new - accounts)
        accounts |= new
    every = np.arange(0, 80)
    assert {account for account in every.tolist() if bindings.covers(1, account)} == accounts
    assert bindings.covers_all(1, np.array(sorted(accounts), dtype=np.int64))
    for account in every.tolist():
        assert bindings.covers_all(1, np.array([account])) == (account in accounts)
    assert not accounts or not bindings.covers(2, min(accounts))


@given(ranges=RANGES)
def test_the_file_holds_what_memory_holds(ranges: list[tuple[int, int]]) -> None:
    bindings = AccountBindings()
    for first, more in ranges:
        bindings.add(first % 3, first, first + more)
    again = AccountBindings.from_json(bindings.to_json())
    assert again.to_json() == bindings.to_json()
    for venue in range(3):
        for account in range(80):
            assert again.covers(venue, account) == bindings.covers(venue, account)


def test_neighbours_become_one_range() -> None:
    bindings = AccountBindings()
    for account in (3, 1, 2, 7):
        bindings.add(1, account, account)
    assert bindings.to_json() == {"1": [[1, 3], 7]}


def test_a_key_of_every_account_needs_no_list() -> None:
    bindings = AccountBindings.from_json("*")
    assert bindings.covers(9, 1 << 62)
    assert bindings.covers_all(9, np.array([1, -5]))
    assert bindings.to_json() == "*"
