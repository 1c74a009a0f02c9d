"""EDF, EDF+ and BDF (Kemp et al. 1992; Kemp and Olivan 2003; BioSemi), by ``edfio``."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.found import Format, Found
from myocard.data.formats.limb_leads import assumption
from myocard.data.formats.patient import moment
from myocard.data.formats.refusals import naming
from myocard.data.formats.scaling import in_millivolts
from myocard.errors import InputError
from myocard.leads import canonical
from myocard.record import Facts

if TYPE_CHECKING:
    from edfio import BdfSignal, EdfSignal

    Signal: TypeAlias = EdfSignal | BdfSignal

_EDF, _BDF = b"0       ", b"\xffBIOSEMI"
# Bytes of the header's first part, of a signal's part, and before the samples in a record.
_FIXED, _PER_SIGNAL, _COUNTS = 256, 256, 216
_MILLIVOLTS = {"nv": 1e-6, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "mv": 1.0, "v": 1e3}
# Code, sex, birth date and name, with X for what is not known.
_PARTS = re.compile(r"(\S+) ([FMX]) (?:X|\d\d-[A-Za-z]{3}-\d{4})(?: \S+|$)")
_PREFIX = re.compile(r"(?:(?:ECG|EKG|Lead)[\s:_-]*)+", re.IGNORECASE)
# Amplifiers that reach more than 20 mV to each side count in steps far finer than this.
_WIDEST, _COARSEST = 40.0, 0.01


def begins_edf(head: bytes) -> bool:
    numbers = head[184:192], head[252:256]
    return head[:8] in (_EDF, _BDF) and all(number.strip().isdigit() for number in numbers)


def read_edf(path: Path) -> Found:
    """Read the ECG signals of an EDF, EDF+ or BDF file. They are rounded once, to float32.

    Raises:
        InputError: For a file of another length than its header says, with gaps (EDF+D), of several
            rates or scales that no ECG has, or without the extra ``clinical``.
    """
    with _refusing(path):
        file = _checked(path)
        signals = file.read(0, 1)
        if not signals:
            raise InputError("annotations alone, and no signal; export the ECG")
        rate, each = _shared_rate(signals)
        unit, scales = _scales(signals)

        def integers(start: int, stop: int) -> NDArray[np.integer[Any]]:
            first, last = start // each, -(-stop // each)
            with _refusing(path):
                rows: NDArray[np.integer[Any]] = np.stack(
                    [signal.digital for signal in file.read(first, last)]
                )
            return rows[:, start - first * each : stop - first * each]

        names = [_name(signal.label) for signal in signals]
        signal, leads, computed = in_millivolts(integers, file.records * each, scales, names)
        return Found(signal, rate, leads, unit, _facts(file.head, assumption(computed)))


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Name the file in whatever edfio raises: it decodes a field when it is asked for."""
    with naming(path):
        try:
            yield
        except InputError:
            raise
        except ImportError as error:
            raise InputError("EDF needs edfio: pip install 'myocard[clinical]'") from error
        except Exception as error:
            raise InputError(f"broken ({str(error)[:200]}); export it again") from error


class _File(NamedTuple):
    """A file whose length is that of its header.

    Attributes:
        path: Its path.
        head: The first part of its header.
        size: Bytes of the whole header.
        records: Number of its records, which are stretches of time, such as a second.
        each: Bytes of a record.
    """

    path: Path
    head: bytes
    size: int
    records: int
    each: int

    def read(self, first: int, last: int) -> "Sequence[Signal]":
        """Read the ECG signals, or all if none is called so, of some records."""
        import edfio

        with self.path.open("rb") as file:
            header = file.read(self.size)
            file.seek(self.size + first * self.each)
            content = BytesIO(header + file.read((last - first) * self.each))
        read = edfio.read_bdf if self.head.startswith(_BDF) else edfio.read_edf
        # It warns that there are fewer records than its header says; all else has been refused.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            signals = read(content, header_encoding="latin-1").signals
        return [signal for signal in signals if _is_ecg(signal.label)] or signals


