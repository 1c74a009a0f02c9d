"""One weight a layer, learned with a linear head: the weights, and AUROC on test."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from s3prl.nn import Featurizer
from sklearn.metrics import roc_auc_score
from torch import nn

labels = pd.read_csv("labels.csv")
states = torch.tensor(np.load("states.npy"))
sick = torch.tensor(labels["sick"].to_numpy(), dtype=torch.float32)
train, validation, test = (
    torch.tensor((labels["split"] == name).to_numpy()) for name in ("train", "validation", "test")
)
states = (states - states[train].mean(dim=0)) / states[train].std(dim=0)
layers, width = states.shape[1:]
upstream = SimpleNamespace(
    num_layers=layers, hidden_sizes=[width] * layers, downsample_rates=[1] * layers
)


def logits(model, rows):
    featurizer, head = model
    all_hs = [layer[rows, None] for layer in states.unbind(dim=1)]
    lengths = [torch.ones(len(all_hs[0]), dtype=torch.long)] * layers
    return head(featurizer(all_hs, lengths)[0][:, 0]).squeeze(1)


def fit(decay):
    torch.manual_seed(0)
    model = nn.ModuleList([Featurizer(upstream), nn.Linear(width, 1)])
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=decay)
    for _ in range(500):
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(logits(model, train), sick[train])
        loss.backward()
        optimiser.step()
    return model.eval()


@torch.inference_mode()
def auroc(model, rows):
    return roc_auc_score(sick[rows], logits(model, rows))


best = max(map(fit, [1e-3, 1e-2, 1e-1, 1.0]), key=lambda model: auroc(model, validation))
print(best[0].weights.softmax(dim=0).tolist(), auroc(best, test))
