"""Integrated gradients of one record's score, over its leads in a figure."""

import joblib
import matplotlib.pyplot as plt
import torch
from captum.attr import IntegratedGradients
from network import trained
from plain_states import LEADS, read
from torch import nn


class Classifier(nn.Module):
    def __init__(self, network, model):
        super().__init__()
        scaler, regression = model[0], model[1]
        self.network = network
        self.register_buffer("mean", torch.tensor(scaler.mean_, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scaler.scale_, dtype=torch.float32))
        self.head = nn.Linear(len(scaler.mean_), 1)
        self.head.weight.data = torch.tensor(regression.coef_, dtype=torch.float32)
        self.head.bias.data = torch.tensor(regression.intercept_, dtype=torch.float32)

    def forward(self, signals):
        tokens = self.network.stem(signals).mT
        for block in self.network.blocks:
            tokens = block(tokens)
        return self.head((tokens.mean(dim=1) - self.mean) / self.scale)


def classifier():
    return Classifier(trained(), joblib.load("model.joblib")).eval()


if __name__ == "__main__":
    signal = torch.tensor(read("export/00001_hr"))
    attribution = IntegratedGradients(classifier()).attribute(signal[None], target=0)[0].detach()
    strongest = attribution.abs().max()
    figure, axes = plt.subplots(12, sharex=True, figsize=(10, 14))
    for axis, lead, trace, share in zip(axes, LEADS, signal, attribution, strict=True):
        axis.plot(trace, color="black", linewidth=0.5)
        axis.scatter(
            range(1000), trace, c=share, cmap="coolwarm", s=4, vmin=-strongest, vmax=strongest
        )
        axis.set_ylabel(lead)
    figure.savefig("explanation.png")
