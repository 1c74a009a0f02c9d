"""Files as the vendors write them: WFDB format 16, bare or in a MATLAB file, marks, and tables."""

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from myocard.data.formats.wfdb_annotations import SYMBOLS
from myocard.record import Record

_CODES = {symbol: code for code, symbol in SYMBOLS.items()}
# A mark is a code and the samples since the one before it: at most ten bits, or a jump before it.
_SHIFT, _FAR, _JUMP = 10, 1023, 59
# The least of int16 means "no value" in WFDB format 16.
_MOST = 32767


@dataclass(frozen=True)
class Style:
    """The spelling of one data set's headers.

    Attributes:
        suffix: Suffix of the signal file; ``.mat`` puts the MATLAB header before the samples.
        storage: WFDB format with its offset.
        units: Field for the gain, baseline and unit of a lead.
        lead: Spells the name of a lead.
        unsigned: True where checksums count from 0, as in PTB-XL, and not from -32768.
    """

    suffix: str
    storage: str
    units: str = "{gain}.0({baseline})/mV"
    lead: Callable[[str], str] = str
    unsigned: bool = False


def write_wfdb(
    stem: Path,
    record: Record,
    style: Style,
    *,
    gains: ArrayLike = 1000,
    baselines: ArrayLike = 0,
    comments: Iterable[str] = (),
) -> None:
    """Write ``stem.hea`` and its signal file, in a folder that is made if need be.

    Args:
        stem: Path without suffix; its name is the record's.
        record: Record in mV.
        style: Spelling of the data set.
        gains: Units of the converter per mV, one number or ``(leads,)``.
        baselines: Units that stand for 0 mV, one number or ``(leads,)``.
        comments: Lines behind the signals, with their ``#``.
    """
    count = len(record.leads)
    gains, baselines = np.broadcast_to(gains, count), np.broadcast_to(baselines, count)
    units = np.rint(record.signal * gains[:, None]) + baselines[:, None]
    digital = np.clip(units, -_MOST, _MOST).astype(np.int16)
    file = stem.name + style.suffix
    lines = [f"{stem.name} {count} {record.rate:g} {digital.shape[1]}"]
    for lead, samples, gain, baseline in zip(record.leads, digital, gains, baselines, strict=True):
        scale = f"{style.storage} {style.units.format(gain=gain, baseline=baseline)} 16 0"
        checksum = _checksum(samples, unsigned=style.unsigned)
        lines.append(f"{file} {scale} {samples[0]} {checksum} 0 {style.lead(lead)}")
    text = "".join(f"{line}\n" for line in [*lines, *comments])
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_name(f"{stem.name}.hea").write_text(text, encoding="utf-8", newline="\n")
    start = _matlab_header(digital.shape) if style.suffix == ".mat" else b""
    stem.with_name(file).write_bytes(start + digital.T.astype("<i2").tobytes())


def _checksum(samples: NDArray[np.int16], *, unsigned: bool) -> int:
    """Return the sum of the samples modulo 2^16."""
    total = int(samples.sum(dtype=np.int64)) & 0xFFFF
    return total if unsigned or total < 0x8000 else total - 0x10000


def _matlab_header(shape: tuple[int, ...]) -> bytes:
    """Return the 24 bytes of a Level 4 MAT-file with one int16 matrix ``val`` (leads, samples).

    MATLAB stores columns one after another: the order of WFDB format 16.
    """
    name = b"val\0"
    little_endian_int16 = 30
    return np.array([little_endian_int16, *shape, 0, len(name)], dtype="<i4").tobytes() + name


def write_marks(path: Path, samples: Iterable[int], symbols: Iterable[str]) -> None:
    """Write a WFDB annotation file: ``symbols`` at ``samples``, in the order of time."""
    words, before = [], 0
    for sample, symbol in zip(samples, symbols, strict=True):
        step, before = sample - before, sample
        if step > _FAR:
            words += [_JUMP << _SHIFT, step >> 16, step & 0xFFFF]
            step = 0
        words.append(_CODES[symbol] << _SHIFT | step)
    path.write_bytes(np.array([*words, 0], "<u2").tobytes())


def write_table(path: Path, rows: Iterable[dict[str, object]]) -> None:
    """Write a CSV file with the columns of the original of this name; missing cells are empty."""
    text = files("myocard.simulation.layouts").joinpath("columns.toml").read_text("utf-8")
    table = pd.DataFrame(rows, columns=tomllib.loads(text)[path.name])
    table.to_csv(path, index=False, lineterminator="\n")
