"""The work in parts: a finished part is a file that a stopped run does not make again."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from myocard.data.fingerprint import fingerprint
from myocard.data.preparation.examination import Wanted, examine
from myocard.data.signal import conform, crop
from myocard.data.sources.entry import Entry
from myocard.data.store import quantise
from myocard.errors import InputError
from myocard.files.atomic import replace_file

# Records in a part: at 12 leads, 500 Hz and 10 s, they take 31 MB.
PART = 256


def prepare_parts(
    entries: Sequence[Entry],
    work: Path,
    wanted: Wanted,
    jobs: int,
    progress: Callable[[int], None],
) -> list[Path]:
    """Make the parts that are not there yet; ``progress`` is told how many records are done."""
    chunks = [entries[i : i + PART] for i in range(0, len(entries), PART)]
    parts = [work / f"part-{i:06d}.npz" for i in range(len(chunks))]
    open_parts = [(c, p) for c, p in zip(chunks, parts, strict=True) if not p.exists()]
    progress(len(entries) - sum(len(chunk) for chunk, _ in open_parts))
    jobs_to_do = (delayed(_prepare_part)(chunk, part, wanted) for chunk, part in open_parts)
    for done in Parallel(n_jobs=jobs, return_as="generator_unordered")(jobs_to_do):
        progress(done)
    return parts


def _prepare_part(entries: Sequence[Entry], path: Path, wanted: Wanted) -> int:
    rows, signals = [], [np.zeros((0, len(wanted.leads), wanted.samples), dtype=np.int16)]
    for entry in entries:
        row, integers = _prepare_record(entry, wanted)
        rows.append(row)
        if integers is not None:
            signals.append(integers[None])
    stacked, table = np.concatenate(signals), np.array(json.dumps(rows))
    replace_file(path, lambda fresh: np.savez(fresh, signals=stacked, rows=table))
    return len(entries)


def _prepare_record(
    entry: Entry, wanted: Wanted
) -> tuple[dict[str, Any], NDArray[np.int16] | None]:
    """What is known of a record, and its signal unless it is barred for a reason."""
    row = {"id": entry.id, "reason": "", "detail": "", "unit": "", "sha256": "", "flags": ""}
    record, faults = examine(entry, wanted)
    barring = [fault for fault in faults if record is None or fault.reason not in wanted.allow]
    if record is None or barring:
        return row | asdict(barring[0]), None
    signal = conform(record.signal, record.rate, wanted.rate, wanted.band)
    flags = ["cropped"] if signal.shape[1] > wanted.samples else []
    flags += dict.fromkeys(fault.reason for fault in faults)
    integers, scale = quantise(crop(signal, wanted.samples))
    found = {"unit": record.unit, "sha256": record.sha256, "flags": ";".join(flags)}
    return row | found | {"scale": scale, "fingerprint": fingerprint(record)}, integers


def claim(work: Path, entries: Sequence[Entry], wanted: Wanted) -> None:
    """Mark ``work`` as that of this run, so that no other run takes up its parts.

    Raises:
        InputError: When it is that of a run with other settings, records, codes or version.
    """
    lines = "\n".join(f"{e.id}\t{e.path}\t{e.codes}" for e in entries)
    listing = hashlib.sha256(lines.encode()).hexdigest()
    stated = {"wanted": asdict(wanted), "entries": listing, "myocard": version("myocard")}
    mine = json.loads(json.dumps(stated))
    path = work / "claim.json"
    if not path.exists():
        replace_file(path, lambda fresh: fresh.write_text(json.dumps(mine)))
    elif json.loads(path.read_text()) != mine:
        raise InputError(
            f"{work}: belongs to a stopped run with other settings or records; remove it"
        )
