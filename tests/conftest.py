"""Fixtures that every test may ask for."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of reference vectors, rulebooks and prices that lies beside the repository; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the reference data in ../shared, beside the repository: it is not here")
    return SHARED
