"""Check the maps of `myocard explain` on real records: are they the model's, and do they hold.

    .venv/bin/python docs/experiments/attribution.py OUT $MYOCARD_DATA [RECORDS]

The packaged encoder with PMA, probed for superclasses on PTB-XL (folds 1 to 8, chosen on 9), asked
about records of fold 10, 60 by default, each about the output of its highest score. Prints medians
over records with bootstrapped 95 % intervals (2,000 resamples of records, seed 0).
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray

from myocard.data.batches import Part, Windows, in_order
from myocard.data.preparation import prepare_folder
from myocard.data.store import Store
from myocard.evaluation.explaining import attribution
from myocard.evaluation.explaining.attribution import Answer, Squares
from myocard.evaluation.features import extract
from myocard.evaluation.probing import probe
from myocard.metrics.ranks import rank_correlation
from myocard.models.model import Model
from myocard.models.opening import from_pretrained
from myocard.models.saving import save
from myocard.recipe import ProbeRecipe, check
from myocard.results.explanation import PAIR, pairs_of

READOUT = "pma-linear"
POINTS = 11
"""Shares of flattened squares at which answers are looked at, from none to all."""
Map = NDArray[np.float64]


def saved_model(out: Path, data: Path) -> tuple[Model, Store]:
    """The model, and the store of its records."""
    encoder = from_pretrained("ecg-nano").encoder
    store = prepare_folder("ptbxl-100", data / "ptbxl_100", out / "store", encoder.input)
    features = extract(encoder, store, out / "features")
    given = {"task": "ptbxl-superdiagnostic", "readouts": ["pma", "layers"], "heads": ["linear"]}
    recipe = check(ProbeRecipe, given | {"seeds": [0]}, "attribution")
    runs = {run.name: run for run in probe(features, recipe, out / "results", test=True)}
    chosen = {"sensitivity": 0.9, "coverage": 0.9}
    return save("ecg-nano", runs[READOUT], out / "model", **chosen), store


def windows(store: Store, model: Model, count: int) -> torch.Tensor:
    """Some records of the test fold, ``(records, leads, samples)``."""
    rows = np.flatnonzero(store.records["fold"] == 10)
    drawn = np.sort(np.random.default_rng(0).choice(rows, count, replace=False))
    return torch.cat(list(in_order(Windows([Part(store, drawn)], model.encoder.input), 64)))


def measures(model: Model, window: torch.Tensor, seed: int) -> dict[str, float]:
    """All that is measured of one record."""
    assert model.classifier is not None
    statement = model.statement
    about = model.classifier, statement.shape, statement.decision
    answer = attribution.answer_of(model.encoder, *about)
    squares = Squares.of(window.shape[1], model.encoder.input.rate)
    flat = squares.flattened(window)
    with torch.no_grad():
        answers, flattened = answer(torch.stack([window, flat])).double().numpy()
    first = int(answers.argmax())
    inputs = window, flat, squares
    found = attribution.gradients(answer, *inputs, [first])[0]
    lost = attribution.occlusion(answer, *inputs)[first]
    untrained = [attribution.answer_of(model.encoder.randomised(k), *about) for k in (0, 1)]
    random = [attribution.gradients(each, *inputs, [first])[0] for each in untrained]
    change = answers[first] - flattened[first]
    measured = {
        "gradients and occlusion, rank correlation": rank_correlation(pairs_of(found), lost),
        "trained and random weights": rank_correlation(found, random[0]),
        "trained and random weights, sizes alone": rank_correlation(abs(found), abs(random[0])),
        "two draws of random weights": rank_correlation(*random),
        "unexplained by gradients, lines": abs(found.sum() - change) / abs(change),
    }
    for steps in (attribution.STEPS, 64):
        name = f"unexplained by gradients, zero, {steps} steps"
        measured[name] = unexplained_from_zero(answer, window, first, steps)
    draws = np.random.default_rng(seed)
    orders = {
        "gradients": pairs_of(found),
        "occlusion": lost,
        "random weights": pairs_of(random[0]),
        "random order": draws.normal(size=lost.shape),
    }
    share = {name: areas(answer, window, flat, squares, first, m) for name, m in orders.items()}
    for name, (deleted, inserted) in share.items():
        by_chance = share["random order"]
        measured[f"deletion, {name}"] = deleted
        measured[f"insertion, {name}"] = inserted
        if name != "random order":
            measured[f"deletion, random order less {name}"] = by_chance[0] - deleted
            measured[f"insertion, {name} less random order"] = inserted - by_chance[1]
    return measured


def unexplained_from_zero(answer: Answer, window: torch.Tensor, output: int, steps: int) -> float:
    """Share of the change from a flat line at zero that gradients leave unexplained."""
    zero = torch.zeros_like(window)
    method = IntegratedGradients(answer)
    found = method.attribute(
        window[None], zero[None], output, n_steps=steps, internal_batch_size=16
    )
    with torch.no_grad():
        whole, nothing = answer(torch.stack([window, zero]))[:, output].double().tolist()
    return abs(float(found.sum()) - (whole - nothing)) / abs(whole - nothing)


def areas(
    answer: Answer,
    window: torch.Tensor,
    flat: torch.Tensor,
    squares: Squares,
    output: int,
    map_: Map,
) -> tuple[float, float]:
    """Mean answer while the pairs that count most are flattened first, and while put back first."""
    order = np.argsort(-map_.ravel(), kind="stable")
    width = np.diff(squares.bounds).reshape(-1, PAIR).sum(axis=1)
    removed, restored = [], []
    for count in np.linspace(0, map_.size, POINTS).round().astype(int):
        chosen = np.zeros(map_.size, bool)
        chosen[order[:count]] = True
        mask = torch.from_numpy(np.repeat(chosen.reshape(map_.shape), width, axis=1))
        removed.append(torch.where(mask, flat, window))
        restored.append(torch.where(mask, window, flat))
    with torch.no_grad():
        answers = answer(torch.stack(removed + restored))[:, output].double()
    return float(answers[:POINTS].mean()), float(answers[POINTS:].mean())


def interval(values: NDArray[np.float64], of: Callable[..., np.ndarray] = np.median) -> str:
    """A median with its bootstrapped interval."""
    draws = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.quantile(of(values[draws], axis=1), (0.025, 0.975))
    return f"{of(values):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    torch.set_num_threads(1)
    out, data = Path(sys.argv[1]), Path(sys.argv[2])
    model, store = saved_model(out, data)
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    found = []
    for number, window in enumerate(windows(store, model, count)):
        found.append(measures(model, window, number))
        print(f"{number + 1} of {count}", file=sys.stderr, flush=True)
    print(f"{count} records of fold 10")
    for name in found[0]:
        print(f"{name}: {interval(np.array([each[name] for each in found]))}")
    below = np.mean([each["gradients and occlusion, rank correlation"] < 0.5 for each in found])
    print(f"share of records on which the two methods disagree: {below:.2f}")


if __name__ == "__main__":
    main()
