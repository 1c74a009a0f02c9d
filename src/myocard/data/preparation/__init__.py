"""Source folder → store: read, check, resample, filter, quantise, in parallel, resumable, atomic.

Work is cut into parts in a folder of its own; when all parts are there they are joined into a
folder that appears under its name in one step.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from myocard.data import labels
from myocard.data.folds import check_folds
from myocard.data.preparation.examination import Wanted
from myocard.data.preparation.identity import DEFAULT_POLICY, Policy, names_patients
from myocard.data.preparation.joining import UNKNOWN as UNKNOWN
from myocard.data.preparation.joining import join
from myocard.data.preparation.parts import prepare_parts
from myocard.data.preparation.windows import in_windows
from myocard.data.signal import Preprocessing
from myocard.data.sources import dataset as dataset_of
from myocard.data.sources import entries as entries_of
from myocard.data.sources.entry import Entry
from myocard.data.spans import recording_of
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.files.manifest import file_hash
from myocard.files.progress import Progress, silent
from myocard.files.step import Inputs, step
from myocard.files.workers import require_jobs
from myocard.leads import LEADS, parse_leads

_SAMPLED = 16
"""Records whose files tell one folder from another with the same listing."""


def prepare(
    entries: Sequence[Entry],
    out: Path,
    wanted: Wanted,
    *,
    source: str,
    split_seed: int = 0,
    shard: tuple[int, int] = (1, 1),
    rename: Mapping[str, str] | None = None,
    policy: Policy = DEFAULT_POLICY,
    jobs: int = -1,
    progress: Progress = silent,
) -> Store:
    """Prepare ``entries`` into a store, or take up where a stopped run left off.

    Records that cannot be used are listed in ``quarantine.csv`` with a reason each. Sources without
    published folds get ten stratified ones by patient, drawn with ``split_seed``. Shard ``(3, 16)``
    holds the records of every sixteenth patient, by a hash; all sixteen can be opened as one store.

    Args:
        entries: The records.
        out: The folder to make, by the rule of ``files/step.py``.
        wanted: Requirements on every record.
        source: The data set within which ids and patients are unique.
        split_seed: Seed of folds, where the source publishes none.
        shard: Number and count.
        rename: The lead that a signal is, by its name in the files, as the entries' readers take
            it.
        policy: Rule on what may tell who a patient is.
        jobs: Processes; -1 for one a core.
        progress: Called after every part.

    Raises:
        InputError: When there is no such shard, ``jobs`` is 0, ids repeat, folds are incomplete or
            divide a patient, units are mixed, no record can be used, or ``out`` holds another
            store.
    """
    require_jobs(jobs)
    _check_entries(entries, source)
    entries = [_renamed(entry, rename or {}) for entry in of_shard(entries, *shard)]
    policy = policy.with_salt_for(entries)

    unusable = out.with_name(f"{out.name}-quarantine.csv")

    def make(folder: Path, work: Path) -> None:
        windows = entries if wanted.step is None else in_windows(entries, wanted, jobs)

        def told(done: int) -> None:
            progress(f"prepare {out.name}", done, len(windows))

        parts = prepare_parts(windows, work, wanted, policy, source, jobs, told)
        try:
            join(parts, folder, wanted, windows, inputs, unusable)
        except InputError:
            # Other inputs are needed, for which these parts are none.
            for part in parts:
                part.unlink()
            raise

    settings = settings_of(wanted, source=source, split_seed=split_seed, shard=shard)
    listing = {"records": len(entries), "listing": _listing(entries)}
    inputs = {**settings, "rename": dict(rename or {}) or None, **policy.inputs, **listing}
    step(out, inputs, make)
    return Store.open(out)


def _listing(entries: Sequence[Entry]) -> str:
    """Hash what the source says of each record, and the files of some."""
    digest = hashlib.sha256()
    for entry in entries:
        line = f"{entry.id}\t{entry.path.name}\t{entry.patient}\t{entry.fold}\t{entry.codes}\n"
        digest.update(line.encode())
        # Rate, leads and unit of a file that does not say them.
        stated = entry.read.keywords if isinstance(entry.read, partial) else {}
        told = {key: value for key, value in stated.items() if value}
        digest.update(json.dumps(told, sort_keys=True).encode() if told else b"")
    for entry in entries[:: -(-len(entries) // _SAMPLED)]:
        digest.update(file_hash(entry.path).encode() if entry.path.is_file() else b"")
    return digest.hexdigest()


def _renamed(entry: Entry, rename: Mapping[str, str]) -> Entry:
    """Let an entry's reader know names of leads, besides those that its source tells it."""
    if not rename:
        return entry
    own = entry.read.keywords.get("rename") if isinstance(entry.read, partial) else None
    return replace(entry, read=partial(entry.read, rename={**rename, **(own or {})}))


def settings_of(
    wanted: Wanted, *, source: str, split_seed: int = 0, shard: tuple[int, int] = (1, 1)
) -> Inputs:
    """Return the part of a store's inputs that is known without its records."""
    settings = asdict(wanted) | {"leads": list(wanted.leads), "allow": list(wanted.allow)}
    return {"source": source, **settings, "split_seed": split_seed, "shard": list(shard)}


