"""A fine-tuning whose losses are in MLflow."""

import mlflow
import numpy as np
import pandas as pd
import torch
from braindecode import EEGClassifier
from braindecode_states import read
from network import trained
from skorch.callbacks import MlflowLogger
from skorch.dataset import Dataset
from skorch.helper import predefined_split

labels = pd.read_csv("labels.csv")


def data(split):
    rows = labels[labels["split"] == split]
    return np.stack([read(f"ptb-xl/{file}") for file in rows["file"]]), rows["sick"].to_numpy()


mlflow.set_tracking_uri("sqlite:///mlflow.db")
with mlflow.start_run():
    classifier = EEGClassifier(
        trained(),
        max_epochs=3,
        batch_size=32,
        optimizer=torch.optim.AdamW,
        train_split=predefined_split(Dataset(*data("validation"))),
        callbacks=[MlflowLogger(terminate_after_train=False)],
    )
    classifier.fit(*data("train"))
