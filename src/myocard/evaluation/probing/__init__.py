"""Readouts and heads on frozen states: every readout of one encoder, from one source."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
from joblib import delayed

from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.evaluation.probing import pooled, tokens
from myocard.evaluation.probing.job import Job, Probe, Source, Trained
from myocard.evaluation.probing.mapped import MappedSource
from myocard.evaluation.probing.stream import Stream as Stream
from myocard.evaluation.probing.weights import by_record, measured_weights, static_mixtures
from myocard.evaluation.writing import write_run
from myocard.files.atomic import restore, work_folder
from myocard.files.progress import Progress, silent
from myocard.files.step import REMEDY, Inputs, clear, is_kept, step, workplace
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import READOUTS, TOKENS, require_widths
from myocard.recipe import ProbeRecipe, choose
from myocard.results.run import Hashes, Run
from myocard.results.saved import prediction_table
from myocard.results.scoring import mean_headlines, splits_to_score
from myocard.runs import RunFolders
from myocard.tasks.cohort import assemble_for
from myocard.tasks.registry import stated
from myocard.training.processes import processes_for, side_by_side


def probe(
    source: Source,
    recipe: ProbeRecipe,
    out: Path | str,
    *,
    test: bool = False,
    progress: Progress = silent,
    jobs: int = 1,
) -> RunFolders:
    """Train every readout and head of ``recipe`` on the states of ``source``.

    Args:
        source: Cached states (``Features``), or a ``Stream``, which readouts of tokens need.
        recipe: Settings of the probes, and the records that they are trained on.
        out: Each run gets the folder ``out/ENCODER/TASK/READOUT-HEAD``, by the rule of
            ``files/step.py``.
        test: Score the test folds too. Until then they are not touched; a run that has scored them
            is kept either way.
        progress: Called after every readout, and after every step of what is trained in this
            process.
        jobs: Readouts at a time, in processes of their own (-1: one a core): of cached states that
            are not mapped, without a GPU. With fewer threads for each, sums may differ in the last
            digit.

    Returns:
        The folders of all runs of the recipe; a notebook shows the runs in them.

    Raises:
        InputError: For a leak, a patient in two splits, an unknown readout or head, states that the
            source does not have, a sum of layers that differ in width, or a folder that holds other
            runs.
    """
    check_names(recipe)
    cohort = assemble_for(recipe, source.records, source.known)
    states: Source | MappedSource = source
    if recipe.common_width is not None:
        states = MappedSource(source, cohort.rows["train"], recipe.common_width)
    job = Job(states, cohort, recipe, splits_to_score(test=test), progress)
    for name in recipe.readouts:
        require_widths(name, job.widths)
    target = Path(out) / source.encoder.name / cohort.task
    groups, open_groups = stacks(recipe, job.depth), []
    for probes in groups:
        missing = [each for each in probes if not _is_there(job, each, target)]
        if missing:
            open_groups.append((probes, missing))
        elif probes[0].readout in TOKENS:
            together = _together(target, probes)
            clear(work_folder(together), named=together)
    # A process of its own would encode or map all states again, and shares a GPU with others.
    alone = not isinstance(states, Features) or torch.cuda.is_available()
    jobs = processes_for(len(open_groups), 1 if alone else jobs)
    own = job if jobs == 1 else replace(job, progress=silent)
    calls = [delayed(_train)(own, *each, target) for each in open_groups]
    kept = len(groups) - len(calls)
    side_by_side(f"probe {source.encoder.name}", calls, progress, jobs, kept)
    return RunFolders(target / each.name for probes in groups for each in probes)


def check_names(recipe: ProbeRecipe) -> None:
    """Refuse readouts and heads that are not registered, or do not go together.

    Raises:
        InputError: Listing the choices.
    """
    for name in recipe.readouts:
        choose((*READOUTS, "layers"), name, "readout")
    for name in recipe.heads:
        choose(HEADS, name, "head")
    others = [head for head in recipe.heads if head != "linear"]
    if "loes" in recipe.readouts and others:
        raise InputError(
            f"readout 'loes' is solved with the linear head, not with {', '.join(others)}"
        )
    of_tokens = [name for name in recipe.readouts if name in TOKENS]
    if recipe.common_width is not None and of_tokens:
        raise InputError(f"common_width maps pooled states, not tokens; leave {of_tokens[0]} out")


def stacks(recipe: ProbeRecipe, depth: int) -> list[list[Probe]]:
    """The probes of a recipe; those that are trained together are grouped."""
    named = [Probe(readout, head) for head, readout in product(recipe.heads, recipe.readouts)]
    groups = [
        [Probe("layer", each.head, layer) for layer in range(depth + 1)]
        if each.readout == "layers"
        else [each]
        for each in named
        if each.readout not in TOKENS
    ]
    of_tokens = [each for each in named if each.readout in TOKENS]
    return [*groups, of_tokens] if of_tokens else groups


def inputs_of(encoder: str | None, store: str, recipe: ProbeRecipe) -> Inputs:
    """All that a run depends on; ``recipe`` is of one readout and head."""
    return {"encoder": encoder, "store": store, "recipe": stated(recipe)}


def has_test(folder: Path) -> bool:
    """Tell whether the run in ``folder`` has scored its test folds."""
    return Run.read(folder).test is not None


def own_recipe(recipe: ProbeRecipe, probe: Probe) -> ProbeRecipe:
    """The recipe of one probe, as its run states it."""
    return recipe.alone("layers" if probe.layer is not None else probe.readout, probe.head)


def _inputs(job: Job, probe: Probe) -> Inputs:
    return inputs_of(job.source.encoder.hash, job.source.store, own_recipe(job.recipe, probe))


def _is_there(job: Job, probe: Probe, target: Path) -> bool:
    folder = target / probe.name
    restore(folder)
    return is_kept(
        folder,
        _inputs(job, probe),
        is_enough=lambda out: "test" not in job.splits or has_test(out),
        remedy=f"two encoders of a name, or recipes, need an --out each: {REMEDY}",
    )


def _train(job: Job, probes: Sequence[Probe], missing: Sequence[Probe], target: Path) -> None:
    """Train a group as one, and write the runs of it that are missing."""
    began = time.perf_counter()
    if probes[0].readout not in TOKENS:
        trained = dict(zip(probes, pooled.train(job, probes), strict=True))
        _write_all(job, missing, trained, target, began)
        return
    # All are trained, and as one: whether some are there must not change the others.
    together = _together(target, probes)
    inputs = {each.name: _inputs(job, each) for each in probes}
    work = work_folder(together)
    with workplace(work, inputs, named=together):
        trained = dict(zip(probes, tokens.train(job, probes, work), strict=True))
        _write_all(job, missing, trained, target, began)


def _together(target: Path, probes: Sequence[Probe]) -> Path:
    """The name of what is trained as one; no run's, as each run has a work folder of its own."""
    return target / "+".join(["tokens", *(each.name for each in probes)])


