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
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.data.fingerprint import copies
from myocard.data.remote_signals import RemoteSignals
from myocard.data.shards import Shards, cut
from myocard.data.signal import Preprocessing, Signal, standardise
from myocard.data.store_input import StoreInput
from myocard.errors import InputError
from myocard.files.arrays import read_mapped
from myocard.files.manifest import SIGNALS, STORE, parsed
from myocard.files.tables import read_parquet

Rows = Sequence[int] | NDArray[np.integer]

FILES = (SIGNALS, "records.parquet", "quarantine.csv")
_COLUMNS = ("id", "patient", "fold", "codes", "source", "sha256", "fingerprint")
# Below it float32 has too few digits for a scale, and a heart no voltage in any unit.
_SILENCE = 1e-30


@dataclass(frozen=True, eq=False)
class Store:
    """An open store.

    Attributes:
        folder: Its folder.
        made: Settings with which its signals were made.
        records: One row a record: id, patient, fold, codes, age, sex, site, device, source, sha256,
            fingerprint, scale, flags; and where known start, date, statements and measurements.
        signals: ``(records, leads, samples)`` int16, in one array or in several; times
            ``records.scale`` gives ``made.unit``.
        info: Other content of ``store.json``.
    """

    folder: Path
    made: StoreInput
    records: pd.DataFrame
    signals: NDArray[np.int16] | RemoteSignals | Shards
    info: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open the store in ``folder``, or those that a pattern as ``stores/ptbxl-*`` names as one.

        Raises:
            InputError: When it is no store, of another format, or its parts do not fit each other.
        """
        if folder.exists() or not set("*?[") & set(folder.name):
            return cls._open(folder)
        found = sorted(folder.parent.glob(folder.name))
        if not found:
            raise InputError(f"{folder}: no store has such a name")
        return cls.joined(folder, [cls._open(each) for each in found])

    @classmethod
    def joined(cls, name: Path, stores: "Sequence[Store]") -> "Store":
        """Join stores to one; of a record that is in two, the first form is taken.

        Raises:
            InputError: When they were not made alike, a shard is missing, or two say different
                things of a record: another patient or fold, or a waveform that is no copy.
        """
        return _joined(name, stores)

    @classmethod
    def _open(cls, folder: Path) -> "Store":
        info = STORE.read(folder, ("records.parquet",))
        records = read_parquet(folder / "records.parquet", _COLUMNS, STORE.fix)
        signals = RemoteSignals.open(folder) or read_mapped(folder / SIGNALS, STORE.fix)
        try:
            made = parsed(StoreInput, info.pop("made"))
        except (KeyError, ValueError) as error:
            raise InputError(f"{folder / STORE.file}: {error!r}; {STORE.fix}") from error
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
            InputError: Naming what differs and the command that fixes it.
        """
        lacks = self.made.lacks(preprocessing, self.info.get("standardised"))
        if lacks:
            how = "--raw" if preprocessing.steps else "--like CHECKPOINT"
            fix = f"Prepare the source again with `myocard prepare {how}`"
            if lacks == [self.made.lacks_leads(preprocessing)]:
                has = ",".join(self.made.leads)
                fix = (
                    f"Prepare the source again with all leads; where its records have {has} alone, "
                    f"`myocard extract --leads {has}` reads these (Python: encoder.with_leads)"
                )
            raise InputError(
                f"{self.folder}: this store does not meet the encoder's input: {'; '.join(lacks)}. "
                f"{fix}"
            )

    def windows(
        self, rows: Rows, wanted: Preprocessing, starts: int | NDArray[np.integer] | None = None
    ) -> Signal:
        """Return ``(rows, leads, samples)`` as an encoder expects them.

        Args:
            rows: The records.
            wanted: The encoder's input.
            starts: First sample of each window, in signals that fit as they are stored; None takes
                the middle.
        """
        if not self.made.fits(wanted):
            return self.made_into(rows, wanted)
        spare = self.made.samples - wanted.samples
        starts = spare // 2 if starts is None else starts
        # Each record's scale cancels in its z-score.
        return standardise(
            self._cut(rows, wanted.leads, starts, wanted.samples), wanted.standardise
        )

    def made_into(
        self, rows: Rows, wanted: Preprocessing, draws: NDArray[np.floating] | None = None
    ) -> Signal:
        """Return the same from raw records, each taken whole: resampled, filtered, and so on.

        Args:
            rows: The records.
            wanted: The encoder's input.
            draws: Place of each window, as ``Preprocessing`` takes it; None takes the middle.
        """
        scales = self.records["scale"].to_numpy(np.float32)[rows]
        whole = self._cut(rows, wanted.leads, 0, self.made.samples)
        places = np.full(len(whole), np.nan) if draws is None else draws
        return np.stack(
            [
                wanted(record * scale, self.made.rate, draw)
                for record, scale, draw in zip(whole, scales, places, strict=True)
            ]
        )

    def _cut(
        self, rows: Rows, leads: Sequence[str], starts: int | NDArray[np.integer], samples: int
    ) -> NDArray[np.int16]:
        """Return ``(rows, leads, samples)`` as they are stored, from ``starts`` on."""
        places = np.array([self.made.leads.index(lead) for lead in leads])
        return cut(
            self.signals, np.asarray(rows), places, np.broadcast_to(starts, len(rows)), samples
        )


