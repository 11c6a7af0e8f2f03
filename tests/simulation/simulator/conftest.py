"""Worlds make millions of small objects and hardly a cycle: looking for cycles is a fifth of a seed's time."""

import gc
from collections.abc import Iterator

import pytest

from cluster.garbage import YOUNG


@pytest.fixture(autouse=True)
def cycles_are_looked_for_rarely() -> Iterator[None]:
    """As in a node's own processes, for as long as a test lasts."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG, 20, 20)
    yield
    gc.set_threshold(*before)
