"""Ask openecg's layers for the amplitude, which its input cannot hold, and for the heart rate.

    pip install --no-deps openecg opendsp
    .venv/bin/python docs/experiments/amplitude.py out

Each of 400 simulated records is multiplied by a factor of its own, from 1/4 to 4. openecg reads
ranks, which no factor changes, so ridge regression must not find its logarithm in any layer. That
it finds the heart rate in the same states shows that it finds what is there.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from true_sizes import openecg

from myocard.data.preparation import Wanted, prepare
from myocard.evaluation.features import extract
from myocard.leads import LEADS
from myocard.record import Record
from myocard.simulation import entries, simulate

RECORDS, PENALTIES = 400, np.logspace(-1, 5, 7)


def explained(states: np.ndarray, factor: np.ndarray) -> tuple[float, float, float]:
    """R² of ten-fold cross-validated ridge regression, with an interval over records."""
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    found = cross_val_predict(model, states, factor, cv=10)
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(factor), len(factor)) for _ in range(1000)]
    missed, spread = (factor - found) ** 2, (factor - factor.mean()) ** 2
    values = [1 - missed[rows].sum() / spread[rows].sum() for rows in draws]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(1 - missed.sum() / spread.sum()), float(low), float(high)


def louder(read: Callable[[], Record], factor: float) -> Record:
    record = read()
    return replace(record, signal=np.float32(factor) * record.signal)


def main() -> None:
    torch.set_num_threads(2)
    out, log_factor = Path(sys.argv[1]), np.random.default_rng(1).uniform(-2, 2, RECORDS)
    drawn = [
        replace(entry, read=partial(louder, entry.read, 2.0**each))
        for entry, each in zip(entries(RECORDS, 0, rate=500.0), log_factor, strict=True)
    ]
    wanted = Wanted(500, 10.0, LEADS, allow=("wrong_unit",))
    store = prepare(drawn, out / "store", wanted, source="simulated")
    index = store.records["id"].str[1:].astype(int).to_numpy()
    rates = np.array([simulate(0, k, rate=100.0).heart_rate for k in index])
    encoder = openecg()
    states = extract(encoder, store, out / encoder.info.name).states
    print("layer  log2 of the factor, R2        heart rate, R2")
    for layer in range(len(encoder.layers)):
        told = [explained(states[:, layer], truth) for truth in (log_factor[index], rates)]
        print(f"{layer:5}", *(f"  {v:6.3f} [{low:6.3f}, {high:6.3f}]" for v, low, high in told))


if __name__ == "__main__":
    main()
