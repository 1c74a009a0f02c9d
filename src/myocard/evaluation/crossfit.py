"""Cross-fitting: every record is tested once, by probes that did not train on it.

One test fold of a small data set is too small to tell. Here the folds take turns: each is scored by
probes that were trained on the others. Scores of different probes have no common scale, so that
those of a fold are standardised, class by class, before all are pooled.
"""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from myocard.errors import InputError
from myocard.evaluation import probing
from myocard.evaluation.probing import Source, probe
from myocard.files.progress import Progress, silent
from myocard.files.step import Inputs, read_inputs, step
from myocard.metrics.summary import Metrics, summarise
from myocard.outcomes import CLASSES, Outcome
from myocard.recipe import ProbeRecipe, Split
from myocard.results.classifier import SplitInfo
from myocard.results.run import BEST_LAYER, LayerWeights, Run, SplitName
from myocard.results.saved import PREDICTIONS
from myocard.results.scoring import splits_to_score
from myocard.tasks.cohort import TRAITS

_LEAST = 1e-7
"""Probability below which a logit is not told apart from others."""


def cross_fit(
    source: Source,
    recipe: ProbeRecipe,
    folds: Sequence[int],
    rotations: Path,
    out: Path,
    *,
    progress: Progress = silent,
) -> list[Path]:
    """Probe once for every fold, and pool what the probes scored on it.

    Args:
        source: The states. The encoder must not have been pretrained on a record of ``folds``.
        recipe: The recipe; all folds of its split take part.
        folds: Each is tested by a probe that is chosen on the next of them and trained on all
            others.
        rotations: Folder of the probes' own runs, by the fold that they are tested on.
        out: Folder of the pooled runs, as ``probe`` lays them out, and of one more where layers are
            probed (``BEST_LAYER``).
        progress: As in ``probe``.

    Raises:
        InputError: For fewer than two folds or one that is named twice, and as ``probe``.
    """
    if len(folds) < 2 or len(set(folds)) < len(folds):
        raise InputError(f"folds {list(folds)}: name two folds or more to rotate, once each")
    by_fold = [
        probe(source, _rotated(recipe, folds, k), rotations / f"{fold:02d}", test=True,
              progress=progress)
        for k, fold in enumerate(folds)
    ]  # fmt: skip
    target = out / source.encoder.name / recipe.task_name
    pooled = [pool(runs, target / runs[0].name) for runs in map(list, zip(*by_fold, strict=True))]
    chosen = [_best_layers([Run.read(each) for each in runs], runs) for runs in by_fold]
    for column in zip(*chosen, strict=True):
        name = f"{BEST_LAYER}-{Run.read(column[0]).head}"
        pooled.append(pool(column, target / name, readout=BEST_LAYER))
    return pooled


def _rotated(recipe: ProbeRecipe, folds: Sequence[int], k: int) -> ProbeRecipe:
    split = recipe.split
    every = {*split.train, *split.validation, *split.test, *folds}
    test, validation = folds[k], folds[(k + 1) % len(folds)]
    train = tuple(sorted(every - {test, validation}))
    rotated = Split(train=train, validation=(validation,), test=(test,))
    return recipe.model_copy(update={"split": rotated})


def _best_layers(infos: Sequence[Run], folders: Sequence[Path]) -> list[Path]:
    """The layer that is best on validation, for each head; none where no layer was probed."""
    layers = [pair for pair in zip(infos, folders, strict=True) if pair[0].layer is not None]
    found = []
    for _, members in groupby(sorted(layers, key=lambda pair: pair[0].head), lambda p: p[0].head):
        _, folder = max(members, key=lambda pair: pair[0].validation.main.macro.value or -np.inf)
        found.append(folder)
    return found


def pool(folders: Sequence[Path], out: Path, readout: str | None = None) -> Path:
    """Pool rotations of one probe to a run whose test records are all of theirs.

    Args:
        folders: Runs that differ in their folds, and perhaps in the layer that they read.
        out: The folder to make, by the rule of ``files/step.py``.
        readout: Name of what they read, where they do not read the same.

    Raises:
        InputError: When no class was probed in all of them.
    """
    inputs: Inputs = {"rotations": [read_inputs(folder) for folder in folders]}
    step(out, inputs, partial(_make, folders=folders, name=out.name, readout=readout))
    return out


def _make(
    fresh: Path, work: Path, *, folders: Sequence[Path], name: str, readout: str | None
) -> None:
    infos = [Run.read(folder) for folder in folders]
    first, classes = infos[0], _classes(infos, folders)
    outcome = first.outcome
    tables = {s: _pooled(folders, classes, s, outcome) for s in splits_to_score(test=True)}
    measured = {s: _measured(table, first, classes) for s, table in tables.items()}
    shape = {"readout": readout, "layer": None} if readout else {}
    run = first.model_copy(
        update={
            **shape,
            "name": f"{first.encoder.name}/{first.task}/{name}",
            "classes": classes,
            "classes_left_out": _left_out(infos, classes),
            "rotations": len(infos),
            "scale": (),
            "splits": {"train": first.splits["train"]}
            | {split: _split(infos, table, split) for split, table in tables.items()},
            "chosen": (),
            "validation": measured["validation"],
            "test": measured["test"],
            "layer_weights": _mean_weights([info.layer_weights for info in infos]),
            "mixtures": tuple(each for info in infos for each in info.mixtures),
            "stops": tuple(each for info in infos for each in info.stops),
            "static_mixtures": {},
            "seconds": sum(info.seconds or 0.0 for info in infos),
        }
    )
    run.write(fresh)
    both = pd.concat([table.assign(split=split) for split, table in tables.items()])
    both.to_parquet(fresh / PREDICTIONS, index=False)


