"""A tracker on a server that does not answer; the one test of trackers that asks the network."""

import time

import pytest

from myocard.errors import InputError
from myocard.training.trackers import is_logged
from myocard.training.tracking import Tracking


def test_a_server_that_is_away_is_told_within_a_minute(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(InputError, match="the tracker cannot be reached"):
        is_logged(Tracking("mlflow", tmp_path), "any", "evaluation", "key")
    assert time.monotonic() - began < 60
