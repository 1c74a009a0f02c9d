"""Source folder → store: read, check, resample, filter, quantise, in parallel, resumable, atomic.

Work is cut into parts in a folder of its own; when all parts are there they are joined into a
folder that appears under its name in one step.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from myocard.data.sources.entry import Entry
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.folders import DONE, require_new, workplace
from myocard.preparation.examination import ALLOWABLE as ALLOWABLE
from myocard.preparation.examination import REASONS as REASONS
from myocard.preparation.examination import Fault as Fault
from myocard.preparation.examination import Wanted as Wanted
from myocard.preparation.examination import examine as examine
from myocard.preparation.joining import join
from myocard.preparation.parts import claim, prepare_parts

_IDENTITY = ("id", "patient", "fold")


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
        InputError: When ``out`` exists or cannot be written, ids repeat, folds are incomplete or
            divide a patient, units are mixed, or no record can be used.
    """
    _check_entries(entries, source)
    work = out.with_name(f"{out.name}.partial")
    with workplace(work):
        require_new(out, work)
        claim(work, entries, wanted)
        parts = prepare_parts(entries, work, wanted, jobs, progress)
        joined = work / "store"
        joined.mkdir(exist_ok=True)
        join(parts, joined, wanted, entries, source=source, split_seed=split_seed)
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