def _joined(name: Path, stores: Sequence[Store]) -> Store:
    for store in stores:
        if store.made != stores[0].made:
            raise InputError(
                f"{name}: {store.folder.name} has {store.made}, {stores[0].folder.name} "
                f"{stores[0].made}; prepare them alike"
            )
    scales = {store.info.get("standardised") for store in stores}
    if len(scales) > 1:
        told = ", ".join(f"{s.folder.name} by {s.info.get('standardised')}" for s in stores)
        raise InputError(f"{name}: standardised in different ways ({told}); prepare them alike")
    _check_complete(name, stores)
    records = pd.concat([store.records for store in stores], ignore_index=True)
    repeated = records["sha256"].duplicated() & ~records["flags"].str.contains("duplicate")
    kept = np.flatnonzero(~repeated.to_numpy() & ~_again(name, records))
    infos = {store.folder.name: store.info for store in stores}
    signals = Shards([store.signals for store in stores], kept)
    records = records.iloc[kept].reset_index(drop=True)
    info = {"shards": infos, "standardised": stores[0].info.get("standardised")}
    return Store(name, stores[0].made, records, signals, info)


def _again(name: Path, records: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which records are another form of an earlier one of the same source and id."""
    identity = ["source", "id"]
    again = records.duplicated(identity).to_numpy()
    both = records[again].merge(records[~again], on=identity, suffixes=("", "_first"))
    for row in both.to_dict("records"):
        same, _ = copies([row["fingerprint"]], [row["fingerprint_first"]])
        differs = {
            "waveforms": len(same) == 0,
            "patients": row["patient"] != row["patient_first"],
            "folds": row["fold"] != row["fold_first"],
        }
        for what, is_so in differs.items():
            if is_so:
                raise InputError(
                    f"{name}: {row['source']} {row['id']} is in two of them, with two {what}"
                )
    return again


def _check_complete(name: Path, stores: Sequence[Store]) -> None:
    present: dict[tuple[str, int], set[int]] = {}
    for store in stores:
        try:
            number, count = map(int, store.info["shard"])
            present.setdefault((str(store.info["source"]), count), set()).add(number)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{store.folder}: says nothing of its shard; {STORE.fix}") from error
    for (source, count), numbers in present.items():
        missing = next((number for number in range(1, count + 1) if number not in numbers), None)
        if missing is not None:
            raise InputError(
                f"{name}: of {source}, shard {missing} of {count} is missing; prepare it with "
                f"--shard {missing}/{count}, or name one shard alone"
            )


def quantise(signal: Signal) -> tuple[NDArray[np.int16], float]:
    """Return a record as int16 and the scale that undoes it, to 0.502 of max|signal| / 32767."""
    peak = max(float(signal.max()), -float(signal.min()))
    scale = peak / 32767 if peak > _SILENCE else 1.0
    steps = signal / np.float32(scale)
    return np.rint(steps, out=steps).astype(np.int16), scale
