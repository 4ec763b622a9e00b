"""Fixtures for the tests of models: the shared sets of real photographs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real image sets beside the project; absent on most users' machines."""
    if not SHARED_DATA.is_dir():
        message = "the image sets in ../shared/data are not here"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return SHARED_DATA
