"""Agreement of two rankings."""

import numpy as np
from numpy.typing import ArrayLike


def rank_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Compute Spearman's rank correlation of two arrays of a shape; NaN where one is constant."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(one), rankdata(other)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).sum(axis=1).prod())
    return float(centred[0] @ centred[1] / spread) if spread > 0 else float("nan")
