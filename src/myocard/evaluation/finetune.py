"""Fine-tuning: encoder, readout and head trained together, from a checkpoint or from scratch.

The readouts are the modules that probing trains on cached states. Handing over a probe's run starts
readout and head where probing left them (linear probing, then fine-tuning: Kumar et al. 2022).
"""

import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pandas as pd

from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn, trained_on_nothing
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder, Origin
from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError
from myocard.evaluation.probing import has_test
from myocard.evaluation.supervised import SignalClassifier, Supervision
from myocard.evaluation.writing import write_run
from myocard.files.progress import Progress, silent
from myocard.files.step import step
from myocard.models.checkpoint import Checkpoint
from myocard.models.classifier import build_classifier, classifiers_hash, read_probe
from myocard.nn.encoder import Encoder
from myocard.nn.readouts.heads import TRAINABLE
from myocard.nn.readouts.registry import POOLED, require_widths
from myocard.recipe import FinetuneRecipe, choose
from myocard.results.classifier import ClassifierShape
from myocard.results.run import EncoderInfo, Hashes
from myocard.results.scoring import scale_of, splits_to_score
from myocard.tasks.cohort import assemble_for
from myocard.tasks.registry import stated, task
from myocard.training.loop import seeded
from myocard.training.tracking import Tracking


def finetune(
    recipe: FinetuneRecipe,
    encoder: ECGEncoder,
    store: Store,
    out: Path,
    *,
    probe: Path | None = None,
    test: bool = False,
    progress: Progress = silent,
    tracking: Tracking | None = None,
) -> Path:
    """Fine-tune by ``recipe`` into the run folder ``out``, or take up a run that was stopped.

    The folder holds ``run.json``, ``predictions.parquet``, the classifier of every seed and, for an
    encoder of myocard's own, the first seed's model: a checkpoint.

    Args:
        recipe: Settings of the fine-tuning.
        encoder: Any encoder; it is left as it is.
        store: The records.
        out: The folder to make, by the rule of ``files/step.py``.
        probe: The run folder of a probe of the same readout, head and classes to start from.
        test: Score the test folds too; until then they are not touched.
        progress: Called after every step.
        tracking: Tracker to mirror the log of each seed's training in.

    Raises:
        InputError: When the store does not meet the encoder's input, the probe is of another
            encoder, store, split, readout, head or classes, for a leak, for a sum of layers that
            differ in width, or when ``out`` holds another run.
    """
    choose(POOLED, recipe.readout, "readout")
    choose(TRAINABLE, recipe.head, "head")
    require_widths(recipe.readout, [layer.width for layer in encoder.layers])
    if probe is not None:
        _require_same_split(probe, recipe, encoder, store)
    start = None if probe is None else classifiers_hash(probe)
    inputs = {
        "encoder": encoder.info.hash,
        "store": store.key,
        "probe": start,
        "recipe": stated(recipe),
    }

    scratch = recipe.start == "scratch"
    pretrained_on = trained_on_nothing() if scratch else encoder.pretrained_on
    cohort = assemble_for(recipe, store.records, pretrained_on.known(store.records))

    def make(folder: Path, work: Path) -> None:
        began = time.perf_counter()
        shape = ClassifierShape(
            task=cohort.task,
            outcome=cohort.outcome,
            classes=cohort.classes,
            scale=scale_of(cohort),
            unit=cohort.unit,
            readout=recipe.readout,
            head=recipe.head,
        )
        models, scores = Supervision(store, encoder.input, cohort, recipe, tracking).train(
            lambda seed: build(recipe, encoder, shape, probe, seed),
            splits_to_score(test=test),
            work,
            f"fine-tune {encoder.info.name}",
            progress,
        )
        write_run(
            folder,
            cohort,
            scores,
            recipe,
            [model.classifier for model in models],
            kind="finetune",
            name=f"{encoder.info.name}/{cohort.task}/finetune-{recipe.readout}-{recipe.head}",
            encoder=_untrained(encoder.info) if scratch else encoder.info,
            leads=encoder.input.leads,
            hashes=Hashes(store=store.key, encoder=encoder.info.hash, probe=start),
            seconds=round(time.perf_counter() - began, 1),
            readout=recipe.readout,
            head=recipe.head,
        )
        if isinstance(encoder, MyocardEncoder):
            trained_on = store.records.iloc[cohort.rows["train"]].loc[:, list(CORPUS_COLUMNS)]
            (folder / "model").mkdir()
            _describe(models[0], shape, recipe, encoder, trained_on).write(folder / "model")

    step(out, inputs, make, is_enough=lambda folder: not test or has_test(folder))
    return out


def _untrained(info: EncoderInfo) -> EncoderInfo:
    changed = {"name": f"scratch-{info.name}", "random": True}
    leak_check = {"leak_check": trained_on_nothing().leak_check}
    nothing = dict.fromkeys(("mixture", "pretraining", "sources", "datasets"))
    return info.model_copy(update=changed | leak_check | nothing)


def build(
    recipe: FinetuneRecipe,
    encoder: ECGEncoder,
    shape: ClassifierShape,
    probe: Path | None,
    seed: int,
) -> SignalClassifier:
    """Build the model of a seed before its training; the encoder that is given is left alone."""
    own = deepcopy(encoder.randomised(seed) if recipe.start == "scratch" else encoder)
    own.network.requires_grad_(requires_grad=True)
    with seeded(seed):
        classifier = build_classifier(shape, own.norm, own.layers)
    if probe is not None:
        run, trained = read_probe(probe, encoder)
        _require_same(probe, run.shape, shape)
        classifier.load_state_dict(trained.state_dict())
    return SignalClassifier(own, classifier)


def _require_same_split(
    probe: Path, recipe: FinetuneRecipe, encoder: ECGEncoder, store: Store
) -> None:
    """Refuse a probe that was trained on what is tested: its start was trained on it."""
    if recipe.start == "scratch":
        raise InputError(f'{probe}: a probe reads a trained encoder; leave out start = "scratch"')
    run, _ = read_probe(probe, encoder)
    wanted = (store.key, recipe.split, task(recipe.task).hash)
    if (run.hashes.store, run.recipe.split, run.labels) != wanted:
        raise InputError(
            f"{probe}: a probe of another store, split or labels than this fine-tuning's; probe "
            "the same store and task with the recipe's folds"
        )


def _require_same(probe: Path, found: ClassifierShape, wanted: ClassifierShape) -> None:
    have, want = found.model_dump(), wanted.model_dump()
    differences = [f"{key} {have[key]}, not {want[key]}" for key in want if have[key] != want[key]]
    if differences:
        raise InputError(
            f"{probe}: a probe of {'; '.join(differences)}; choose another, or change the recipe"
        )


def _describe(
    model: SignalClassifier,
    shape: ClassifierShape,
    recipe: FinetuneRecipe,
    encoder: MyocardEncoder,
    trained_on: pd.DataFrame,
) -> Checkpoint:
    before = encoder.pretrained_on.records
    if recipe.start == "checkpoint" and before is not None and len(before):
        trained_on = pd.concat([before, trained_on])
    origin = Origin(preset=encoder.origin.preset, recipe=recipe, start=encoder.name)
    network = model.network
    assert isinstance(network, Encoder)
    tuned = replace(
        encoder,
        name=f"{encoder.name}-{recipe.task_name}",
        network=network.cpu().eval(),
        pretrained_on=PretrainedOn(trained_on),
        origin=origin,
    )
    rest = {k: v.clone() for k, v in model.classifier.state_dict().items()}
    return Checkpoint(tuned, rest, shape)