def prepare_folder(
    source: str,
    folder: Path | str,
    out: Path | str,
    expected: Preprocessing | None = None,
    *,
    seconds: float = 10.0,
    leads: Sequence[str] | None = None,
    allow: Sequence[str] = (),
    dataset: str | None = None,
    strict: bool = False,
    progress: Progress = silent,
    **how: Any,
) -> Store:
    """Read a vendor's folder into a store, as ``prepare`` does with its entries.

    Args:
        source: Layout of the folder: ``ptbxl-500``, ``chapman``, ``folder`` and so on.
        folder: As downloaded.
        out: The store's folder.
        expected: The signals that an encoder expects: its ``input``. None, or an input that states
            steps, makes a raw store: neither filtered nor standardised, at the rate and with all
            leads of the first record that can be read. It serves every encoder.
        seconds: Length of a record; longer ones are cropped to their middle.
        leads: Rows of the store, in place of those.
        allow: Faults with which a record is kept, flagged.
        dataset: The data set within which ids and patients are unique; the source's by default.
        strict: Refuse codes that their schemes' tables do not know, in place of counting them.
        progress: Called after every part.
        how: ``filtered``, ``standardise`` and ``step``, as in ``Wanted``; ``split_seed``,
            ``shard``, ``rename``, ``policy`` and ``jobs``, as in ``prepare``.

    Raises:
        InputError: As ``entries`` of ``data/sources`` and ``prepare``, when a raw store would be
            filtered or standardised, when codes are unknown and ``strict``, and when no record
            tells its rate.
    """
    entries, name = entries_of(source, folder), dataset or dataset_of(source, Path(folder))
    _check_codes(entries, strict=strict)
    forms = {key: how.pop(key) for key in ("filtered", "standardise") if key in how}
    step = how.pop("step", None)
    if expected is None or expected.steps:
        if any(forms.values()):
            raise InputError("a raw store holds records as they are; leave out filter and z-score")
        expected = _as_recorded(entries, () if expected is None else expected.leads)
    rows, band = expected.leads if leads is None else parse_leads(leads), expected.band
    wanted = Wanted(expected.rate, seconds, rows, band, tuple(allow), step=step, **forms)
    return prepare(entries, Path(out), wanted, source=name, progress=progress, **how)


def _check_codes(entries: Sequence[Entry], *, strict: bool) -> None:
    unknown = labels.unknown([entry.codes for entry in entries])
    if unknown and strict:
        raise InputError(
            f"codes in no table of their scheme: {told_unknown(unknown)}; correct them, or leave "
            "--strict out to keep and count them"
        )


def told_unknown(unknown: Counter[str]) -> str:
    """Tell the most frequent unknown codes, each with its number of records."""
    most = ", ".join(f"{code} in {count:,}" for code, count in unknown.most_common(5))
    return f"{most}{f' and {len(unknown) - 5} more' if len(unknown) > 5 else ''}"


def _as_recorded(entries: Sequence[Entry], needed: Sequence[str]) -> Preprocessing:
    """State signals as the first record that can be read has them, with all leads ``needed``."""
    reason: InputError | None = None
    for entry in entries:
        try:
            recording = recording_of(entry.read)
            recording.check()
        except InputError as error:
            reason = reason or error
        else:
            leads = tuple(lead for lead in LEADS if lead in {*recording.leads, *needed})
            return Preprocessing(round(recording.rate), recording.samples, leads)
    raise InputError(f"no record can be read: {reason}") from reason


def _check_entries(entries: Sequence[Entry], source: str) -> None:
    rows = [(entry.id, entry.patient, entry.fold) for entry in entries]
    listed = pd.DataFrame(rows, columns=["id", "patient", "fold"])
    if listed.empty:
        raise InputError(f"{source}: the source lists no record")
    again = listed.loc[listed["id"].duplicated(), "id"]
    if len(again):
        raise InputError(f"{source}: the source lists id {again.iloc[0]!r} twice")
    without = listed.loc[listed["fold"].isna(), "id"]
    if 0 < len(without) < len(listed):
        lacking = f"record {without.iloc[0]!r} has no fold, while others have one"
        raise InputError(f"{source}: {lacking}; give every record its fold, or none")
    check_folds(listed)


def of_shard(entries: Sequence[Entry], number: int, count: int) -> list[Entry]:
    """Select the entries of one shard; all records of a patient are in the same one."""
    if not 1 <= number <= count:
        raise InputError(f"shard {number} of {count}: give one from 1 to {count}")
    if count == 1:
        return list(entries)
    if not names_patients(entries):
        raise InputError("shards go by patient, whom the files name; give a labels.csv that does")
    chosen = [
        entry
        for entry in entries
        if int(hashlib.sha256(str(entry.patient).encode()).hexdigest(), 16) % count == number - 1
    ]
    if not chosen:
        raise InputError(f"shard {number} of {count}: no patient falls to it; make fewer shards")
    return chosen
