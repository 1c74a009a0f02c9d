"""Waveform files as the vendors write them: WFDB format 16, bare or inside a MATLAB file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myocard.record import Record

# The least of int16 means "no value" in WFDB format 16.
_MOST = 32767


@dataclass(frozen=True)
class Style:
    """How one data set writes a header.

    Attributes:
        suffix: Of the signal file; ``.mat`` puts the MATLAB header before the samples.
        storage: WFDB format with its offset.
        unsigned: Whether checksums count from 0, as PTB-XL has them, or from -32768.
    """

    suffix: str
    storage: str
    unsigned: bool = False


def digitise(
    record: Record, gains: NDArray[np.int64], baselines: NDArray[np.int64]
) -> NDArray[np.int16]:
    """``(leads, samples)`` of a record in units of the converter.

    Args:
        record: In mV.
        gains: ``(leads,)`` units per mV.
        baselines: ``(leads,)`` units that stand for 0 mV.
    """
    units = np.rint(record.signal * gains[:, None]) + baselines[:, None]
    return np.clip(units, -_MOST, _MOST).astype(np.int16)


def microvolts(record: Record) -> NDArray[np.int16]:
    """``(leads, samples)`` of a record in units of 1 µV, the usual gain of 1000 per mV."""
    leads = len(record.leads)
    return digitise(record, np.full(leads, 1000), np.zeros(leads, dtype=np.int64))


def write_wfdb(
    stem: Path,
    digital: NDArray[np.int16],
    rate: float,
    *,
    leads: Sequence[str],
    gains: Sequence[str],
    style: Style,
    comments: Iterable[str] = (),
) -> None:
    """Write ``stem.hea`` and its signal file.

    Args:
        stem: Path without suffix; its name is the record's.
        digital: ``(leads, samples)``.
        rate: Samples per second (Hz).
        leads: Names as the data set spells them.
        gains: The header's gain, baseline and unit for each lead, such as ``1000.0(0)/mV``.
        style: How the data set writes.
        comments: Lines behind the signals, with their ``#``.
    """
    file = stem.name + style.suffix
    lines = [f"{stem.name} {len(leads)} {rate:g} {digital.shape[1]}"]
    for lead, gain, samples in zip(leads, gains, digital, strict=True):
        checksum = _checksum(samples, unsigned=style.unsigned)
        lines.append(f"{file} {style.storage} {gain} 16 0 {samples[0]} {checksum} 0 {lead}")
    text = "".join(f"{line}\n" for line in [*lines, *comments])
    stem.with_name(f"{stem.name}.hea").write_text(text, encoding="utf-8", newline="\n")
    start = _matlab_header(digital.shape) if style.suffix == ".mat" else b""
    stem.with_name(file).write_bytes(start + digital.T.astype("<i2").tobytes())


def _checksum(samples: NDArray[np.int16], *, unsigned: bool) -> int:
    """Sum of the samples modulo 2^16."""
    total = int(samples.sum(dtype=np.int64)) & 0xFFFF
    return total if unsigned or total < 0x8000 else total - 0x10000


def _matlab_header(shape: tuple[int, ...]) -> bytes:
    """The 24 bytes of a Level 4 MAT-file with one int16 matrix ``val`` of (leads, samples).

    MATLAB stores columns one after another: the order of WFDB format 16.
    """
    name = b"val\0"
    little_endian_int16 = 30
    return np.array([little_endian_int16, *shape, 0, len(name)], dtype="<i4").tobytes() + name
