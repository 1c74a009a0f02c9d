"""One record on ECG paper: 25 mm a second, 10 mm a millivolt, a row for each lead."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from myocard.data.formats.recording import Recording
from myocard.errors import InputError
from myocard.files.atomic import replace_file
from myocard.leads import LEADS
from myocard.plot.canvas import INK, canvas_of, to_svg
from myocard.report.drawing import write_text
from myocard.report.scale import BOLD, FINE, MM_A_MILLIVOLT, MM_A_SECOND, unit_of

LONGEST = 30.0
"""Seconds on a sheet; of a longer record, the first."""
_ROW, _MARGIN, _PULSE = 25.0, 10.0, 10.0
"""Height of a row, edges of the sheet, and room for the calibration pulse, in mm."""
_MM = 1 / 25.4
_DPI = 200


def draw_on_paper(recording: Recording, path: Path) -> None:
    """Draw a record, or its first seconds, into an ``.svg`` or ``.png`` file.

    Leads are in their usual order.
    Rows are as far apart as 2.5 mV; a lead that goes further runs over its neighbours, as on paper.
    A record without unit is drawn with its standard deviation as a millivolt.

    Raises:
        InputError: For another ending.
    """
    ending = path.suffix.lower()
    if ending not in (".svg", ".png"):
        raise InputError(f"{path}: a sheet is an .svg or a .png file; call it so")
    with _sheet(recording) as sheet:
        if ending == ".svg":
            write_text(to_svg(sheet, "ecg", "Electrocardiogram"), path)
        else:
            replace_file(path, lambda fresh: sheet.savefig(fresh, format="png", dpi=_DPI))


@contextmanager
def _sheet(recording: Recording) -> Iterator[Figure]:
    samples = min(recording.samples, round(LONGEST * recording.rate))
    ordered = [lead for lead in LEADS if lead in recording.leads]
    record = recording.cut(0, samples).select(ordered)
    width = 2 * _MARGIN + _PULSE + MM_A_SECOND * samples / record.rate
    height = 2 * _MARGIN + _ROW * len(record.leads)
    with canvas_of(width * _MM, height * _MM) as sheet:
        sheet.set_layout_engine("none")
        axes = sheet.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0), facecolor="white")
        for step, colour, line in ((1, FINE, 0.3), (5, BOLD, 0.5)):
            axes.vlines(np.arange(0, width, step), 0, height, colour, lw=line)
            axes.hlines(np.arange(0, height, step), 0, width, colour, lw=line)
        scale = MM_A_MILLIVOLT / unit_of(record)
        time = _MARGIN + _PULSE + np.arange(samples) * MM_A_SECOND / record.rate
        for row, (lead, signal) in enumerate(zip(record.leads, record.signal, strict=True)):
            zero = _MARGIN + _ROW * (row + 0.5)
            pulse = zero - MM_A_MILLIVOLT * np.array([0, 0, 1, 1, 0, 0])
            axes.plot(_MARGIN + np.array([0, 2, 2, 7, 7, 9]), pulse, color=INK, lw=0.5)
            axes.plot(time, zero - scale * signal, color=INK, lw=0.5)
            axes.text(_MARGIN + _PULSE + 1, zero - 0.35 * _ROW, lead, fontsize=8)
        unit = "" if record.unit == "mV" else " (no unit: 10 mm are one standard deviation)"
        if samples < recording.samples:
            unit += f"   first {LONGEST:g} of {recording.seconds:g} s"
        said = f"25 mm/s   10 mm/mV{unit}   {record.rate:g} Hz"
        axes.text(_MARGIN, height - 3, said, fontsize=7)
        yield sheet
