"""What a benchmark would do and about how long it would take: each kind of step, tried once."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import cpu_count
from torch import Tensor, nn

from myocard.benchmark.corpora import expand
from myocard.benchmark.layout import Places
from myocard.benchmark.materials import untrained
from myocard.benchmark.trials import Baseline, Grid, TokenTrial, Trial
from myocard.data.sources import entries
from myocard.data.store import Store, StoreInput
from myocard.evaluation.baselines import networks
from myocard.evaluation.probing import Job, is_learned, stacks, tokens
from myocard.leads import LEAD_SETS
from myocard.models.checkpoint import Checkpoint
from myocard.nn.baselines.minirocket import MiniRocket
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.readouts.classifier import classification_loss
from myocard.nn.readouts.tokens import View, look
from myocard.pretraining.pretrain import build
from myocard.recipe import (
    NetworkRecipe,
    Optimisation,
    PretrainRecipe,
    ProbeRecipe,
    RocketRecipe,
    TokenProbeRecipe,
)
from myocard.tasks.cohort import Cohort
from myocard.tasks.task import task
from myocard.training.loop import Loss, fit, steps_per_epoch

_FOLDS = 10
_PASSES = 5.0  # of the plain encoder, that dissecting a record costs


@dataclass(frozen=True)
class Piece:
    """One thing that a benchmark makes, and the seconds that it still takes; 0 if it is there."""

    name: str
    seconds: float


def estimate(grid: Grid, out: Path, *, jobs: int = 1) -> list[Piece]:
    """Every encoder, cache, trial and baseline of ``grid``, with its estimated cost here.

    Steps are timed on random numbers of the right shape, so nothing need be there yet; records are
    counted in their folders. Preparing is not estimated, which takes seconds
    per thousand records, nor are transfers, which take about a second each.

    Args:
        jobs: Trials at a time; the cost of each is divided by it.
    """
    places = Places(out)
    counts = {name: _records(name, grid, places) for name in grid.stores}
    made = {recipe.name: places.encoders / recipe.name for recipe in grid.pretrained}
    encoders = {encoder.name: encoder for encoder in untrained(grid)}
    trials = grid.trials(list(encoders))
    pieces = [
        Piece(f"encoder {r.name}", 0 if made[r.name].exists() else _pretraining(r, counts))
        for r in grid.pretrained
    ]
    for condition in grid.conditions(trials):
        folder = places.features(condition)
        encoder = encoders[condition.encoder].reading(LEAD_SETS[condition.lead_set])
        seconds = 0 if folder.exists() else _extraction(encoder) * counts[condition.store]
        pieces.append(Piece(f"features {folder.relative_to(places.out / 'features')}", seconds))
    for trial in trials:
        encoder = encoders[trial.condition.encoder]
        left = 0.0
        if not _finished(trial, encoder, places):
            left = _probing(trial, encoder, counts[trial.condition.store])
        pieces.append(Piece(trial.name, left / (cpu_count() if jobs == -1 else jobs)))
    for each in grid.token_trials(list(encoders)):
        encoder, records = encoders[each.condition.encoder], counts[each.condition.store]
        pieces += [_token_piece(each, recipe, encoder, records, places) for recipe in each.recipes]
    for trial, records in grid.dissections(list(encoders)):
        folder = places.anatomy(trial)
        seconds = _PASSES * _extraction(encoders[trial.condition.encoder]) * 2 * records
        pieces.append(Piece(f"layers {folder.name}", 0 if folder.exists() else seconds))
    for baseline in grid.baselines:
        there = (places.results / baseline.place).exists()
        seconds = 0 if there else _measuring(baseline, grid, counts[baseline.store])
        pieces.append(Piece(str(baseline.place), seconds))
    return pieces


def _records(name: str, grid: Grid, places: Places) -> int:
    settings = grid.stores[name]
    if places.store(name).exists():
        return len(Store.open(places.store(name)).records)
    if settings.simulate is not None:
        return settings.simulate.records
    assert settings.folder is not None
    return len(entries(settings.source, expand(settings.folder, name)))


def _finished(trial: Trial, encoder: Checkpoint, places: Places) -> bool:
    folder = places.results / trial.place / encoder.name / trial.recipe.task
    cells = [cell for s in stacks(trial.recipe, encoder.encoder.shape.depth) for cell in s]
    return all((folder / cell.name / "run.json").exists() for cell in cells)


def _pretraining(recipe: PretrainRecipe, counts: Mapping[str, int]) -> float:
    preprocessing, settings = recipe.input.preprocessing(), recipe.optimisation
    folds = [(str(part.store), len(part.folds or range(_FOLDS))) for part in recipe.corpus]
    records = sum(counts[store] * share // _FOLDS for store, share in folds)
    signals = torch.randn(settings.batch, len(preprocessing.leads), preprocessing.samples)
    seconds = _training_step(
        build(recipe, preprocessing),
        lambda module, batch: module(batch, preprocessing.leads).loss,
        signals,
        settings,
    )
    return seconds * settings.epochs * max(1, records // settings.batch)


def _training_step(model: nn.Module, loss: Loss, batch: Any, settings: Optimisation) -> float:
    few = settings.model_copy(update={"epochs": 1.0, "warmup_epochs": 0.0, "accumulate": 1})

    def steps(count: int) -> None:
        fit(
            model,
            loss=loss,
            batches=lambda numbers: repeat(batch, len(numbers)),
            steps_per_epoch=count,
            settings=few,
        )

    return _seconds_a_step(steps)


def _measuring(baseline: Baseline, grid: Grid, records: int) -> float:
    stated, recipe = grid.input.preprocessing(), baseline.recipe
    samples = round(grid.stores[baseline.store].seconds * stated.rate)
    made = StoreInput(stated.rate, samples, stated.leads, stated.band)
    if isinstance(recipe, NetworkRecipe):
        settings = recipe.optimisation
        train = max(2, records * len(recipe.split.train) // _FOLDS)
        seconds = _network_step(recipe, made) * settings.epochs * max(1, train // settings.batch)
    else:
        # Ridge takes less than its features do.
        seconds = _transform(recipe, made) * records
    return seconds * len(recipe.seeds)


def _network_step(recipe: NetworkRecipe, made: StoreInput) -> float:
    fed, classes = networks.window(made, recipe), len(task(recipe.task).classes)
    signals = torch.randn(recipe.optimisation.batch, len(fed.leads), fed.samples)

    def loss(module: nn.Module, batch: Tensor) -> Tensor:
        logits = module(batch)
        return classification_loss(logits, torch.zeros_like(logits), exclusive=False).mean()

    return _training_step(
        networks.build(recipe, fed, classes, 0), loss, signals, recipe.optimisation
    )


@torch.inference_mode()
def _transform(recipe: RocketRecipe, made: StoreInput) -> float:
    """Seconds a record."""
    signals = torch.randn(8, len(made.leads), made.samples)
    rocket = MiniRocket.fit(signals, features=recipe.features)
    return _seconds_a_step(lambda n: [rocket(signals) for _ in range(n)]) / len(signals)


def _extraction(encoder: Checkpoint) -> float:
    """Seconds a record."""
    return _pass(encoder.encoder.shape, encoder.preprocessing.leads)


@cache
@torch.inference_mode()
def _pass(shape: EncoderShape, leads: tuple[str, ...]) -> float:
    encoder, batch = Encoder(shape).eval(), 16
    signals = torch.randn(batch, len(leads), shape.samples)
    return _seconds_a_step(lambda n: [encoder.pooled(signals, leads) for _ in range(n)]) / batch


def _probing(trial: Trial, encoder: Checkpoint, records: int) -> float:
    split = trial.recipe.split
    train = max(2, records * len(split.train) // _FOLDS)
    shape, classes = encoder.encoder.shape, len(task(trial.recipe.task).classes)
    steps = trial.recipe.optimisation.epochs * steps_per_epoch(train, trial.recipe.optimisation)
    whole = trial.recipe.model_copy(update={"fraction": 1.0, "task": "any"})
    learning = steps * _probe_step(whole, classes, shape.depth, shape.width)
    return learning + train * _solved_record(whole, classes, shape.depth, shape.width)


@cache
def _probe_step(recipe: ProbeRecipe, classes: int, depth: int, width: int) -> float:
    """Seconds that one step of all that is learned takes."""

    def steps(count: int) -> None:
        optimisation = recipe.optimisation.model_copy(update={"epochs": float(count)})
        short = recipe.model_copy(update={"optimisation": optimisation})
        job = _on_noise(short, recipe.optimisation.batch, classes, depth, width)
        for cells in stacks(short, depth):
            readouts = job.readouts(cells)
            if is_learned(cells[0].head, readouts[0][0]):
                job.fit(*job.build(cells[0].head, readouts))

    return _seconds_a_step(steps)


@cache
def _solved_record(recipe: ProbeRecipe, classes: int, depth: int, width: int) -> float:
    """Seconds a training record that solving all linear heads takes."""
    records = 512
    job = _on_noise(recipe, records, classes, depth, width)
    began = time.perf_counter()
    for cells in stacks(recipe, depth):
        if cells[0].head == "linear":
            for readout in job.readouts(cells)[0]:
                job.solve(readout, recipe.seeds[0], recipe.penalties)
    return (time.perf_counter() - began) / records


def _on_noise(recipe: ProbeRecipe, records: int, classes: int, depth: int, width: int) -> Job:
    rows = np.arange(records)
    targets = np.random.default_rng(0).random((records, classes)) < 0.5
    names = tuple(map(str, range(classes)))
    splits = dict.fromkeys(("train", "validation", "test"), rows)
    ids = rows.astype(object)
    cohort = Cohort("any", "noise", names, {}, False, targets, splits, ids, ids, {})
    return Job(nn.LayerNorm(width), torch.randn(records, depth + 1, width), cohort, recipe)


def _token_piece(
    trial: TokenTrial, recipe: TokenProbeRecipe, encoder: Checkpoint, records: int, places: Places
) -> Piece:
    place = trial.place / encoder.name / recipe.task
    folders = [places.results / place / cell.name for cell in tokens.cells(recipe)]
    there = all((folder / "run.json").exists() for folder in folders)
    return Piece(f"{place}, tokens", 0 if there else _probing_tokens(recipe, encoder, records))


@torch.no_grad()
def _seen(recipe: TokenProbeRecipe, encoder: Checkpoint) -> dict[View, Tensor]:
    """What readouts see of one record."""
    leads, shape = encoder.preprocessing.leads, encoder.encoder.shape
    views = tokens.views(recipe.readouts, shape)
    return look(encoder.encoder, torch.randn(1, len(leads), shape.samples), leads, views)


def _probing_tokens(recipe: TokenProbeRecipe, encoder: Checkpoint, records: int) -> float:
    seen, settings = _seen(recipe, encoder), recipe.optimisation
    kept = sum(2 * shown.numel() for shown in seen.values()) * records <= recipe.keep * 1e9
    passes = 1 if kept else settings.epochs
    batch = {v: torch.randn(settings.batch, *shown.shape[1:]) for v, shown in seen.items()}
    wanted, classes = tokens.cells(recipe), len(task(recipe.task).classes)
    probes = tokens.build(recipe, wanted, encoder.encoder.shape, classes)

    def steps(count: int) -> None:
        fit(
            probes,
            loss=lambda module, batch: module(batch).square().sum(),
            batches=lambda numbers: repeat(batch, len(numbers)),
            steps_per_epoch=count,
            settings=settings.model_copy(update={"epochs": 1.0, "warmup_epochs": 0.0}),
        )

    train = max(2, records * len(recipe.split.train) // _FOLDS)
    count = settings.epochs * steps_per_epoch(train, settings)
    return passes * records * _extraction(encoder) + count * _seconds_a_step(steps)


def _seconds_a_step(run: Callable[[int], object]) -> float:
    """The difference between a few steps and one, so that setting up is not counted."""
    run(1)
    began = time.perf_counter()
    run(1)
    one = time.perf_counter()
    run(5)
    return max(time.perf_counter() - one - (one - began), 1e-6) / 4
