"""A prepared corpus on disk: one array of signals and one table of records.

``signals.npy`` is int16, ``(records, leads, samples)``, memory-mapped; each record has its own
scale, so that its largest value is 32767 and nothing clips. ``records.parquet`` has a row a record;
``store.json`` says how it was made.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from myocard.data.signal import Band, Preprocessing, Signal, standardise
from myocard.errors import InputError
from myocard.parquet import read_parquet
from myocard.seals import STORE, parsed

Rows = Sequence[int] | NDArray[np.integer]

FILES = ("signals.npy", "records.parquet", "quarantine.csv")
_COLUMNS = ("id", "patient", "fold", "codes", "source", "sha256", "fingerprint")
# Below it float32 has too few digits for a scale, and a heart no voltage in any unit.
_SILENCE = 1e-30


@dataclass(frozen=True)
class StoreInput:
    """How the signals of a store were made: all that cannot be changed after preparing it.

    Attributes:
        rate: Samples per second (Hz).
        samples: Samples a record.
        leads: Rows of a record.
        band: The filter that was run over each whole record.
        unit: ``mV``, or ``NU`` for signals without a voltage.
    """

    rate: int
    samples: int
    leads: tuple[str, ...]
    band: Band
    unit: str = "mV"


@dataclass(frozen=True, eq=False)
class Store:
    """An open store.

    Attributes:
        folder: Where it lies.
        made: How its signals were made.
        records: One row a record: id, patient, fold, codes, age, sex, site, device, source, sha256,
            fingerprint, scale, flags.
        signals: ``(records, leads, samples)`` int16; times ``records.scale`` gives ``made.unit``.
        info: What ``store.json`` holds besides.
    """

    folder: Path
    made: StoreInput
    records: pd.DataFrame
    signals: NDArray[np.int16]
    info: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open the store in ``folder``.

        Raises:
            InputError: When it is no store, of another format, or its parts do not fit each other.
        """
        info = STORE.read(folder, ("records.parquet",))
        records = read_parquet(folder / "records.parquet", _COLUMNS, STORE.mend)
        signals = read_mapped(folder / "signals.npy", STORE.mend)
        try:
            made = parsed(StoreInput, info.pop("made"))
        except (KeyError, ValueError) as error:
            raise InputError(f"{folder / STORE.file}: {error!r}; {STORE.mend}") from error
        expected = (len(records), len(made.leads), made.samples)
        if signals.shape != expected or signals.dtype != np.int16:
            raise InputError(
                f"{folder}: signals of {signals.dtype} {signals.shape} do not fit {len(records)} "
                f"records of {len(made.leads)} leads × {made.samples} samples; prepare it again"
            )
        return cls(folder, made, records, signals, info)

    @cached_property
    def key(self) -> str:
        """A hash of its settings and of its table, in which each waveform has a hash."""
        digest = hashlib.sha256(json.dumps(asdict(self.made), sort_keys=True).encode())
        for row in self.records.itertuples(index=False):
            digest.update(json.dumps(row, default=list).encode())
        return digest.hexdigest()

    def require(self, preprocessing: Preprocessing) -> None:
        """Refuse a store that cannot give what an encoder states as its input.

        Raises:
            InputError: Naming what differs and the command that mends it.
        """
        made, wanted = self.made, preprocessing
        differences = [
            f"{name} is {have}, not {want}"
            for name, have, want in (
                ("the rate", f"{made.rate} Hz", f"{wanted.rate} Hz"),
                ("the filter", made.band, wanted.band),
            )
            if have != want
        ]
        if made.samples < wanted.samples:
            differences.append(f"records have {made.samples} samples, not {wanted.samples} or more")
        missing = [lead for lead in wanted.leads if lead not in made.leads]
        if missing:
            differences.append(f"leads {', '.join(missing)} are missing")
        if differences:
            raise InputError(
                f"{self.folder}: this store does not meet the encoder's input: "
                f"{'; '.join(differences)}. "
                "Prepare the source again with `myocard prepare --like CHECKPOINT`"
            )

    def windows(
        self, rows: Rows, wanted: Preprocessing, starts: int | NDArray[np.integer] | None = None
    ) -> Signal:
        """Standardised ``(rows, leads, samples)`` windows, from ``starts`` or from the middle."""
        spare = self.made.samples - wanted.samples
        starts = spare // 2 if starts is None else starts
        # Each record's scale cancels in its z-score.
        return standardise(self.cut(rows, wanted, starts), wanted.standardise)

    def cut(
        self, rows: Rows, wanted: Preprocessing, starts: int | NDArray[np.integer]
    ) -> NDArray[np.int16]:
        """``(rows, leads, samples)`` as they are stored, from ``starts`` on."""
        leads = np.array([self.made.leads.index(lead) for lead in wanted.leads])
        # A lead's samples lie side by side: each window is copied once, lead by lead.
        every = sliding_window_view(self.signals, wanted.samples, axis=-1)
        return every[np.asarray(rows)[:, None], leads, np.asarray(starts).reshape(-1, 1)]


def read_mapped(path: Path, mend: str, mode: Literal["r", "c"] = "r") -> NDArray[Any]:
    """A NumPy array that stays on disk, read-only or copied where it is written.

    Raises:
        InputError: When the file is none, or shorter than it says.
    """
    try:
        return open_memmap(path, mode=mode)
    # A broken header is parsed as Python, which tells of that in many ways.
    except Exception as error:
        raise InputError(f"{path}: not a readable array ({error}); {mend}") from error


def quantise(signal: Signal) -> tuple[NDArray[np.int16], float]:
    """A record as int16 and the scale that undoes it, to 0.502 of max|signal| / 32767."""
    peak = max(float(signal.max()), -float(signal.min()))
    scale = peak / 32767 if peak > _SILENCE else 1.0
    steps = signal / np.float32(scale)
    return np.rint(steps, out=steps).astype(np.int16), scale
