"""A table worked on as lists answers like one that is columns throughout, staged or not."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ledger.hot_table import HotTable
from actors.ledger.table import StagingLog, Table

COLUMNS = ("account", "market", "lots", "cost")
SEEDS = st.lists(st.integers(0, 1 << 30), max_size=40)


def step(table: Table, seed: int) -> None:
    """One change that depends on nothing but the seed and the rows."""
    draw = random.Random(seed)
    key = draw.randint(1, 6)
    if key not in table:
        table.insert(key, key, 1, draw.randint(-9, 9), draw.randint(-9, 9))
    elif draw.random() < 0.3:
        table.remove(key)
    elif draw.random() < 0.5:
        table.put(key, "lots", draw.randint(-9, 9))
    else:
        table.put_row(key, (key, 1, draw.randint(-9, 9), 7))


def image(table: Table) -> tuple[object, ...]:
    """Everything but the slots."""
    cells = [table.column(name)[table.slots()].tolist() for name in COLUMNS]
    keys = table.keys()
    return keys, cells, table.dump(), table.dump(2), [table.row(key) for key in keys]


@settings(max_examples=100)
@given(SEEDS, SEEDS, st.booleans())
def test_it_is_the_table_whatever_is_staged(before: list[int], staged: list[int], undone: bool) -> None:
    logs = StagingLog(), StagingLog()
    hot, plain = HotTable(COLUMNS, logs[0], named=2), Table(COLUMNS, logs[1])
    for seed in before:
        step(hot, seed)
        step(plain, seed)
    assert image(hot) == image(plain)
    known = image(plain)
    for log, table in zip(logs, (hot, plain), strict=True):
        log.open()
        for seed in staged:
            step(table, seed)
    assert image(hot) == image(plain)
    for log in logs:
        log.roll_back() if undone else log.keep()
    assert image(hot) == image(plain)
    assert not undone or image(hot) == known


def test_a_free_slot_keeps_its_names_alone() -> None:
    table = HotTable(COLUMNS, StagingLog(), named=2)
    table.insert(1, 5, 6, 7, 8)
    assert table.column("lots")[0] == 7
    table.remove(1)
    assert [int(table.column(name)[0]) for name in COLUMNS] == [5, 6, 0, 0]


def test_a_column_that_is_put_shows_in_the_rows() -> None:
    log = StagingLog()
    table = HotTable(COLUMNS, log, named=2)
    for key in range(3_000):
        table.insert(key, key, 1, 0, 0)
    table.put(7, "cost", 70)
    assert table.cells(7)[3] == 70
    table.put_column("lots", np.array([table.slot(7), table.slot(2_999)]), np.array([11, 22]))
    assert (table.row(7), table.row(2_999)) == ((7, 1, 11, 70), (2_999, 1, 22, 0))
    log.open()
    with pytest.raises(AssertionError, match="not staged"):
        table.put_column("lots", np.array([0]), np.array([1]))
