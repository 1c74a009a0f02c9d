"""The spreadsheet as a dataset of the package; and the table of its predictions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from deepecgkit import register_dataset
from deepecgkit.datasets.base import BaseECGDataset
from deepecgkit.datasets.io import read_ecg_recording_with_rate
from deepecgkit.datasets.preprocessing import ECGStandardizer


@register_dataset("mine", input_channels=12, description="labels.csv")
class Mine(BaseECGDataset):
    CLASS_LABELS = ["well", "sick"]
    segment_duration_seconds = 10.0

    def __init__(self, data_dir=None, sampling_rate=100, **others):
        self.standardizer = ECGStandardizer(
            target_sampling_rate=sampling_rate, target_duration_seconds=10.0, normalization="zscore"
        )
        super().__init__(data_dir, sampling_rate, **others)

    @classmethod
    def is_downloaded(cls, data_dir=None):
        return True

    def _load_data(self):
        labels = pd.read_csv(self.data_dir / "labels.csv")
        self.signals = []
        for file in labels["file"]:
            path = self.data_dir / "ptb-xl" / f"{file}.hea"
            self.signals.append(self.standardizer(*read_ecg_recording_with_rate(path)))
        self.labels = labels["sick"].to_numpy()
        self.record_names = list(labels["file"])
        self.patients = list(labels["patient_id"].astype(str))

    @property
    def group_ids(self):
        return self.patients


if __name__ == "__main__":
    rows = []
    for file in sorted(Path("predictions").glob("*.json")):
        found = json.loads(file.read_text())
        rows.append({"file": file.stem, "score": np.ravel(found["probabilities"])[1]})
    pd.DataFrame(rows).to_csv("scores.csv", index=False)
