"""Ask a naive protocol and ours which of several equal models are worse than the best.

    .venv/bin/python docs/experiments/naive_protocol.py [--sets 400]

Many data sets are drawn, of patients with one to eight records and scores of six models that are
equally good. Each model errs in its own way about a patient, and so about all of their records.
The naive protocol resamples records, takes as reference the model that is best on test, and counts
every p below .05. The code of arXiv 2602.17531 does so, with permutations in place of resamples.
Ours resamples patients, takes the model that is best on validation, and adjusts p (Holm). Every
finding is false.
"""

import argparse
from itertools import product

import numpy as np
from numpy.typing import NDArray

from myocard.metrics.calibration import wilson
from myocard.metrics.scores import auroc, bootstrap_counts
from myocard.metrics.significance import holm
from myocard.metrics.summary import difference

MODELS, PATIENTS, RECORDS, RESAMPLES, ALPHA = 6, 150, 8, 400, 0.05
PATIENTS_OR_RECORDS = {"records": False, "patients": True}
REFERENCES = ("test", "validation")
ADJUSTED = {"no": False, "Holm": True}


def draw(rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray, NDArray]:
    """Targets ``(records, models)``, all the same; scores of every model; patients."""
    owner = np.repeat(np.arange(PATIENTS), rng.integers(1, RECORDS + 1, PATIENTS))
    sick = (rng.random(PATIENTS) < 0.3)[owner]
    own = rng.normal(size=(PATIENTS, MODELS))[owner] + rng.normal(size=(len(owner), MODELS))
    return np.tile(sick[:, None], MODELS), 1.5 * sick[:, None] + own, owner


def values(
    targets: NDArray[np.bool_], scores: NDArray, groups: NDArray | None, seed: int
) -> NDArray[np.floating]:
    """AUROC of every model as it is and in each resample, ``(1 + resamples, models)``."""
    records = len(targets)
    drawn = bootstrap_counts(groups, records=records, resamples=RESAMPLES, seed=seed)
    return auroc(targets, scores, np.concatenate([np.ones((1, records), drawn.dtype), drawn]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=400)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    cells = list(product(PATIENTS_OR_RECORDS, REFERENCES, ADJUSTED))
    found = {cell: np.zeros(given.sets, dtype=int) for cell in cells}
    for k in range(given.sets):
        (seen, seen_scores, _), (targets, scores, owner) = draw(rng), draw(rng)
        once = np.ones((1, len(seen)), dtype=int)
        of_unit = {
            unit: values(targets, scores, owner if by_patient else None, k)
            for unit, by_patient in PATIENTS_OR_RECORDS.items()
        }
        best = {
            "test": int(of_unit["records"][0].argmax()),
            "validation": int(auroc(seen, seen_scores, once)[0].argmax()),
        }
        for unit, chosen_on, adjustment in cells:
            drawn, reference = of_unit[unit], best[chosen_on]
            others = [m for m in range(MODELS) if m != reference]
            p = [difference(drawn[:, m], drawn[:, reference]).p for m in others]
            told = holm(p) if ADJUSTED[adjustment] else np.array(p)
            found[unit, chosen_on, adjustment][k] = (told < ALPHA).sum()
    print(
        f"{given.sets} data sets, {MODELS} equal models, {PATIENTS} patients, 1–{RECORDS} records"
    )
    print(f"{'resampled':10}{'reference':12}{'adjusted':10}false findings  sets with any [95 %]")
    for cell in cells:
        some = int((found[cell] > 0).sum())
        low, high = wilson(np.array(some), np.array(given.sets))
        rate = f"{some / given.sets:.3f} [{low:.3f}, {high:.3f}]"
        print(f"{cell[0]:10}{cell[1]:12}{cell[2]:10}{found[cell].mean():>14.2f}  {rate}")


if __name__ == "__main__":
    main()
