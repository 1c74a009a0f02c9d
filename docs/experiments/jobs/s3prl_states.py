"""States of all layers of a torch network, from WFDB files."""

import numpy as np
import pandas as pd
import torch
import wfdb
from network import trained
from s3prl.upstream.interfaces import UpstreamBase
from scipy.signal import resample_poly

LEADS = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def read(path):
    record = wfdb.rdrecord(path)
    names = [name.upper() for name in record.sig_name]
    signal = record.p_signal.T[[names.index(lead) for lead in LEADS]]
    signal = resample_poly(signal, 100, record.fs, axis=1)[:, :1000]
    signal -= signal.mean(axis=1, keepdims=True)
    return (signal / signal.std(axis=1, keepdims=True)).astype(np.float32)


class Upstream(UpstreamBase):
    def __init__(self, network):
        super().__init__()
        self.model = network
        self.add_hook("self.model.stem", lambda _, output: output.mT)
        for k in range(len(network.blocks)):
            self.add_hook(f"self.model.blocks[{k}]", lambda _, output: output)

    def forward(self, wavs):
        self.model(torch.stack(wavs))


if __name__ == "__main__":
    labels = pd.read_csv("labels.csv")
    upstream = Upstream(trained())
    states = []
    for file in labels["file"]:
        with torch.inference_mode():
            found = upstream([torch.tensor(read(f"ptb-xl/{file}"))])["hidden_states"]
        states.append(torch.stack([layer.mean(dim=1) for layer in found], dim=1))
    np.save("states.npy", torch.cat(states))
