"""Integrated gradients of one record's score, over its leads in a figure."""

import joblib
import matplotlib.pyplot as plt
import torch
from braindecode.visualization import integrated_gradients
from braindecode_states import LEADS, read

signal = torch.tensor(read("export/00001_hr"))
module = joblib.load("classifier.joblib").module_.eval()
attribution = integrated_gradients(module, signal[None], torch.tensor([1]))[0].detach()
strongest = attribution.abs().max()
figure, axes = plt.subplots(12, sharex=True, figsize=(10, 14))
for axis, lead, trace, share in zip(axes, LEADS, signal, attribution, strict=True):
    axis.plot(trace, color="black", linewidth=0.5)
    axis.scatter(range(1000), trace, c=share, cmap="coolwarm", s=4, vmin=-strongest, vmax=strongest)
    axis.set_ylabel(lead)
figure.savefig("explanation.png")
