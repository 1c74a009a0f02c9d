"""From a spreadsheet of labels to a table of predictions for a folder of files."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch
from braindecode import EEGClassifier
from braindecode_states import read
from network import trained
from skorch.callbacks import EarlyStopping
from skorch.dataset import Dataset
from skorch.helper import predefined_split

labels = pd.read_csv("labels.csv")


def data(split):
    rows = labels[labels["split"] == split]
    return np.stack([read(f"ptb-xl/{file}") for file in rows["file"]]), rows["sick"].to_numpy()


classifier = EEGClassifier(
    trained(),
    max_epochs=20,
    batch_size=32,
    optimizer=torch.optim.AdamW,
    train_split=predefined_split(Dataset(*data("validation"))),
    callbacks=[EarlyStopping(load_best=True)],
)
classifier.fit(*data("train"))
joblib.dump(classifier, "classifier.joblib")

rows = []
for file in sorted(Path("export").rglob("*.hea")):
    row = {"file": str(file)}
    try:
        signal = read(str(file.with_suffix("")))
        row["score"] = classifier.predict_proba(signal[None])[0, 1]
    except (ValueError, OSError) as error:
        row["error"] = str(error)
    rows.append(row)
pd.DataFrame(rows).to_csv("scores.csv", index=False)
