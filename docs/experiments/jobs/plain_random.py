"""The same cross-validation on random weights, and the paired difference."""

import numpy as np
import pandas as pd
import torch
from network import Network
from plain_comparison import compare
from plain_crossvalidation import out_of_fold
from plain_states import extract

labels = pd.read_csv("labels.csv")
torch.manual_seed(0)
untrained = extract(Network().eval(), list("ptb-xl/" + labels["file"]))
table = pd.DataFrame(
    {
        "patient": labels["patient_id"],
        "target": labels["sick"],
        "ours": out_of_fold(np.load("states.npy")[:, -1], labels),
        "theirs": out_of_fold(untrained[:, -1], labels),
    }
)
print(compare(table))
