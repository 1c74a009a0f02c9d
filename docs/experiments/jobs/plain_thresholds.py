"""A temperature, and the threshold that finds nine in ten of the sick in validation."""

import joblib
import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

labels = pd.read_csv("labels.csv")
validation = labels["split"] == "validation"
states, sick = np.load("states.npy")[validation, -1], labels["sick"][validation].to_numpy()
frozen = FrozenEstimator(joblib.load("model.joblib"))
calibrated = CalibratedClassifierCV(frozen, method="temperature").fit(states, sick)
scores = calibrated.predict_proba(states)[:, 1]
threshold = np.quantile(scores[sick == 1], 0.1, method="lower")
joblib.dump((calibrated, threshold), "calibrated.joblib")
