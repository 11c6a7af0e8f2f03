"""Fixtures that every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.postgresql_server import KillableServer

SHARED = Path(__file__).resolve().parents[2] / "shared"


# Every run of a commit draws the same examples, however busy the machine; `--hypothesis-profile=hunt` draws others.
settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("hunt", settings.get_profile("house"), derandomize=False, max_examples=1_000)
settings.load_profile("house")


def pytest_configure() -> None:
    """No test runs what was compiled of other files than those it tests."""
    from node.load.compiled import forget_stale

    forget_stale()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of reference vectors, rulebooks and prices that lies beside the repository; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the reference data in ../shared, beside the repository: it is not here")
    return SHARED


@pytest.fixture(scope="session")
def postgresql() -> Iterator[KillableServer]:
    """A private PostgreSQL server, one for all tests that leave it running; skips where there is no package."""
    from tests.postgresql_server import server

    with server() as made:
        yield made
