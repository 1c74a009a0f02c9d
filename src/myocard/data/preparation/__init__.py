"""Source folder → store: read, check, resample, filter, quantise, in parallel, resumable, atomic.

Work is cut into parts in a folder of its own; when all parts are there they are joined into a
folder that appears under its name in one step.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from myocard.data.preparation.examination import ALLOWABLE as ALLOWABLE
from myocard.data.preparation.examination import REASONS as REASONS
from myocard.data.preparation.examination import Fault as Fault
from myocard.data.preparation.examination import Wanted as Wanted
from myocard.data.preparation.examination import examine as examine
from myocard.data.preparation.joining import join
from myocard.data.preparation.parts import claim, prepare_parts
from myocard.data.sources.entry import Entry
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.files.atomic import DONE, require_new, workplace

_IDENTITY = ("id", "patient", "fold")


def prepare(
    entries: Sequence[Entry],
    out: Path,
    wanted: Wanted,
    *,
    source: str,
    split_seed: int = 0,
    shard: tuple[int, int] = (1, 1),
    jobs: int = -1,
    progress: Callable[[int], None] = lambda done: None,
) -> Store:
    """Prepare ``entries`` into a store at ``out``, or take up where a stopped run left off.

    Records that cannot be used are listed in ``quarantine.csv`` with a reason each. Sources without
    published folds get ten stratified ones by patient, drawn with ``split_seed``. Shard ``(3, 16)``
    holds the records of every sixteenth patient, by a hash; all sixteen can be opened as one store.

    Raises:
        InputError: When there is no such shard, ``out`` exists or cannot be written, ids repeat,
            folds are incomplete or divide a patient, units are mixed, or no record can be used.
    """
    _check_entries(entries, source)
    entries = of_shard(entries, *shard)
    work = out.with_name(f"{out.name}.partial")
    with workplace(work):
        require_new(out, work)
        claim(work, entries, wanted)
        parts = prepare_parts(entries, work, wanted, jobs, progress)
        joined = work / "store"
        joined.mkdir(exist_ok=True)
        join(parts, joined, wanted, entries, source=source, split_seed=split_seed, shard=shard)
        (work / DONE).touch()
        joined.replace(out)
    return Store.open(out)


def _check_entries(entries: Sequence[Entry], source: str) -> None:
    listed = pd.DataFrame([(e.id, e.patient, e.fold) for e in entries], columns=_IDENTITY)
    if listed.empty:
        raise InputError(f"{source}: the source lists no record")
    again = listed.loc[listed["id"].duplicated(), "id"]
    if len(again):
        raise InputError(f"{source}: the source lists id {again.iloc[0]!r} twice")
    without = listed.loc[listed["fold"].isna(), "id"]
    if 0 < len(without) < len(listed):
        raise InputError(
            f"{source}: record {without.iloc[0]!r} has no fold, while others have one; "
            "give every record its fold, or none"
        )
    folds = listed.groupby("patient")["fold"].nunique()
    if (folds > 1).any():
        raise InputError(
            f"{source}: patient {folds.idxmax()!r} has records in {folds.max()} folds; "
            "keep a patient's records in one fold"
        )


def of_shard(entries: Sequence[Entry], number: int, count: int) -> list[Entry]:
    """Those of some patients: a patient's records stay together, and so does any split of them."""
    if not 1 <= number <= count:
        raise InputError(f"shard {number} of {count}: give one from 1 to {count}")
    chosen = [
        entry
        for entry in entries
        if int(hashlib.sha256(entry.patient.encode()).hexdigest(), 16) % count == number - 1
    ]
    if not chosen:
        raise InputError(f"shard {number} of {count}: no patient falls to it; make fewer shards")
    return chosen
