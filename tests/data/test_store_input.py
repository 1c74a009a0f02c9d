"""The moment at which an encoder's window starts, against a signal that tells the time."""

import numpy as np
import pytest

from myocard.data.signal import Band, Preprocessing
from myocard.data.steps import Resample, Window
from myocard.data.store_input import StoreInput

RATE, SECONDS = 500, 10
MADE = StoreInput(RATE, RATE * SECONDS, ("I",), Band())


def stepped(*steps: Resample | Window) -> Preprocessing:
    return Preprocessing(100, steps[-1].samples, ("I",), steps=steps)


@pytest.mark.parametrize(
    "wanted",
    [
        stepped(Resample(100, "linear"), Window(250)),
        stepped(Resample(100, "linear"), Window(333, start=120)),
        stepped(Window(3000), Resample(100, "linear"), Window(250, start=50)),
        stepped(Resample(100, "linear"), Window(1200, padded=True)),
    ],
)
def test_a_window_starts_at_the_moment_that_its_first_sample_tells(wanted):
    clock = np.arange(RATE * SECONDS, dtype=np.float32)[None] / RATE
    assert MADE.start_of(wanted) == pytest.approx(wanted(clock, RATE)[0, 0], abs=0.01)


@pytest.mark.parametrize("samples", [250, 333, 1000])
def test_the_middle_window_is_cut_as_signals_are(samples):
    wanted = Preprocessing(100, samples, ("I",))
    pulse = np.zeros((1, RATE * SECONDS), np.float32)
    pulse[0, 5 * RATE] = 1
    found = 5 - wanted(pulse, RATE).argmax() / 100
    assert MADE.start_of(wanted) == pytest.approx(found, abs=1e-9)
