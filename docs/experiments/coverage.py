"""Check the intervals of cross-fitted differences: how often do they hold the true difference?

    .venv/bin/python docs/experiments/coverage.py [--sets 400]

Many data sets are drawn, of patients with one to three records, a label and the features of two
layers. Ridge probes of both are cross-fitted as `evaluation/crossfit.py` does it, each rotation on
a scale of its own. The true difference is that of the same probes on 20,000 further records,
averaged over all data sets.
"""

import argparse

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from myocard.metrics.scores import auroc
from myocard.metrics.summary import difference, macro_resamples

PATIENTS, WIDTH, FOLDS = 800, 20, 5
Reals = NDArray[np.floating]


def draw(rng: np.random.Generator, patients: int) -> tuple[Reals, Reals, NDArray[np.bool_], Reals]:
    """Features of two layers, labels and patients."""
    owner = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    trait = rng.normal(size=patients)[owner]
    severity = 0.8 * trait + 0.6 * rng.normal(size=len(owner))
    labels = severity > 1.036
    common = rng.normal(size=(len(owner), WIDTH))
    layers = []
    for strength in (0.5, 0.65):
        own = 0.7 * common + 0.7 * rng.normal(size=common.shape)
        own[:, 0] += 2 * strength * severity
        layers.append(own)
    return layers[0], layers[1], labels, owner


def cross_fitted(
    rng: np.random.Generator, further: tuple
) -> tuple[list[Reals], NDArray, Reals, float]:
    """Standardised scores of both layers, labels, patients, and the probes' true difference."""
    one, other, labels, owner = draw(rng, PATIENTS)
    folds = rng.integers(0, FOLDS, PATIENTS)[owner]
    scores, true = [np.zeros(len(labels)), np.zeros(len(labels))], []
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        found = []
        for k, features in enumerate((one, other)):
            probe = Ridge(10.0).fit(features[train], labels[train])
            own = probe.predict(features[test]) * rng.uniform(0.2, 5) + rng.normal()
            scores[k][test] = (own - own.mean()) / own.std()
            once = np.ones((1, len(further[2])), dtype=np.int64)
            far = probe.predict(further[k])
            found.append(float(auroc(further[2][:, None], far[:, None], once)[0, 0]))
        true.append(found[1] - found[0])
    return scores, labels, owner, float(np.mean(true))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=400)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    further = draw(rng, 10_000)
    found, true = [], []
    for _ in range(given.sets):
        scores, labels, owner, difference_there = cross_fitted(rng, further)
        drawn = [
            macro_resamples(labels[:, None], each[:, None], groups=owner, resamples=400)
            for each in scores
        ]
        found.append(difference(drawn[1], drawn[0]))
        true.append(difference_there)
    truth = float(np.mean(true))
    inside = np.mean([each.low <= truth <= each.high for each in found])
    mean = np.mean([each.difference for each in found])
    spread = np.std([each.difference for each in found], ddof=1)
    told = np.mean([each.se for each in found])
    print(f"{given.sets} data sets of {PATIENTS} patients, {FOLDS} rotations")
    print(f"true difference {truth:.4f}, mean estimate {mean:.4f}")
    print(f"deviation of estimates {spread:.4f}, mean standard error {told:.4f}")
    error = np.sqrt(inside * (1 - inside) / given.sets)
    print(f"95 % intervals hold the true difference in {inside:.3f} ± {error:.3f} of data sets")


if __name__ == "__main__":
    main()
