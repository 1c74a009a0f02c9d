"""Source folder → store: read, check, resample, filter, quantise, in parallel, resumable, atomic.

Work is cut into parts. A finished part is a file that a stopped run does not make again; when all
parts are there they are joined, and the finished folder appears under its name in one step.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.lib.format import open_memmap

from myocard import labels
from myocard.data.folds import assign_folds, split_hash
from myocard.data.formats import WrongLength
from myocard.data.signal import Band, conform, crop
from myocard.data.sources.entry import Entry
from myocard.data.store import FORMAT, Store, StoreInput, quantise
from myocard.errors import InputError
from myocard.record import Record

PART = 256

REASONS = {
    "unreadable": "the file cannot be read",
    "wrong_length": "file and header disagree about the number of samples",
    "missing_lead": "a lead of the store is not in the record",
    "nan": "a lead holds values that are not finite",
    "flat_lead": "a lead is constant",
    "too_short": "the record is shorter than the store's",
    "unknown_code": "a label is in no table of its scheme",
    "duplicate": "the waveform is that of an earlier record",
}
# Faults that a record may be kept with, when asked to, because its signal stays usable.
ALLOWABLE = ("flat_lead", "unknown_code", "duplicate")


@dataclass(frozen=True)
class Wanted:
    """What to make of every record.

    Attributes:
        rate: Samples per second (Hz).
        seconds: Length of a record; longer ones are cropped to their middle and flagged
            ``cropped``.
        leads: Rows of the store.
        band: Filter, run over the whole record before it is cropped.
        allow: Faults among ``ALLOWABLE`` that flag a record instead of putting it into quarantine.
    """

    rate: int
    seconds: float
    leads: tuple[str, ...]
    band: Band = Band()
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = sorted(set(self.allow) - set(ALLOWABLE))
        if wrong:
            raise InputError(
                f"cannot allow {', '.join(wrong)}; what can be kept is {', '.join(ALLOWABLE)}"
            )

    @property
    def samples(self) -> int:
        return round(self.rate * self.seconds)


@dataclass(frozen=True)
class Fault:
    """Why a record cannot be used as it is: one of ``REASONS`` and what was seen."""

    reason: str
    detail: str


def prepare(
    entries: Sequence[Entry],
    out: Path,
    wanted: Wanted,
    *,
    source: str,
    split_seed: int = 0,
    jobs: int = -1,
    progress: Callable[[int], None] = lambda done: None,
) -> Store:
    """Prepare ``entries`` into a store at ``out``, or take up where a stopped run left off.

    Records that cannot be used are listed in ``quarantine.csv`` with a reason each. Sources without
    published folds get ten stratified ones by patient, drawn with ``split_seed``.

    Raises:
        InputError: When ``out`` exists, ids repeat, units are mixed, or no record can be used.
    """
    _check_destination(entries, out)
    work = out.with_name(f"{out.name}.partial")
    work.mkdir(parents=True, exist_ok=True)
    _claim(work, entries, wanted)
    chunks = [entries[i : i + PART] for i in range(0, len(entries), PART)]
    parts = [work / f"part-{i:06d}.npz" for i in range(len(chunks))]
    open_parts = [(c, p) for c, p in zip(chunks, parts, strict=True) if not p.exists()]
    progress(len(entries) - sum(len(chunk) for chunk, _ in open_parts))
    jobs_to_do = (delayed(_prepare_part)(chunk, part, wanted) for chunk, part in open_parts)
    for done in Parallel(n_jobs=jobs, return_as="generator_unordered")(jobs_to_do):
        progress(done)
    _join(parts, work, wanted, entries, source=source, split_seed=split_seed)
    for part in [*parts, work / "claim.json"]:
        part.unlink()
    work.replace(out)
    return Store.open(out)


def examine(entry: Entry, wanted: Wanted) -> tuple[Record | None, list[Fault]]:
    """Read one record and list everything that is wrong with it."""
    faults = [
        Fault("unknown_code", f"{code}; add it to the table or allow unknown_code")
        for code in entry.codes
        if not labels.known(code)
    ]
    try:
        record = entry.read()
    except WrongLength as error:
        return None, [Fault("wrong_length", str(error))]
    except InputError as error:
        return None, [Fault("unreadable", str(error))]
    missing = [lead for lead in wanted.leads if lead not in record.leads]
    if missing:
        detail = f"no lead {', '.join(missing)}; prepare with --leads {','.join(record.leads)}"
        return None, [Fault("missing_lead", detail)]
    record = record.select(wanted.leads)
    rows = dict(zip(record.leads, record.signal, strict=True))
    broken = [lead for lead, row in rows.items() if not np.isfinite(row).all()]
    if broken:
        return None, [Fault("nan", f"in {', '.join(broken)}")]
    flat = [lead for lead, row in rows.items() if np.ptp(row) == 0]
    if flat:
        faults.append(Fault("flat_lead", f"in {', '.join(flat)}"))
    if round(record.seconds * wanted.rate) < wanted.samples:
        detail = f"{record.seconds:g} s of {wanted.seconds:g} s; prepare with --seconds"
        return None, [Fault("too_short", detail)]
    return record, faults


def _check_destination(entries: Sequence[Entry], out: Path) -> None:
    if out.exists():
        raise InputError(f"{out}: exists already; remove it or choose another folder")
    ids = pd.Series([entry.id for entry in entries])
    if ids.empty:
        raise InputError(f"{out}: the source lists no record")
    if ids.duplicated().any():
        raise InputError(f"{out}: the source lists id {ids[ids.duplicated()].iloc[0]!r} twice")


def _claim(work: Path, entries: Sequence[Entry], wanted: Wanted) -> None:
    """Parts may be taken up again only by a run that would have made the same ones."""
    listing = hashlib.sha256("\n".join(f"{e.id}\t{e.path}" for e in entries).encode()).hexdigest()
    mine = json.loads(json.dumps({"wanted": asdict(wanted), "entries": listing}))
    claim = work / "claim.json"
    if not claim.exists():
        _write_whole(claim, lambda f: f.write_text(json.dumps(mine)))
    elif json.loads(claim.read_text()) != mine:
        raise InputError(f"{work}: belongs to a stopped run with other settings; remove it first")


def _write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let ``path`` appear only when all of it is written."""
    partial_path = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    write(partial_path)
    partial_path.replace(path)


