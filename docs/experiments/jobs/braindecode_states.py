"""States of all layers of a torch network, from WFDB files."""

import numpy as np
import pandas as pd
import torch
import wfdb
from braindecode.visualization import capture_activations
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
    modules = [network.stem, *network.blocks]
    outputs = [capture_activations(network, signals, module) for module in modules]
    outputs[0] = outputs[0].mT
    return torch.stack([output.mean(dim=1) for output in outputs], dim=1)


if __name__ == "__main__":
    labels = pd.read_csv("labels.csv")
    signals = torch.tensor(np.stack([read(f"ptb-xl/{file}") for file in labels["file"]]))
    network = trained()
    np.save("states.npy", torch.cat([hidden_states(network, some) for some in signals.split(64)]))
