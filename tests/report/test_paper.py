"""A sheet of ECG paper has the scale that it states."""

import numpy as np
import pytest
from matplotlib.image import imread

from myocard.data.formats.recording import Recording
from myocard.errors import InputError
from myocard.record import Record
from myocard.report import paper

RATE, MM = 100, 25.4


def drawn(record: Record) -> tuple[np.ndarray, list[np.ndarray], list[str]]:
    """Size of a sheet in mm, curves of its leads in mm, and what is written on it."""
    with paper._sheet(Recording.of(record)) as sheet:
        (axes,) = sheet.axes
        size = sheet.get_size_inches() * MM
        assert np.allclose([axes.get_xlim()[1], axes.get_ylim()[0]], size)
        curves = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) > 6]
        return size, curves, [text.get_text() for text in axes.texts]


def test_a_second_is_25_mm_and_a_millivolt_10():
    signal = np.zeros((2, 3 * RATE))
    signal[1, RATE : 2 * RATE] = 1.0
    size, curves, said = drawn(Record.from_array(signal, RATE, ("II", "V1"), "mV"))
    assert size.tolist() == pytest.approx([3 * 25 + 30, 2 * 25 + 20])
    time, height = curves[1].T
    assert time[2 * RATE] - time[RATE] == pytest.approx(25)
    assert height[0] - height[RATE] == pytest.approx(10)
    assert curves[0][0, 1] + 25 == pytest.approx(height[0])
    assert said[:2] == ["II", "V1"]
    assert said[-1] == "25 mm/s   10 mm/mV   100 Hz"


def test_of_a_long_record_the_first_part_is_drawn_and_said_so():
    _, curves, said = drawn(Record.from_array(np.ones((1, 60 * RATE)), RATE, ("II",), "mV"))
    assert len(curves[0]) == 30 * RATE
    assert "first 30 of 60 s" in said[-1]


def test_a_signal_without_unit_is_scaled_by_its_deviation_and_said_so():
    signal = np.random.default_rng(0).normal(scale=7.0, size=(1, 1000))
    _, curves, said = drawn(Record.from_array(signal, RATE, ("I",), "NU"))
    assert curves[0][:, 1].std() == pytest.approx(10, rel=1e-4)
    assert "no unit" in said[-1]


def test_a_lead_with_a_gap_does_not_change_the_others():
    signal = np.random.default_rng(0).normal(size=(2, 1000))
    signal[0, 5] = np.nan
    _, curves, _ = drawn(Record.from_array(signal, RATE, ("I", "II"), "NU"))
    assert np.isfinite(curves[1]).all()


@pytest.mark.parametrize("ending", [".png", ".SVG"])
def test_a_sheet_is_written_as_its_ending_says(tmp_path, ending):
    record = Record.from_array(np.ones((1, 10 * RATE)), RATE, ("I",), "mV")
    path = tmp_path / f"sheet{ending}"
    paper.draw_on_paper(Recording.of(record), path)
    if ending == ".png":
        assert imread(path).shape[1] == pytest.approx((250 + 30) / MM * 200, abs=1)
    else:
        assert path.read_text().startswith("<svg")


def test_another_ending_is_refused(tmp_path):
    record = Recording.of(Record.from_array(np.ones((1, 9)), 1, ("I",), "mV"))
    with pytest.raises(InputError, match=r"sheet\.pdf: a sheet is an \.svg or a \.png file"):
        paper.draw_on_paper(record, tmp_path / "sheet.pdf")
