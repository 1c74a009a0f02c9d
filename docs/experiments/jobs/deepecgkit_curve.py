"""Every layer's AUROC on states from elsewhere, with a 95 % interval by record: a figure."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from deepecgkit import ECGEvaluator
from deepecgkit.evaluation.representation import build_probe

labels = pd.read_csv("labels.csv")
states, sick = np.load("states.npy"), labels["sick"].to_numpy()
train, test = (labels["split"] == name for name in ("train", "test"))
evaluator = ECGEvaluator(metrics=["auc"])
curve = []
for layer in states.swapaxes(0, 1):
    probe = build_probe().fit(layer[train], sick[train])
    scores = probe.predict_proba(layer[test])
    found = evaluator.bootstrap_evaluate(scores, (scores, sick[test]))["auc"]
    curve.append((found["mean"], found["lower_ci"], found["upper_ci"]))
value, low, high = np.transpose(curve)
plt.fill_between(range(len(value)), low, high, alpha=0.3)
plt.plot(value, marker="o")
plt.xlabel("layer")
plt.ylabel("AUROC")
plt.savefig("curve.svg")
