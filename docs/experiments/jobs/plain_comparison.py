"""Difference of two tables' AUROC, paired by patient: interval and p."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score


def compare(table, resamples=4000):
    rng = np.random.default_rng(0)
    rows_of = list(table.groupby("patient").indices.values())
    targets, ours, theirs = table[["target", "ours", "theirs"]].to_numpy().T

    def difference(rows):
        return roc_auc_score(targets[rows], ours[rows]) - roc_auc_score(targets[rows], theirs[rows])

    found = difference(np.arange(len(table)))
    values = []
    for _ in range(resamples):
        drawn = rng.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[k] for k in drawn])
        if 0 < targets[rows].mean() < 1:
            values.append(difference(rows))
    beyond = min(np.mean(np.array(values) <= 0), np.mean(np.array(values) >= 0))
    return found, np.quantile(values, [0.025, 0.975]), min(1.0, 2 * beyond)


if __name__ == "__main__":
    tables = [pd.read_csv(f"{name}.csv") for name in ("ours", "theirs")]
    ours, theirs = tables
    table = ours.rename(columns={"score": "ours"}).merge(
        theirs[["id", "score"]].rename(columns={"score": "theirs"}), on="id", validate="1:1"
    )
    print(compare(table))
