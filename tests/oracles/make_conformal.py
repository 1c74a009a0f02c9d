"""Make conformal.npz with mapie 1.6.0 (BSD-3), in an environment of its own.

python -m venv /tmp/oracle && /tmp/oracle/bin/pip install mapie==1.6.0
/tmp/oracle/bin/python tests/oracles/make_conformal.py
"""

from pathlib import Path

import numpy as np
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

CLASSES, RECORDS, NEW = 4, (21, 60), 40
COVERAGES = (0.5, 0.8, 0.9, 0.95)


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose input is its probabilities."""

    def fit(self) -> "Given":
        self.classes_ = np.arange(CLASSES)
        return self

    def predict_proba(self, probabilities: np.ndarray) -> np.ndarray:
        return probabilities

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        return probabilities.argmax(axis=1)


class Same(RegressorMixin, BaseEstimator):
    """A regression whose input is its prediction."""

    def fit(self) -> "Same":
        self.fitted_ = True
        return self

    def predict(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0]


rng = np.random.default_rng(0)
arrays = {}
for records in RECORDS:
    probabilities = rng.dirichlet(np.ones(CLASSES), size=records + NEW)
    classes = np.array([rng.choice(CLASSES, p=each) for each in probabilities])
    values = rng.normal(size=(records + NEW, 1))
    truth = values[:, 0] + rng.normal(size=records + NEW)
    arrays |= {
        f"{records}_probabilities": probabilities,
        f"{records}_classes": classes[:records],
        f"{records}_values": values[:, 0],
        f"{records}_truth": truth[:records],
    }
    for coverage in COVERAGES:
        how = {"confidence_level": coverage, "prefit": True}
        sets = SplitConformalClassifier(Given().fit(), conformity_score="lac", **how)
        sets.conformalize(probabilities[:records], classes[:records])
        intervals = SplitConformalRegressor(Same().fit(), **how)
        intervals.conformalize(values[:records], truth[:records])
        arrays |= {
            f"{records}_sets_{coverage}": sets.predict_set(probabilities[records:])[1][:, :, 0],
            f"{records}_intervals_{coverage}": intervals.predict_interval(values[records:])[1][
                ..., 0
            ],
        }
np.savez_compressed(Path(__file__).with_name("conformal.npz"), **arrays)
