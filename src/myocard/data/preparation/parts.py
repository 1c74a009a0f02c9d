"""Preparation in parts: a finished part is a file that a stopped run does not make again."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from joblib import delayed
from numpy.typing import NDArray

from myocard.data.fingerprint import fingerprint
from myocard.data.preparation.examination import FLAGS, Fault, Wanted, examine, read_entry
from myocard.data.preparation.identity import Policy, contradictions, describe, state
from myocard.data.preparation.windows import WindowReader
from myocard.data.signal import Band, Signal, conform, crop, standardise
from myocard.data.sources.entry import Entry
from myocard.data.store import quantise
from myocard.errors import InputError
from myocard.files.atomic import replace_file
from myocard.files.workers import workers
from myocard.record import Record

Row = Mapping[str, Any]
_LOG = logging.getLogger(__name__)

# Records in a part: at 12 leads, 500 Hz and 10 s, they take 31 MB.
PART = 256


def prepare_parts(
    entries: Sequence[Entry],
    work: Path,
    wanted: Wanted,
    policy: Policy,
    source: str,
    jobs: int,
    progress: Callable[[int], None],
) -> list[Path]:
    """Make the missing parts; ``progress`` is called with the number of records that are done.

    A part that a lost worker left is made again, as long as others are finished.
    """
    chunks = [entries[i : i + PART] for i in range(0, len(entries), PART)]
    parts = [work / f"part-{i:06d}.npz" for i in range(len(chunks))]
    while True:
        missing = [(c, p) for c, p in zip(chunks, parts, strict=True) if not p.exists()]
        finished = len(entries) - sum(len(chunk) for chunk, _ in missing)
        progress(finished)
        jobs_to_do = (delayed(_prepare_part)(*each, wanted, policy, source) for each in missing)
        try:
            for done in workers(jobs)(jobs_to_do):
                finished += done
                progress(finished)
        except InputError:
            raise
        # Each backend of joblib has its own error for a worker that was killed.
        except Exception as error:
            if not any(part.exists() for _, part in missing):
                raise
            _LOG.warning("%s: %s; going on", work.name, type(error).__name__)
        else:
            return parts


def _prepare_part(
    entries: Sequence[Entry], path: Path, wanted: Wanted, policy: Policy, source: str
) -> int:
    rows, signals = [], [np.zeros((0, len(wanted.leads), wanted.samples), dtype=np.int16)]
    for entry in entries:
        row, integers = _prepare_record(entry, wanted, policy, source)
        rows.append(row)
        if integers is not None:
            signals.append(integers[None])
    stacked, table = np.concatenate(signals), np.array(json.dumps(rows))
    replace_file(path, lambda fresh: np.savez(fresh, signals=stacked, rows=table))
    return len(entries)


def _prepare_record(
    entry: Entry, wanted: Wanted, policy: Policy, source: str
) -> tuple[Row, NDArray[np.int16] | None]:
    """Describe a record, and return its signal unless it is barred for a reason."""
    blank = {"reason": "", "detail": "", "unit": "", "sha256": "", "flags": ()}
    row: dict[str, Any] = {**state(entry), **blank}
    read = read_entry(entry)
    if isinstance(read, Fault):
        return {**row, **asdict(read)}, None
    row |= describe(entry, read.facts, policy, source)
    record, faults = examine(read, wanted)
    kept = (*wanted.allow, *FLAGS)
    barring = [fault for fault in faults if record is None or fault.reason not in kept]
    if record is None or barring:
        return {**row, **asdict(barring[0])}, None
    with np.errstate(over="ignore", invalid="ignore"):
        signal = _conformed(entry, record, wanted)
    if not np.isfinite(signal).all():
        fault = Fault("not_finite", "values too large to be filtered; look at their unit")
        return {**row, **asdict(fault)}, None
    flags = [(fault.reason, fault.detail) for fault in faults]
    flags += contradictions(entry, record.facts)
    if signal.shape[1] > wanted.samples:
        flags.insert(0, ("cropped", f"of {record.seconds:g} s"))
    window, unit = crop(signal, wanted.samples), record.unit
    if wanted.standardise:
        window, unit = (
            standardise(window, cast(Literal["record", "lead"], wanted.standardise)),
            "NU",
        )
    integers, scale = quantise(window)
    constant = integers.min(axis=1) == integers.max(axis=1)
    lost = [lead for lead, flat in zip(record.leads, constant, strict=True) if flat]
    lost = [lead for lead in lost if lead not in record.flat]
    if lost:
        told = f"{', '.join(lost)} once filtered and rounded; look at unit and offset"
        return {**row, **asdict(Fault("flat_lead", told))}, None
    found: Row = {"unit": unit, "sha256": record.sha256, "flags": flags}
    if wanted.step is not None:
        found = {**found, "start": record.start}
    return {**row, **found, "scale": scale, "fingerprint": fingerprint(record)}, integers


def _conformed(entry: Entry, record: Record, wanted: Wanted) -> Signal:
    """Resample and filter a record; a window with what lies beside it."""
    band = Band() if wanted.filtered else wanted.band
    if isinstance(entry.read, WindowReader):
        return entry.read.conformed(wanted.leads, wanted.rate, band)
    return conform(record.signal, record.rate, wanted.rate, band)
