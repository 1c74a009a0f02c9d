"""Runs, and the report of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from written_runs import (
    PRETRAINED,
    RANDOM,
    write_baseline,
    write_pretraining,
    write_run,
    write_runs,
)

from myocard.report import write_report
from myocard.results.run import EncoderInfo


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write_runs(tmp_path / "runs")


@pytest.fixture
def pretraining(tmp_path: Path) -> Path:
    return write_pretraining(tmp_path / "checkpoint")


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of ``runs`` and ``pretraining``; not to be changed."""
    root = tmp_path_factory.mktemp("report")
    paths = [write_runs(root / "runs"), write_pretraining(root / "checkpoint")]
    write_report(paths, root / "out")
    return root / "out"


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    return write_run


@pytest.fixture(scope="session")
def baseline() -> Callable[..., Path]:
    return write_baseline


@pytest.fixture(scope="session")
def pretrained() -> EncoderInfo:
    return PRETRAINED


@pytest.fixture(scope="session")
def random() -> EncoderInfo:
    """The pretrained encoder's size with random weights."""
    return RANDOM
