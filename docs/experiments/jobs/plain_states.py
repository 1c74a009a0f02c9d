"""States of all layers of a torch network, from WFDB files: torch and wfdb alone."""

import numpy as np
import pandas as pd
import torch
import wfdb
from network import trained
from scipy.signal import resample_poly

LEADS = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def read(path):
    record = wfdb.rdrecord(path)
    names = [name.upper() for name in record.sig_name]
    signal = record.p_signal.T[[names.index(lead) for lead in LEADS]]
    signal = resample_poly(signal, 100, record.fs, axis=1)[:, :1000]
    signal -= signal.mean(axis=1, keepdims=True)
    return (signal / signal.std(axis=1, keepdims=True)).astype(np.float32)


@torch.inference_mode()
def hidden_states(network, signals):
    tokens = network.stem(torch.as_tensor(signals)).mT
    states = [tokens.mean(dim=1)]
    for block in network.blocks:
        tokens = block(tokens)
        states.append(tokens.mean(dim=1))
    return torch.stack(states, dim=1).numpy()


def extract(network, files):
    batches = [files[first : first + 64] for first in range(0, len(files), 64)]
    return np.concatenate(
        [hidden_states(network, np.stack([read(file) for file in batch])) for batch in batches]
    )


if __name__ == "__main__":
    labels = pd.read_csv("labels.csv")
    np.save("states.npy", extract(trained(), list("ptb-xl/" + labels["file"])))
