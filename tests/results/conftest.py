"""A cohort of made-up records, and scores of it."""

import numpy as np
import pytest

from myocard.tasks.cohort import Cohort


@pytest.fixture
def cohort() -> Cohort:
    rng = np.random.default_rng(0)
    return Cohort(
        task="any",
        source="made",
        classes=("a", "b"),
        left_out={"c": "0 positives in test"},
        outcome="any",
        targets=(rng.random((100, 2)) < 0.4).astype(float),
        rows={
            "train": np.arange(20),
            "validation": np.arange(20, 60),
            "test": np.arange(60, 100),
        },
        ids=np.array([f"r{k}" for k in range(100)], dtype=object),
        patients=np.array([f"p{k // 2}" for k in range(100)], dtype=object),
        folds={"train": (1,), "validation": (2,), "test": (3,)},
        traits={"sex": np.array(["F", "M"] * 50, object), "age": np.arange(100.0)},
    )


@pytest.fixture
def scores(cohort) -> dict[str, np.ndarray]:
    """Scores of three seeds."""
    rng = np.random.default_rng(1)
    return {
        split: 0.3 * cohort.targets[cohort.rows[split]] + 0.7 * rng.random((3, 40, 2))
        for split in ("validation", "test")
    }
