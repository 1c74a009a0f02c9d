"""Ask from embeddings alone which encoders differ, by the protocol of arXiv 2602.17531 and by ours.

    .venv/bin/python docs/experiments/embeddings.py OUT FEATURES …

The last layer of each folder of features is saved as `.npy`, as anybody would, read back and probed
on the same records. Every class and the macro average ask of each model whether it is worse than
the best. That paper's code takes the model that is best on test, swaps two models' scores record by
record, and counts every p below .05. Ours takes the model that is best on validation, keeps the
records of a patient together, and adjusts p for all questions (Holm); the last line resamples in
place of swapping, as myocard's report does.
"""

import argparse
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.evaluation.embeddings import import_embeddings
from myocard.evaluation.features import Features
from myocard.evaluation.probing import probe
from myocard.metrics.scores import auroc, bootstrap_counts
from myocard.metrics.significance import holm
from myocard.metrics.summary import difference
from myocard.recipe import ProbeRecipe
from myocard.results.saved import Predictions, load_runs

DRAWS, ALPHA = 1000, 0.05
P = dict[tuple[str, str], NDArray[np.floating]]
"""By two models: p of each class, then of the macro average."""


class Protocol(NamedTuple):
    """A way to ask: what is swapped or resampled, where the best model is sought, and Holm."""

    unit: str
    reference: str
    adjusted: bool


PROTOCOLS = (
    Protocol("records swapped", "test", adjusted=False),
    Protocol("patients swapped", "test", adjusted=False),
    Protocol("patients swapped", "validation", adjusted=False),
    Protocol("patients swapped", "validation", adjusted=True),
    Protocol("patients resampled", "validation", adjusted=True),
)


def predicted(folder: Path, out: Path, task: str) -> tuple[Predictions, Predictions]:
    """Predictions for validation and test from the last layer's embeddings."""
    features = Features.open(folder)
    held_out = features.records["fold"] > 8
    if (features.known[held_out] != "").any():
        raise SystemExit(f"{folder}: pretrained on held-out records")
    place = out / "embeddings" / features.encoder.name
    place.mkdir(parents=True, exist_ok=True)
    states = features.norm(features.pooled()[:, -1].float()).detach()
    np.save(place / "last.npy", states.numpy())
    features.records.drop(columns=["known", "sha256", "fingerprint"]).to_parquet(
        place / "records.parquet"
    )
    (read,) = import_embeddings(place, out, records=place / "records.parquet").features
    recipe = ProbeRecipe(task=task, readouts=("last",), heads=("linear",), seeds=(0,))
    (run,) = load_runs(*probe(read, recipe, out, test=True))
    return run.predictions("validation"), run.predictions("test")


def areas(found: Predictions, counts: NDArray[np.integer]) -> NDArray[np.floating]:
    """AUROC of each class, then their mean, in each resample: ``(resamples, classes + 1)``."""
    by_class = auroc(found.targets == 1, found.scores[0], counts)
    return np.column_stack([by_class, by_class.mean(axis=1)])


def swapped(a: Predictions, b: Predictions, owner: NDArray[np.object_]) -> NDArray[np.floating]:
    """Test differences: the two models' scores of each owner change places at random."""
    once = np.ones((1, len(a.ids)), dtype=int)
    rng, (owners, place) = np.random.default_rng(0), np.unique(owner, return_inverse=True)
    seen = np.abs(areas(a, once) - areas(b, once))
    beyond = np.zeros(seen.shape[1])
    for _ in range(DRAWS):
        swap = (rng.random(len(owners)) < 0.5)[place][:, None]
        sides = [
            found._replace(scores=np.where(swap, other.scores, found.scores))
            for found, other in ((a, b), (b, a))
        ]
        beyond += (np.abs(areas(sides[0], once) - areas(sides[1], once)) >= seen)[0]
    return (1 + beyond) / (1 + DRAWS)


def resampled(a: Predictions, b: Predictions) -> NDArray[np.floating]:
    """Test differences by a paired bootstrap of patients."""
    once = np.ones((1, len(a.ids)), dtype=int)
    drawn = bootstrap_counts(a.patients, records=len(a.ids), resamples=DRAWS, seed=0)
    of_a, of_b = (areas(found, np.concatenate([once, drawn])) for found in (a, b))
    return np.array([difference(x, y).p for x, y in zip(of_a.T, of_b.T, strict=True)])


def findings(
    p: P, protocol: Protocol, areas_of: dict[str, dict[str, NDArray[np.floating]]]
) -> list[tuple[str, int]]:
    """Models that are called worse than the best, each with the place of the class."""
    scores = areas_of[protocol.reference]
    asked = []
    for target in range(len(next(iter(scores.values())))):
        best = max(scores, key=lambda name: scores[name][target])
        others = [name for name in scores if name != best]
        pairs = [p[min(best, name), max(best, name)][target] for name in others]
        asked += [(name, target, value) for name, value in zip(others, pairs, strict=True)]
    values = np.array([value for *_, value in asked])
    told = holm(values) if protocol.adjusted else values
    return [(name, k) for (name, k, _), value in zip(asked, told, strict=True) if value < ALPHA]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("features", type=Path, nargs="+")
    parser.add_argument("--task", default="ptbxl-superdiagnostic")
    given = parser.parse_args()
    found = {each.name: predicted(each, given.out, given.task) for each in given.features}
    areas_of = {
        split: {
            name: areas(both[place], np.ones((1, len(both[place].ids)), dtype=int))[0]
            for name, both in found.items()
        }
        for place, split in enumerate(("validation", "test"))
    }
    tested = {name: test for name, (_, test) in found.items()}
    p: dict[str, P] = {protocol.unit: {} for protocol in PROTOCOLS}
    for a, b in combinations(sorted(tested), 2):
        one, other = tested[a], tested[b]
        p["records swapped"][a, b] = swapped(one, other, one.ids)
        p["patients swapped"][a, b] = swapped(one, other, one.patients)
        p["patients resampled"][a, b] = resampled(one, other)
    (test, *_) = tested.values()
    questions = test.targets.shape[1] + 1
    print(
        f"{len(test.ids)} records of {len(set(test.patients))} patients, {len(tested)} models, "
        f"{questions} targets: {questions * (len(tested) - 1)} questions"
    )
    for name in tested:
        told = " ".join(f"{areas_of[split][name][-1]:.3f}" for split in areas_of)
        print(f"{name:20}macro AUROC on validation and test {told}")
    for protocol in PROTOCOLS:
        worse = findings(p[protocol.unit], protocol, areas_of)
        adjusted = "Holm" if protocol.adjusted else "no"
        print(
            f"{protocol.unit:20}best on {protocol.reference:12}adjusted: {adjusted:6}"
            f"{len(worse):3} called worse, macro: {[n for n, k in worse if k == questions - 1]}"
        )


if __name__ == "__main__":
    main()
