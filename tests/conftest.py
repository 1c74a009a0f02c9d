"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real ECGs that the variable MYOCARD_DATA names."""
    if "MYOCARD_DATA" not in os.environ:
        pytest.skip("MYOCARD_DATA is not set: no real ECGs to read")
    return Path(os.environ["MYOCARD_DATA"])
