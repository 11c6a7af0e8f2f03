"""Fixtures that every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgresql_server import KillableServer

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
