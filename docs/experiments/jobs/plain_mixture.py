"""One weight a layer, learned with a linear head: the weights, and AUROC on test."""

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

labels = pd.read_csv("labels.csv")
states = torch.tensor(np.load("states.npy"))
sick = torch.tensor(labels["sick"].to_numpy(), dtype=torch.float32)
train, validation, test = (
    torch.tensor((labels["split"] == name).to_numpy()) for name in ("train", "validation", "test")
)
states = (states - states[train].mean(dim=0)) / states[train].std(dim=0)


class Mixture(nn.Module):
    def __init__(self, layers, width):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(layers))
        self.head = nn.Linear(width, 1)

    @property
    def weights(self):
        return self.logits.softmax(dim=0)

    def forward(self, states):
        return self.head(torch.einsum("l,nlw->nw", self.weights, states)).squeeze(1)


def fit(decay):
    torch.manual_seed(0)
    model = Mixture(*states.shape[1:])
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=decay)
    for _ in range(500):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(states[train]), sick[train]).backward()
        optimiser.step()
    return model.eval()


@torch.inference_mode()
def auroc(model, rows):
    return roc_auc_score(sick[rows], model(states[rows]))


best = max(map(fit, [1e-3, 1e-2, 1e-1, 1.0]), key=lambda model: auroc(model, validation))
print(best.weights.tolist(), auroc(best, test))
