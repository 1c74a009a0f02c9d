"""Worth of each objective, for the same processor time, on simulated records.

    .venv/bin/python docs/experiments/objectives.py [seconds [objective ...]]

Each trains the ``nano`` encoder on folds 1 to 7 of 1,000 simulated records, from the same random
weights, for about that many processor seconds (60) of one core. Beside the loss at its start and
its end: macro AUROC, on folds 8 to 10, of a logistic regression on the last layer and on the mean
of all blocks (PPA), what PPA gains on the encoder before any training, which is the first line,
with the paired 95 % bootstrap interval over patients, and the effective rank of the last layer. One
split and one seed of the training.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from myocard.data.batches import Part, Shuffled, Windows, in_order, shuffled
from myocard.data.preparation import Wanted, prepare
from myocard.data.store import Store
from myocard.metrics.summary import difference, macro_resamples
from myocard.nn.analysis.representation import effective_rank
from myocard.nn.encoder import Encoder, patch_tokens
from myocard.pretraining.objectives import OBJECTIVES, Model
from myocard.pretraining.pretrain import build, select
from myocard.recipe import CorpusPart, InputSettings, Optimisation, PretrainRecipe
from myocard.simulation import entries
from myocard.tasks.registry import task
from myocard.training.loop import fit

INPUT = InputSettings(highpass=0.5, lowpass=40.0)
STATED = INPUT.preprocessing()
RECORDS, BATCH, TRAIN = 1000, 16, (1, 2, 3, 4, 5, 6, 7)


def simulated(folder: Path) -> Store:
    wanted = Wanted(STATED.rate, 10.0, STATED.leads, STATED.band)
    return prepare(entries(RECORDS, 0, rate=100.0), folder, wanted, source="simulated", jobs=1)


def recipe(objective: str) -> PretrainRecipe:
    how = {"epochs": 1.0, "batch": BATCH, "base_learning_rate": 1.6e-2, "weight_decay": 0.01}
    return PretrainRecipe(
        name=objective,
        corpus=(CorpusPart(folds=TRAIN),),
        input=INPUT,
        size="nano",
        objective=objective,
        optimisation=Optimisation(**how, betas=(0.9, 0.95), precision="fp32"),
    )


def train(objective: str, store: Store, seconds: float) -> tuple[Model, list[float]]:
    """Steps of the number that takes so many seconds; the cost of one is tried on another model."""
    wanted = recipe(objective)
    windows = Windows([select(part, store) for part in wanted.corpus], STATED)
    order = Shuffled(len(windows), BATCH, 0)
    losses: list[float] = []

    def run(model: Model, steps: int) -> float:
        losses.clear()
        began = time.process_time()
        few = {"epochs": float(steps), "warmup_epochs": 0.1 * steps}
        fit(
            model,
            loss=lambda module, signals: module(signals, STATED.leads).loss,
            batches=lambda numbers: shuffled(windows, order, numbers),
            steps_per_epoch=1,
            settings=wanted.optimisation.model_copy(update=few),
            report=lambda done: losses.append(done.loss),
        )
        return (time.process_time() - began) / steps

    run(build(wanted), 1)
    cost = run(build(wanted), 4)
    model = build(wanted)
    run(model, max(20, round(seconds / cost)))
    return model, losses


@torch.no_grad()
def readouts(encoder: Encoder, store: Store) -> tuple[torch.Tensor, torch.Tensor]:
    """LN(h_L) and PPA of every record."""
    windows = Windows([Part(store, np.arange(len(store.records)))], STATED)
    batches = in_order(windows, batch=50)
    pooled = torch.cat([torch.stack(list(_means(encoder, batch)), dim=1) for batch in batches])
    return encoder.norm(pooled[:, -1]), encoder.norm(pooled[:, 1:].mean(dim=1))


def _means(encoder: Encoder, signals: torch.Tensor) -> Iterator[torch.Tensor]:
    for tokens in encoder.layers(encoder.tokens(signals, STATED.leads)):
        yield patch_tokens(tokens, len(STATED.leads)).mean(dim=(1, 2))


def resamples(features: torch.Tensor, store: Store) -> NDArray[np.floating]:
    """Macro AUROC of the test records, and of each resample of their patients."""
    targets, kept = task("ptbxl-all").targets(store.records["codes"].map(list))
    trained = store.records["fold"].isin(TRAIN).to_numpy()
    train, test = kept & trained, kept & ~trained
    common = np.minimum(targets[train].sum(axis=0), targets[test].sum(axis=0)) >= 10

    def score(target: NDArray[np.bool_]) -> NDArray[np.floating]:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
        fitted = model.fit(features[train].numpy(), target[train])
        return fitted.decision_function(features[test].numpy())

    scores = np.stack([score(target) for target in targets.T[common]], axis=1)
    patients = store.records["patient"].to_numpy()[test]
    return macro_resamples(targets[test][:, common], scores, groups=patients)


def line(
    name: str, encoder: Encoder, store: Store, losses: list[float], before: NDArray[np.floating]
) -> str:
    last, ppa = readouts(encoder.eval(), store)
    found = resamples(ppa, store)
    fall = f"{np.mean(losses[:5]):6.3f} {np.mean(losses[-20:]):6.3f}" if losses else " " * 13
    gain = difference(found, before)
    told = f"{gain.difference:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    scores = f"{resamples(last, store)[0]:.3f}  {found[0]:.3f}"
    return f"{name:9} {len(losses):5} {fall}  {scores}  {told}  {effective_rank(last):5.1f}"


def main(seconds: str = "60", *names: str) -> None:
    print("objective steps  start    end   last    PPA  gain of PPA [95 %]        rank")
    with tempfile.TemporaryDirectory() as folder:
        store = simulated(Path(folder) / "store")
        random = build(recipe("mae")).encoder.eval()
        before = resamples(readouts(random, store)[1], store)
        print(line("random", random, store, [], before), flush=True)
        for name in names or OBJECTIVES:
            model, losses = train(name, store, float(seconds))
            print(line(name, model.encoder, store, losses, before), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
