"""Measures of every layer of a frozen encoder, under the curve of its probes.

Only the probes look at labels. The training records are described, as in the papers that the
measures are from, and maps from tokens to patches are fitted on them; the records of the other
split say how good those maps, and the probes, are.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError
from myocard.evaluation.layers import observation
from myocard.evaluation.layers.estimates import BLOCKS, averages, explained, jackknifed, resampled
from myocard.evaluation.layers.observation import MASK_RATIO, Description, Observer
from myocard.files.progress import Progress, silent
from myocard.files.step import Inputs, step
from myocard.nn.analysis.representation import effective_rank, lidar, linear_cka, matrix_entropy
from myocard.recipe import Evaluation
from myocard.results.layers import LayerMeasures, Point
from myocard.results.run import Run, SplitName
from myocard.tasks.cohort import Cohort, assemble_for
from myocard.tasks.registry import require_labels, stated
from myocard.training.loop import seeded

SEED = 0

Rows = NDArray[np.int64]
Measures = dict[str, tuple[Point, ...]]


def measure_layers(
    encoder: ECGEncoder,
    store: Store,
    runs: Sequence[Path],
    out: Path,
    *,
    records: int = 512,
    test: bool = False,
    progress: Progress = silent,
) -> Path:
    """Measure every layer, and write ``layers.json`` and ``layers.csv`` into the folder ``out``.

    Any encoder has the measures of states and tokens; attention is of an ``AttentiveEncoder``, and
    reconstruction of one whose patches are known (``MyocardEncoder``).

    Args:
        encoder: Any encoder.
        store: The records.
        runs: The probes of every single layer of this encoder on this store.
        out: The folder to make, by the rule of ``files/step.py``.
        records: Most records of each split to use.
        test: Score the test folds, not the validation folds.
        progress: Called after every batch.

    Raises:
        InputError: For a leak, too few records, a run that is no probe of a single layer of this
            encoder on this store, is under another head than the others, has not scored the split
            or is of labels that its task no longer has, or an ``out`` that holds measures of
            something else.
    """
    probes = [Run.read(folder) for folder in runs]
    first = probes[0]
    for folder, run in zip(runs, probes, strict=True):
        if (run.hashes.encoder, run.hashes.store) != (encoder.info.hash, store.key):
            raise InputError(
                f"{folder}: a probe of another encoder or store than {encoder.info.name} on "
                f"{store.folder}; probe these first"
            )
        if run.head != first.head:
            raise InputError(
                f"{folder}: a probe under the head {run.head}, not {first.head} as {runs[0]}; give "
                "the probes of one head"
            )
        require_labels(run.recipe, run.labels, folder)
    split: SplitName = "test" if test else "validation"

    known = encoder.pretrained_on.known(store.records)
    cohort = assemble_for(first.recipe, store.records, known)

    def make(folder: Path, work: Path) -> None:
        began = time.perf_counter()
        tested, curve = _curve(probes, split), _curve(probes, "validation")
        rows = {"train": _some(cohort, "train", records), split: _some(cohort, split, records)}
        if len(set(cohort.patients[rows["train"]])) < BLOCKS:
            raise InputError(
                f"{store.folder}: fewer than {BLOCKS} patients in train of {first.task}"
            )
        total, what = sum(map(len, rows.values())), f"layers of {encoder.info.name}"
        observer = Observer.of(encoder, store, lambda done: progress(what, done, total))
        description, measures = _observe(observer, cohort, rows, first.recipe.resamples)
        LayerMeasures(
            encoder=first.encoder,
            task=first.task,
            labels=first.labels,
            source=first.source,
            head=first.head,
            leads=first.leads,
            split=split,
            records={name: len(which) for name, which in rows.items()},
            best_layer=max(curve, key=lambda point: point.value).layer,
            metric=first.validation.headline,
            measures={"probe": tested} | measures,
            alignment=tuple(map(tuple, linear_cka(description.states).tolist())),
            mask_ratio=MASK_RATIO,
            seed=SEED,
            hashes=first.hashes,
            seconds=round(time.perf_counter() - began, 1),
        ).write(folder)

    inputs = inputs_of(encoder.info.hash, store.key, first.recipe, records)
    step(out, inputs, make, is_enough=lambda folder: not test or has_test(folder))
    return out


def inputs_of(encoder: str | None, store: str, recipe: Evaluation, records: int) -> Inputs:
    """All that the measures depend on; ``recipe`` is that of the probes."""
    return {"encoder": encoder, "store": store, "probes": stated(recipe), "records": records}


def has_test(folder: Path) -> bool:
    """Tell whether the measures in ``folder`` are of the test folds."""
    return LayerMeasures.read(folder).split == "test"


def _some(cohort: Cohort, split: str, records: int) -> Rows:
    rows = cohort.rows[split]
    return np.sort(np.random.default_rng(SEED).permutation(rows)[:records])


def _observe(
    observer: Observer, cohort: Cohort, rows: dict[str, Rows], resamples: int
) -> tuple[Description, Measures]:
    described, scored = rows.values()
    with seeded(SEED):
        found = observation.describe(observer, described)
        misses = observation.reconstruct(observer, found.maps, scored, len(described))
    patients = cohort.patients[described]
    counts = resampled(patients, resamples)
    measures = _of_states(found, patients)
    measures |= {name: averages(values, counts) for name, values in found.measures.items()}
    counts = resampled(cohort.patients[scored], resamples)
    measures |= {f"r2_{name}": explained(each, counts) for name, each in misses.items()}
    return found, measures


def _of_states(found: Description, patients: NDArray[np.object_]) -> Measures:
    """Measures of the centred pooled states."""

    def centred(states: Tensor) -> Tensor:
        return states - states.mean(dim=0)

    layers = found.states
    measures = {
        "effective_rank": jackknifed(lambda x: effective_rank(centred(x)), layers, patients),
        "state_entropy": jackknifed(lambda x: matrix_entropy(centred(x)).item(), layers, patients),
    }
    if found.halves is not None:
        measures["lidar"] = jackknifed(lidar, found.halves.unbind(dim=2), patients)
    return measures


def _curve(probes: Sequence[Run], split: SplitName) -> tuple[Point, ...]:
    """The probes' leading metric by layer."""
    points = []
    for run in probes:
        metrics = run.metrics(split)
        if metrics is None or run.layer is None:
            raise InputError(
                f"{run.name}: no probe of a single layer that has scored {split}; probe with "
                f"`layers` among the readouts{' and --test' if split == 'test' else ''}"
            )
        scores = metrics.main.macro.model_dump(include={"value", "low", "high"})
        points.append(Point(layer=run.layer, **scores))
    return tuple(sorted(points, key=lambda point: point.layer))