def _prepare_part(entries: Sequence[Entry], path: Path, wanted: Wanted) -> int:
    rows: list[dict[str, Any]] = []
    signals = []
    for entry in entries:
        record, faults = examine(entry, wanted)
        barred = next((f for f in faults if record is None or f.reason not in wanted.allow), None)
        row: dict[str, Any] = {"id": entry.id, "reason": "", "detail": "", "unit": "", "sha256": ""}
        if record is None or barred is not None:
            assert barred is not None
            rows.append(row | {"reason": barred.reason, "detail": barred.detail})
            continue
        signal, flags = _make(record, wanted)
        integers, scale = quantise(signal)
        signals.append(integers)
        flags += [fault.reason for fault in faults]
        row |= {
            "unit": record.unit,
            "sha256": record.sha256,
            "scale": scale,
            "flags": ";".join(flags),
        }
        rows.append(row)
    stacked = (
        np.stack(signals) if signals else np.zeros((0, len(wanted.leads), wanted.samples), "i2")
    )
    table = json.dumps(rows)
    _write_whole(path, lambda f: np.savez(f, signals=stacked, rows=np.array(table)))
    return len(entries)


def _make(record: Record, wanted: Wanted) -> tuple[np.ndarray, list[str]]:
    signal = conform(record.signal, record.rate, wanted.rate, wanted.band)
    flags = ["cropped"] if signal.shape[1] > wanted.samples else []
    return crop(signal, wanted.samples), flags


def _join(
    parts: Sequence[Path],
    work: Path,
    wanted: Wanted,
    entries: Sequence[Entry],
    *,
    source: str,
    split_seed: int,
) -> None:
    found = pd.DataFrame([row for part in parts for row in json.loads(str(np.load(part)["rows"]))])
    found["path"] = [str(entry.path) for entry in entries]
    if "duplicate" not in wanted.allow:
        _bar_duplicates(found)
    barred = found["reason"] != ""
    quarantine = found.loc[barred, ["id", "path", "reason", "detail"]]
    quarantine.to_csv(work / "quarantine.csv", index=False)
    kept = ~barred.to_numpy()
    units = sorted(set(found["unit"][kept]))
    if not kept.any():
        counts = ", ".join(
            f"{n} {reason}" for reason, n in quarantine["reason"].value_counts().items()
        )
        raise InputError(f"{work / 'quarantine.csv'}: no record can be used ({counts})")
    if len(units) > 1:
        raise InputError(f"{work}: records in {' and '.join(units)}; prepare them apart")

    records = _describe([e for e, keep in zip(entries, kept, strict=True) if keep], source)
    for column in ("sha256", "scale", "flags"):
        records[column] = found.loc[kept, column].to_numpy()
    split: dict[str, Any] = {"kind": "published"}
    if records["fold"].isna().any():
        records["fold"] = assign_folds(
            records["patient"].tolist(), records["codes"].tolist(), seed=split_seed
        )
        split = {"kind": "stratified by patient", "folds": 10, "seed": split_seed}
    records["fold"] = records["fold"].astype("int64")
    split["sha256"] = split_hash(records["id"].tolist(), records["fold"].tolist())
    _copy_signals(parts, work / "signals.npy", found, kept, wanted)
    records.to_parquet(work / "records.parquet", index=False)
    made = StoreInput(wanted.rate, wanted.samples, wanted.leads, wanted.band, units[0])
    info = {
        "format": FORMAT,
        "source": source,
        "made": asdict(made),
        "split": split,
        "quarantined": int(barred.sum()),
        "allowed": list(wanted.allow),
        "myocard": version("myocard"),
    }
    (work / "store.json").write_text(json.dumps(info, indent=2) + "\n")


def _bar_duplicates(found: pd.DataFrame) -> None:
    usable = found[found["reason"] == ""]
    first = usable.drop_duplicates("sha256").set_index("sha256")["id"]
    again = usable.index[usable["sha256"].duplicated()]
    found.loc[again, "reason"] = "duplicate"
    found.loc[again, "detail"] = "of record " + found.loc[again, "sha256"].map(first)


def _describe(entries: Sequence[Entry], source: str) -> pd.DataFrame:
    columns = ("id", "patient", "fold", "codes", "age", "sex", "site", "device")
    table = pd.DataFrame([{name: getattr(e, name) for name in columns} for e in entries])
    table["codes"] = table["codes"].map(list)
    table["age"] = table["age"].astype("float64")
    table["source"] = source
    return table


def _copy_signals(
    parts: Sequence[Path], path: Path, found: pd.DataFrame, kept: np.ndarray, wanted: Wanted
) -> None:
    shape = (int(kept.sum()), len(wanted.leads), wanted.samples)
    signals = open_memmap(path, mode="w+", dtype=np.int16, shape=shape)
    read = partial(np.load, allow_pickle=False)
    in_part = found["sha256"].to_numpy() != ""
    written = row = 0
    for part in parts:
        stored = read(part)["signals"]
        rows = np.arange(row, min(row + PART, len(kept)))
        keep = kept[rows][in_part[rows]]
        signals[written : written + keep.sum()] = stored[keep]
        written, row = written + int(keep.sum()), row + PART
    signals.flush()