def _classes(infos: Sequence[Run], folders: Sequence[Path]) -> tuple[str, ...]:
    """The classes that all rotations have; others were too rare in some fold."""
    classes = tuple(
        name for name in infos[0].classes if all(name in info.classes for info in infos)
    )
    if not classes:
        raise InputError(
            f"{folders[0]}: no class was probed in every rotation; lower min_positives"
        )
    return classes


def _left_out(infos: Sequence[Run], classes: Sequence[str]) -> dict[str, str]:
    """The classes that some rotation lacks, with the reason of the first that does."""
    reasons: dict[str, str] = {}
    for info in infos:
        folds = ", ".join(map(str, info.splits["test"].folds))
        for name, reason in info.classes_left_out.items():
            if name not in classes:
                reasons.setdefault(name, f"{reason}, where fold {folds} is tested")
    return reasons


def inputs_of(encoder: str | None, store: str, recipe: ProbeRecipe, folds: Sequence[int]) -> Inputs:
    """All that a pooled run depends on; ``recipe`` is of one readout and head."""
    rotated = [_rotated(recipe, folds, k) for k in range(len(folds))]
    return {"rotations": [probing.inputs_of(encoder, store, each) for each in rotated]}


def _pooled(
    folders: Sequence[Path], classes: Sequence[str], split: SplitName, outcome: Outcome
) -> pd.DataFrame:
    """Predictions of all rotations on one scale: numbers have one, all else is given it."""
    names, tables = [f"score:{name}" for name in classes], []
    for folder in folders:
        table = pd.read_parquet(folder / PREDICTIONS).query("split == @split")
        if outcome != "number":
            table = table.assign(**_standardised(table[names], table["seed"], outcome))
        tables.append(table.drop(columns="split"))
    kept = ["id", "patient", "seed", *names, *(f"target:{name}" for name in classes)]
    traits = [name for name in TRAITS if name in tables[0]]
    return pd.concat(tables, ignore_index=True)[kept + traits]


def _standardised(scores: pd.DataFrame, seeds: pd.Series, outcome: Outcome) -> pd.DataFrame:
    """Scores whose logits have mean 0 and deviation 1 under each seed; hazards are their own."""
    logits = scores.astype("float64")
    if outcome in CLASSES:
        logits = logit(logits.clip(_LEAST, 1 - _LEAST))
    by_seed = logits.groupby(seeds)
    standardised = (logits - by_seed.transform("mean")) / by_seed.transform("std").replace(0, 1)
    return expit(standardised) if outcome in CLASSES else standardised


def _measured(table: pd.DataFrame, first: Run, classes: Sequence[str]) -> Metrics:
    """Metrics but for F1 and Brier's score.

    The threshold would be chosen on the records that it is tried on, and no score is a probability.
    """
    targets, scores, patients = _arrays(table, classes)
    several = patients if len(set(patients)) < len(patients) else None
    found = summarise(
        targets,
        scores,
        classes,
        outcome=first.outcome,
        groups=several,
        resamples=first.recipe.resamples,
    )
    kept = {name: each for name, each in found.scores.items() if name not in ("f1", "brier")}
    return found.model_copy(update={"scores": kept})


def _arrays(
    table: pd.DataFrame, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets ``(records, classes)``, scores ``(seeds, records, classes)``, patients."""
    by_seed = [rows.sort_values("id") for _, rows in table.groupby("seed")]
    scores = np.stack([rows[[f"score:{name}" for name in classes]] for rows in by_seed])
    targets = by_seed[0][[f"target:{name}" for name in classes]].to_numpy(float)
    return targets, scores, by_seed[0]["patient"].to_numpy()


def _split(infos: Sequence[Run], table: pd.DataFrame, name: SplitName) -> SplitInfo:
    folds = tuple(sorted({fold for info in infos for fold in info.splits[name].folds}))
    rows = table[["id", "patient"]].drop_duplicates()
    return SplitInfo(
        folds=folds,
        records=len(rows),
        patients=rows["patient"].nunique(),
        copies_dropped=sum(info.splits[name].copies_dropped for info in infos),
    )


def _mean_weights(found: Sequence[LayerWeights | None]) -> LayerWeights | None:
    known = [each.mean for each in found if each is not None]
    return LayerWeights(split="test", mean=tuple(np.mean(known, axis=0))) if known else None
