"""AUROC of each fold, patients whole; the network is trained anew in every fold."""

import os
from pathlib import Path

import numpy as np
from deepecgkit import ECGEvaluator
from deepecgkit.models import ResNet1D
from deepecgkit_folder import Mine

data = Mine(Path(os.curdir))
scores = ECGEvaluator(metrics=["auc"]).cross_validate(
    ResNet1D,
    (np.stack(data.signals).astype(np.float32), data.labels),
    groups=np.array(data.group_ids),
    epochs=5,
    input_channels=12,
    output_size=2,
)
print(scores["auc"])
