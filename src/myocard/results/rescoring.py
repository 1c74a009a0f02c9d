"""Runs scored anew from their predictions: other metrics, other subgroups, no model."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from myocard.errors import InputError
from myocard.files.manifest import file_hash
from myocard.files.step import file_step
from myocard.metrics.outcomes import are_positive, measured
from myocard.metrics.resamples import resampled
from myocard.metrics.scores import Flags, Reals, macro
from myocard.metrics.summary import Estimate, estimated
from myocard.results.columns import Asked, read_table, read_told
from myocard.results.frame import identity, tabled
from myocard.results.measures import Applied, Of, applied
from myocard.results.run import Run, SplitName
from myocard.results.saved import PREDICTIONS, SavedRun, load_runs
from myocard.results.strata import MIN_POSITIVES, chosen, scorable

_NO_VALUE = Estimate(value=None, low=None, high=None)


def rescore(
    runs: Iterable[SavedRun],
    *,
    metric: str | Of | Sequence[str | Of] | None = None,
    subgroups: Sequence[str] = (),
    records: pd.DataFrame | Path | str | None = None,
    test: bool = False,
    resamples: int | None = None,
) -> pd.DataFrame:
    """Score runs anew from their predictions, with bootstrap intervals by patient.

    Args:
        runs: Runs, as ``load_runs`` finds them.
        metric: Names of registered metrics or ``f1``, or functions of one output's targets and
            scores, such as those of scikit-learn: ``(records,)`` each, flags for classes, to a
            number. All that are registered for a run's outcome, by default. A function is called
            once for every output, seed and resample.
        subgroups: Each ``COLUMN=VALUE``, ``COLUMN=LOW..HIGH`` (LOW included, HIGH not), or
            ``COLUMN`` for all of its values, ages in bands. Columns are the traits that runs keep
            (sex, age, site, device), or those of ``records``.
        records: More columns: a table with ``id``, or its file.
        test: Score the test records, of runs that have scored them, in place of those of
            validation.
        resamples: Number of bootstrap resamples; that of each run by default, so that its own
            numbers come out again.

    Returns:
        A row for each run, metric, subgroup and output (``macro``: the mean over them): value, 95 %
        interval, spread over seeds, records, patients, positives, and a note where there is no
        value. In subgroups an output needs 10 positives and, of classes, 10 negatives.

    Raises:
        InputError: For a metric that is not registered for a run's outcome, a run without scores of
            its test records, ``records`` without one row an id, or a column that is nowhere.
    """
    split: SplitName = "test" if test else "validation"
    asked = [metric] if isinstance(metric, str) or callable(metric) else metric
    more = _more_traits(records, subgroups)
    lines = [line for run in runs for line in _lines(run, split, asked, subgroups, more, resamples)]
    return tabled(lines)


def write_rescored(
    folders: Sequence[Path],
    out: Path,
    *,
    metrics: Sequence[str] | None,
    subgroups: Sequence[str],
    records: Path | None,
    resamples: int | None,
    test: bool,
) -> None:
    """Write what ``rescore`` says of the runs in some folders into the table ``out``.

    Args:
        folders: Folders that hold runs at any depth.
        out: The file to make, ``.csv`` or ``.parquet``, by the rule of ``files/step.py``.
        metrics: As ``rescore`` takes them.
        subgroups: As ``rescore`` takes them.
        records: As ``rescore`` takes them.
        resamples: As ``rescore`` takes them.
        test: As ``rescore`` takes it.

    Raises:
        InputError: As ``rescore``, when there is no run, or ``out`` was made from other inputs.
    """
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"{out}: end its name in .csv or .parquet")
    runs = load_runs(*folders)
    if not runs:
        names = ", ".join(map(str, folders))
        raise InputError(f"no run in or below {names}; give the --out of `myocard probe`")
    asked: dict[str, Any] = {"subgroups": subgroups, "resamples": resamples, "test": test}
    inputs = {
        "runs": {run.place: file_hash(run.folder / PREDICTIONS) for run in runs},
        "metrics": metrics,
        "records": None if records is None else file_hash(records),
        **asked,
    }

    def make(fresh: Path, work: Path) -> None:
        table = rescore(runs, metric=metrics, records=records, **asked)
        if out.suffix == ".csv":
            table.to_csv(fresh, index=False, lineterminator="\n")
        else:
            table.to_parquet(fresh, index=False)

    file_step(out, inputs, make)


def _lines(
    run: SavedRun,
    split: SplitName,
    asked: Sequence[str | Of] | None,
    subgroups: Sequence[str],
    more: pd.DataFrame,
    resamples: int | None,
) -> Iterator[dict[str, Any]]:
    stated = run.info.metrics(split)
    if stated is None:
        raise InputError(f"{run.folder}: test was not scored; run its program with --test")
    found = run.predictions(split)
    interval = stated.interval
    draws = {"resamples": resamples or interval.resamples, "seed": interval.seed}
    told = more.reindex(pd.Index(found.ids).astype(str))
    traits = found.traits.assign(**{str(name): told[name].to_numpy() for name in told})
    everything = ("", "all records", np.ones(len(found.ids), bool))
    for measure in applied(run, found, asked):
        for trait, name, inside in [everything, *chosen(traits, subgroups, str(run.folder))]:
            kept = np.ones(len(run.info.classes), bool)
            if trait:
                kept = scorable(found.targets[inside], run.info.outcome)
            owners = found.patients[inside] if interval.unit == "patient" else None
            known = {
                **identity(run),
                "split": split,
                "metric": measure.name,
                "trait": trait,
                "subgroup": name,
                "records": int(inside.sum()),
                "patients": len(set(found.patients[inside])),
            }
            for line in _scored(measure, found.targets, inside, kept, run.info, owners, draws):
                yield known | line | {"run": run.place}


def _scored(
    measure: Applied,
    targets: Reals,
    inside: Flags,
    kept: Flags,
    info: Run,
    owners: Any,
    draws: dict[str, int],
) -> Iterator[dict[str, Any]]:
    """The macro average and, of several outputs, each."""
    targets, scores = targets[inside], measure.scores[:, inside]
    positives = are_positive(targets, info.outcome).sum(axis=0).tolist()
    notes = [
        (measure.fault(scores[:, ~np.isnan(targets[:, k]), k]) if kept[k] else _few(positives[k]))
        for k in range(len(kept))
    ]
    usable = np.array([note is None for note in notes])
    values = np.full((len(scores), 1 + draws["resamples"], len(kept)), np.nan)
    if usable.any():
        ((values[:, :, usable],),) = resampled(
            measured([measure.metric], info.outcome), targets[:, usable], [scores[:, :, usable]],
            groups=owners, **draws,
        )  # fmt: skip
    whole = estimated(macro(values[:, :, usable])) if usable.any() else _NO_VALUE
    without = [name for name, note in zip(info.classes, notes, strict=True) if note]
    said = f"without {', '.join(without)}" if without and len(kept) > 1 else notes[0] or ""
    yield {
        "output": "macro",
        "positives": sum(np.array(positives)[usable].tolist()),
        **_numbers(whole, said),
    }
    if len(kept) > 1:
        for k, name in enumerate(info.classes):
            one = estimated(values[:, :, k]) if usable[k] else _NO_VALUE
            yield {"output": name, "positives": positives[k], **_numbers(one, notes[k] or "")}


def _few(positives: int) -> str:
    return f"fewer than {MIN_POSITIVES} positives or negatives ({positives} positives)"


def _numbers(found: Estimate, note: str) -> dict[str, Any]:
    return found.model_dump() | {"note": note}


def _more_traits(
    records: pd.DataFrame | Path | str | None, subgroups: Sequence[str]
) -> pd.DataFrame:
    """The columns of ``records`` that subgroups ask for, by id."""
    wanted = tuple(dict.fromkeys(each.partition("=")[0] for each in subgroups))
    if records is None:
        return pd.DataFrame()
    if isinstance(records, pd.DataFrame):
        if "id" not in records or records["id"].duplicated().any():
            raise InputError("records: give a column `id`, and one row for each of them")
        table = records.set_index(records["id"].astype(str))
    else:
        file, asked = Path(records), Asked(traits=wanted)
        table = read_told(read_table(file, asked), (), asked, file)
    return table[[name for name in wanted if name in table]]
