"""Fixtures that the tests of estimators share."""

from typing import NamedTuple

import numpy as np
import pytest

from myocard.data.corpora import trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.encoders.ours import MyocardEncoder


class Planted(NamedTuple):
    """States of three layers, of which layer 1 tells the label; a patient has two records."""

    states: np.ndarray
    labels: np.ndarray
    patients: np.ndarray


@pytest.fixture(scope="session")
def planted() -> Planted:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(120, 3, 8)) * [[[1.0], [1.5], [2.0]]]
    labels = (states[:, 1, :2].sum(axis=1) + rng.normal(size=120) > 0).astype(int)
    return Planted(states, labels, np.repeat(np.arange(60), 2))


@pytest.fixture
def tiny(network) -> MyocardEncoder:
    """An encoder of four layers of width 12, for one second at 100 Hz."""
    return MyocardEncoder("tiny", network, Preprocessing(100, 100), trained_on_nothing())