def _write_all(
    job: Job, missing: Sequence[Probe], trained: Mapping[Probe, Trained], target: Path, began: float
) -> None:
    seconds = round((time.perf_counter() - began) / len(trained), 2)
    for each in missing:
        _write(job, each, trained[each], target / each.name, seconds)


def _write(job: Job, probe: Probe, trained: Trained, folder: Path, seconds: float) -> None:
    cohort, recipe, source = job.cohort, job.recipe, job.source
    classifiers = trained.classifiers
    if isinstance(source, MappedSource):
        classifiers = [source.unmapped(each) for each in classifiers]
    static = static_mixtures(trained, probe.head, job)
    layer_weights = measured_weights(trained, job)
    tables = {name: prediction_table(cohort, x, recipe.seeds) for name, x in static.items()}
    weights = trained.layer_weights
    if any((each != each[:, :1]).any() for each in weights.values()):
        tables["weights"] = by_record(weights, cohort, recipe.seeds)

    def make(fresh: Path, work: Path) -> None:
        write_run(
            fresh,
            cohort,
            trained.scores,
            own_recipe(recipe, probe),
            classifiers,
            kind="probe",
            name=f"{source.encoder.name}/{cohort.task}/{probe.name}",
            encoder=source.encoder,
            readout=probe.readout,
            layer=probe.layer,
            common_width=recipe.common_width,
            head=probe.head,
            leads=source.leads,
            fraction=recipe.fraction,
            chosen=trained.chosen,
            layer_weights=layer_weights,
            mixtures=trained.mixtures,
            stops=trained.stops,
            static_mixtures={
                name: mean_headlines(cohort, scores) for name, scores in static.items()
            },
            hashes=Hashes(store=source.store, encoder=source.encoder.hash),
            seconds=seconds,
            encoding_seconds=source.seconds,
        )
        for name, table in tables.items():
            table.to_parquet(fresh / f"{name}.parquet", index=False)

    # A run that has fewer splits is replaced; whoever is missing was looked up before.
    step(folder, _inputs(job, probe), make, is_enough=lambda out: False)
