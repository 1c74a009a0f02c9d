"""AUROC of each layer with a 95 % interval by patient, penalties from validation: a figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

labels = pd.read_csv("labels.csv")
states = np.load("states.npy")
sick, patients = labels["sick"].to_numpy(), labels["patient_id"].to_numpy()
train, validation, test = (labels["split"] == name for name in ("train", "validation", "test"))


def interval(scores, targets, patients, resamples=1000):
    rng = np.random.default_rng(0)
    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    values = []
    for _ in range(resamples):
        drawn = rng.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[k] for k in drawn])
        if 0 < targets[rows].mean() < 1:
            values.append(roc_auc_score(targets[rows], scores[rows]))
    return np.quantile(values, [0.025, 0.975])


curve = []
for layer in states.swapaxes(0, 1):
    fitted = []
    for c in 10.0 ** np.arange(-4, 3):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
        model.fit(layer[train], sick[train])
        found = model.predict_proba(layer[validation])[:, 1]
        fitted.append((roc_auc_score(sick[validation], found), c, model))
    _, _, best = max(fitted)
    scores = best.predict_proba(layer[test])[:, 1]
    curve.append((roc_auc_score(sick[test], scores), *interval(scores, sick[test], patients[test])))
value, low, high = np.transpose(curve)
plt.fill_between(range(len(value)), low, high, alpha=0.3)
plt.plot(value, marker="o")
plt.xlabel("layer")
plt.ylabel("AUROC")
plt.savefig("curve.svg")
