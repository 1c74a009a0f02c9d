"""From a spreadsheet of labels to a table of predictions for a folder of files."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from network import trained
from plain_states import extract, hidden_states, read
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

network = trained()
labels = pd.read_csv("labels.csv")
states = extract(network, list("ptb-xl/" + labels["file"]))[:, -1]
train, validation = (labels["split"] == name for name in ("train", "validation"))
fitted = []
for c in 10.0 ** np.arange(-4, 3):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
    model.fit(states[train], labels["sick"][train])
    found = model.predict_proba(states[validation])[:, 1]
    fitted.append((roc_auc_score(labels["sick"][validation], found), c, model))
_, _, model = max(fitted)
joblib.dump(model, "model.joblib")

rows = []
for file in sorted(Path("export").rglob("*.hea")):
    row = {"file": str(file)}
    try:
        state = hidden_states(network, read(str(file.with_suffix("")))[None])[:, -1]
        row["score"] = model.predict_proba(state)[0, 1]
    except (ValueError, OSError) as error:
        row["error"] = str(error)
    rows.append(row)
pd.DataFrame(rows).to_csv("scores.csv", index=False)
