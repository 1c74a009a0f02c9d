"""A fine-tuning whose losses are in MLflow."""

import mlflow
import numpy as np
import pandas as pd
import torch
from network import trained
from plain_states import read
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

labels = pd.read_csv("labels.csv")


def data(split):
    rows = labels[labels["split"] == split]
    signals = np.stack([read(f"ptb-xl/{file}") for file in rows["file"]])
    return TensorDataset(torch.tensor(signals), torch.tensor(rows["sick"].to_numpy()))


network = trained().train()
optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
train, validation = DataLoader(data("train"), 32, shuffle=True), data("validation").tensors
mlflow.set_tracking_uri("sqlite:///mlflow.db")
with mlflow.start_run():
    mlflow.log_params({"lr": 1e-3, "batch": 32})
    for epoch in range(3):
        network.train()
        for signals, sick in train:
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(network(signals), sick)
            loss.backward()
            optimiser.step()
            mlflow.log_metric("train_loss", loss.item())
        network.eval()
        with torch.inference_mode():
            loss = nn.functional.cross_entropy(network(validation[0]), validation[1])
        mlflow.log_metric("validation_loss", loss.item(), step=epoch)
