"""Fine-tuning: encoder, readout and head trained together, from a checkpoint or from scratch.

The readouts are the modules that probing trains on cached states. Handing over a probe's run starts
readout and head where probing left them (linear probing, then fine-tuning: Kumar et al. 2022).
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from myocard.data.leaks import seen
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation.supervised import Supervision
from myocard.files.atomic import DONE, replace_folder, require_new, workplace
from myocard.models.checkpoint import Checkpoint, load_weights
from myocard.models.classifier import WEIGHTS, ClassifierShape, digest, read_probe, read_run
from myocard.nn.readouts.classifier import SignalClassifier
from myocard.recipe import FinetuneRecipe
from myocard.results.run import encoder_statement, write_run
from myocard.tasks.cohort import Cohort, assemble
from myocard.tasks.task import task
from myocard.training.loop import Progress


def finetune(
    recipe: FinetuneRecipe,
    checkpoint: Checkpoint,
    store: Store,
    out: Path,
    *,
    probe: Path | None = None,
    test: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Fine-tune by ``recipe`` into the run folder ``out``, or take up a run that was stopped.

    The folder holds ``run.json``, ``predictions.parquet`` and, of the first seed, the model: a
    checkpoint.

    Args:
        probe: The run folder of a probe of the same readout, head and classes to start from.
        test: Score the test folds too; until then they are not touched.

    Raises:
        InputError: When ``out`` exists, the store does not meet the encoder's input, the probe is
            of another encoder, store, split, readout, head or classes, or for a leak.
    """
    if probe is not None and recipe.start == "scratch":
        raise InputError(f'{probe}: a probe reads a trained encoder; leave out start = "scratch"')
    if probe is not None:
        _require_same_split(probe, recipe, store)
    work = out.with_name(f"{out.name}.run")
    with workplace(work):
        require_new(out, work)
        _finetune(recipe, checkpoint, store, out, work, probe, test=test, report=report)


def _finetune(
    recipe: FinetuneRecipe,
    checkpoint: Checkpoint,
    store: Store,
    out: Path,
    work: Path,
    probe: Path | None,
    *,
    test: bool,
    report: Callable[[Progress], None],
) -> None:
    began = time.perf_counter()
    known = checkpoint.corpus if recipe.start == "checkpoint" else checkpoint.corpus.iloc[:0]
    records = store.records.assign(seen=seen(known, store.records))
    cohort = assemble(records, task(recipe.task), recipe.split, recipe.min_positives)
    shape = ClassifierShape(recipe.task, cohort.classes, recipe.readout, None, recipe.head)
    supervision = Supervision(
        store, checkpoint.preprocessing, cohort, recipe.optimisation, recipe.crops
    )
    models, scores = supervision.train(
        lambda seed: _build(recipe, checkpoint, shape, probe, seed),
        recipe.seeds,
        ("validation", "test") if test else ("validation",),
        folder=work,
        about=_origin(recipe, checkpoint, store, probe),
        report=report,
    )
    about = _about(recipe, checkpoint, store) | {"seconds": round(time.perf_counter() - began, 1)}

    def write(folder: Path) -> None:
        write_run(folder, cohort, scores, recipe.seeds, resamples=recipe.resamples, about=about)
        _describe(models[0], shape, recipe, checkpoint, store, cohort).save(folder / "model")
        (work / DONE).touch()

    replace_folder(out, write)


def _build(
    recipe: FinetuneRecipe,
    checkpoint: Checkpoint,
    shape: ClassifierShape,
    probe: Path | None,
    seed: int,
) -> SignalClassifier:
    source = checkpoint if recipe.start == "checkpoint" else checkpoint.randomised(seed)
    encoder = type(checkpoint.encoder)(checkpoint.encoder.shape)
    encoder.load_state_dict(source.encoder.state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        classifier = shape.build(encoder.norm, encoder.shape.depth)
    if probe is not None:
        found, weights = read_probe(probe, checkpoint)
        _require_same(probe, found, shape)
        load_weights(classifier, weights, "", probe / WEIGHTS)
    return SignalClassifier(encoder, classifier, checkpoint.preprocessing.leads)


def _require_same_split(probe: Path, recipe: FinetuneRecipe, store: Store) -> None:
    """What a probe was trained on must not be what is tested: its start would have seen it."""
    run, _, _ = read_run(probe)
    split = recipe.split.model_dump(mode="json")
    if run.get("hashes", {}).get("store") != store.key or run["recipe"]["split"] != split:
        raise InputError(
            f"{probe}: a probe of another store or split than this fine-tuning's; probe the same "
            "store with the recipe's folds"
        )


def _require_same(probe: Path, found: ClassifierShape, wanted: ClassifierShape) -> None:
    have, want = asdict(found), asdict(wanted)
    differences = [f"{key} {have[key]}, not {want[key]}" for key in want if have[key] != want[key]]
    if differences:
        raise InputError(
            f"{probe}: a probe of {'; '.join(differences)}; choose another, or change the recipe"
        )


def _origin(
    recipe: FinetuneRecipe, checkpoint: Checkpoint, store: Store, probe: Path | None
) -> dict[str, Any]:
    """All that the weights of a run that was stopped depend on, besides ``[optimisation]``."""
    scoring = {"optimisation", "seeds", "crops", "resamples"}
    return {
        "recipe": recipe.model_dump(mode="json", exclude=scoring),
        "encoder": checkpoint.key,
        "store": store.key,
        "probe": None if probe is None else digest(probe),
    }


def _describe(
    model: SignalClassifier,
    shape: ClassifierShape,
    recipe: FinetuneRecipe,
    checkpoint: Checkpoint,
    store: Store,
    cohort: Cohort,
) -> Checkpoint:
    trained_on = store.records.iloc[cohort.rows["train"]]
    corpus = (
        pd.concat([checkpoint.corpus, trained_on]) if recipe.start == "checkpoint" else trained_on
    )
    about = {
        "classifier": asdict(shape),
        "start": recipe.start,
        "from": checkpoint.name,
        "recipe": recipe.model_dump(mode="json"),
        "input": checkpoint.about.get("input"),
    }
    rest = {k: v.clone() for k, v in model.classifier.state_dict().items()}
    name = f"{checkpoint.name}-{recipe.task}"
    return Checkpoint(
        name, model.encoder.cpu().eval(), checkpoint.preprocessing, corpus, about, rest
    )


def _about(recipe: FinetuneRecipe, checkpoint: Checkpoint, store: Store) -> dict[str, Any]:
    scratch, origin = recipe.start == "scratch", checkpoint.about
    return {
        "kind": "finetune",
        "name": f"{checkpoint.name}/{recipe.task}/finetune-{recipe.readout}-{recipe.head}",
        "encoder": encoder_statement(
            f"scratch-{checkpoint.name}" if scratch else checkpoint.name,
            checkpoint.key,
            {"random": True, "input": origin.get("input")} if scratch else origin,
            layers=checkpoint.encoder.shape.depth + 1,
            width=checkpoint.encoder.shape.width,
        ),
        "leads": list(checkpoint.preprocessing.leads),
        "readout": recipe.readout,
        "layer": None,
        "head": recipe.head,
        "hashes": {"encoder": checkpoint.key, "store": store.key},
        "recipe": recipe.model_dump(mode="json"),
    }