def _checked(path: Path) -> _File:
    """Read the header's numbers, once they are those of the file."""
    with path.open("rb") as file:
        head = file.read(_FIXED)
        size, records, signals = int(head[184:192]), int(head[236:244]), int(head[252:256])
        duration = float(head[244:252])
        file.seek(_FIXED + _COUNTS * signals)
        counts = [int(file.read(8)) for _ in range(signals)]
    if head[192:197] in (b"EDF+D", b"BDF+D"):
        raise InputError("EDF+D: a recording with gaps, which are not joined; export it continuous")
    if size != _FIXED + _PER_SIGNAL * signals or records < 1 or min(counts, default=0) < 1:
        raise InputError("no signals, no samples or a wrong length in its header; export it again")
    if not 0 < duration < inf:
        raise InputError(f"records of {duration:g} s; correct its header")
    each = sum(counts) * (3 if head.startswith(_BDF) else 2)
    promised, there = size + records * each, path.stat().st_size
    if promised != there:
        raise InputError(f"{there} bytes, its header promises {promised}; fetch it again")
    return _File(path, head, size, records, each)


def _shared_rate(signals: "Sequence[Signal]") -> tuple[float, int]:
    """Return the rate of all signals (Hz), and the samples of each in a record."""
    rates = {signal.sampling_frequency for signal in signals}
    if len(rates) > 1:
        told = ", ".join(f"{rate:g}" for rate in sorted(rates))
        raise InputError(f"signals of {told} Hz, which are not resampled; export one rate")
    return rates.pop(), signals[0].samples_per_data_record


def _is_ecg(label: str) -> bool:
    return label[:3].upper() in ("ECG", "EKG") or canonical(_name(label)) is not None


def _name(label: str) -> str:
    """Return the lead in a label such as ``ECG I``; a label that names none as it is."""
    name = _PREFIX.sub("", label, count=1).strip()
    return name if canonical(name) else label


def _scales(signals: "Sequence[Signal]") -> tuple[str | None, list[tuple[float, float]]]:
    """Return the unit of all signals, and the scale of each in it."""
    unit, factors = _units([signal.physical_dimension.strip() for signal in signals])
    scales = [_scale(signal, factor) for signal, factor in zip(signals, factors, strict=True)]
    if unit:
        _check_range(signals, [step for step, _ in scales])
    return unit, scales


def _units(dimensions: Sequence[str]) -> tuple[str | None, list[float]]:
    """Return unit and millivolts per unit of each signal; no unit where the file names none."""
    if not any(dimensions):
        return None, [1.0] * len(dimensions)
    unknown = [text for text in dimensions if text.lower() not in _MILLIVOLTS]
    if unknown:
        raise InputError(f"a signal in {unknown[0]!r}, which is no voltage; name its ECG signals")
    return "mV", [_MILLIVOLTS[text.lower()] for text in dimensions]


def _scale(signal: "Signal", factor: float) -> tuple[float, float]:
    """Return millivolts per integer and at 0."""
    least, most = signal.digital_min, signal.digital_max
    low, high = signal.physical_min * factor, signal.physical_max * factor
    if most <= least or high == low or not np.isfinite([low, high]).all():
        raise InputError(
            f"signal {signal.label} without a scale: {least} to {most} are {low:g} to "
            f"{high:g} mV; correct its header"
        )
    step = (high - low) / (most - least)
    return step, low - least * step


def _check_range(signals: "Sequence[Signal]", steps: Sequence[float]) -> None:
    for signal, step in zip(signals, map(abs, steps), strict=True):
        span = step * (signal.digital_max - signal.digital_min)
        if span > _WIDEST and step > _COARSEST:
            raise InputError(
                f"signal {signal.label} has a range of {span:g} mV in steps of {step:.2g} mV, "
                "which no ECG has; correct the physical minimum and maximum in its header"
            )


def _facts(head: bytes, assumed: tuple[str, ...]) -> Facts:
    """Read the header's texts. In EDF+ they have parts, in EDF they are free."""
    texts = head[8:88], head[88:168], head[168:184]
    patient, recording, date = (text.decode("latin-1").strip() for text in texts)
    has_parts, equipment = head[193:196] == b"DF+", recording.split()[4:5]
    # Some programs write these parts without saying so.
    said = _PARTS.match(patient)
    return Facts(
        patient=(said[1] if said else patient) or None,
        sex=said[2] if said and said[2] != "X" else None,
        device=equipment[0] if has_parts and equipment and equipment[0] != "X" else None,
        date=moment(f"{date[:8]} {date[8:]}", "dmy"),
        identifiers={
            name: text
            for name, text in (("patient", patient), ("recording", recording))
            if text.strip("X ")
        },
        assumed=assumed,
    )


EDF = Format("EDF, EDF+ or BDF", begins_edf, read_edf)
