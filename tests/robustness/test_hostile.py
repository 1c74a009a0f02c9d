"""Every format under hostile hands: a spoiled file is read rightly or refused, at little cost."""

import os
import random
import signal
import warnings
from collections.abc import Sequence
from pathlib import Path

import hostile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import SEEDS
from verdicts import Original, outcome


@pytest.fixture(scope="module", params=SEEDS)
def originals(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Original]:
    place = tmp_path_factory.mktemp("hostile")
    return [Original(each, place / str(at)) for at, each in enumerate(SEEDS[request.param])]


def test_a_seed_is_as_long_as_it_says(originals: list[Original]) -> None:
    for original in originals:
        assert original.record.signal.shape[1] == original.seed.samples


@settings(max_examples=200, derandomize=True)
@given(key=st.integers(0, 2**64 - 1))
def test_a_spoiled_file_is_read_rightly_or_refused(originals: list[Original], key: int) -> None:
    assert outcome(originals, random.Random(key)) in ("read", "refused")


def test_the_program_counts_faults_and_goes_on(tmp_path: Path, monkeypatch, capfd) -> None:
    fates = iter(("read", "refused", ZeroDivisionError("planted"), None))

    def planted(originals: Sequence[Original], rng: random.Random) -> str:
        fate = next(fates)
        if fate is None:
            os.kill(os.getpid(), signal.SIGKILL)
        if isinstance(fate, Exception):
            raise fate
        return fate

    monkeypatch.setattr(hostile, "outcome", planted)
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; these have one of their own.
        warnings.simplefilter("ignore", DeprecationWarning)
        counted = hostile.run("CSV", range(4), 0, tmp_path)
    assert counted == [1, 1, 2]
    told = capfd.readouterr().out
    assert "CSV 2: ZeroDivisionError('planted')" in told
    assert "CSV 3: the process ended, SIGKILL" in told
