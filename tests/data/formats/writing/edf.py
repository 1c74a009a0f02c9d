"""EDF, EDF+ and BDF files, byte by byte."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from writing.signals import Counts


@dataclass(frozen=True)
class Signal:
    """One signal: its header's fields, and as many values as all records hold."""

    label: str
    values: NDArray[np.int64]
    unit: str = "uV"
    physical: tuple[str, str] = ("-3276.8", "3276.7")
    digital: tuple[int, int] = (-32768, 32767)


def ecg(leads: Counts, prefix: str = "ECG ") -> list[Signal]:
    """Signals with steps of 0.1 uV."""
    return [Signal(prefix + lead, values) for lead, values in leads.items()]


def edf(
    signals: Sequence[Signal],
    records: int = 1,
    duration: str = "1",
    width: int = 2,
    texts: Mapping[str, str] | None = None,
) -> bytes:
    """A file of so many records; ``texts`` overrides fields of its header."""
    said = {"patient": "4711 F 02-MAR-1940 Doe", "reserved": "", "records": str(records)}
    said |= {
        "recording": "Startdate 01-FEB-2000 9 Roe BeatBox",
        "size": str(256 + 256 * len(signals)),
    }
    said |= {"date": "01.02.00", "time": "12.00.00", "signals": str(len(signals))}
    said |= texts or {}
    head = b"\xffBIOSEMI" if width == 3 else b"0       "
    for name, length in (("patient", 80), ("recording", 80), ("date", 8), ("time", 8)):
        head += _field(said[name], length)
    for name, length in (("size", 8), ("reserved", 44), ("records", 8)):
        head += _field(said[name], length)
    head += _field(duration, 8) + _field(said["signals"], 4)
    columns = [
        ([signal.label for signal in signals], 16),
        ([""] * len(signals), 80),
        ([signal.unit for signal in signals], 8),
        ([signal.physical[0] for signal in signals], 8),
        ([signal.physical[1] for signal in signals], 8),
        ([signal.digital[0] for signal in signals], 8),
        ([signal.digital[1] for signal in signals], 8),
        ([""] * len(signals), 80),
        ([len(signal.values) // records for signal in signals], 8),
        ([""] * len(signals), 32),
    ]
    head += b"".join(_field(str(text), length) for texts_, length in columns for text in texts_)
    return head + b"".join(_record(signals, number, records, width) for number in range(records))


def _record(signals: Sequence[Signal], number: int, records: int, width: int) -> bytes:
    parts = [np.split(signal.values, records)[number] for signal in signals]
    return b"".join(
        int(value).to_bytes(width, "little", signed=True) for part in parts for value in part
    )


def _field(text: str, length: int) -> bytes:
    return text.encode("latin-1").ljust(length)[:length]
