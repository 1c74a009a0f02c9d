"""A temperature, and the threshold that finds nine in ten of the sick in validation."""

from pathlib import Path

import joblib
import numpy as np
import torch
from deepecgkit import ECGDataModule, build_model_from_checkpoint
from deepecgkit.cli.run_dir import resolve_checkpoint
from deepecgkit.evaluation.calibration import TemperatureScaler
from deepecgkit_folder import Mine

model, _ = build_model_from_checkpoint(resolve_checkpoint("runs/mine"))
data = ECGDataModule(dataset=Mine(Path.cwd()))
data.setup()
signals, sick = (torch.cat(parts) for parts in zip(*data.val_dataloader(), strict=True))
with torch.inference_mode():
    logits = model.eval()(signals).numpy()
scaler = TemperatureScaler().fit(logits, sick.numpy())
scores = scaler.transform(logits)[:, 1]
threshold = np.quantile(scores[sick == 1], 0.1, method="lower")
joblib.dump((scaler, threshold), "calibrated.joblib")
