"""The scale and colours of ECG paper."""

import numpy as np

from myocard.record import Record

MM_A_SECOND, MM_A_MILLIVOLT = 25.0, 10.0
FINE, BOLD = "#f7dedb", "#eba9a2"
"""Lines of small and of large squares."""


def unit_of(record: Record) -> float:
    """Return what 10 mm stand for: a millivolt, or one deviation of a record without a unit."""
    finite = record.signal[np.isfinite(record.signal)]
    return 1.0 if record.unit == "mV" or not finite.size else float(finite.std()) or 1.0
