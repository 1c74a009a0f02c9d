"""Scores out of fold, patients whole; the network is trained anew in every fold."""

import numpy as np
import pandas as pd
import torch
from braindecode import EEGClassifier
from braindecode_states import read
from network import trained
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

labels = pd.read_csv("labels.csv")
signals = np.stack([read(f"ptb-xl/{file}") for file in labels["file"]])
classifier = EEGClassifier(
    trained(), max_epochs=5, batch_size=32, optimizer=torch.optim.AdamW, train_split=None, verbose=0
)
scores = cross_val_predict(
    classifier,
    signals,
    labels["sick"].to_numpy(),
    groups=labels["patient_id"],
    cv=GroupKFold(5),
    method="predict_proba",
)[:, 1]
print(roc_auc_score(labels["sick"], scores))
